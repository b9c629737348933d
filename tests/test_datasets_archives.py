"""Archives: unpacked once, never outside of their folder, and refused when they are bombs."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from photo_files import Heard, classes, photo, tree_of

from tlearn.datasets import archives, load
from tlearn.errors import DatasetError
from tlearn.files import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TLEARN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pack(folder: Path, file: Path, *, top: str = "") -> Path:
    names = sorted(path for path in folder.rglob("*") if path.is_file())
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix.lower() == ".zip":
        with zipfile.ZipFile(file, "w") as archive:
            for path in names:
                archive.write(path, Path(top, path.relative_to(folder)))
    else:
        mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}
        with tarfile.open(file, mode.get(file.suffix, "w")) as archive:
            for path in names:
                archive.add(path, Path(top, path.relative_to(folder)))
    return file


def add(archive: tarfile.TarFile, name: str, data: bytes = b"", **fields: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    archive.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize(
    "suffix", [".zip", ".ZIP", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]
)
@pytest.mark.parametrize("top", ["", "photos/inner"])
def test_every_kind_is_unpacked_and_a_single_top_folder_looked_through(tmp_path, suffix, top):
    file = pack(classes(tmp_path / "x", cat=5, dog=6), tmp_path / f"my pets{suffix}", top=top)
    dataset = load(file, strict=True)
    assert dataset.name == "my pets"
    assert dataset.source == str(file)
    assert dataset.examples["label"].value_counts().to_dict() == {"dog": 6, "cat": 5}


def test_given_splits_and_mac_leftovers_in_an_archive(tmp_path):
    root = tmp_path / "x"
    classes(root / "data" / "train", cat=5, dog=5)
    classes(root / "data" / "test", cat=5, dog=5)
    (root / "__MACOSX" / "data").mkdir(parents=True)
    (root / "__MACOSX" / "data" / "._cat").write_bytes(b"x")
    (root / "data" / ".DS_Store").write_bytes(b"x")
    (root / "README.txt").write_text("hello")
    dataset = load(pack(root, tmp_path / "a.zip"), strict=True)
    assert dataset.examples["split"].value_counts().to_dict() == {"train": 10, "test": 10}
    assert "__MACOSX" not in " ".join(tree_of(tmp_path / "cache"))


def test_an_archive_with_train_alone_keeps_its_split(tmp_path):
    classes(tmp_path / "x" / "train", cat=5, dog=5)
    assert set(load(pack(tmp_path / "x", tmp_path / "a.zip")).examples["split"]) == {"train"}


@pytest.mark.parametrize("top", ["", "set"])
def test_a_table_inside_an_archive_is_used(tmp_path, top):
    root = tmp_path / "x"
    lines = ["path,label,split"]
    for number in range(10):
        photo(root / "images" / f"{number}.png")
        lines.append(f"images/{number}.png,{'ab'[number % 2]},train")
    (root / "labels.csv").write_text("\n".join(lines))
    (root / "other.csv").write_text("a,b\n1,2")
    dataset = load(pack(root, tmp_path / "a.tgz", top=top), strict=True)
    assert dataset.class_names == ("a", "b")
    assert dataset.name == "a"
    assert len(dataset.examples) == 10


def test_a_table_may_not_lead_out_of_its_archive(tmp_path):
    root = tmp_path / "x"
    photo(tmp_path / "secret.png")
    photo(root / "1.png")
    (root / "labels.csv").write_text(f"path,label\n1.png,a\n{tmp_path / 'secret.png'},b\n")
    with pytest.raises(DatasetError, match=r"names files outside of it: .*secret\.png"):
        load(pack(root, tmp_path / "a.zip"))


def test_it_is_unpacked_once_and_anew_when_it_changes(tmp_path, own_cache):
    file = pack(classes(tmp_path / "x", cat=5, dog=5), tmp_path / "a.zip")
    first = load(file)
    unpacked = Path(first.examples["path"][0])
    before = unpacked.stat().st_mtime_ns
    assert load(file).examples.equals(first.examples)
    assert unpacked.stat().st_mtime_ns == before

    pack(classes(tmp_path / "x", cat=6, dog=5), file)
    assert len(load(file).examples) == 11
    assert len(list((own_cache / "archives").iterdir())) == 2


def test_what_a_cleaner_removed_is_unpacked_again(tmp_path):
    file = pack(classes(tmp_path / "x", cat=5, dog=5), tmp_path / "a.zip")
    first = load(file)
    Path(first.examples["path"][3]).unlink()
    assert load(file).examples.equals(first.examples)


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/evil.png", "..\\evil.png", "C:\\evil.png"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_out_are_an_error_and_nothing_is_written(tmp_path, own_cache, name, kind):
    file = pack(classes(tmp_path / "x", cat=2, dog=2), tmp_path / f"a.{kind}")
    if kind == "zip":
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(zipfile.ZipInfo(name), b"evil")
    else:
        with tarfile.open(file, "a") as archive:
            add(archive, name, b"evil")
    with pytest.raises(DatasetError, match="wants to write outside of its own folder"):
        load(file)
    assert list((own_cache / "archives").iterdir()) == []
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd", "cat", "gone.png"])
def test_links_out_of_a_tar_are_an_error(tmp_path, kind, target):
    file = pack(classes(tmp_path / "x", cat=2, dog=2), tmp_path / "a.tar")
    with tarfile.open(file, "a") as archive:
        type_ = tarfile.SYMTYPE if kind == "symbolic" else tarfile.LNKTYPE
        add(archive, "cat/link.png", type=type_, linkname=target)
    with pytest.raises(
        DatasetError, match=r"'cat/link\.png' in a\.tar is a link that points to no"
    ):
        load(file)


def test_links_inside_a_tar_become_copies(tmp_path):
    file = pack(classes(tmp_path / "x", cat=5, dog=5), tmp_path / "a.tar")
    with tarfile.open(file, "a") as archive:
        add(archive, "dog/soft.png", type=tarfile.SYMTYPE, linkname="../cat/0.png")
        add(archive, "dog/hard.png", type=tarfile.LNKTYPE, linkname="cat/1.png")
    examples = load(file).examples
    assert len(examples) == 12
    assert not any(Path(path).is_symlink() for path in examples["path"])
    assert examples["digest"].nunique() == 10


def link_in_zip(file: Path, name: str, target: str) -> None:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(info, target)


def test_links_in_a_zip_are_copies_or_an_error(tmp_path):
    file = pack(classes(tmp_path / "x", cat=5, dog=5), tmp_path / "a.zip")
    link_in_zip(file, "dog/soft.png", "../cat/0.png")
    examples = load(file).examples
    assert len(examples) == 11
    assert not any(Path(path).is_symlink() for path in examples["path"])
    link_in_zip(file, "dog/out.png", "/etc/passwd")
    with pytest.raises(DatasetError, match="is a link that points to no file"):
        load(file)


def test_links_in_a_circle_are_an_error(tmp_path):
    zipped = pack(classes(tmp_path / "x", cat=2, dog=2), tmp_path / "a.zip")
    link_in_zip(zipped, "dog/a.png", "b.png")
    link_in_zip(zipped, "dog/b.png", "a.png")
    tarred = pack(tmp_path / "x", tmp_path / "a.tar")
    with tarfile.open(tarred, "a") as archive:
        add(archive, "dog/a.png", type=tarfile.SYMTYPE, linkname="b.png")
        add(archive, "dog/b.png", type=tarfile.SYMTYPE, linkname="a.png")
    for file in (zipped, tarred):
        with pytest.raises(DatasetError):
            load(file)


def test_devices_and_pipes_in_a_tar_are_passed_over(tmp_path):
    file = pack(classes(tmp_path / "x", cat=5, dog=5), tmp_path / "a.tar")
    with tarfile.open(file, "a") as archive:
        add(archive, "cat/pipe", type=tarfile.FIFOTYPE)
        add(archive, "cat/device", type=tarfile.CHRTYPE)
    assert len(load(file, strict=True).examples) == 10


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path, own_cache, monkeypatch):
    monkeypatch.setattr(archives, "_ALWAYS_ALLOWED", 1 << 20)
    for file in (tmp_path / "a.zip", tmp_path / "a.tar.gz"):
        (tmp_path / "x" / "cat").mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / "cat" / "zeros.bmp").write_bytes(bytes(30 << 20))
        if file.suffix == ".zip":
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.write(tmp_path / "x" / "cat" / "zeros.bmp", "cat/zeros.bmp")
        else:
            pack(tmp_path / "x", file)
        with pytest.raises(DatasetError, match="which no archive of photos of its size does"):
            load(file)
        assert list((own_cache / "archives").iterdir()) == []


def test_a_bomb_of_members_is_refused(tmp_path, own_cache, monkeypatch):
    monkeypatch.setattr(archives, "_MOST_MEMBERS_OF_A_SMALL_ONE", 50)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for number in range(500):
            add(archive, f"cat/{number}")
    with pytest.raises(DatasetError, match="more than 50 members"):
        load(tmp_path / "a.tar.gz")
    assert list((own_cache / "archives").iterdir()) == []


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_a_damaged_archive_is_a_clear_error_and_leaves_nothing(tmp_path, own_cache, suffix):
    whole = pack(classes(tmp_path / "x", cat=5, dog=5), tmp_path / f"whole{suffix}").read_bytes()
    half = tmp_path / f"half{suffix}"
    middle = len(whole) // 2
    for data in (
        whole[:middle],
        b"",
        b"no archive",
        whole[: middle - 9] + bytes(9) + whole[middle:],
    ):
        half.write_bytes(data)
        if suffix == ".tar" and len(data) == len(whole):
            continue  # a plain TAR has no checksum of what it holds; the scan finds such a photo
        with pytest.raises(DatasetError) as caught:
            load(half)
        assert f"Received: source={str(half)!r}" in str(caught.value)
    assert not (own_cache / "archives").exists() or not list((own_cache / "archives").iterdir())


@pytest.mark.parametrize("damage", ["header", "cut", "no end"])
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_tar_that_seems_to_end_early_loses_nothing_silently(tmp_path, suffix, damage):
    whole = pack(classes(tmp_path / "x", cat=5, dog=5), tmp_path / "whole.tar").read_bytes()
    with tarfile.open(tmp_path / "whole.tar") as archive:
        last = archive.getmembers()[-1].offset
    data = {
        "header": whole[: last + 148] + b"9" + whole[last + 149 :],
        "cut": whole[: last + 100],
        "no end": whole[:last],
    }[damage]
    file = tmp_path / f"damaged{suffix}"
    file.write_bytes(gzip.compress(data) if suffix == ".tar.gz" else data)
    with pytest.raises(DatasetError, match="it is damaged, or ends too early"):
        load(file)


def test_a_locked_zip_is_a_clear_error(tmp_path):
    file = pack(classes(tmp_path / "x", cat=2, dog=2), tmp_path / "a.zip")
    data = bytearray(file.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(magic)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(magic, at + 4)
    file.write_bytes(data)
    with pytest.raises(DatasetError, match="cannot be unpacked: .*password"):
        load(file)


def test_a_zip_that_windows_wrote_with_backslashes(tmp_path):
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for path in classes(tmp_path / "x", cat=5, dog=5).rglob("*.png"):
            info = zipfile.ZipInfo("x")
            info.filename = f"{path.parent.name}\\{path.name}"
            archive.writestr(info, path.read_bytes())
    assert load(file).class_names == ("cat", "dog")


def test_an_archive_that_is_no_data_set_says_how_to_arrange_it(tmp_path):
    photo(tmp_path / "x" / "1.png")
    with pytest.raises(DatasetError, match="Expected one sub-folder per class"):
        load(pack(tmp_path / "x", tmp_path / "a.zip"))


def test_progress_counts_what_is_unpacked(tmp_path):
    heard = Heard()
    units = []
    silent_task = heard.task
    heard.task = lambda description, total=None, unit="photos": (  # type: ignore[method-assign]
        units.append((description, unit)) or silent_task(description, total, unit)
    )
    load(pack(classes(tmp_path / "x", a=5, b=5), tmp_path / "a.zip"), progress=heard)
    assert units == [("Unpacking a.zip", "files"), ("Reading photos", "photos")]


def test_a_kill_while_unpacking_leaves_nothing_that_looks_finished(tmp_path, own_cache):
    file = pack(classes(tmp_path / "x", cat=5, dog=5), tmp_path / "a.zip")
    code = (
        "import sys, time; from tlearn.datasets import archives; copy = archives._copy\n"
        "def slow(*arguments):\n"
        "    print('copying', flush=True); time.sleep(60)\n"
        "archives._copy = slow\n"
        f"archives.listing(archives.Path({str(file)!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    [left] = (own_cache / "archives").iterdir()
    assert left.name.startswith(".a-")
    assert ".unfinished-" in left.name

    assert len(load(file, strict=True).examples) == 10
    assert left.exists()  # it might still be another process's work
    yesterday = time.time() - 100_000
    for path in (*left.rglob("*"), left):
        os.utime(path, (yesterday, yesterday))
    Path(load(file).examples["path"][0]).unlink()
    load(file)
    assert not left.exists()


def test_two_processes_that_unpack_at_once_agree(tmp_path, own_cache):
    file = pack(classes(tmp_path / "x", cat=30, dog=30), tmp_path / "a.zip")
    code = (
        "from pathlib import Path; from tlearn.datasets import archives\n"
        f"print(len(archives.listing(Path({str(file)!r})).examples))"
    )
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0].strip() for process in started] == ["60"] * 3
    assert len(list((own_cache / "archives").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_a_clear_error(tmp_path, monkeypatch):
    file = pack(classes(tmp_path / "x", cat=2, dog=2), tmp_path / "a.zip")
    (tmp_path / "file").touch()
    monkeypatch.setenv("TLEARN_CACHE", str(tmp_path / "file"))
    with pytest.raises(DatasetError, match="a file stands where a folder is needed.*TLEARN_CACHE"):
        load(file)
    assert cache.directory() == tmp_path / "file"

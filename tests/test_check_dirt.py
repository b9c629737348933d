"""`tlearn check` on a folder as folders are: damaged, misnamed, huge, looped; all is named, nothing lost."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tlearn
from tlearn.checking.verdict import Check

ROOT = Path(__file__).resolve().parents[1]
STRANGE = ("a b.jpg", "so 'quoted' \"twice\".jpg", "<b>&amp;.jpg", "🐱 cat.jpg", "%20#?.jpg")


def picture(key: int, side: int = 160) -> Image.Image:
    """A smooth picture that only this key gives, unlike all others."""
    small = np.random.default_rng(key).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def bomb(path: Path, side: int = 20_000) -> None:
    """A PNG of zeros: 50 kB that unpack to 400 MB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer = zlib.compressobj(9)
    line = bytes(side + 1)
    packed = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dirt") / "my photos"
    for name in ("cat", "dog", "notes", "empty"):
        (root / name).mkdir(parents=True)
    for number in range(24):
        picture(number).save(root / "cat" / f"{number}.jpg", quality=92)
        picture(100 + number).save(root / "dog" / f"{number}.jpg", quality=92)
    for number, name in enumerate(STRANGE):
        picture(200 + number).save(root / "cat" / name, "JPEG", quality=92)
    picture(300).save(root / "dog" / "png.jpg", "PNG")
    picture(301).convert("P").save(root / "dog" / "gif.jpg", "GIF")
    (root / "cat" / "nothing.jpg").write_bytes(b"")
    whole = (root / "cat" / "1.jpg").read_bytes()
    (root / "cat" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "cat" / "garbage.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"?" * 500)
    bomb(root / "dog" / "bomb.png")
    for number in range(5000):
        (root / "notes" / f"{number}.txt").write_text("no photo", encoding="utf-8")
    (root / "cat" / "loop").symlink_to(root / "cat", target_is_directory=True)
    (root / "dog" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    (root / "dog" / "photos.jpg").mkdir()
    (root / "loose.jpg").write_bytes(whole)
    return root


@pytest.fixture(scope="module")
def checked(dirty: Path) -> Check:
    return tlearn.check(dirty)


def files(checked: Check, kind: str) -> set[str]:
    rows = checked.files[checked.files["finding"] == kind]
    return {checked.name_of(path) for path in rows["path"]}


def test_what_cannot_be_read_is_named_with_the_reason(checked: Check) -> None:
    assert files(checked, "unreadable") == {
        "cat/nothing.jpg", "cat/cut.jpg", "cat/garbage.png", "dog/bomb.png", "dog/gone.jpg",
    }  # fmt: skip
    reasons = {Path(row.path).name: row.note for row in checked.files.itertuples()}
    assert "empty" in reasons["nothing.jpg"]
    assert "truncated" in reasons["cut.jpg"]
    assert "bomb" in reasons["bomb.png"]
    assert "link" in reasons["gone.jpg"]


def test_text_files_are_one_finding_of_their_own(checked: Check) -> None:
    rows = checked.findings.set_index("finding")
    assert rows.loc["not-a-photo", "count"] == 5000
    assert rows.loc["not-a-photo", "severity"] == "note"
    assert rows.loc["empty-class", "count"] == 2
    assert "notes" in rows.loc["empty-class", "about"]


def test_misnamed_files_are_told_and_count_as_photos(checked: Check) -> None:
    assert files(checked, "wrong-suffix") == {"dog/png.jpg", "dog/gif.jpg"}
    assert {"png.jpg", "gif.jpg"} <= {Path(path).name for path in checked.photos["path"]}


def test_what_belongs_to_no_class_is_named(checked: Check) -> None:
    assert files(checked, "left-out") == {"loose.jpg", "cat/loop"}


def test_every_photo_that_can_be_read_is_there_once(checked: Check) -> None:
    assert len(checked.photos) == 24 + 24 + len(STRANGE) + 2
    assert checked.photos["path"].is_unique
    assert set(STRANGE) <= {Path(path).name for path in checked.photos["path"]}


def test_clean_photos_raise_no_alarm(checked: Check) -> None:
    assert set(checked.findings["finding"]) == {
        "unreadable", "empty-class", "left-out", "not-a-photo", "wrong-suffix",
    }  # fmt: skip


def test_tables_and_gallery_are_written_with_every_name(checked: Check, tmp_path: Path) -> None:
    folder = checked.write(tmp_path / "tables")
    assert {path.name for path in folder.iterdir()} == {
        "findings.csv", "files.csv", "photos.csv", "skipped.csv",
    }  # fmt: skip
    text = checked.gallery(tmp_path / "check.html").read_text(encoding="utf-8")
    assert "5,000" in text
    assert len(text) < 1_000_000
    assert "And 4,940 more photos" in text


def command(folder: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], int]:
    """`tlearn check FOLDER`, and the most memory that it took, in kB."""
    program = (
        "import pathlib, sys\n"
        "from tlearn.cli import main\n"
        "sys.argv = ['tlearn', *sys.argv[1:]]\n"
        "try: main()\n"
        # Not ru_maxrss, which begins at the peak of the process that starts this one.
        "finally: print(*[line.split()[1] for line in pathlib.Path('/proc/self/status')"
        ".read_text().splitlines() if line.startswith('VmHWM')], file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "check", str(folder), "--format", "json", *options],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return ran, int(ran.stderr.split()[-1])


def test_the_command_survives_it_in_bounded_memory(dirty: Path, tmp_path: Path) -> None:
    for number in range(4):
        folder = tmp_path / "clean" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        picture(400 + number).save(folder / f"{number}.jpg", quality=92)
    clean, usual = command(tmp_path / "clean")
    assert clean.returncode == 0, clean.stderr
    ran, most = command(
        dirty, "--html", str(tmp_path / "page.html"), "--fail-on", "unreadable"
    )  # fmt: skip
    assert ran.returncode == 3, ran.stderr
    assert "unreadable" in ran.stderr
    assert json.loads(ran.stdout)["findings"][0]["severity"] == "error"
    # The bomb alone would take 400 MB more, as RGB 1.2 GB.
    assert most - usual < 200_000


def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may read every file; run the tests as another user")
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        picture(1).save(tmp_path / name / "1.jpg")
    (tmp_path / "cat" / "1.jpg").chmod(0)
    found = tlearn.check(tmp_path)
    assert "permission" in found.files.set_index("finding").loc["unreadable", "note"]


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ({"cat": 3}, {"one-class", "small-class"}),
        ({"cat": 3, "dog": 0}, {"empty-class", "small-class"}),
        ({"cat": 0, "dog": 0}, {"no-photos"}),
        ({}, {"no-photos"}),
    ],
    ids=["one class", "an empty class", "no photo", "nothing"],
)
def test_what_training_refuses_is_checked(
    tmp_path: Path, layout: dict[str, int], expected: set[str]
) -> None:
    for name, count in layout.items():
        (tmp_path / name).mkdir()
        for number in range(count):
            picture(number).save(tmp_path / name / f"{number}.jpg", quality=92)
    found = tlearn.check(tmp_path)
    assert set(found.findings["finding"]) == expected
    assert found.gallery(tmp_path / "page.html").is_file()
    assert (found.write(tmp_path / "tables") / "findings.csv").is_file()


def test_names_that_are_not_in_utf8_go_through_all_that_is_written(tmp_path: Path) -> None:
    for name in ("cat", "dog", "two\nlines"):
        (tmp_path / "in" / name).mkdir(parents=True)
        picture(len(name)).save(tmp_path / "in" / name / "1.jpg", quality=92)
    odd = os.fsencode(tmp_path / "in" / "cat") + b"/caf\xe9.jpg"
    try:
        Path(os.fsdecode(odd)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes no such name")
    found = tlearn.check(tmp_path / "in")
    assert {"left-out", "class-name"} <= set(found.findings["finding"])
    found.write(tmp_path / "tables")
    assert "caf\\udce9.jpg" in found.gallery(tmp_path / "p.html").read_text(encoding="utf-8")


def test_labels_of_one_class_are_a_warning_and_no_error(tmp_path: Path) -> None:
    from photo_files import Heard

    (tmp_path / "cat").mkdir()
    picture(1).save(tmp_path / "cat" / "1.jpg")
    heard = Heard()
    found = tlearn.check(tmp_path, labels=True, progress=heard)
    assert found.suspects.empty
    assert any("two classes" in warning for warning in heard.warned)

"""Labels that a person has mended: applied to the data set, while no file is touched."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from photo_files import Heard, classes, photo

from tlearn import datasets
from tlearn.errors import DatasetError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return classes(tmp_path / "pets", cat=4, dog=4)


def table(folder: Path, *rows: str, columns: str = "path,label") -> Path:
    file = folder / "corrections.csv"
    file.write_text("\n".join([columns, *rows]) + "\n")
    return file


def labels(dataset: datasets.Dataset) -> dict[str, str]:
    names = (Path(path).parent.name + "/" + Path(path).name for path in dataset.examples["path"])
    return dict(zip(names, dataset.examples["label"], strict=True))


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_mended_label_counts_and_the_given_one_is_kept(photos, tmp_path):
    file = table(tmp_path, "cat/1.png,dog")
    found = datasets.load(photos, corrections=file)
    assert labels(found)["cat/1.png"] == "dog"
    assert (photos / "cat" / "1.png").exists()
    mended = found.examples[found.examples["given_label"].notna()]
    assert list(mended["given_label"]) == ["cat"]
    assert found.corrections == {
        "file": str(file),
        "relabelled": 1,
        "kept": 0,
        "removed": 0,
        "missing": 0,
    }
    # Sorted as if the photo had always been of that class.
    assert list(found.examples["label"]) == ["cat"] * 3 + ["dog"] * 5


@pytest.mark.parametrize("where", ["data set", "table", "absolute"])
def test_paths_may_be_written_in_three_ways(photos, tmp_path, where):
    written = {
        "data set": "cat/1.png",
        "table": "pets/cat/1.png",
        "absolute": str(photos / "cat" / "1.png"),
    }[where]
    found = datasets.load(photos, corrections=table(tmp_path, f"{written},dog"))
    assert labels(found)["cat/1.png"] == "dog"


def test_a_photo_is_removed_kept_or_relabelled(photos, tmp_path):
    file = table(
        tmp_path,
        "cat/0.png,,remove",
        "cat/1.png,,keep",
        "cat/2.png,dog,",
        "cat/3.png,cat,relabel",
        columns="path,label,action",
    )
    found = datasets.load(photos, corrections=file)
    assert "cat/0.png" not in labels(found)
    assert found.skipped["reason"].tolist() == ["removed by corrections.csv"]
    counts = {key: found.corrections[key] for key in ("relabelled", "kept", "removed")}
    assert counts == {"relabelled": 1, "kept": 2, "removed": 1}


def test_the_content_is_found_where_the_photo_has_moved_to(photos, tmp_path):
    digest = digest_of(photos / "cat" / "1.png")
    file = table(tmp_path, f"elsewhere/1.png,dog,{digest}", columns="path,label,digest")
    shutil.move(photos / "cat" / "1.png", photos / "cat" / "moved.png")
    assert labels(datasets.load(photos, corrections=file))["cat/moved.png"] == "dog"


def test_another_photo_at_the_old_path_is_left_as_it_is(photos, tmp_path):
    digest = digest_of(photos / "cat" / "1.png")
    file = table(
        tmp_path,
        f"cat/1.png,dog,{digest}",
        "cat/2.png,dog,",
        columns="path,label,digest",
    )
    photo(photos / "cat" / "1.png", key="another")
    heard = Heard()
    found = datasets.load(photos, corrections=file, progress=heard)
    assert labels(found)["cat/1.png"] == "cat"
    assert found.corrections["missing"] == 1
    assert any("cat/1.png" in line and "1 of 2" in line for line in heard.warned)


def test_of_copies_under_two_classes_the_one_that_is_named_is_removed(photos, tmp_path):
    shutil.copy(photos / "cat" / "1.png", photos / "dog" / "copy.png")
    digest = digest_of(photos / "cat" / "1.png")
    moved = photos.rename(tmp_path / "moved")
    file = table(tmp_path, f"/old/cat/1.png,,{digest},remove", columns="path,label,digest,action")
    heard = Heard()
    found = datasets.load(moved, corrections=file, progress=heard)
    assert "cat/1.png" not in labels(found)
    assert labels(found)["dog/copy.png"] == "dog"
    assert not any("more than one class" in line for line in heard.warned)


@pytest.mark.parametrize(
    ("columns", "rows", "told"),
    [
        ("path,label", ["cat/1.png,horse"], "'horse'.*Expected one of cat, dog"),
        ("path,label", ["cat/1.png,dog", "cat/1.png,cat"], "two things about 1 of the photos"),
        ("path,label", ["cat/1.png,"], "rows without a label: 1"),
        ("path,label,action", ["cat/1.png,dog,burn"], "'burn'.*relabel, remove, keep"),
        ("path,klass", ["cat/1.png,dog"], "no column 'label'"),
        ("path,label", ["nowhere/1.png,dog"], "Not one of the 1 photos"),
        ("path,label", [f"cat/{number}.png,dog" for number in range(4)], "leave no photo in 'cat'"),
    ],
)
def test_what_cannot_be_applied_is_told(photos, tmp_path, columns, rows, told):
    with pytest.raises(DatasetError, match=told):
        datasets.load(photos, corrections=table(tmp_path, *rows, columns=columns))


def test_a_table_that_is_not_there_is_told(photos, tmp_path):
    with pytest.raises(DatasetError, match="no table of corrections"):
        datasets.load(photos, corrections=tmp_path / "none.csv")


def test_a_row_that_says_the_same_twice_is_taken_once(photos, tmp_path):
    file = table(tmp_path, "cat/1.png,dog", "cat/1.png,dog")
    assert datasets.load(photos, corrections=file).corrections["relabelled"] == 1


def test_paths_inside_an_archive_begin_at_its_top(photos, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", photos)
    found = datasets.load(archive, corrections=table(tmp_path, "cat/1.png,dog"))
    assert labels(found)["cat/1.png"] == "dog"

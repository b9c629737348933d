"""`predict --sort-into`: photos go into a folder per class, and nothing is lost or overwritten."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from tlearn.bulk.class_folders import folder_of
from tlearn.bulk.sorting import sort_into
from tlearn.errors import PartsError
from tlearn.files import locking
from tlearn.prediction.answers import answers_table
from tlearn.progress import Progress

CLASSES = ("dress", "hat")


def answers(
    paths: Sequence[str | Path],
    hats: Sequence[float],
    unlike: Sequence[int] = (),
    unread: Sequence[int] = (),
    class_names: Sequence[str] = CLASSES,
) -> pd.DataFrame:
    """A table as `predict` gives it, from how probable a hat is; unsure below 0.7."""
    return answers_table(
        list(paths),
        np.array([[1 - hat, hat] for hat in hats], np.float32),
        class_names,
        ["not an image" if at in unread else None for at in range(len(paths))],
        2,
        threshold=0.7,
        distances=np.array([2.0 if at in unlike else 0.5 for at in range(len(paths))]),
    )


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Six files, of which two in each folder bear the same names."""
    names = ["a/1.jpg", "a/2.jpg", "a/3", "b/1.jpg", "b/2.JPG", "b/4.jpg"]
    for number, name in enumerate(names):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"photo {number}")
        os.utime(file, (1_000_000 + number, 1_000_000 + number))
    return [tmp_path / "photos" / name for name in names]


def content(folder: Path) -> dict[str, set[str]]:
    """What lies in each folder."""
    return {
        one.name: {file.read_text() for file in one.iterdir()}
        for one in folder.iterdir()
        if one.is_dir()
    }


@pytest.mark.parametrize("link", [False, True])
def test_each_photo_is_in_the_folder_of_its_answer(
    photos: list[Path], tmp_path: Path, link: bool
) -> None:
    table = answers(photos, [0.1, 0.6, 0.9, 0.2, 0.9, 0.1], unlike=[5], unread=[4])
    done = sort_into(table, tmp_path / "sorted", link=link)
    assert content(tmp_path / "sorted") == {
        "dress": {"photo 0", "photo 3"},
        "unsure": {"photo 1"},
        "hat": {"photo 2"},
        "unlike": {"photo 5"},
    }
    assert dict(done.folders) == {"dress": 2, "unsure": 1, "hat": 1, "unlike": 1}
    assert (done.before, done.unread, done.failed) == (0, 1, 0)
    file = tmp_path / "sorted" / "hat" / "3"
    assert file.is_symlink() == link
    assert file.stat().st_mtime == 1_000_002, "the time of a photo is kept"
    assert all(photo.exists() for photo in photos)
    again = sort_into(table, tmp_path / "sorted", link=link)
    assert (again.before, dict(again.folders)) == (5, dict(done.folders))
    assert sum(map(len, content(tmp_path / "sorted").values())) == 5


def test_photos_of_one_name_are_both_there(photos: list[Path], tmp_path: Path) -> None:
    table = answers(photos, [0.1] * 6)
    folder = tmp_path / "sorted"
    sort_into([table.iloc[:3], table.iloc[3:]], folder)
    names = sorted(file.name for file in (folder / "dress").iterdir())
    # `2.jpg` and `2.JPG` are one file on many disks.
    assert len({name.casefold() for name in names}) == 6
    assert {"1.jpg", "2.jpg", "3", "4.jpg"} < set(names)
    sort_into(table, folder)
    assert sorted(file.name for file in (folder / "dress").iterdir()) == names
    # Copies of one photo under one name are two photos.
    photos[3].write_text("photo 0")
    sort_into(answers(photos, [0.9] * 6), folder)
    assert len(list((folder / "hat").iterdir())) == 6


def test_a_file_that_is_there_is_never_touched(photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "sorted"
    (folder / "dress").mkdir(parents=True)
    (folder / "dress" / "1.jpg").write_text("mine")
    (folder / "dress" / "2.jpg").symlink_to("nowhere")
    for _ in range(2):
        sort_into(answers(photos[:2], [0.1, 0.1]), folder)
        assert (folder / "dress" / "1.jpg").read_text() == "mine"
        assert (folder / "dress" / "2.jpg").readlink() == Path("nowhere")
        there = {file.read_text() for file in (folder / "dress").iterdir() if file.exists()}
        assert there == {"mine", "photo 0", "photo 1"}
        assert len(list((folder / "dress").iterdir())) == 4


def test_what_a_killed_process_left_is_done_again(photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "sorted"
    table = answers(photos, [0.1] * 6)
    sort_into(table.iloc[:2], folder)
    left = folder / "dress" / ".3.unfinished-123"
    left.write_text("pho")
    done = sort_into(table, folder)
    assert (done.before, done.folders["dress"]) == (2, 6)
    assert not left.exists()
    with locking.locked(folder / ".sorting"), pytest.raises(PartsError, match="Another process"):
        sort_into(table, folder)


def test_a_dry_run_writes_nothing(photos: list[Path], tmp_path: Path) -> None:
    done = sort_into(answers(photos, [0.1] * 3 + [0.9] * 3), tmp_path / "sorted", dry_run=True)
    assert dict(done.folders) == {"dress": 3, "hat": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_photo_that_went_away_is_named_and_stops_nothing(
    photos: list[Path], tmp_path: Path
) -> None:
    warnings: list[str] = []

    class Watcher(Progress):
        def warn(self, message: str) -> None:
            warnings.append(message)

    photos[1].unlink()
    done = sort_into(answers(photos, [0.1] * 6), tmp_path / "sorted", progress=Watcher())
    assert (done.folders["dress"], done.failed) == (5, 1)
    (warning,) = warnings
    assert "1 photos could not be put into a folder" in warning
    assert "2.jpg: No such file" in warning


def test_no_class_leads_out_of_the_folder_or_into_that_of_another(
    photos: list[Path], tmp_path: Path
) -> None:
    names = [
        "..",
        ".",
        "../hat",
        "a/b",
        "/etc",
        "unsure",
        "Unlike",
        "con",
        "",
        " x",
        "x\n",
        "é" * 200,
    ]
    folders = [folder_of(name, unsure=False, unlike=False) for name in names]
    assert len(set(folders)) == len(names)
    for folder in folders:
        assert not set(folder) & set("/\\\n")
        assert folder.strip(". ") == folder
        assert folder.casefold() not in {"unsure", "unlike", "con", ""}
        assert len(folder.encode()) <= 200
    assert folder_of("T-shirt, grün 50%", unsure=False, unlike=False) == "T-shirt, grün 50%"
    sort_into(
        answers(photos[:2], [0.1, 0.9], class_names=("../../out", "unsure")), tmp_path / "sorted"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "sorted"]
    assert len(content(tmp_path / "sorted")) == 2
    assert "unsure" not in content(tmp_path / "sorted")


def test_photos_at_urls_are_copied_and_not_linked(tmp_path: Path) -> None:
    MemoryFileSystem().pipe("/sorting/1.jpg", b"photo 1")
    table = answers(["memory://sorting/1.jpg"], [0.1])
    for before in (0, 1):
        assert sort_into(table, tmp_path / "sorted").before == before
    assert content(tmp_path / "sorted") == {"dress": {"photo 1"}}
    with pytest.raises(PartsError, match="cannot be linked"):
        sort_into(table, tmp_path / "links", link=True)

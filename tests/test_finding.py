"""Files are found as a person means them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlearn.errors import DatasetError
from tlearn.prediction.finding import find


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = ["10.jpg", "2.jpg", "B.png", "a.PNG", ".DS_Store", "more/1.jpg", "more/.hidden/x.jpg"]
    for name in [*names, "more/deep/9.JPG", "odd [1].jpg"]:
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    return Path("photos")


def names(paths: list[Path]) -> list[str]:
    return [path.as_posix() for path in paths]


def test_a_folder_stands_for_all_below_it_in_natural_order_without_hidden_files(
    photos: Path,
) -> None:
    found = ["2.jpg", "10.jpg", "a.PNG", "B.png", "more/1.jpg", "more/deep/9.JPG", "odd [1].jpg"]
    assert names(find(photos)) == [f"photos/{name}" for name in found]


def test_globs_match_at_any_depth_and_take_folders_whole(photos: Path) -> None:
    assert names(find("photos/**/*.jpg")) == [
        "photos/2.jpg",
        "photos/10.jpg",
        "photos/more/1.jpg",
        "photos/odd [1].jpg",
    ]
    assert names(find("photos/m*")) == ["photos/more/1.jpg", "photos/more/deep/9.JPG"]
    assert find("photos/**") == find("photos")


def test_mixed_paths_keep_their_order_and_each_file_comes_once(photos: Path) -> None:
    found = find(["photos/more/1.jpg", photos / "more", "photos/*.PNG", "photos/more/1.jpg"])
    assert names(found) == ["photos/more/1.jpg", "photos/more/deep/9.JPG", "photos/a.PNG"]


def test_a_file_with_brackets_in_its_name_is_no_glob(photos: Path) -> None:
    assert names(find("photos/odd [1].jpg")) == ["photos/odd [1].jpg"]


def test_a_hidden_file_or_folder_that_is_named_is_taken(photos: Path) -> None:
    found = find(["photos/.DS_Store", "photos/more/.hidden"])
    assert names(found) == ["photos/.DS_Store", "photos/more/.hidden/x.jpg"]


def test_a_link_that_leads_back_is_followed_once(photos: Path) -> None:
    (photos / "more" / "back").symlink_to(photos.absolute(), target_is_directory=True)
    found = [path for path in find(photos) if path.name == "2.jpg"]
    assert names(found) == ["photos/2.jpg"]


def test_a_named_file_that_is_missing_is_left_to_the_reader(photos: Path) -> None:
    assert names(find(["photos/nothing.jpg"])) == ["photos/nothing.jpg"]


def test_the_home_folder_is_understood(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(photos.absolute()))
    assert find("~/2.jpg") == [photos.absolute() / "2.jpg"]


def test_nothing_to_look_at_is_an_error(photos: Path) -> None:
    (photos / "empty" / ".git").mkdir(parents=True)
    (photos / "empty" / ".git" / "config").touch()
    with pytest.raises(DatasetError, match=r"glob matches nothing.*paths='photos/\*\.gif'"):
        find(["photos/2.jpg", "photos/*.gif"])
    for given in ([], "photos/empty"):
        with pytest.raises(DatasetError, match="no file to look at"):
            find(given)

"""Tables of photos: what their columns mean, and what is said about a wrong one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from photo_files import Heard, photo

from tlearn.datasets import load
from tlearn.errors import DatasetError


@pytest.fixture
def photos(tmp_path) -> Path:
    for number in range(12):
        photo(tmp_path / "img" / f"{number}.png")
    return tmp_path


def write(folder: Path, text: str, name: str = "photos.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def rows(*, label: str = "{}", start: str = "path,label") -> str:
    """Twelve rows with two labels in turn."""
    names = ("cat", "dog")
    lines = [f"img/{number}.png,{label.format(names[number % 2])}" for number in range(12)]
    return "\n".join([start, *lines])


def test_a_csv_of_paths_and_labels_is_a_data_set(photos):
    dataset = load(write(photos, rows()), strict=True)
    assert dataset.name == "photos"
    assert dataset.class_names == ("cat", "dog")
    assert dataset.examples["label"].value_counts().to_dict() == {"cat": 6, "dog": 6}
    assert set(dataset.examples["path"]) == {str(photos / f"img/{n}.png") for n in range(12)}
    assert all(value is None for value in dataset.examples["split"])


def test_relative_paths_are_relative_to_the_table_wherever_one_stands(
    photos, tmp_path, monkeypatch
):
    table = write(photos, rows())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert len(load(table, strict=True).examples) == 12


def test_absolute_paths_and_windows_separators_are_understood(photos):
    absolute = f"path,label\n{photos / 'img/0.png'},a\nimg\\1.png,b\n./img/../img/2.png,b\n"
    dataset = load(write(photos, absolute), strict=True)
    assert [Path(path).name for path in dataset.examples["path"]] == ["0.png", "1.png", "2.png"]


def test_split_and_group_are_kept_and_spellings_normalised(photos):
    spelt = ["train", "Training", " TRAIN ", "val", "valid", "Validation", "test", "TEST_SET", ""]
    lines = [
        f"img/{number}.png,{'ab'[number % 2]},{split},{f'g{number}' if number < 3 else ''},ignored"
        for number, split in enumerate(spelt)
    ]
    table = write(photos, "\n".join(["path,label,split,group,notes", *lines]))

    examples = load(table).examples.sort_values("path")

    assert examples["split"].tolist() == [
        *["train"] * 3, *["validation"] * 3, *["test"] * 2, None
    ]  # fmt: skip
    assert examples["group"].tolist() == ["g0", "g1", "g2", *[None] * 6]


def test_an_unknown_split_is_an_error_that_lists_the_known_ones(photos):
    table = write(photos, "path,label,split\nimg/0.png,a,train\nimg/1.png,b,holdout\n")
    with pytest.raises(DatasetError, match=r"'holdout'.*Expected one of: train.*val.*test"):
        load(table)


def test_labels_are_texts_as_they_stand(photos):
    labels = ["007", "7", "NA", "null", "1e3", "nan", "True", "café", "a,b", 'a "b"', "None", "0"]
    quoted = ['"' + label.replace('"', '""') + '"' for label in labels]
    lines = [f"img/{number}.png,{label}" for number, label in enumerate(quoted)]
    dataset = load(write(photos, "\n".join(["path,label", *lines])))
    assert set(dataset.class_names) == set(labels)


def test_byte_order_marks_case_spaces_and_blank_lines_do_no_harm(photos):
    text = "\ufeffPath, Label\r\n" + "\r\n".join(rows().splitlines()[1:]) + "\r\n\r\n"
    assert load(write(photos, text.replace(",", ", "))).class_names == ("cat", "dog")


@pytest.mark.parametrize("suffix", [".parquet", ".pq", ".PARQUET"])
def test_parquet_is_taken_with_numbers_and_gaps(photos, suffix):
    table = pd.DataFrame(
        {
            "path": [f"img/{number}.png" for number in range(12)],
            "label": [number % 3 for number in range(12)],
            "split": ["train"] * 6 + [None] * 6,
            "group": [1.0, 2.0, None] * 4,
        }
    )
    table.to_parquet(photos / f"table{suffix}")
    dataset = load(photos / f"table{suffix}", strict=True)
    assert dataset.class_names == ("0", "1", "2")
    assert dataset.examples["group"].value_counts().to_dict() == {"1": 4, "2": 4}
    assert sum(value is None for value in dataset.examples["split"]) == 6
    assert sum(value is None for value in dataset.examples["group"]) == 4


def test_identical_rows_count_once(photos):
    assert len(load(write(photos, rows() + "\nimg/0.png,cat\n./img/1.png,dog")).examples) == 12


@pytest.mark.parametrize(
    ("start", "first", "second", "said"),
    [
        ("path,label", "img/0.png,cat", "img/0.png,dog", "the label 'cat' and 'dog'"),
        ("path,label", "img/0.png,cat", "./img/0.png,dog", "the label 'cat' and 'dog'"),
        ("path,label,split", "img/0.png,a,train", "img/0.png,a,test", "split 'train' and 'test'"),
        ("path,label,group", "img/0.png,a,x", "img/0.png,a,", "the group 'x' and None"),
    ],
)
def test_two_things_said_about_one_photo_are_an_error(photos, start, first, second, said):
    table = write(photos, "\n".join([start, first, second]))
    with pytest.raises(DatasetError, match=f"two things about 1 of its photos.*{said}"):
        load(table)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,class\na.jpg,b\n", "no column 'path' and no column 'label'.*file.*class"),
        ("path;label\na.jpg;b\n", "separated by commas.*path;label"),
        ("path,label\na.jpg,\n", "rows without a label: 1,"),
        ("path,label\n,b\n", "rows without a path: 1,"),
        ("path,label\na,b.jpg,cat\n", "line 2 has 3 values and the first line has 2"),
        ("path,label,label\na.jpg,b,c\n", "more than one column 'label'"),
        ("", "no column 'path'"),
        ("path,label\n", "no class folders, nor photos"),
    ],
)
def test_a_wrong_table_is_a_clear_error(photos, text, said):
    with pytest.raises(DatasetError, match=said):
        load(write(photos, text))


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_damaged_table_is_a_clear_error(photos, name):
    (photos / name).write_bytes(b"\xff\xfe\x00broken")
    with pytest.raises(DatasetError, match=f"{name} cannot be read.*Expected a CSV in UTF-8"):
        load(photos / name)


def test_paths_that_lead_nowhere_are_skipped_and_all_of_them_an_error(photos):
    dataset = load(write(photos, rows() + "\nimg/none.png,cat\nimg,dog"))
    reasons = {Path(path).name: why for path, why in dataset.skipped.itertuples(index=False)}
    assert reasons == {"none.png": "there is no such file", "img": "it is a folder"}

    moved = photos / "moved"
    moved.mkdir()
    shutil.copy(photos / "photos.csv", moved)
    with pytest.raises(DatasetError, match=r"No photo can be read.*relative to '.*moved'"):
        load(moved / "photos.csv")


def test_names_that_are_odd_are_names_and_impossible_ones_are_skipped(photos):
    for name in ("~a.png", "~$b.png"):
        photo(photos / name)
    table = write(photos, "path,label\n~a.png,a\n~$b.png,b\nimg/0.png,a\nx\0y.png,b\n")
    if sys.version_info < (3, 11):  # whose csv module reads no NUL at all
        with pytest.raises(DatasetError, match="line contains NUL"):
            load(table)
        return
    dataset = load(table)
    assert len(dataset.examples) == 3
    assert dataset.skipped["reason"].tolist() == ["no file can have such a name"]


def test_few_photos_are_warned_of_by_class(photos):
    heard = Heard()
    load(write(photos, rows() + "\n" + "\n"), progress=heard)
    assert heard.warned == []
    load(write(photos, "path,label\nimg/0.png,a\nimg/1.png,b"), progress=heard)
    assert "a (1), b (1)" in heard.warned[0]

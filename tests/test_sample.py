"""The sample set: real digits, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from photo_files import tree_of
from PIL import Image
from sklearn.datasets import load_digits

from tlearn import splits
from tlearn.datasets import load, sample
from tlearn.errors import DatasetError


def test_it_is_a_data_set_of_ten_classes(tmp_path):
    assert sample.write(tmp_path / "digits", per_class=7) == 70
    dataset = load(tmp_path / "digits", strict=True)
    assert dataset.class_names == tuple("0123456789")
    assert set(dataset.examples["label"].value_counts()) == {7}
    assert dataset.examples["digest"].nunique() == 70
    assert set(splits.make(dataset).examples["split"]) == {"train", "validation", "test"}


def test_the_photos_are_the_digits_enlarged(tmp_path):
    sample.write(tmp_path / "digits", per_class=3, classes=2)
    assert {path for path in tree_of(tmp_path / "digits") if "/" not in path} == {"0", "1"}
    digits = load_digits()
    for digit in (0, 1):
        for number, original in enumerate(digits.images[digits.target == digit][:3]):
            with Image.open(tmp_path / "digits" / str(digit) / f"{number:03d}.png") as image:
                assert image.size == (96, 96)
                small = np.asarray(image.resize((8, 8), Image.Resampling.BOX), float)
            correlation = np.corrcoef(small.ravel(), original.ravel())[0, 1]
            assert correlation > 0.97


def test_there_are_no_more_than_there_are(tmp_path):
    assert sample.write(tmp_path / "digits", per_class=1000) == 1797


def test_it_writes_into_an_empty_folder_and_never_into_a_full_one(tmp_path):
    (tmp_path / "empty").mkdir()
    sample.write(tmp_path / "empty", per_class=1, classes=2)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").touch()
    for name in ("full", "file", "empty"):
        before = tree_of(tmp_path)
        with pytest.raises(DatasetError, match="is there already and not empty"):
            sample.write(tmp_path / name, per_class=1)
        assert tree_of(tmp_path) == before


def test_an_error_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "_enlarged", lambda pixels: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sample.write(tmp_path / "digits", per_class=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_fills_meanwhile_is_left_alone(tmp_path, monkeypatch):
    target = tmp_path / "digits"
    enlarged = sample._enlarged

    def meanwhile(pixels: np.ndarray) -> Image.Image:
        target.mkdir(exist_ok=True)
        (target / "mine.txt").write_text("mine")
        return enlarged(pixels)

    monkeypatch.setattr(sample, "_enlarged", meanwhile)
    with pytest.raises(DatasetError):
        sample.write(target, per_class=1)
    assert tree_of(tmp_path) == {"digits", "digits/mine.txt"}


@pytest.mark.parametrize(
    "arguments", [{"per_class": 0}, {"classes": 1}, {"classes": 11}, {"per_class": True}]
)
def test_what_the_digits_do_not_have_is_an_error(tmp_path, arguments):
    with pytest.raises(ValueError, match=f"Received: {next(iter(arguments))}="):
        sample.write(tmp_path / "digits", **arguments)


def test_a_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    sample.write("~/digits", per_class=1, classes=2)
    assert (Path(tmp_path) / "digits" / "1" / "000.png").is_file()

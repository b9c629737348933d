"""`tlearn.load`: a run that answers whatever a program has."""

from __future__ import annotations

import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import run_folders
import small_classifier
from PIL import Image

import tlearn
from tlearn.errors import DatasetError, RunError
from tlearn.prediction.classifier import Classifier


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run, made elsewhere and copied here; its training photos are nowhere."""
    root = tmp_path_factory.mktemp("elsewhere")
    with run_folders.runs.unfinished(root, "shirts") as writing:
        run_folders.fill(writing, class_names=small_classifier.CLASSES)
        small_classifier.export_to(writing.saved_model_path)
    copied = tmp_path_factory.mktemp("copied") / "some-run"
    shutil.move(root / "shirts", copied)
    return copied


@pytest.fixture(scope="module")
def classifier(run_folder: Path) -> Classifier:
    return tlearn.load(run_folder)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_classifier.photos_in(tmp_path_factory.mktemp("photos"), 6)


def without_path(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns="path")


def test_it_knows_its_classes_and_when_it_is_unsure(classifier: Classifier) -> None:
    assert classifier.labels == small_classifier.CLASSES
    assert classifier.threshold == pytest.approx(small_classifier.THRESHOLD)
    assert classifier.image_size == small_classifier.SIZE
    assert "3 classes: 1, 10, shirt; threshold 0.6" in repr(classifier)


def test_a_folder_is_answered_as_by_predict(
    classifier: Classifier, run_folder: Path, photos: Path
) -> None:
    said = classifier.predict(photos)
    pd.testing.assert_frame_equal(said, tlearn.predict(photos, run=run_folder), atol=1e-6)
    assert said["unsure"].any()
    assert not said["unsure"].all()


def test_the_same_photo_gets_the_same_answer_however_it_is_given(
    classifier: Classifier, photos: Path
) -> None:
    paths = sorted(photos.rglob("*.png"))
    files = classifier.predict(paths)
    images = classifier.predict([Image.open(path) for path in paths])
    arrays = [np.asarray(Image.open(path)) for path in paths]
    for other in (
        images,
        classifier.predict(arrays),
        classifier.predict(np.stack(arrays)),
        classifier.predict(np.stack(arrays).astype("float64")),
        classifier.predict([str(paths[0]), Image.open(paths[1]), *arrays[2:4], *paths[4:]]),
    ):
        pd.testing.assert_frame_equal(without_path(other), without_path(files), atol=1e-5)
    assert files["path"].tolist() == [str(path) for path in paths]
    assert images["path"].isna().all()
    assert classifier.predict([paths[0], paths[0]])["path"].tolist() == [str(paths[0])] * 2
    one = classifier.predict(arrays[0], top=1)
    assert list(one.columns) == [
        *["path", "answer", "label", "probability", "unsure", "unlike", "distance", "error"]
    ]


def test_probabilities_are_a_column_per_class(classifier: Classifier, photos: Path) -> None:
    (photos.parent / "no photo.jpg").write_bytes(b"no photo")
    paths = [*sorted(photos.rglob("*.png")), photos.parent / "no photo.jpg"]
    table = classifier.probabilities(paths)
    assert list(table.columns) == list(classifier.labels)
    assert table.iloc[-1].isna().all()
    np.testing.assert_allclose(table.iloc[:-1].sum(axis=1), 1, atol=1e-5)
    said = classifier.predict(paths)
    assert table.iloc[:-1].idxmax(axis=1).tolist() == said["label"].tolist()[:-1]
    assert said["error"].tolist()[-1] == "not an image"


def test_a_pillow_image_is_seen_upright_in_rgb_and_is_not_changed(classifier: Classifier) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(small_classifier.pixels(3)).save(file, "PNG", exif=exif)
    lying = Image.open(file)
    upright = np.ascontiguousarray(np.rot90(small_classifier.pixels(3), -1))
    pd.testing.assert_frame_equal(classifier.predict(lying), classifier.predict(upright))
    assert lying.size == (30, 40)
    grey = Image.fromarray(small_classifier.pixels(3)).convert("L")
    pd.testing.assert_frame_equal(classifier.predict(grey), classifier.predict(np.asarray(grey)))
    assert grey.mode == "L"


def test_what_is_no_photo_is_refused_with_what_is_expected(classifier: Classifier) -> None:
    scaled = np.random.default_rng(0).random((20, 20, 3))
    for wrong, message in (
        (scaled, r"scaled to 0\.\.1.*multiply it by 255"),
        (scaled * 2000, r"no brightness.*Received: numbers from"),
        (np.zeros((20, 20, 4), np.uint8), r"the array is no photo.*shape=\(20, 20, 4\)"),
        (np.zeros((0, 20, 20, 3), np.uint8), r"the array is no photo"),
        ([3.5], r"this is no photo.*photos=float"),
    ):
        with pytest.raises(ValueError, match=f"(?i){message}"):
            classifier.predict(wrong)
    with pytest.raises(DatasetError, match="no file to look at"):
        classifier.predict([])
    with pytest.raises(RunError, match="no run 'nothing'"):
        tlearn.load("nothing", root=run_folders.__file__)


def test_another_threshold_or_a_target_needs_no_training(run_folder: Path, photos: Path) -> None:
    assert not tlearn.load(run_folder, threshold=0).predict(photos)["unsure"].any()
    assert tlearn.load(run_folder, threshold=1).predict(photos)["unsure"].all()
    wanted = tlearn.load(run_folder, target_coverage=0.5).threshold
    assert 0 < wanted < 1
    with pytest.raises(ValueError, match="either a threshold or a target"):
        tlearn.load(run_folder, threshold=0.5, target_coverage=0.5)


def test_it_may_be_asked_from_many_threads(classifier: Classifier, photos: Path) -> None:
    alone = classifier.predict(photos)
    with ThreadPoolExecutor(4) as pool:
        for said in pool.map(classifier.predict, [photos] * 12):
            pd.testing.assert_frame_equal(said, alone, atol=1e-6)

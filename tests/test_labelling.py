"""Suspect labels, photos of no class, and which photos to label next."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photo_files import Heard
from typer.testing import CliRunner

import tlearn
from tlearn import cli, datasets, jobs, splits
from tlearn.datasets import sample
from tlearn.errors import DecodeError, RunError
from tlearn.labelling import choosing_next, confident, judging, neighbours, next_photos, suspects
from tlearn.progress import SILENT

CLASSES = ("a", "b", "c")


def photos(labels: np.ndarray, **columns: object) -> pd.DataFrame:
    count = len(labels)
    table = pd.DataFrame(
        {
            "path": [f"{number}.jpg" for number in range(count)],
            "label": [CLASSES[label] for label in labels],
            "split": "train",
            "group": None,
            "digest": [f"{number:064x}" for number in range(count)],
        },
        dtype=object,
    )
    return table.assign(**columns)


def clouds(labels: np.ndarray, *, spread: float = 1.0, seed: int = 0) -> np.ndarray:
    """Features of which each class has a cloud of its own, far from 0."""
    middles = np.zeros((3, 40))
    middles[[0, 1, 2], [0, 1, 2]] = 8
    noise = np.random.default_rng(seed).normal(size=(len(labels), 40))
    return (middles[labels] + 2 + spread * noise).astype(np.float16)


def test_wrong_labels_come_first_and_no_others_are_suspect():
    true = np.arange(300) % 3
    features = clouds(true)
    given = true.copy()
    wrong = [5, 60, 200]
    given[wrong] = (true[wrong] + 1) % 3
    found = judging.of_features(photos(given), features, CLASSES)
    assert set(found.table["path"][:3]) == {f"{number}.jpg" for number in wrong}
    assert found.count == 3
    first = found.table.iloc[0]
    assert first["suggested"] == CLASSES[true[int(first["path"].removesuffix(".jpg"))]]
    assert first["confidence"] > 0.9
    assert found.table["score"].between(0, 1).all()
    assert len(found.table) == 300
    assert np.allclose(found.probabilities.sum(axis=1), 1)


def test_copies_under_two_classes_are_named_even_where_nothing_tells_them_apart():
    labels = np.arange(90) % 3
    table = photos(labels)
    table.loc[4, "digest"] = table.loc[0, "digest"]
    features = clouds(labels)
    features[4] = features[0]
    found = judging.of_features(table, features, CLASSES)
    top = found.table.head(2).set_index("path")
    assert dict(top["same_as"]) == {"0.jpg": "4.jpg", "4.jpg": "0.jpg"}
    assert top["suspect"].all()
    assert dict(top["suggested"]) == {"0.jpg": "b", "4.jpg": "a"}
    # The features are of class a, so that the photo under b is the wrong one.
    assert list(top.index) == ["4.jpg", "0.jpg"]


def test_a_photo_that_a_person_has_looked_at_is_no_suspect_any_more():
    true = np.arange(300) % 3
    given = true.copy()
    given[5] = (true[5] + 1) % 3
    looked_at = pd.Series([None] * 300, dtype=object)
    looked_at[5] = CLASSES[given[5]]
    found = judging.of_features(photos(given, given_label=looked_at), clouds(true), CLASSES)
    assert not found.table.set_index("path").loc["5.jpg", "suspect"]


def test_photos_of_one_group_do_not_speak_for_each_other():
    # A burst of wrong labels agrees with itself; no photo outside of it does.
    true = np.arange(300) % 3
    features = clouds(true)
    burst = [number for number in range(300) if true[number] == 0][:12]
    features[burst] = features[burst[0]] + 0.01 * clouds(true)[burst]
    given = true.copy()
    given[burst] = 1
    group = pd.Series([None] * 300, dtype=object)
    group[burst] = "burst"
    found = judging.of_features(photos(given, group=group), features, CLASSES)
    assert set(found.table["path"][:12]) == {f"{number}.jpg" for number in burst}


def test_photos_that_are_far_from_all_others_are_listed():
    labels = np.arange(300) % 3
    features = clouds(labels, spread=0.7)
    features[[7, 150]] = 0
    features[7, 30], features[150, 35] = 20, 20
    found = judging.of_features(photos(labels), features, CLASSES)
    assert set(found.outliers["path"][:2]) == {"7.jpg", "150.jpg"}
    assert len(found.outliers) < 15
    assert (found.outliers["score"] > 2.5).all()


def test_the_confident_joint_counts_by_thresholds_of_each_class():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.3, 0.7], [0.4, 0.6], [0.2, 0.8]])
    labels = np.array([0, 0, 0, 1, 1])
    assert confident.thresholds(probabilities, labels) == pytest.approx([1.9 / 3, 0.7])
    assert confident.confident_joint(probabilities, labels).tolist() == [[2, 1], [0, 1]]


def test_a_class_without_photos_is_suggested_to_nobody():
    probabilities = np.full((4, 3), 1 / 3)
    joint = confident.confident_joint(probabilities, np.array([0, 0, 1, 1]))
    assert joint[:, 2].sum() == 0


def test_the_joint_is_that_of_cleanlab():
    cleanlab = pytest.importorskip("cleanlab.count")
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 500)
    scores = random.normal(size=(500, 4)) + 2 * np.eye(4)[labels]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    theirs = cleanlab.compute_confident_joint(labels, probabilities, calibrate=False)
    ours = confident.confident_joint(probabilities, labels)
    off = ~np.eye(4, dtype=bool)
    assert (ours[off] == np.asarray(theirs)[off]).all()


def test_very_many_photos_are_compared_with_some(monkeypatch):
    monkeypatch.setattr(neighbours, "_MOST_COMPARED", 60)
    labels = np.arange(300) % 3
    of_fold = np.arange(300) // 3 % 5
    shares = neighbours.votes(clouds(labels, spread=0.5) - 2.0, labels, of_fold, 3, seed=0)
    assert (shares.argmax(axis=1) == labels).all()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "digits"
    sample.write(folder, per_class=30, classes=3)
    sorted((folder / "0").iterdir())[0].rename(folder / "1" / "wrong.png")
    return folder


def read(folder: Path) -> datasets.Dataset:
    return splits.make(datasets.load(folder))


def test_find_names_the_photo_in_the_wrong_folder(digits):
    found = suspects.find(read(digits), image_size=64)
    first = found.table.iloc[0]
    assert Path(first["path"]).name == "wrong.png"
    assert (first["given"], first["suggested"]) == ("1", "0")
    assert first["suspect"]


@pytest.mark.slow
def test_a_finished_run_names_it_and_a_correction_mends_it(digits, tmp_path):
    told = {"recipe": "linear_probe", "image_size": 64, "output": tmp_path}
    run = tlearn.finetune(digits, **told)
    assert Path(run.suspects["path"][0]).name == "wrong.png"
    assert len(run.suspects) == 90
    report = str(tlearn.report(run))
    assert "wrong.png" in report
    tlearn.report(run).write("csv", tmp_path / "suspects.csv", table="suspects")
    assert (tmp_path / "suspects.csv").read_text().count("\n") == 91

    file = tmp_path / "corrections.csv"
    file.write_text("path,label\n1/wrong.png,0\n")
    mended = tlearn.finetune(digits, corrections=file, **told)
    assert mended.info["corrections"]["relabelled"] == 1
    row = mended.splits[mended.splits["given_label"] == "1"].iloc[0]
    assert (Path(row["path"]).name, row["label"]) == ("wrong.png", "0")
    table = mended.suspects.set_index("path")
    assert not table.loc[row["path"], "suspect"]


def test_the_least_sure_comes_first_and_its_copies_come_last():
    probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.51, 0.49], [0.6, 0.4]])
    features = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0.01], [0, 0, 1]])
    assert list(choosing_next.order(probabilities, features, 4)) == [1, 3, 0, 2]
    assert choosing_next.uncertainty(probabilities) == pytest.approx([0.2, 1, 0.98, 0.8])


@pytest.mark.slow
def test_a_folder_of_photos_is_ranked_by_a_run(digits, tmp_path):
    run = tlearn.finetune(digits, recipe="linear_probe", image_size=64, output=tmp_path / "runs")
    unlabelled = tmp_path / "new"
    unlabelled.mkdir()
    sample.write(tmp_path / "more", per_class=4, classes=5)
    photos = sorted((tmp_path / "more").rglob("*.png"))
    for number, photo in enumerate(photos):
        shutil.copy(photo, unlabelled / f"{number}.png")
    (unlabelled / "notes.txt").write_text("not a photo")
    heard = Heard()
    table = next_photos.rank(unlabelled, run=run, output=tmp_path / "next.csv", progress=heard)
    assert list(table["rank"]) == list(range(1, len(photos) + 1))
    assert table["uncertainty"].between(0, 1).all()
    assert set(table["predicted"]) <= set(run.class_names)
    assert any("notes.txt" in line for line in heard.warned)
    assert (tmp_path / "next.csv").read_text().count("\n") == len(photos) + 1

    said = CliRunner().invoke(
        cli.app,
        [
            *("check", str(digits), "--unlabelled", str(unlabelled), "--run", str(run.path)),
            *("--output", str(tmp_path / "tables"), "--format", "csv"),
        ],
    )
    assert said.exit_code == 0, said.output
    assert pd.read_csv(tmp_path / "tables" / "label_next.csv")["path"].equals(table["path"])

    with pytest.raises(DecodeError, match="nothing to rank"):
        next_photos.rank(unlabelled / "notes.txt", run=run)
    run.model_path.unlink()
    with pytest.raises(RunError, match="model for Keras"):
        next_photos.rank(unlabelled, run=run)


def test_what_cannot_be_kept_is_said_and_fails_nothing(digits, monkeypatch):
    data = read(digits)
    heard = Heard()
    monkeypatch.setattr(jobs.job, "_WIDEST", 10)
    import keras

    from tlearn import recipes
    from tlearn.memory import budget

    pixels = keras.Input((32, 32, 3))
    network = keras.Model(pixels, keras.layers.Conv2D(16, 3)(pixels))
    job = jobs.Job(
        network,
        data,
        recipes.linear_probe(60),
        policy="float32",
        budget=budget(None),
        resize_mode="crop",
        progress=SILENT,
    )
    assert suspects.of_job(job, seed=0, progress=heard) is None
    assert any("No label was checked" in line for line in heard.warned)


@pytest.mark.slow
def test_the_three_photos_under_two_classes_of_trash_are_named(shared_data):
    found = suspects.find(read(shared_data / "trash"))
    pairs = {
        frozenset((Path(row["path"]).stem, Path(row["same_as"]).stem))
        for row in found.table[found.table["same_as"].notna()].to_dict("records")
    }
    assert pairs == {
        frozenset(("metal91", "glass115")),
        frozenset(("plastic332", "glass389")),
        frozenset(("plastic152", "glass176")),
    }
    assert found.table.head(6)["suspect"].all()

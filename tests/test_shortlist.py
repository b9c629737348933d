"""Which backbone suits some photos: told before training, from features that finetune finds again."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from photo_files import Heard
from typer.testing import CliRunner, Result

import tlearn
from tlearn import backbones, crossing, heads, jobs
from tlearn.choosing.backbone import candidates, costs, sampling
from tlearn.choosing.backbone.verdict import Shortlist
from tlearn.cli import app
from tlearn.datasets import sample
from tlearn.errors import BackboneError, DurationError
from tlearn.progress import SILENT
from tlearn.recipes import freeze_then_unfreeze


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "digits"
    sample.write(folder, per_class=20, classes=3)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of a network that knows nothing."""
    file = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet((224, 224, 3), alpha=0.25, weights=None)
    network.save_weights(file)
    return file


@pytest.fixture(scope="module")
def found(digits: Path, weights: Path) -> Shortlist:
    names = [f"mobilenet-0.25={weights}", "efficientnet", "keras_cv:no_such_preset", "resnet50"]
    return tlearn.shortlist(digits, backbones=names, image_size=64)


def test_it_recommends_the_backbone_that_knows_something(found):
    assert found.recommended == "efficientnet_lite0"
    assert list(found.table["backbone"][:2]) == ["efficientnet_lite0", "mobilenetv1-0.25"]
    best = found.table.iloc[0]
    assert best["accuracy"] > 0.8
    assert best["low"] <= best["accuracy"] <= best["high"]
    assert "efficientnet_lite0" in found.reason


def test_it_tells_what_each_costs(found):
    small, large = found.table.iloc[1], found.table.iloc[0]
    # The published number without ImageNet's head, and a head of three classes.
    assert large["parameters"] == 4_694_024 - 1281 * 1000 + 1281 * 3
    assert large["exported_bytes"] == 4 * large["parameters"]
    assert small["photos_per_second"] > large["photos_per_second"]
    assert large["fine_tuning_seconds"] > small["fine_tuning_seconds"] > 0
    assert list(found.table["pareto"]) == [True, True, False, False]


def test_backbones_that_cannot_be_had_are_listed_as_such(found):
    absent = found.table.iloc[2:]
    assert set(absent["backbone"]) == {"keras_cv:no_such_preset", "resnet50"}
    assert absent["accuracy"].isna().all()
    assert (absent["note"] != "").all()


def test_nothing_is_recommended_where_nothing_can_be_had(digits):
    with pytest.raises(BackboneError, match="None of the backbones"):
        tlearn.shortlist(digits, backbones=["resnet50"], image_size=64)


@pytest.mark.slow
def test_finetune_finds_the_features_that_the_shortlist_has_kept(digits, found, tmp_path):
    heard = Heard()
    tlearn.finetune(digits, recipe="linear_probe", image_size=64, output=tmp_path, progress=heard)
    assert any("all kept from an earlier run" in line for line in heard.said)


@pytest.mark.slow
def test_finetune_takes_its_advice(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(candidates, "local", lambda: candidates.named(["efficientnet"]))
    run = tlearn.finetune(
        digits, backbone="auto", recipe="linear_probe", image_size=64, output=tmp_path
    )
    assert run.info["backbone"] == "efficientnet_lite0"
    assert "the only one" in run.info["chosen"]
    assert run.info["arguments"]["backbone"] == "auto"


def test_auto_takes_no_weights_of_the_users(digits, weights, tmp_path):
    with pytest.raises(BackboneError, match="--backbone auto"):
        tlearn.finetune(digits, backbone="auto", weights=str(weights), output=tmp_path)


def test_the_candidates_of_this_machine_hold_the_bundled_one():
    assert "efficientnet_lite0" in [one.backbone.name for one in candidates.local()]


def test_a_candidate_is_compared_once_and_a_misspelt_one_is_told():
    assert len(candidates.named(["efficientnet", "lite0", "efficientnet_lite0"])) == 1
    with pytest.raises(BackboneError, match="Did you mean"):
        candidates.named(["efficientnett"])
    with pytest.raises(BackboneError, match="at least one"):
        candidates.named([])


def test_a_budget_that_is_no_time_is_refused(digits):
    with pytest.raises(DurationError):
        tlearn.shortlist(digits, budget="soon")


def test_a_smaller_budget_looks_at_fewer_photos(digits):
    data = jobs.read(
        digits,
        validation=0.2,
        test=0.2,
        seed=0,
        data_dir=None,
        strict=False,
        group=False,
        progress=SILENT,
    )
    few, more = (sampling.drawn(data, most, seed=0).examples for most in (12, 40))
    assert len(few) < len(more) < len(data.examples)
    assert set(few["digest"]) <= set(more["digest"])
    for table in (few, more):
        assert set(table["label"]) == {"0", "1", "2"}
        assert (table["split"] == "test").sum() == (data.examples["split"] == "test").sum()
    assert sampling.drawn(data, 1000, seed=0) is data


def table_of_labels(labels: list[str], digests: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"label": labels, "digest": digests, "group": None}, dtype=object)


def test_folds_share_out_each_class_and_keep_copies_together():
    labels = ["a"] * 50 + ["b"] * 10
    digests = [str(number) for number in range(58)] + ["0", "1"]
    of_fold = crossing.folds(table_of_labels(labels, digests), 5, seed=0)
    assert of_fold[58] == of_fold[0]
    assert of_fold[59] == of_fold[1]
    for fold in range(5):
        assert 9 <= (of_fold[:50] == fold).sum() <= 12
        assert (of_fold[50:] == fold).sum() >= 1


def test_cross_validation_sees_through_features_that_mean_nothing():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    noise = random.normal(size=(300, 60)).astype(np.float32)
    telling = noise[:, :20] + 3 * np.eye(3, 20, dtype=np.float32)[labels]
    of_fold = np.arange(300) % 5
    nothing = crossing.cross_validate(noise, labels, of_fold, 3)
    something = crossing.cross_validate(telling, labels, of_fold, 3)
    assert np.mean(nothing.probabilities.argmax(axis=1) == labels) < 0.45
    assert nothing.log_loss == pytest.approx(np.log(3), abs=0.05)
    assert np.mean(something.probabilities.argmax(axis=1) == labels) > 0.9
    np.testing.assert_allclose(something.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert something.penalty < nothing.penalty


def row(name: str, accuracy: float, speed: float) -> dict[str, object]:
    return {"backbone": name, "accuracy": accuracy, "photos_per_second": speed, "note": ""}


def test_within_noise_the_quicker_one_is_recommended():
    right = np.arange(1000) < 900
    almost = np.roll(right, 1)  # one photo lost, one won
    far = np.arange(1000) < 800
    rows = [row("best", 0.9, 10), row("quick", 0.9, 50), row("quickest", 0.8, 90)]
    rows[1]["accuracy"] = 0.899
    answers = {"best": right, "quick": almost, "quickest": far}
    found = Shortlist.of(rows, answers, photos=1000, of=2000, dataset="photos")
    assert found.recommended == "quick"
    assert "5.0 times as quick as best" in found.reason
    assert "1,000 of 2,000 photos" in found.reason
    assert list(found.table["pareto"]) == [True, True, True]


def test_a_candidate_that_is_slower_and_worse_is_not_on_the_front():
    right = np.arange(100) < 90
    rows = [row("best", 0.9, 50), row("worse", 0.7, 10)]
    answers = {"best": right, "worse": np.arange(100) < 70}
    found = Shortlist.of(rows, answers, photos=100, of=100, dataset="photos")
    assert list(found.table["pareto"]) == [True, False]


def test_more_epochs_and_more_photos_take_longer():
    model = heads.attach(
        backbones.build("mobilenetv1-0.25", weights="random", image_size=64), num_classes=3
    )
    short = costs.measure(model, freeze_then_unfreeze(500, epochs=1), train=500, held_out=100)
    long = costs.measure(model, freeze_then_unfreeze(500, epochs=50), train=5000, held_out=100)
    assert long.fine_tuning_seconds > 2 * short.fine_tuning_seconds
    assert short.parameters == model.count_params()


def call(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"}).invoke(app, list(words))


def test_the_command_prints_a_table_and_writes_table_and_plot(digits, tmp_path):
    given = ("--dataset", str(digits), "--backbones", "lite0,resnet50", "--image-size", "64")
    done = call("shortlist", *given, "--output", str(tmp_path))
    assert done.exit_code == 0, done.stderr
    assert "efficientnet_lite0 *" in done.stdout
    assert "not here: resnet50" in done.stdout
    assert "--backbone efficientnet_lite0" in done.stdout
    folder = tmp_path / "digits-shortlist"
    assert len(pd.read_csv(folder / "shortlist.csv")) == 2
    assert (folder / "shortlist.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_gives_json(digits, tmp_path):
    given = ("--dataset", str(digits), "--backbones", "lite0", "--image-size", "64")
    done = call("shortlist", *given, "--format", "json", "--output", str(tmp_path))
    answer = json.loads(done.stdout)
    assert answer["recommended"] == "efficientnet_lite0"
    assert answer["backbones"][0]["accuracy"] > 0.8


def test_backbones_and_all_local_exclude_each_other(digits):
    done = call("shortlist", "--dataset", str(digits), "--backbones", "lite0", "--all-local")
    assert done.exit_code == 2
    assert "either --backbones or --all-local" in done.stderr

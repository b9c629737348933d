"""Learning rates are found on real photos, and what is found is used."""

from __future__ import annotations

import json
import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from photo_files import Heard
from typer.testing import CliRunner, Result

import tlearn
from tlearn import recipes, runs, stages
from tlearn.choosing.rate import learning_rate, rate_finding
from tlearn.cli import app
from tlearn.datasets import sample
from tlearn.errors import RecipeError
from tlearn.progress import Progress, Task
from tlearn.stages.material import Material
from tlearn.stages.range_test import range_test

OPTIONS = {"unfreeze": 0.1, "epochs": 1, "augmentation": "none"}
WORDS = ("--unfreeze", "0.1", "--epochs", "1", "--augmentation", "none", "--image-size", "64")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "digits"
    sample.write(folder, per_class=24, classes=3)
    return folder


@pytest.fixture(scope="module")
def found(digits: Path) -> rate_finding.RateFinding:
    return tlearn.lr_find(digits, recipe_options=OPTIONS, image_size=64)


HEARD = Heard()


def call(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1"}).invoke(app, list(words))


def curve(losses: list[float]) -> pd.DataFrame:
    rates = np.geomspace(1e-6, 1.0, len(losses))
    return pd.DataFrame({"learning_rate": rates, "loss": losses, "smoothed": losses})


# The test itself


def small_model() -> keras.Model:
    inputs = keras.Input((6,))
    x = keras.layers.Dense(8, activation="relu", name="block1_dense")(inputs)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(inputs, keras.layers.Dense(2, activation="softmax", name="out")(x))


def material_of(model: keras.Model) -> Material:
    random = np.random.default_rng(0)
    labels = np.arange(64) % 2
    inputs = random.normal(0, 1, (64, 6)).astype("float32") + labels[:, None]
    batches = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(16)
    return Material(model, batches, batches)


STAGE = stages.Stage("unfreeze", 1, 1e-3, unfreeze=1.0)


def test_the_model_is_the_same_after_the_test_and_throws_the_same_dice():
    keras.utils.set_random_seed(0)
    model = small_model()
    before = [np.array(variable) for variable in model.variables]
    table = range_test(model, STAGE, material_of(model), steps=40)
    assert table["loss"].std() > 0.05  # it did train
    after = [np.array(variable) for variable in model.variables]
    assert len(before) == 5  # with the state of dropout
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_stop_in_the_middle_leaves_the_model_as_it_was():
    model = small_model()
    before = model.get_weights()

    class Stops(Progress):
        def task(self, description: str, total: int | None = None, unit: str = "photos") -> Task:
            return StopsLate()

    class StopsLate(Task):
        steps = 0

        def advance(self, steps: int = 1) -> None:
            self.steps += steps
            if self.steps == 30:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        range_test(model, STAGE, material_of(model), steps=40, progress=Stops())
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_rates_rise_by_the_same_factor_until_the_loss_is_far_from_its_best(found):
    table = found.table
    assert list(table.columns) == ["step", "learning_rate", "loss", "smoothed"]
    rates = table["learning_rate"]
    assert rates.iloc[0] == pytest.approx(1e-6)
    np.testing.assert_allclose(rates[1:] / rates[:-1].to_numpy(), 1e6 ** (1 / 99), rtol=1e-6)
    assert table["step"].tolist() == list(range(1, len(table) + 1))
    assert len(table) < 100
    assert np.isfinite(table).all(axis=None)


@pytest.mark.parametrize("wrong", [{"lowest": 0.0}, {"lowest": 1.0, "highest": 0.1}, {"steps": 3}])
def test_a_range_that_is_none_is_refused(wrong):
    model = small_model()
    with pytest.raises(ValueError, match="Received: lowest="):
        range_test(model, STAGE, material_of(model), **wrong)


# Which rate


def test_a_rate_within_the_range_is_suggested_beside_the_one_by_rule(found):
    assert 1e-6 < found.suggested < 1.0
    assert found.suggested == float(f"{found.suggested:.0e}")  # the curve tells no more digits
    assert (found.by_rule, found.stage) == (5e-4, "unfreeze")
    assert found.table["learning_rate"].min() <= found.suggested
    assert found.suggested <= found.table["learning_rate"].max()


def test_where_the_loss_only_rises_the_edge_is_taken_and_not_the_noise_before_it():
    flat = [1.0, 0.99] * 30
    table = curve([*flat, 1.2, 1.4, 1.6, 2.0, 3.0])  # a guess has 2.3
    rate, how = rate_finding.suggestion(table, classes=10)
    assert how == "edge"
    assert rate == pytest.approx(table["learning_rate"][61], rel=0.35)


def test_where_the_loss_falls_the_middle_of_the_valley_is_taken():
    table = curve([2.0] * 30 + list(np.linspace(1.9, 0.5, 31)) + [1.0, 2.0, 4.0, 8.0])
    rate, how = rate_finding.suggestion(table, classes=10)
    assert how == "valley"
    assert rate == pytest.approx(table["learning_rate"][44], rel=0.3)


def test_a_loss_that_never_rises_gives_the_last_rate():
    assert rate_finding.edge(curve([1.0] * 50), classes=10) == 1.0


@pytest.mark.parametrize(
    ("rate", "text"), [(8e-4, "8e-4"), (1.5e-3, "1.5e-3"), (0.1, "1e-1"), (1.0, "1e0")]
)
def test_rates_are_written_as_people_write_them(rate, text):
    assert rate_finding.written(rate) == text
    assert float(text) == rate


@pytest.mark.slow
def test_of_several_stages_the_first_that_unfreezes_is_tested(digits):
    options = {**OPTIONS, "learning_rate": 5e-4}
    result = tlearn.lr_find(
        digits, recipe="gradual_unfreeze", recipe_options=options, image_size=64
    )
    assert (result.stage, result.by_rule) == ("unfreeze-1", 5e-4)


def test_a_head_that_is_solved_has_no_rate_and_that_is_said(digits):
    with pytest.raises(RecipeError, match=r"L-BFGS.*--epochs.*Received: recipe='linear_probe'"):
        tlearn.lr_find(digits, recipe="linear_probe", image_size=64)


@pytest.mark.slow
def test_a_new_head_by_adamw_is_tested_from_its_start(digits):
    result = tlearn.lr_find(
        digits, recipe="linear_probe", recipe_options={"epochs": 2}, image_size=64
    )
    assert (result.stage, result.by_rule) == ("head", 3e-3)


# Used by finetune


@pytest.fixture(scope="module")
def run(digits: Path, found: object, tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    """A run with a rate that is found, after a search on the same photos."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = folder / "mine.toml"
    recipe.write_text('recipe = "freeze_then_unfreeze"\n[arguments]\nlearning_rate = "auto"\n')
    return tlearn.finetune(
        digits,
        recipe=recipe,
        recipe_options=OPTIONS,
        image_size=64,
        output=folder,
        progress=HEARD,
    )


@pytest.mark.slow
def test_auto_ends_as_a_number_in_the_run(run, found):
    rate = run.info["recipe_options"]["learning_rate"]
    assert rate == found.suggested
    assert run.info["learning_rate"]["suggested"] == rate
    assert run.info["learning_rate"]["by_rule"] == 5e-4
    assert recipes.load(run.path / "recipe.toml").arguments["learning_rate"] == rate
    assert run.stages["learning_rate"].iloc[-1] == rate
    said = f"Learning rate {rate_finding.written(rate)}, found by a range test"
    assert any(said in line for line in HEARD.said)


@pytest.mark.slow
def test_finetune_after_a_search_computes_no_features_again(run):
    assert run.info["features"]["computed"] == 0


@pytest.mark.slow
def test_auto_trains_as_the_same_number_does(run, digits):
    rate = run.info["recipe_options"]["learning_rate"]
    same = tlearn.finetune(
        digits,
        recipe_options={**OPTIONS, "learning_rate": rate},
        image_size=64,
        output=run.path.parent,
    )
    assert same.info["learning_rate"] == {}
    columns = ["loss", "val_loss", "val_accuracy"]
    pd.testing.assert_frame_equal(same.history[columns], run.history[columns], rtol=1e-4)


def test_a_rate_that_is_a_number_starts_no_search():
    plan = recipes.load("freeze_then_unfreeze").with_arguments({"learning_rate": 1e-4})
    assert learning_rate.settled(plan, None, Heard()) == {"arguments": {}, "info": {}}


def test_another_word_than_auto_is_refused():
    plan = recipes.load("freeze_then_unfreeze").with_arguments({"learning_rate": "fast"})
    with pytest.raises(RecipeError, match=r"'auto'\. Received: learning_rate='fast'"):
        learning_rate.settled(plan, None, Heard())


# The command line


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "nan", "inf"])
def test_a_rate_that_is_none_is_refused(rate):
    asked = call("finetune", "--dataset", "photos", "--learning-rate", rate)
    assert asked.exit_code == 2
    assert "number above 0" in asked.stderr
    assert f"Received: '{rate}'" in asked.stderr


def test_help_says_what_it_is_and_ends_with_an_example():
    shown = call("lr-find", "--help").stdout
    assert "range test" in shown
    assert shown.strip().endswith(
        "Example: tlearn lr-find --dataset my_photos/ --backbone efficientnet"
    )


def test_the_command_writes_the_curve_and_ends_with_the_command_that_uses_it(
    digits, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    ran = call("lr-find", "--dataset", str(digits), *WORDS)
    assert ran.exit_code == 0, ran.stderr
    folder = tmp_path / "saved_models" / "digits-efficientnet_lite0-lr-find"
    assert sorted(file.name for file in folder.iterdir()) == ["curve.csv", "curve.png"]
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert pd.read_csv(folder / "curve.csv")["learning_rate"].iloc[0] == pytest.approx(1e-6)
    assert re.search(r"^ ?\d\.\de-\d\d +\d+\.\d{3} +█+  suggested *$", ran.stdout, re.M)
    last = ran.stdout.strip().splitlines()[-1]
    match = re.fullmatch(
        r"Suggested: (\S+) \(finetune would take 5e-4 by rule\)\. Use it: (.*)", last
    )
    assert match
    words = match[2].split()
    assert words[:4] == ["tlearn", "finetune", "--dataset", str(digits)]
    assert words[-2:] == ["--learning-rate", match[1]]
    assert sorted(words[4:-2]) == sorted(WORDS)
    assert runs.table(folder.parent).empty


@pytest.mark.slow
def test_json_holds_the_curve_and_nothing_more_and_the_folder_is_written_anew(digits, tmp_path):
    words = ("--output", str(tmp_path), "--format", "json")
    for _ in range(2):
        asked = call("lr-find", "--dataset", str(digits), *WORDS, *words)
        assert asked.exit_code == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["by_rule"] == 5e-4
    assert len(answer["curve"]) == answer["steps"]
    assert [str(one) for one in tmp_path.iterdir()] == [answer["folder"]]


@pytest.mark.slow
def test_on_real_photos_of_clothes_the_rate_is_not_far_from_the_one_by_rule(shared_data):
    result = tlearn.lr_find(shared_data / "clothing")
    assert 3e-4 <= result.suggested <= 3e-3

"""The search over a recipe's settings, on real photos: found, interrupted, gone on with."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photo_files import Heard
from typer.testing import CliRunner

import tlearn
from tlearn import recipes
from tlearn.choosing.settings import gains, search_space, studies
from tlearn.choosing.settings.tuning import Tuning
from tlearn.cli import app
from tlearn.datasets import sample
from tlearn.errors import DurationError, MissingExtra, RecipeError, TuningError
from tlearn.files.locking import locked
from tlearn.files.tables import to_csv

ROOT = Path(__file__).resolve().parents[1]
# A head alone, on small photos: what is tested is the search, not what it trains.
QUICK = {"recipe": "linear_probe", "image_size": 32}
FIXED = {"augmentation": "none"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("photos") / "digits"
    sample.write(folder, per_class=12, classes=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLEARN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield folder


class Interrupting(Heard):
    """Presses Ctrl-C when the first trial has ended."""

    def say(self, message: str) -> None:
        super().say(message)
        if message.startswith("Trial 1 of"):
            raise KeyboardInterrupt


def search(digits: Path, output: Path, **more: object) -> Tuning:
    return tlearn.tune(digits, output=output, **{**QUICK, "recipe_options": FIXED, **more})


@pytest.fixture(scope="module")
def interrupted(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuning:
    output = tmp_path_factory.mktemp("searches")
    return search(digits, output, trials=3, progress=Interrupting())


@pytest.fixture(scope="module")
def found(digits: Path, interrupted: Tuning) -> Tuning:
    return search(digits, interrupted.folder.parent, trials=3)


def test_ctrl_c_leaves_the_trials_so_far(interrupted):
    assert interrupted.ended == "interrupted"
    assert interrupted.table["number"].tolist() == [1]
    assert interrupted.best.arguments == FIXED


def test_the_same_call_goes_on_and_keeps_what_had_ended(interrupted, found):
    assert found.ended == "trials"
    assert found.table["number"].tolist() == [1, 2, 3]
    kept = [name for name in found.table if name != "learning_rate"]  # here None, there NaN
    pd.testing.assert_frame_equal(found.table[kept].head(1), interrupted.table[kept])


def test_the_first_trial_is_the_recipe_itself_so_that_the_best_is_never_worse(found):
    first = found.table.iloc[0]
    assert (first["weight_decay"], first["label_smoothing"], first["mixup"]) == (1e-4, 0.1, 0.0)
    assert found.table["validation_log_loss"].min() <= first["validation_log_loss"]


def test_trials_are_stopped_early_by_the_figure_that_they_are_judged_by(found):
    for trial in json.loads((found.folder / "study.json").read_text())["trials"]:
        of_epochs = np.array(trial["log_losses"])
        assert np.isclose(of_epochs, trial["validation_log_loss"], rtol=1e-3).any()


def test_what_is_fixed_is_not_searched(found):
    assert "augmentation" not in found.table
    assert found.best.arguments["augmentation"] == "none"


def test_features_are_computed_once_for_all_trials(found):
    assert found.table["photos_computed"].tolist() == [28, 0, 0]


def test_the_folder_holds_table_plot_and_best_recipe(found):
    assert (found.folder / "trials.csv").read_text(encoding="utf-8") == to_csv(found.table)
    assert (found.folder / "trials.png").read_bytes().startswith(b"\x89PNG")
    names = {path.name for path in found.folder.iterdir()}
    assert names == {".lock", "study.json", "trials.csv", "trials.png", "best.toml"}


def test_the_best_is_a_recipe_that_finetune_takes_and_opens_as_those_in_recipes_do(found):
    ranked = found.table.sort_values("validation_log_loss", kind="stable")
    best = ranked.iloc[0]
    loaded = recipes.load(found.best_path)
    assert loaded.function == "linear_probe"
    assert loaded.arguments == found.best.arguments
    for name, value in loaded.arguments.items():
        assert name in FIXED or best[name] == pytest.approx(value)
    text = found.best_path.read_text(encoding="utf-8")
    heads = [line.split()[1] for line in text.splitlines()[:3]]
    assert heads == ["Situation:", "Command:", "Expected:"]
    assert f"--image-size 32 --recipe {found.best_path}" in text
    assert f"log loss {best['validation_log_loss']:.3f}" in text


def test_so_few_photos_cannot_tell_a_gain_from_chance(found):
    assert not found.gain.is_beyond_noise
    assert "too few to tell" in found.sentence or "None of" in found.sentence


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed was 0 and is now 1"),
        ({"image_size": 64}, "image_size was 32 and is now 64"),
        ({"recipe": "freeze_then_unfreeze"}, "recipe was 'linear_probe'"),
        ({"recipe_options": {**FIXED, "mixup": 0.1}}, "fixed was"),
    ],
)
def test_a_search_on_something_else_is_refused_by_name(digits, found, changes, named):
    before = (found.folder / "study.json").read_bytes()
    with pytest.raises(TuningError, match=named):
        search(digits, found.folder.parent, name=found.folder.name, **changes)
    assert (found.folder / "study.json").read_bytes() == before


def test_other_photos_are_refused(digits, found, tmp_path):
    other = tmp_path / "digits"
    sample.write(other, per_class=11, classes=3)
    with pytest.raises(TuningError, match="data was .* and is now"):
        search(other, found.folder.parent)


def test_a_folder_in_use_is_refused(digits, found):
    with locked(found.folder / ".lock"), pytest.raises(TuningError, match="Another process"):
        search(digits, found.folder.parent)


def test_a_folder_of_something_else_is_refused_and_left_alone(digits, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(TuningError, match=r"holds letter\.txt but no study\.json"):
        search(digits, tmp_path, name="mine")


def test_a_damaged_record_is_named(digits, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "study.json").write_text('{"format": 1, "about"')
    with pytest.raises(TuningError, match="cannot be read"):
        search(digits, tmp_path, name="bad")


def test_no_trial_begins_when_the_time_is_up(digits, found):
    again = search(digits, found.folder.parent, trials=9, budget="0.001s")
    assert again.ended == "budget"
    assert len(again.table) == 3


def test_a_trial_that_is_worse_than_most_is_stopped_early_and_shown(digits, tmp_path):
    options = {"epochs": 6, "learning_rate": 1e-4, **FIXED}
    first = search(digits, tmp_path, trials=1, recipe_options=options, name="pruning")
    record = json.loads((first.folder / "study.json").read_text())
    # Four more that were nearly perfect from their first epoch on.
    for number in range(2, 6):
        trial = record["trials"][0] | {"number": number, "log_losses": [1e-6] * 6}
        record["trials"].append(trial)
    (first.folder / "study.json").write_text(json.dumps(record))
    heard = Heard()
    again = search(
        digits, tmp_path, trials=6, recipe_options=options, name="pruning", progress=heard
    )
    last = again.table.iloc[-1]
    assert (last["state"], last["epochs"]) == ("pruned", 2)
    assert again.best.arguments == options
    assert any(line.startswith("Trial 6 of 6: stopped after 2 epochs") for line in heard.said)


def test_the_command_line_shows_the_best_trials_and_what_to_do_next(digits, found):
    words = ["tune", "--dataset", str(digits), "--recipe", "linear_probe", "--image-size", "32"]
    words += ["--augmentation", "none", "--trials", "3", "--output", str(found.folder.parent)]
    shown = CliRunner(env={"COLUMNS": "120"}).invoke(app, words)
    assert shown.exit_code == 0, shown.output
    assert "1 (the recipe itself)" in shown.stdout
    assert " ".join(found.sentence.split()[:6]) in " ".join(shown.stdout.split())
    assert "Next: tlearn finetune --dataset" in shown.stdout
    csv = CliRunner().invoke(app, [*words, "--format", "csv"])
    assert csv.stdout == to_csv(found.table)


def test_without_optuna_it_is_said_which_extra_brings_it(digits, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"pip install 'tlearn\[tune\]'"):
        search(digits, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"budget": "soon"}, DurationError),
        ({"trials": 0}, TuningError),
        ({"recipe_options": {"unfreeze": 0.5}}, RecipeError),
        ({"recipe_options": {"mixup": -1.0}}, RecipeError),
        ({"recipe_options": {"learning_rate": "auto"}}, TuningError),
    ],
)
def test_a_mistake_is_told_before_any_training(digits, tmp_path, wrong, error):
    with pytest.raises(error):
        search(digits, tmp_path, **wrong)
    assert not list(tmp_path.glob("*-tune"))


def test_the_search_begins_at_the_recipes_own_numbers():
    start = recipes.load("few-photos").with_arguments({"layer_decay": 0.5, "mixup": 0.4})
    space = search_space.of(start, (), 1000)
    assert space.dimensions["unfreeze"].values == (0.2, 0.35, 0.6, 1.0)
    assert space.dimensions["mixup"].values == (0.0, 0.2, 0.4)
    assert space.dimensions["layer_decay"].low == 0.5
    assert space.dimensions["learning_rate"] == search_space.Range(2e-4, 5e-3, log=True)
    assert space.default_parameters()["unfreeze"] == 1.0


@pytest.mark.parametrize("name", sorted(recipes.FUNCTIONS))
def test_every_value_of_the_search_is_one_that_the_recipe_takes(name):
    import optuna

    space = search_space.of(recipes.load(name), (), 1000)
    sampler = optuna.samplers.RandomSampler(seed=0)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=sampler)
    for _ in range(30):
        trial = study.ask()
        space.suggest(trial)
        settings = space.settings(trial.params)
        given = {key: value for key, value in settings.items() if value is not None}
        assert space.start.with_arguments(given).stages(num_examples=500)


def test_with_every_setting_fixed_there_is_nothing_to_search():
    start = recipes.load("linear_probe")
    with pytest.raises(TuningError, match="nothing left to search"):
        search_space.of(start, search_space.of(start, (), 1000).dimensions, 1000)


def test_the_best_of_many_alike_is_seldom_called_a_gain():
    generator = np.random.default_rng(0)
    claimed = 0
    for _ in range(200):
        default, *others = generator.normal(1.0, 0.5, (20, 300))
        best = min(others, key=lambda losses: losses.mean())
        claimed += gains.between(default, best, others=19).is_beyond_noise
    assert claimed <= 10  # of 200, where an interval for one alone claims about 60
    better = default - 0.2 + generator.normal(0, 0.1, 300)
    assert gains.between(default, better, others=19).is_beyond_noise
    assert math.isinf(gains.between([1.0, 2.0], [0.5, 1.5], others=1).margin)


def test_the_record_keeps_losses_by_photo_of_the_first_and_the_best_only(tmp_path):
    def trial(number: int, loss: float) -> studies.Trial:
        return studies.Trial(
            number, "finished", {}, {}, 0.5, loss, 1, 1.0, 0, by_photo=(loss, loss)
        )

    with studies.opened(tmp_path / "one", {"seed": 0}) as study:
        for number, loss in enumerate([0.5, 0.4, 0.6, 0.3], start=1):
            study.add(trial(number, loss))
    with studies.opened(tmp_path / "one", {"seed": 0}) as again:
        assert [len(one.by_photo) for one in again.trials] == [2, 0, 0, 2]
        assert again.best is not None
        assert again.best.number == 4


@pytest.mark.slow
def test_a_kill_loses_the_trial_under_way_and_changes_nothing_else(digits, tmp_path):
    def command(output: str) -> list[str]:
        words = [sys.executable, "-m", "tlearn", "tune", "--dataset", str(digits)]
        words += ["--image-size", "32", "--epochs", "2", "--augmentation", "none"]
        return [*words, "--unfreeze", "0.1", "--trials", "3", "--output", str(tmp_path / output)]

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command("whole"), check=True, capture_output=True, env=environment)
    (record,) = (tmp_path / "whole").glob("*/study.json")
    killed = tmp_path / "killed" / record.parent.name / "study.json"
    for trials in (1, 2):  # killed in the second trial, then in the third
        process = subprocess.Popen(
            command("killed"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        while process.poll() is None:
            ended = json.loads(killed.read_text())["trials"] if killed.exists() else []
            if len(ended) >= trials:
                time.sleep(1)
                process.send_signal(signal.SIGKILL)
                process.wait()
            time.sleep(0.05)
        assert process.returncode == -signal.SIGKILL
    subprocess.run(command("killed"), check=True, capture_output=True, env=environment)
    tables = [pd.read_csv(path.with_name("trials.csv")) for path in (record, killed)]
    timed = ["seconds", "photos_computed"]
    pd.testing.assert_frame_equal(*(one.drop(columns=timed) for one in tables), rtol=1e-4)


@pytest.mark.slow
def test_finetune_with_the_best_recipe_reaches_what_the_search_saw(digits, tmp_path):
    options = {"epochs": 2, "augmentation": "none", "unfreeze": 0.1}
    found = tlearn.tune(digits, recipe_options=options, trials=3, image_size=32, output=tmp_path)
    run = tlearn.finetune(digits, recipe=found.best_path, image_size=32, output=tmp_path)
    validation = run.info["calibration"]["validation"]
    best = found.table.sort_values("validation_log_loss").iloc[0]
    assert best["validation_log_loss"] == pytest.approx(validation["after"]["nll"], rel=1e-3)
    assert validation["before"]["nll"] != pytest.approx(validation["after"]["nll"], rel=0.02)


@pytest.mark.slow
def test_a_recipe_that_never_becomes_finite_is_an_error(digits, tmp_path):
    options = {"learning_rate": 1e38, "epochs": 1, **FIXED}
    with pytest.raises(TuningError, match="No trial reached a finite"):
        search(digits, tmp_path, recipe_options=options, trials=2)


def test_losses_that_were_not_finite_are_recorded_and_gone_on_from(tmp_path):
    lost = studies.Trial(1, "failed", {}, {}, math.nan, math.nan, 2, 1.0, 0, (0.5, math.nan))
    with studies.opened(tmp_path / "one", {"seed": 0}) as study:
        study.add(lost)
    with studies.opened(tmp_path / "one", {"seed": 0}) as again:
        assert again.best is None
        assert math.isnan(again.trials[0].validation_log_loss)
        assert again.trials[0].log_losses[0] == 0.5
        assert math.isnan(again.trials[0].log_losses[1])

"""A search as a table, a plot, a recipe and a sentence."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tlearn.choosing import durations
from tlearn.choosing.settings import gains, studies
from tlearn.choosing.settings.studies import Study, Trial
from tlearn.files import atomic, tables
from tlearn.plotting import canvas
from tlearn.recipes import Recipe

__all__ = ["Tuning", "in_words", "plot", "recipe_text", "sentence", "table", "write"]


@dataclass(frozen=True)
class Tuning:
    """What a search found.

    Args:
        table: One row per trial: number (from 1), state (`"finished"`, `"pruned"` or `"failed"`),
            a column for each setting that was searched, validation_accuracy (0 to 1),
            validation_log_loss (after temperature scaling), epochs, seconds, photos_computed (photos
            whose frozen features were not kept yet). The first is the recipe itself.
        best: The recipe with the settings of the lowest validation log loss.
        folder: Where all of it is kept, `best.toml` among it.
        gain: Against the recipe itself.
        sentence: What was gained, and whether that is more than chance.
        ended: Why there are no more trials: `"trials"`, `"budget"` or `"interrupted"`.
        command: `tlearn finetune` with the best settings, as words.
    """

    table: pd.DataFrame
    best: Recipe
    folder: Path
    gain: gains.Gain
    sentence: str
    ended: str
    command: tuple[str, ...]

    @property
    def best_path(self) -> Path:
        """The best settings as a file for `tlearn finetune --recipe`."""
        return self.folder / studies.BEST


def table(study: Study) -> pd.DataFrame:
    """One row per trial; see `Tuning`."""
    return pd.DataFrame(
        [
            {
                "number": trial.number,
                "state": trial.state,
                **trial.settings,
                "validation_accuracy": trial.validation_accuracy,
                "validation_log_loss": trial.validation_log_loss,
                "epochs": trial.epochs,
                "seconds": trial.seconds,
                "photos_computed": trial.computed,
            }
            for trial in study.trials
        ]
    )


def write(study: Study, best: Recipe, command: Sequence[str], photos: int) -> None:
    """Write the table, and the best recipe where there is one.

    Args:
        study: The record.
        best: The best recipe.
        command: `tlearn finetune` with the best settings, as words.
        photos: Validation photos.

    Raises:
        RunError: The disk is full or the place cannot be written to.
    """
    with atomic.replacing(study.folder / studies.TABLE) as file:
        file.write_text(tables.to_csv(table(study)), encoding="utf-8")
    if study.best is not None:
        with atomic.replacing(study.folder / studies.BEST) as file:
            file.write_text(recipe_text(study, best, command, photos), encoding="utf-8")


def recipe_text(study: Study, best: Recipe, command: Sequence[str], photos: int) -> str:
    """The best settings as TOML, with situation, command and expected result as comments."""
    found, default = study.best, study.trials[0]
    assert found is not None
    seconds = sum(trial.seconds for trial in study.trials)
    lines = [
        f"# Situation: {study.about['photos']} with {study.about['backbone']}: the best of "
        f"{_trials(len(study.trials))} of `tlearn tune`, trial {found.number}.",
        f"# Command:   {shlex.join(command)}",
        f"# Expected:  {_scores(found)} on {photos:,} validation photos; the recipe it began with "
        f"had {_scores(default)}.",
        f"#            Searched in {durations.in_words(seconds)}. Chosen on these very photos, so "
        "the test will be a little worse.",
    ]
    plain = [tables.printable(" ".join(line.splitlines())) for line in lines]
    return "\n".join(plain) + "\n" + Recipe(best.name, best.function, best.arguments).dump()


def sentence(study: Study, gain: gains.Gain) -> str:
    """What was gained, and whether that is more than chance."""
    found, default = study.best, study.trials[0]
    assert found is not None
    if found is default and not gain.others:
        return (
            f"The recipe itself has {_scores(found)} on {gain.photos:,} validation photos; there is "
            "no other finished trial yet."
        )
    if found is default:
        return (
            f"None of the {gain.others:,} other finished trials bettered the recipe itself: {_scores(found)} "
            f"on {gain.photos:,} validation photos."
        )
    if default.state != "finished":
        return (
            f"Trial {found.number} has {_scores(found)} on {gain.photos:,} validation photos; the "
            "recipe itself never reached a finite loss."
        )
    interval = f"{gain.mean:.3f} +- {gain.margin:.3f}"
    if gain.is_beyond_noise:
        verdict = f"lower by {interval}, more than chance gives the best of so many"
    elif math.isfinite(gain.margin):
        verdict = f"lower by {interval}, within what chance gives the best of so many"
    else:
        verdict = f"lower by {gain.mean:.3f}, and the photos are too few to tell that from chance"
    return (
        f"Trial {found.number} has {_scores(found)}; the recipe itself had {_scores(default)}. On "
        f"{gain.photos:,} validation photos the log loss is {verdict}. It was chosen on these "
        "photos, which flatters it; the test photos were not looked at."
    )


def plot(study: Study) -> None:
    """Draw log loss by trial, with the best so far, into the study's folder.

    Raises:
        RunError: The disk is full or the place cannot be written to.
    """
    drawn, axes = canvas.make(
        f"Validation log loss by trial: {study.about['photos']}", "trial", "validation log loss"
    )
    finished = [trial for trial in study.trials if trial.state == "finished"]
    pruned = [trial for trial in study.trials if trial.state == "pruned"]
    hollow = {"facecolors": "none", "edgecolors": "#999999"}
    axes.scatter(*_points(pruned), s=28, zorder=3, label="stopped early", **hollow)  # type: ignore
    axes.scatter(*_points(finished), s=28, zorder=3, color=canvas.PLAIN, label="finished")
    numbers, losses = _points(finished)
    lowest = pd.Series(losses, dtype=float).cummin()
    axes.step(numbers, lowest, where="post", color=canvas.PLAIN, label="best so far")
    default = study.trials[0]
    if default.state == "finished":
        height = default.validation_log_loss
        axes.axhline(height, color=canvas.HIGHLIGHT, linewidth=1, linestyle="--")
        axes.scatter([1], [height], color=canvas.HIGHLIGHT, s=60, zorder=4, label="recipe itself")
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False)
    with atomic.filling(study.folder) as hidden:
        canvas.save(drawn, hidden / studies.PLOT)


def in_words(settings: Mapping[str, Any]) -> str:
    """Settings as `name=value`, separated by commas; those that are not given are left out."""
    return ", ".join(f"{name}={value}" for name, value in settings.items() if not pd.isna(value))


def _points(trials: Sequence[Trial]) -> tuple[list[int], list[float]]:
    return [one.number for one in trials], [one.validation_log_loss for one in trials]


def _scores(trial: Trial) -> str:
    if trial.state != "finished":
        return "no finite loss"
    return (
        f"log loss {trial.validation_log_loss:.3f} and accuracy "
        f"{100 * trial.validation_accuracy:.1f} %"
    )


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count:,} trials"

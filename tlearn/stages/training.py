"""Run the stages of a recipe: freeze, fit, unfreeze, fit, and never end worse than before."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import pandas as pd

from tlearn.devices.group import ONE, Group
from tlearn.errors import TrainingError
from tlearn.networks import folding
from tlearn.progress import SILENT, Progress
from tlearn.stages import compiling, freezing
from tlearn.stages.attempt import Around
from tlearn.stages.best import Best, Kept
from tlearn.stages.checkpoints import Checkpoints, Saved
from tlearn.stages.fitting import Fitting
from tlearn.stages.material import Batches, Material
from tlearn.stages.solving import solve
from tlearn.stages.spreading import of_chief, spread
from tlearn.stages.stage import Stage
from tlearn.stages.watching import AfterEpoch

__all__ = ["Training", "run"]

_EVENTS = ["stage", "epoch", "why", "learning_rate"]


@dataclass(frozen=True)
class Training:
    """What happened.

    Args:
        history: One row per epoch: stage, epoch, loss, accuracy, val_loss, val_accuracy,
            val_log_loss, learning_rate (at the epoch's last step), seconds, photos_per_second, photos.
        stages: One row per stage: stage, epochs (run), learning_rate (peak),
            trainable_parameters, validation_accuracy and validation_log_loss (of its best epoch, or
            of the average), seconds, kept (whether the model ended with this stage's weights).
        rollbacks: One row for each time that a stage went astray and back to its best: stage, epoch,
            why, learning_rate (from then on; no number where the stage ended there).
    """

    history: pd.DataFrame
    stages: pd.DataFrame
    rollbacks: pd.DataFrame


def run(
    model: keras.Model,
    stages: Sequence[Stage],
    train: Batches | Callable[[Stage], Batches],
    validation: Batches,
    *,
    kept: Callable[[Stage], Material | None] | None = None,
    progress: Progress = SILENT,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    after_epoch: AfterEpoch | None = None,
    checkpoints: Checkpoints | None = None,
    group: Group = ONE,
) -> Training:
    """Fine-tune a model by stages. Works on any Keras classifier and any tf.data sets.

    Each stage sets what trains, compiles anew, fits, and ends with its best weights. A
    stage that is worse on the validation split than what the model had before it is undone. A
    stage that goes astray (a loss that is not finite or far above that of guessing, a validation far
    below what the stage began with) goes back to its best and on at a tenth of the rate, at most
    twice.

    Args:
        model: A classifier whose output is `(batch, classes)` probabilities or logits. Ends with
            the best weights, compiled with a plain optimizer, ready for `evaluate` and `save`.
        stages: From a recipe, such as `recipes.freeze_then_unfreeze()`.
        train: Batches of `(inputs, labels)` or `(inputs, labels, weights)`, where labels are
            integers `(batch,)` or one-hot `(batch, classes)`; or a function from a stage to such
            batches, for data that differ by stage.
        validation: Batches of `(inputs, labels)`. Never shuffled, never augmented.
        kept: From a stage, after `trainable` is set for it, to what is kept of its frozen part;
            `None` where the stage is to train on `train`.
        progress: Who watches.
        callbacks: More Keras callbacks, called in each stage.
        after_epoch: Called with the stage and the epoch's row of history. What it raises ends the
            training there and then.
        checkpoints: Where training stands is kept there, and it goes on from what is kept.
        group: Who trains together; each batch is divided among their devices.

    Returns:
        The history and a table of the stages.

    Raises:
        ValueError: There are no stages, or the data are endless.
        TrainingError: No epoch ended with a finite validation loss.

    Example:

    ```python
    training = stages.run(model, recipes.freeze_then_unfreeze(), train, validation)
    print(training.stages)
    ```
    """
    if not stages:
        raise ValueError("A recipe needs at least one stage. Received: stages=()")
    around = Around(progress, tuple(callbacks), after_epoch, checkpoints, group)
    course = _Course()
    saved = None if checkpoints is None else checkpoints.load()
    group.wait()  # nobody keeps a new one before all have read the last one
    if checkpoints and not saved:
        progress.warn(
            "The photos, the settings or the weights have changed since training was interrupted, so "
            "it begins anew."
        )
    if saved:
        saved.restore({"course": course})
        if course.best:
            model.set_weights(course.best.weights)
    first = saved.position[0] if saved else 0
    for number, stage in enumerate(stages[first:], first):
        within = saved if saved and saved.position[1:] != (0, 0) else None
        saved = None
        _run_stage(model, number, stage, course, around, train, validation, kept, within)
        if checkpoints is not None:
            checkpoints.save((number + 1, 0, 0), {"course": course})
    compiling.compile_plain(model, validation)
    return Training(
        pd.DataFrame(course.history),
        pd.DataFrame(course.table),
        pd.DataFrame(course.rollbacks, columns=_EVENTS),
    )


class _Course:
    """What the stages so far came to."""

    def __init__(self) -> None:
        self.best: Best | None = None
        self.history: list[dict[str, Any]] = []
        self.table: list[dict[str, Any]] = []
        self.rollbacks: list[dict[str, Any]] = []

    def state(self) -> Kept:
        """What it would take to go on from here."""
        facts, weights = Best.state_of(self.best)
        rows = {"history": self.history, "table": self.table, "rollbacks": self.rollbacks}
        return {"best": facts, **rows}, weights

    def restore(self, facts: Mapping[str, Any], arrays: Sequence[Any]) -> None:
        """Go on from what `state` gave."""
        self.best = Best.of_state(facts["best"], arrays)
        self.history, self.table = list(facts["history"]), list(facts["table"])
        self.rollbacks = list(facts["rollbacks"])


def _run_stage(
    model: keras.Model,
    number: int,
    stage: Stage,
    course: _Course,
    around: Around,
    train: Batches | Callable[[Stage], Batches],
    validation: Batches,
    kept: Callable[[Stage], Material | None] | None,
    saved: Saved | None,
) -> None:
    """Run one stage; the model ends with the best weights so far."""
    started = time.perf_counter()
    trainable = freezing.unfreeze(model, stage.unfreeze)
    material = kept(stage) if kept else None
    if material is None:
        # Workers would have to agree on it, and only the chief has callbacks.
        part = _itself if around.callbacks or around.group.workers > 1 else folding.quick
        found = train(stage) if callable(train) else train
        material = Material(part(model), found, validation, part=part)
    fits = stage.solver != "lbfgs" or material.head is None
    if material.head is not None and not fits:
        found, rows = solve(model, stage, material.head, around.progress)
        found = of_chief(found, model, around.group)
        if around.after_epoch:
            around.after_epoch(stage, rows[0])
    else:
        with around.group.scope():
            whole, material = spread(model, stage, material, around.group)
            fitting = Fitting(
                whole,
                stage,
                material,
                around,
                before=course.best,
                number=number,
                others={"course": course},
            )
            fitting.run(saved)
        found, rows = fitting.best, fitting.rows
        course.rollbacks += fitting.events
    course.history += rows
    course.table.append(
        {
            "stage": stage.name,
            "epochs": len(rows),
            "learning_rate": stage.learning_rate if fits else float("nan"),
            "trainable_parameters": trainable,
            "validation_accuracy": found.accuracy if found else float("nan"),
            "validation_log_loss": found.log_loss if found else float("nan"),
            "seconds": time.perf_counter() - started,
            "kept": False,
        }
    )
    if found is not None and found.beats(course.best):
        course.best = found
        for row in course.table:
            row["kept"] = row is course.table[-1]
    elif course.best is not None:
        around.progress.warn(
            f"The stage {stage.name!r} did not better the validation split "
            f"({_score(found)} after {_score(course.best)}), so it was undone."
        )
    if course.best is None:
        raise TrainingError(
            f"The stage {stage.name!r} never reached a finite validation loss. Lower the "
            f"learning rate, or train in float32. Received: "
            f"learning_rate={stage.learning_rate}"
        )
    model.set_weights(course.best.weights)


def _itself(model: keras.Model) -> keras.Model:
    return model


def _score(best: Best | None) -> str:
    return f"accuracy {best.accuracy:.3f}, log loss {best.log_loss:.3f}" if best else "not finite"

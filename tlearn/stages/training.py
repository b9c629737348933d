"""Run the stages of a recipe: freeze, fit, unfreeze, fit, and never end worse than before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import pandas as pd
import tensorflow as tf

from tlearn.errors import TrainingError
from tlearn.networks import folding
from tlearn.progress import SILENT, Progress
from tlearn.stages import compiling, freezing, optimizer
from tlearn.stages.material import Batches, Material
from tlearn.stages.solving import solve
from tlearn.stages.stage import Stage
from tlearn.stages.watching import AfterEpoch, Average, Best, History, KeepBest, PhotosSeen

__all__ = ["Training", "run"]


@dataclass(frozen=True)
class Training:
    """What happened.

    Args:
        history: One row per epoch: stage, epoch, loss, accuracy, val_loss, val_accuracy,
            val_log_loss, learning_rate (at the epoch's last step), seconds, photos_per_second.
        stages: One row per stage: stage, epochs (run), learning_rate (peak),
            trainable_parameters, validation_accuracy and validation_log_loss (of its best epoch, or
            of the average), seconds, kept (whether the model ended with this stage's weights).
    """

    history: pd.DataFrame
    stages: pd.DataFrame


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
) -> Training:
    """Fine-tune a model by stages. Works on any Keras classifier and any tf.data sets.

    Each stage sets what trains, compiles anew, fits, and ends with its best weights. A
    stage that is worse on the validation split than what the model had before it is undone.

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
    best: Best | None = None
    history: list[dict[str, Any]] = []
    table: list[dict[str, Any]] = []
    for stage in stages:
        started = time.perf_counter()
        trainable = freezing.unfreeze(model, stage.unfreeze)
        material = kept(stage) if kept else None
        if material is None:
            fitted = model if callbacks else folding.quick(model)
            material = Material(
                fitted, train(stage) if callable(train) else train, validation, None
            )
        fits = stage.solver != "lbfgs" or material.head is None
        if material.head is not None and not fits:
            found, rows = solve(model, stage, material.head, progress)
            if after_epoch:
                after_epoch(stage, rows[0])
        else:
            found, rows = _fit(model, stage, material, progress, callbacks, after_epoch)
        history += rows
        better = found is not None and found.beats(best)
        table.append(
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
        if better:
            best = found
            for row in table:
                row["kept"] = row is table[-1]
        elif best is not None:
            progress.warn(
                f"The stage {stage.name!r} did not better the validation split "
                f"({_score(found)} after {_score(best)}), so it was undone."
            )
        if best is None:
            raise TrainingError(
                f"The stage {stage.name!r} never reached a finite validation loss. Lower the "
                f"learning rate, or train in float32. Received: "
                f"learning_rate={stage.learning_rate}"
            )
        model.set_weights(best.weights)
    _compile_plain(model, validation)
    return Training(pd.DataFrame(history), pd.DataFrame(table))


def _fit(
    model: keras.Model,
    stage: Stage,
    material: Material,
    progress: Progress,
    callbacks: Sequence[keras.callbacks.Callback],
    after_epoch: AfterEpoch | None,
) -> tuple[Best | None, list[dict[str, Any]]]:
    """Fit what trains by AdamW; the best epoch, and a row of history for each."""
    classes = int(model.output_shape[-1])
    batches = _counted(compiling.one_hot(material.train, classes))
    held_out = _counted(compiling.one_hot(material.validation, classes))
    steps = len(batches)
    _compile(material.model, model, stage, steps)
    keeper = KeepBest(stage.patience, of=model)
    writer = History(stage, steps, progress, after_epoch)
    mean = Average(round(stage.epochs * (1 - stage.average)), of=model)
    try:
        material.model.fit(
            batches,
            validation_data=held_out,
            epochs=stage.epochs,
            callbacks=[keeper, writer, mean, *callbacks],
            shuffle=False,
            verbose=0,
        )
    except BaseException as error:
        writer.close(error)
        raise
    if mean.weights:
        model.set_weights(mean.weights)
        scores = material.model.evaluate(held_out, verbose=0, return_dict=True)
        keeper.consider(len(writer.rows), {f"val_{name}": value for name, value in scores.items()})
    return keeper.best, writer.rows


def _score(best: Best | None) -> str:
    return f"accuracy {best.accuracy:.3f}, log loss {best.log_loss:.3f}" if best else "not finite"


def _compile(fitted: keras.Model, model: keras.Model, stage: Stage, steps: int) -> None:
    logits = compiling.gives_logits(model)
    fitted.compile(
        optimizer=optimizer.make(model, stage, steps * stage.epochs),
        loss=compiling.loss_of(model, stage),
        metrics=[
            keras.metrics.CategoricalAccuracy(name="accuracy"),
            keras.metrics.CategoricalCrossentropy(name="log_loss", from_logits=logits),
            PhotosSeen(),
        ],
    )


def _compile_plain(model: keras.Model, validation: Batches) -> None:
    """Compile so that `evaluate` works on the caller's labels and `load_model` needs no tlearn."""
    logits = compiling.gives_logits(model)
    one_hot = len(validation.element_spec[1].shape) > 1
    losses = keras.losses
    loss = losses.CategoricalCrossentropy if one_hot else losses.SparseCategoricalCrossentropy
    # SGD has no slots, so the saved model is no larger and loads without a word.
    model.compile(optimizer="sgd", loss=loss(from_logits=logits), metrics=["accuracy"])


def _counted(batches: Batches) -> Batches:
    """The same batches, of a length that Keras can ask for."""
    steps = int(batches.cardinality())
    if steps == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "The data never end, so an epoch has no length. Use `.take(steps)`. "
            "Received: an infinite tf.data.Dataset"
        )
    if steps == tf.data.UNKNOWN_CARDINALITY:
        steps = sum(1 for _ in batches)
        batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return batches

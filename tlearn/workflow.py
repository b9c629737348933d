"""The main job, end to end: from photos to a trained, evaluated, exported classifier."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from tlearn import (
    backbones,
    datasets,
    decoding,
    evaluation,
    export,
    heads,
    pipeline,
    recipes,
    runs,
    schedules,
    splits,
    stages,
    training_data,
)
from tlearn import precision as precisions
from tlearn.datasets.dataset import Dataset
from tlearn.progress import SILENT, Progress
from tlearn.stages.training import Training
from tlearn.version import __version__

__all__ = ["finetune"]

_RECORDED = ("tensorflow", "keras", "keras-hub", "tensorflow-datasets", "numpy", "pandas", "pillow")


def finetune(
    dataset: str | Path,
    *,
    backbone: str = "efficientnet",
    recipe: str | Path = "freeze_then_unfreeze",
    recipe_options: Mapping[str, Any] | None = None,
    weights: str = "imagenet",
    image_size: int | None = None,
    resize_mode: str = decoding.DEFAULT_RESIZE,
    batch_size: int | None = None,
    precision: str = "auto",
    seed: int = 0,
    validation: float = 0.15,
    test: float = 0.15,
    data_dir: str | Path | None = None,
    strict: bool = False,
    output: str | Path = "saved_models",
    name: str | None = None,
    progress: Progress = SILENT,
) -> runs.Run:
    """Fine-tune a pretrained backbone on a folder of photos, and keep all that explains it.

    Args:
        dataset: A folder with a folder per class, split folders, a CSV or Parquet table, an
            archive of these, or the name of a TFDS data set; see docs/datasets.md.
        backbone: A name or alias from `tlearn backbones`.
        recipe: A recipe function's name, a saved recipe's name, or a TOML file.
        recipe_options: Arguments of the recipe that win over its own.
        weights: `"imagenet"`, `"random"`, or the path of a weights file.
        image_size: Pixels along each side of what the model sees; by default the backbone's own.
        resize_mode: `"crop"`, `"pad"` or `"stretch"`.
        batch_size: Photos per step; by default by the data set's size.
        precision: `"auto"`, `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`.
        seed: Decides the split, the order, the augmentation and the head's start.
        validation: The share held out for validation where the data set gives no such split.
        test: The share held out for the test, likewise.
        data_dir: Where TFDS keeps its data sets.
        strict: Make a file that cannot be read an error, instead of leaving it out.
        output: The folder of run folders.
        name: The run's name; by default the data set's and the backbone's.
        progress: Who watches.

    Returns:
        The finished run. The test split was looked at once, by the model that is exported.

    Raises:
        TlearnError: The data set, the backbone, the recipe or the output folder cannot be used,
            or the exported model does not answer as the trained one did.

    Example:

    ```python
    run = tlearn.finetune("my_photos/", backbone="efficientnet")
    print(run.summary)
    ```
    """
    clock = _Clock()
    runs.check_writable(output)
    chosen = backbones.resolve(backbone)
    plan = recipes.load(recipe).with_arguments(recipe_options or {})
    policy = precisions.choose(precision)
    data = splits.make(
        datasets.load(dataset, data_dir=data_dir, strict=strict, progress=progress),
        validation=validation,
        test=test,
        seed=seed,
        progress=progress,
    )
    part = dict(tuple(data.examples.groupby("split", sort=False)))
    train = part["train"]
    plan_stages = plan.stages(num_examples=len(train))
    batch_size = batch_size or schedules.batch_size(len(train))
    progress.say(_decided(data, backbone, chosen, plan, policy))
    clock.lap("data")

    keras.utils.set_random_seed(seed)
    with precisions.policy(policy):
        network = backbones.build(chosen.name, weights=weights, image_size=image_size)
        model = heads.attach(network, len(data.class_names))
    view = {"image_size": int(model.input_shape[1]), "resize_mode": resize_mode}

    with runs.unfinished(output, name or f"{data.name}-{chosen.name}") as folder:
        folder.write_class_names(data.class_names)
        folder.write_recipe(plan.dump())
        folder.write_table("splits", data.examples)
        folder.write_table("skipped", data.skipped)
        training = stages.run(
            model,
            plan_stages,
            lambda stage: training_data.for_stage(
                stage, train, data.class_names, batch_size=batch_size, seed=seed, **view
            ),
            pipeline.batches(part["validation"], data.class_names, batch_size=batch_size, **view),
            progress=progress,
        )
        folder.write_table("history", training.history)
        folder.write_table("stages", training.stages)
        clock.lap("training")

        held_out = pd.concat([part["validation"], part["test"]], ignore_index=True)
        model = export.as_float32(model)
        probabilities = _predict(model, held_out, data.class_names, batch_size, view, progress)
        predictions = evaluation.make_predictions(held_out, probabilities, data.class_names)
        measured = evaluation.evaluate(
            predictions[predictions["split"] == "test"], data.class_names, seed=seed
        )
        folder.write_table("predictions", predictions)
        folder.write_evaluation(measured)
        clock.lap("evaluation")

        model.save(folder.model_path)
        export.export(model, data.class_names, folder.saved_model_path, **view)
        of_test = (held_out["split"] == "test").to_numpy()
        difference = export.verify(
            folder.saved_model_path,
            held_out[of_test],
            probabilities[of_test],
            data.class_names,
            progress=progress,
        )
        clock.lap("export")

        folder.write_info(
            {
                "dataset": _described(data),
                "backbone": chosen.name,
                "weights": str(weights),
                **view,
                "precision": policy,
                "recipe": plan.name,
                "recipe_options": dict(plan.arguments),
                "seed": seed,
                "batch_size": batch_size,
                "metrics": measured.metrics,
                "validation": _gained(training),
                "export": {"max_difference": difference, "photos": int(of_test.sum())},
                "seconds": clock.laps,
                "versions": _versions(),
                "arguments": {
                    "dataset": str(dataset),
                    "backbone": backbone,
                    "recipe": str(recipe),
                    "precision": precision,
                    "validation": validation,
                    "test": test,
                    "data_dir": None if data_dir is None else str(data_dir),
                    "strict": strict,
                },
            }
        )
    assert folder.run is not None
    return folder.run


class _Clock:
    """Seconds of each part of the job."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        now = time.perf_counter()
        self.laps[part] = round(now - self._last, 3)
        self._last = now


def _predict(
    model: keras.Model,
    examples: pd.DataFrame,
    class_names: tuple[str, ...],
    batch_size: int,
    view: Mapping[str, Any],
    progress: Progress,
) -> np.ndarray:
    """float32 probabilities `(photos, classes)`, in the examples' order."""
    batches = pipeline.batches(examples, class_names, batch_size=batch_size, **view)
    with precisions.exact(), progress.task("Evaluating", total=len(examples)) as task:
        found = []
        for images, _ in batches:
            found.append(model.predict_on_batch(images))
            task.advance(len(images))
    return np.concatenate(found)


def _decided(
    data: Dataset, asked: str, chosen: backbones.Backbone, plan: recipes.Recipe, policy: str
) -> str:
    counts = data.examples["split"].value_counts()
    return (
        f"{len(data.examples)} photos in {len(data.class_names)} classes: "
        f"{counts.get('train', 0)} to train, {counts.get('validation', 0)} to validate, "
        f"{counts.get('test', 0)} to test. "
        f"Backbone {chosen.name}{'' if asked == chosen.name else f' (for {asked!r})'}, "
        f"recipe {plan.name}, {policy}."
    )


def _described(data: Dataset) -> dict[str, Any]:
    counts = data.examples["split"].value_counts()
    return {
        "name": data.name,
        "source": data.source,
        "photos": len(data.examples),
        "classes": len(data.class_names),
        "train": int(counts.get("train", 0)),
        "validation": int(counts.get("validation", 0)),
        "test": int(counts.get("test", 0)),
        "skipped": len(data.skipped),
    }


def _gained(training: Training) -> dict[str, float]:
    """Validation accuracy of the frozen head, and of what was kept in the end."""
    accuracy = training.stages["validation_accuracy"]
    return {
        "head": float(accuracy.iloc[0]),
        "final": float(accuracy[training.stages["kept"]].iloc[0]),
    }


def _versions() -> dict[str, str]:
    found = {"tlearn": __version__, "python": platform.python_version()}
    return found | {package: importlib.metadata.version(package) for package in _RECORDED}

"""Synthetic finished runs, written by the real code in milliseconds and without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tlearn import runs
from tlearn.evaluation import Evaluation, evaluate, make_predictions

CLASSES = ("daisy", "rose", "tulip")
RECIPE = 'recipe = "freeze_then_unfreeze"\nhead_epochs = 3\n'


def examples(class_names: Sequence[str] = CLASSES, photos: int = 120) -> pd.DataFrame:
    """As many photos of each class as of any other, 70 / 15 / 15."""
    labels = [class_names[number * len(class_names) // photos] for number in range(photos)]
    splits = ["train"] * 14 + ["validation"] * 3 + ["test"] * 3
    return pd.DataFrame(
        {
            "path": [f"/photos/{label}/{n:05d}.jpg" for n, label in enumerate(labels)],
            "label": labels,
            "split": [splits[number % 20] for number in range(photos)],
            "group": None,
            "digest": [f"{number:064x}" for number in range(photos)],
            "decoder": "graph",
        }
    )


def predictions(
    class_names: Sequence[str] = CLASSES, photos: int = 120, *, seed: int = 0, skill: float = 2.0
) -> pd.DataFrame:
    """What a classifier of that `skill` says of the validation and test photos."""
    held_out = examples(class_names, photos).query("split != 'train'").reset_index(drop=True)
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(len(held_out), len(class_names)))
    true = pd.Index(class_names, dtype=object).get_indexer(pd.Index(held_out["label"]))
    scores[np.arange(len(held_out)), true] += skill
    powers = np.exp(scores)
    return make_predictions(held_out, powers / powers.sum(axis=1, keepdims=True), class_names)


def stages() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "stage": ["head", "unfreeze"],
            "epochs": [3, 5],
            "learning_rate": [1e-3, 1e-4],
            "trainable_parameters": [3843, 3_200_000],
            "validation_accuracy": [0.8125, 0.9375],
            "validation_log_loss": [0.51, 0.24],
            "seconds": [12.5, 61.25],
            "kept": [False, True],
        }
    )


def history() -> pd.DataFrame:
    stage = ["head"] * 3 + ["unfreeze"] * 5
    step = np.arange(8)
    return pd.DataFrame(
        {
            "stage": stage,
            "epoch": [1, 2, 3, 1, 2, 3, 4, 5],
            "loss": 1 / (1 + step),
            "accuracy": 1 - 0.5 / (1 + step),
            "val_loss": 1.1 / (1 + step),
            "val_accuracy": 1 - 0.6 / (1 + step),
            "val_log_loss": 0.9 / (1 + step),
            "learning_rate": 1e-3 * 0.5**step,
            "seconds": 4.0,
            "photos_per_second": 21.0,
        }
    )


def skipped() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": ["/photos/rose/empty.jpg", "/photos/rose/half.jpg", "/photos/tulip/none.jpg"],
            "reason": ["empty file", "truncated", "empty file"],
        }
    )


def info(evaluation: Evaluation, class_names: Sequence[str], photos: int) -> dict[str, Any]:
    held_out = round(photos * 0.15)
    return {
        "dataset": {
            "name": "flowers",
            "source": "/photos",
            "photos": photos,
            "classes": len(class_names),
            "train": photos - 2 * held_out,
            "validation": held_out,
            "test": held_out,
            "skipped": 3,
        },
        "backbone": "efficientnet_lite0",
        "weights": "imagenet",
        "image_size": 224,
        "resize_mode": "crop",
        "precision": "float32",
        "recipe": "freeze_then_unfreeze",
        "recipe_options": {},
        "seed": 0,
        "batch_size": 32,
        "metrics": evaluation.metrics,
        "validation": {"head": 0.8125, "final": 0.9375},
        "export": {"max_difference": 0.0, "photos": held_out},
        "seconds": {"total": 81.5},
        "versions": {"tlearn": "0.1.0", "python": "3.11.7"},
        "arguments": {"dataset": "/photos"},
    }


def fill(
    folder: runs.RunFolder,
    *,
    class_names: Sequence[str] = CLASSES,
    photos: int = 120,
    seed: int = 0,
    table: pd.DataFrame | None = None,
    splits: pd.DataFrame | None = None,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Write everything but the models."""
    predicted = predictions(class_names, photos, seed=seed) if table is None else table
    evaluation = evaluate(predicted.query("split == 'test'"), class_names, seed=seed)
    folder.write_class_names(class_names)
    folder.write_recipe(RECIPE)
    folder.write_table("splits", examples(class_names, photos) if splits is None else splits)
    folder.write_table("skipped", skipped())
    folder.write_table("stages", stages())
    folder.write_table("history", history())
    folder.write_table("predictions", predicted)
    folder.write_evaluation(evaluation)
    about = info(evaluation, class_names, photos) | {"seed": seed}
    folder.write_info(about | dict(changes or {}))


def write_run(
    root: str | Path,
    *,
    name: str = "flowers-efficientnet_lite0",
    class_names: Sequence[str] = CLASSES,
    photos: int = 120,
    seed: int = 0,
    table: pd.DataFrame | None = None,
    splits: pd.DataFrame | None = None,
    changes: Mapping[str, Any] | None = None,
    call: Mapping[str, Any] | None = None,
) -> runs.Run:
    """Write a finished run.

    Args:
        root: The folder of run folders.
        name: The run's name; when taken, `-2` is added.
        class_names: The classes.
        photos: How many photos the data set has, of which 15 % each are validation and test.
        seed: Other seeds give other predictions.
        table: The predictions table, in place of a synthetic one.
        splits: The table of photos, in place of that of `examples`.
        changes: Keys of `run.json` that are to differ, such as `{"created": "2024-..."}`.
        call: What was asked for, so that the same call goes on with what it has left.

    Returns:
        The `Run`, without `model.keras` and `saved_model/`.
    """
    with runs.unfinished(root, name, call=call) as folder:
        fill(
            folder,
            class_names=class_names,
            photos=photos,
            seed=seed,
            table=table,
            splits=splits,
            changes=changes,
        )
    assert folder.run is not None
    return folder.run

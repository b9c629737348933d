"""Photos per second, and per CPU second, of each part of a run beside the bare work. JSON out.

    python benchmarks/stage_rates.py ../shared/data/trash
    python benchmarks/stage_rates.py PHOTOS --recipe gradual_unfreeze --sample 256

A first run is made in this process, whose CPU clock is read at the beginning and the end of every
task that the run tells of. Beside it, on a sample of the training photos:

- the bare model: `predict` on pixels in memory, before the run and again after it, which shows how
  steady the machine was
- the bare forward to the cut of the last stage: Keras's `predict`, and tlearn's own engine with
  nothing around it
- the bare decoder: `tf.io.decode_jpeg` mapped over the files, and then tlearn's batches of the same
  files: decoded, upright and square, and also augmented

`of_bare_forward` and `of_bare_decoder` divide photos per CPU second by those of the bare work: 1 is
as fast as it, above 1 faster. A stage's photos are those to train on and those to validate on, once
an epoch; a head that is fitted to convergence has one epoch. Those of the features are photos times
views, decoded and augmented as well as sent through the network. CPU seconds are of this process;
the proof of the export has one of its own, which is not in them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bare_model
import keras
import measuring
import pandas as pd
import photo_sets
import tensorflow as tf

import tlearn
from tlearn import backbones, heads, runs
from tlearn.features.trunk import Trunk
from tlearn.photos import augmentation, pipeline
from tlearn.progress import Progress, Task

DECODED = 8  # times the sample, since decoding is quick and starting its threads is not
# What the run calls its work.
_STAGE, _FEATURES = "Stage ", "Computing frozen features"


class Span(Task):
    """A task, with what it took."""

    def __init__(self, description: str) -> None:
        self.description = description
        self.steps = 0
        self.seconds = self.cpu_seconds = 0.0

    def advance(self, steps: int = 1) -> None:
        self.steps += steps

    def __enter__(self) -> Span:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self._began[0]
        self.cpu_seconds = time.process_time() - self._began[1]


class Watch(Progress):
    """Keeps every task of a run."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.units: dict[str, str] = {}

    def task(self, description: str, total: int | None = None, unit: str = "photos") -> Span:
        self.spans.append(Span(description))
        self.units[description] = unit
        return self.spans[-1]

    def named(self, beginning: str) -> list[Span]:
        return [span for span in self.spans if span.description.startswith(beginning)]


def total(spans: list[Span]) -> tuple[float, float]:
    return sum(span.seconds for span in spans), sum(span.cpu_seconds for span in spans)


def drained(batches: tf.data.Dataset) -> Callable[[], object]:
    return lambda: [None for _ in batches]


def is_jpeg(path: str) -> bool:
    with Path(path).open("rb") as file:
        return file.read(3) == b"\xff\xd8\xff"


def decoding(
    sample: pd.DataFrame, names: tuple[str, ...], size: int
) -> dict[str, dict[str, float]]:
    """The bare decoder and tlearn's ways through it, on the JPEGs of the sample."""
    sample = pd.concat([sample[[is_jpeg(path) for path in sample["path"]]]] * DECODED)
    if sample.empty:
        return {}
    files = tf.data.Dataset.from_tensor_slices([os.fsencode(path) for path in sample["path"]])
    bare = files.map(
        lambda path: tf.io.decode_jpeg(tf.io.read_file(path), channels=3),
        num_parallel_calls=tf.data.AUTOTUNE,
    )

    def square(kind: augmentation.Augmentation | None) -> tf.data.Dataset:
        return pipeline.batches(sample, names, image_size=size, augmentation=kind)

    ways = {
        "bare_decoder": bare.prefetch(tf.data.AUTOTUNE),
        "decoded_and_resized": square(None),
        "augmented": square(augmentation.Augmentation("light")),
    }
    found = {name: measuring.timed(len(sample), drained(way)) for name, way in ways.items()}
    for rate in found.values():
        rate["of_bare_decoder"] = share(rate, found["bare_decoder"])
    return found


def share(rate: dict[str, float], of: dict[str, float]) -> float:
    return round(rate["photos_per_cpu_second"] / of["photos_per_cpu_second"], 3)


def of_stages(run: runs.Run, watch: Watch, bare: dict[str, float]) -> list[dict[str, Any]]:
    """Each stage, as history.csv and stages.csv tell of it, and its CPU seconds by the watch."""
    counts = run.info["dataset"]
    found = []
    for _, stage in run.stages.iterrows():
        epochs = run.history[run.history["stage"] == stage["stage"]]
        spans = watch.named(f"{_STAGE}{stage['stage']}, ")
        photos = int(stage["epochs"]) * (counts["train"] + counts["validation"])
        row = {
            "stage": stage["stage"],
            "epochs": int(stage["epochs"]),
            "trainable_parameters": int(stage["trainable_parameters"]),
            "stage_seconds": round(float(stage["seconds"]), 2),
            "training_photos_per_second": round(float(epochs["photos_per_second"].mean()), 1),
        }
        if spans:
            row |= measuring.rates(photos, *total(spans))
            row["of_bare_forward"] = share(row, bare)
        found.append(row)
    return found


def of_features(
    run: runs.Run, watch: Watch, bare: dict[str, float], to_cut: dict[str, dict[str, float]]
) -> dict[str, Any] | None:
    """The pass that computes frozen features, as run.json tells of it; none in runs without."""
    kept = run.info.get("features")
    spans = watch.named(_FEATURES)
    if not kept or not spans:
        return None
    rate = measuring.rates(kept["view_passes"], *total(spans))
    return {
        "run.json": kept,
        **rate,
        "of_bare_forward": share(rate, bare),
        "bare_forward_to_the_cut": to_cut,
        "times_bare_cost": {
            name: {
                "wall": round(one["photos_per_second"] / rate["photos_per_second"], 3),
                "cpu": round(one["photos_per_cpu_second"] / rate["photos_per_cpu_second"], 3),
            }
            for name, one in to_cut.items()
        },
    }


def to_the_cut(
    model: keras.Model, kept: dict[str, Any] | None, pixels: bare_model.Array
) -> dict[str, dict[str, float]]:
    """The bare forward to where the last stage was cut; nothing where nothing was run for it."""
    if not kept or kept["cuts"][-1] == "pixels":
        return {}
    cut = bare_model.cut_named(model, kept["cuts"][-1])
    trunk = bare_model.trunk(model, cut)
    engine = Trunk(model, [cut.tensor], engine=kept["engine"])
    size = bare_model.BATCH

    def run_engine() -> None:
        # As the pass does it: the next batch is handed over before the last one's answers are read.
        waiting: list[Any] = []
        for start in range(0, len(pixels), size):
            waiting.append(engine.begin(pixels[start : start + size]))
            if len(waiting) > 1:
                waiting.pop(0)()
        for answers in waiting:
            answers()

    return {
        "keras_predict": measuring.timed(len(pixels), lambda: bare_model.predict(trunk, pixels)),
        f"tlearn_{kept['engine']}": measuring.timed(len(pixels), run_engine),
    }


def of_tasks(watch: Watch) -> list[dict[str, Any]]:
    """All else that the run told of."""
    return [
        {
            "task": span.description,
            "unit": watch.units[span.description],
            "steps": span.steps,
            "seconds": round(span.seconds, 2),
            "cpu_seconds": round(span.cpu_seconds, 2),
            "steps_per_cpu_second": round(span.steps / max(span.cpu_seconds, 1e-9), 1),
        }
        for span in watch.spans
        if not span.description.startswith(_STAGE)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--recipe", default="freeze_then_unfreeze")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, default=512, help="photos for the bare work")
    given = parser.parse_args()

    dataset = photo_sets.divided(given.photos, given.seed)
    sample = photo_sets.sampled(dataset, given.sample)
    network = backbones.build(given.backbone, image_size=given.image_size)
    model = heads.attach(network, len(dataset.class_names))
    size = int(model.input_shape[1])
    pixels = bare_model.pixels(sample, dataset.class_names, size)

    def forward() -> object:
        return bare_model.predict(model, pixels)

    bare = measuring.timed(len(pixels), forward)
    decoded = decoding(sample, dataset.class_names, size)
    watch = Watch()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TLEARN_CACHE"] = str(Path(scratch, "cache"))
        run = tlearn.finetune(
            given.photos,
            backbone=given.backbone,
            recipe=given.recipe,
            recipe_options={"epochs": given.epochs} if given.epochs else None,
            image_size=given.image_size,
            seed=given.seed,
            output=Path(scratch, "runs"),
            progress=watch,
        )
        result = {
            "photos": given.photos,
            "dataset": run.info["dataset"],
            "backbone": run.info["backbone"],
            "recipe": run.info["recipe"],
            "image_size": size,
            "bare_forward": bare,
            "bare_forward_after": measuring.timed(len(pixels), forward),
            "decoding": decoded,
            "features": of_features(
                run, watch, bare, to_the_cut(model, run.info.get("features"), pixels)
            ),
            "stages": of_stages(run, watch, bare),
            "tasks": of_tasks(watch),
            "seconds": run.info["seconds"],
            **measuring.machine(),
            "versions": run.info["versions"],
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

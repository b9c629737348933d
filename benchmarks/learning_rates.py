"""How near the rate that `tlearn lr-find` suggests comes to the best of a grid. JSON out.

    taskset -c 1 python benchmarks/learning_rates.py ../shared/data/trash
    python benchmarks/learning_rates.py PHOTOS --grid 3e-4,1e-3,3e-3 --seeds 0,1

For each seed the default recipe is trained with every rate of the grid, in this process, on frozen
features that are computed once and shared; then the rate is searched, and trained with as well. One
JSON object for each training, with accuracy and log loss on the validation and the test photos, then
one for the search, with what the suggestion is short of the best of the grid.

The best of a grid is chosen by the very photos that judge it, the suggestion is not: of a few
hundred photos the best of five equal rates lies about a point above their mean. `--taken FILE` takes
trainings from what an earlier call on the same photos wrote, instead of making them again. One seed
of 3,000 photos: about eleven minutes of one core. Seconds of a search and of a training are both
without the features, which they share.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import measuring
import numpy as np
import photo_sets

import tlearn
from tlearn import backbones, jobs, recipes
from tlearn import precision as precisions
from tlearn.datasets import Dataset
from tlearn.memory import budget
from tlearn.photos.resize_modes import DEFAULT_RESIZE


def rates(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def job(data: Dataset, seed: int, learning_rate: float) -> jobs.Job:
    """As `tlearn finetune` makes it."""
    keras.utils.set_random_seed(seed)
    policy = precisions.choose("auto")
    with precisions.policy(policy):
        network = backbones.build(backbones.resolve("efficientnet").name)
    plan = recipes.load("freeze_then_unfreeze").with_arguments({"learning_rate": learning_rate})
    return jobs.Job(
        network,
        data,
        jobs.stages_for(plan, data),
        policy=policy,
        budget=budget(None),
        resize_mode=DEFAULT_RESIZE,
        seed=seed,
    )


def judged_by_the_test(data: Dataset) -> Dataset:
    """The same data set with the test photos in the place of those for validation."""
    swapped = {"validation": "test", "test": "validation"}
    splits = data.examples["split"].replace(swapped)
    return replace(data, examples=data.examples.assign(split=splits))


def scores(top: keras.Model, batches: Any) -> dict[str, float]:
    right, losses = [], []
    for features, labels in batches:
        chances = top.predict_on_batch(features)
        wanted = np.asarray(labels).argmax(axis=1)
        right += list(chances.argmax(axis=1) == wanted)
        losses += list(-np.log(np.maximum(chances[np.arange(len(wanted)), wanted], 1e-12)))
    return {"accuracy": float(np.mean(right)), "log_loss": float(np.mean(losses))}


def trained(data: Dataset, seed: int, learning_rate: float) -> dict[str, Any]:
    """One fine-tuning, and what it reached."""
    test = job(judged_by_the_test(data), seed, learning_rate)
    test_photos = test.kept(test.stages[-1]).validation
    one = job(data, seed, learning_rate)
    one.kept(one.stages[-1])  # so that features are not in the seconds of the first training
    wall, cpu = time.perf_counter(), time.process_time()
    training = one.run()
    seconds = {
        "seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
    }
    material = one.kept(one.stages[-1])
    return {
        "seed": seed,
        "learning_rate": learning_rate,
        "validation": scores(material.model, material.validation),
        "test": scores(material.model, test_photos),
        **seconds,
        "epochs": training.stages["epochs"].tolist(),
        "kept": training.stages["kept"].tolist(),
    }


def searched(photos: str, seed: int) -> dict[str, Any]:
    """One search; its features are kept already."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = tlearn.lr_find(photos, seed=seed)
    return {
        "seed": seed,
        **found.info,
        "seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "seconds_of_the_test": round(found.seconds, 1),
    }


def short_of(grid: list[dict[str, Any]], suggested: dict[str, Any]) -> dict[str, Any]:
    """What a training is short of the best of each score; below 0 it is better."""
    return {
        split: {
            "accuracy": max(one[split]["accuracy"] for one in grid) - suggested[split]["accuracy"],
            "log_loss": suggested[split]["log_loss"] - min(one[split]["log_loss"] for one in grid),
        }
        for split in ("validation", "test")
    }


def taken(file: Path | None) -> list[dict[str, Any]]:
    """The trainings that a file tells of; its other lines are passed over."""
    lines = file.read_text(encoding="utf-8").splitlines() if file else []
    return [one for line in lines if "validation" in (one := json.loads(line))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--grid", type=rates, default=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2))
    parser.add_argument("--seeds", type=measuring.whole_numbers, default=(0,))
    parser.add_argument("--taken", type=Path, help="what an earlier call wrote")
    given = parser.parse_args()
    known = {(one["seed"], one["learning_rate"]): one for one in taken(given.taken)}

    def told(data: Dataset, seed: int, rate: float) -> dict[str, Any]:
        one = known.get((seed, rate)) or trained(data, seed, rate)
        print(json.dumps(one), flush=True)
        return one

    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("TLEARN_CACHE", cache)
        for seed in given.seeds:
            data = photo_sets.divided(given.photos, seed)
            grid = [told(data, seed, rate) for rate in given.grid]
            found = searched(given.photos, seed)
            short = short_of(grid, told(data, seed, found["suggested"]))
            print(json.dumps({**found, "short_of_the_best": short, **measuring.machine()}))


if __name__ == "__main__":
    main()

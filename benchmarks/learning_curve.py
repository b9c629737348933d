"""By hindsight: what half of the training photos foretell of the whole, beside what the whole gave.

    python benchmarks/learning_curve.py ../shared/data/clothing
    python benchmarks/learning_curve.py ../shared/data/trash --seeds 0,1,2
    python benchmarks/learning_curve.py ../shared/data/clothing --seeds 0 --recipe

Half of the training photos of each class are drawn, once for each seed, and the learning curve is
measured on them and the validation photos, as a run on that half would do. JSON out:

- `head`: heads on frozen features. `foretold` is the error on the test photos that the half foretells
  for the whole, from the half's own test error and the curve; `given` what the whole gave. The same of
  the cross-validated error, which many more photos tell. `seconds` is what measuring the curve cost, in
  CPU time, on the half and on the whole.
- `class`: the three classes that the half's heads tell worst: the share of a class's mistakes that twice
  the photos were foretold to take away; what twice the photos of all classes took away, and what twice the
  photos of this class alone did, cross-validated.
- `recipe` (with `--recipe`): the default recipe trained on the half and on the whole, minutes each.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl
from photo_sets import divided, held_back

import tlearn
from tlearn import backbones, crossing, jobs, prospects, recipes
from tlearn.advice import of_photos
from tlearn.datasets import Dataset
from tlearn.evaluation.intervals import percentile
from tlearn.labelling import neighbours
from tlearn.memory import budget
from tlearn.photos import pipeline
from tlearn.stages import linear_head

Array = np.ndarray[Any, Any]


def frozen(data: Dataset, backbone: str) -> tuple[pd.DataFrame, Array]:
    """All photos, and their features `(photos, features)`."""
    (stage,) = recipes.linear_probe(data.count("train"))
    job = jobs.Job(
        backbones.build(backbones.resolve(backbone).name),
        data,
        (stage,),
        policy="float32",
        budget=budget(None),
        resize_mode="crop",
    )
    held_out = data.examples[data.examples["split"] != "train"].reset_index(drop=True)
    rows = job.keep((stage,), held_out).plain(stage)
    assert rows is not None
    features = np.concatenate([part.read(np.arange(len(part))) for part in rows])
    examples = pd.concat([job.train, held_out], ignore_index=True)
    return examples, features.reshape(len(features), -1)


def test_errors(features: Array, labels: Array, train: Array, examples: pd.DataFrame) -> float:
    """The test error of the head that a run would solve, fitted on some of the training photos."""
    split = examples["split"].to_numpy()
    validation, test = split == "validation", split == "test"
    targets = linear_head.smoothed(labels[train], labels.max() + 1, 0.1)
    head = linear_head.fit(features[train], targets, features[validation], labels[validation])
    scores = features[test] @ head.kernel + head.bias
    return float((scores.argmax(axis=1) != labels[test]).mean())


def measured(
    examples: pd.DataFrame, features: Array, names: tuple[str, ...], rows: Array, seed: int
):
    begun = time.process_time()
    curve = prospects.learning_curve(
        examples.iloc[rows].reset_index(drop=True), features[rows], names, seed=seed
    )
    assert curve is not None
    return curve, time.process_time() - begun


def wrong_by_class(features: Array, labels: Array, part: Array, held_out: Array) -> Array:
    """What the best head gets wrong of each class of the photos held out."""
    classes = labels.max() + 1
    head = linear_head.fit(
        features[part],
        linear_head.smoothed(labels[part], classes, 0.1),
        features[held_out],
        labels[held_out],
    )
    answer = (features[held_out] @ head.kernel + head.bias).argmax(axis=1)
    return np.bincount(labels[held_out][answer != labels[held_out]], minlength=classes)


def by_heads(
    examples: pd.DataFrame, features: Array, names: tuple[str, ...], seed: int
) -> Iterator[dict[str, Any]]:
    labels = pipeline.class_numbers(examples, names)
    split = examples["split"].to_numpy()
    half = np.isin(examples.index, held_back(examples, 0.5, seed).index)
    validation, train = split == "validation", split == "train"
    curve, seconds = measured(examples, features, names, np.flatnonzero(half | validation), seed)
    whole, whole_seconds = measured(
        examples, features, names, np.flatnonzero(train | validation), seed
    )
    curves = of_photos.resampled(*of_photos.errors(curve))
    before = test_errors(features, labels, half, examples)
    reduction = curves.reduction(int(half.sum()), train.sum() / half.sum())
    low, high = percentile(before * (1 - reduction))
    sizes, errors = of_photos.errors(whole)
    half_sizes, half_errors = of_photos.errors(curve)
    ends = percentile(curves(sizes[-1]))
    yield {
        "of": "head",
        "seed": seed,
        "photos": [int(half.sum()), int(train.sum())],
        "test_error_of_half": round(before, 4),
        "foretold": [
            round(low, 4),
            round(float(np.median(before * (1 - reduction))), 4),
            round(high, 4),
        ],
        "given": round(test_errors(features, labels, train, examples), 4),
        "cross_validated_of_half": [
            round(half_sizes[-1]),
            round(float(half_errors.mean(0)[-1]), 4),
        ],
        "cross_validated_foretold": [
            round(sizes[-1]),
            round(ends[0], 4),
            round(float(np.median(curves(sizes[-1]))), 4),
            round(ends[1], 4),
        ],
        "cross_validated_given": round(float(errors.mean(axis=0)[-1]), 4),
        "seconds": [round(seconds, 1), round(whole_seconds, 1)],
    }
    yield from by_classes(examples, features, names, curve, half, seed)


def by_classes(
    examples: pd.DataFrame,
    features: Array,
    names: tuple[str, ...],
    curve: pd.DataFrame,
    half: Array,
    seed: int,
) -> Iterator[dict[str, Any]]:
    labels = pipeline.class_numbers(examples, names)
    features = neighbours.principal(features, 256)
    train = (examples["split"] == "train").to_numpy()
    rows = np.flatnonzero(train)
    of_fold = crossing.folds(examples.iloc[rows], 5, seed=seed)
    last = curve[curve["share"] == 1].groupby("class")[["wrong", "held_out"]].sum()
    weakest = (last["wrong"] / last["held_out"]).sort_values().index[-3:]
    wrong = dict.fromkeys(("half", "all", *weakest), 0)
    for fold in range(5):
        inside, held_out = rows[of_fold != fold], rows[of_fold == fold]
        of_half = inside[half[inside]]
        wrong["half"] += wrong_by_class(features, labels, of_half, held_out)
        wrong["all"] += wrong_by_class(features, labels, inside, held_out)
        for name in weakest:
            one = names.index(name)
            part = inside[half[inside] | (labels[inside] == one)]
            wrong[name] += wrong_by_class(features, labels, part, held_out)
    for name in weakest:
        one = names.index(name)
        mine = curve[curve["class"] == name]
        curves = of_photos.resampled(*of_photos.errors(mine))
        photos = int((half & (labels == one)).sum())
        low, high = percentile(curves.reduction(photos, 2))
        before = max(1, int(wrong["half"][one]))
        yield {
            "of": "class",
            "seed": seed,
            "class": name,
            "photos": photos,
            "mistakes": before,
            "foretold_fewer": [round(low, 3), round(high, 3)],
            "fewer_by_all": round(1 - int(wrong["all"][one]) / before, 3),
            "fewer_by_this_class": round(1 - int(wrong[name][one]) / before, 3),
            "mistakes_of_others": [
                int(wrong["half"].sum() - wrong["half"][one]),
                int(wrong[name].sum() - wrong[name][one]),
            ],
        }


def by_recipe(data: Dataset, backbone: str, seed: int) -> dict[str, Any]:
    """The default recipe on the half and on the whole, and what the first foretold of the second."""
    half = held_back(data.examples, 0.5, seed).index
    kept = data.examples.index.isin(half) | (data.examples["split"] != "train")
    found: dict[str, Any] = {"of": "recipe", "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        for name, examples in (("half", data.examples[kept]), ("whole", data.examples)):
            table = Path(folder) / f"{name}.csv"
            examples[["path", "label", "split"]].to_csv(table, index=False)
            run = tlearn.finetune(
                table, backbone=backbone, seed=seed, group=False, output=folder, name=name
            )
            report = tlearn.report(run)
            (advice,) = (
                one for one in report.advice if one.kind == "photos" and "class" not in one.evidence
            )
            found[name] = {
                "photos": run.info["dataset"]["train"],
                "accuracy": round(float(report.summary["value"][0]), 4),
                "interval": report.summary[["low", "high"]].iloc[0].round(4).tolist(),
                "foretold_by_twice": advice.evidence["accuracy_by_twice"],
                "seconds": run.info["seconds"],
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos")
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--recipe", action="store_true")
    given = parser.parse_args()
    data = divided(given.photos)
    seeds = [int(seed) for seed in given.seeds.split(",")]
    if given.recipe:
        for seed in seeds:
            print(json.dumps(by_recipe(data, given.backbone, seed)), flush=True)
        return
    examples, features = frozen(data, given.backbone)
    for seed in seeds:
        # As in a run: so small matrices are divided among threads at a loss.
        with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
            for row in by_heads(examples, features.astype(np.float32), data.class_names, seed):
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()

"""What a run's probabilities are worth: before and after calibration, and when it may be unsure.

    python benchmarks/calibration.py RUN...

All of it is read from the run folders, without TensorFlow. `before` and `after` are on the test photos;
`by_chance` is the calibration error that exactly true probabilities would have on so many photos;
`at_coverage` is the accuracy when only the surest 90 % and 80 % of them are answered. `rules` divides the
validation and test photos at random into two halves, over and over; a threshold for a precision of 95 %
(98 %) is chosen on one half, by the estimate or by the lower end of its interval, and tried on the other:
`held` is how often the other half reached the precision, `none` how often there was no such threshold.
`few_photos` fits the temperature on so many photos, with and without the pull towards 1, and gives
the mean and the 95th percentile of the log loss on the others, beside that without calibration.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

import numpy as np
import pandas as pd
from measuring import machine

from tlearn import calibration, runs

REPEATS = 400

Array = np.ndarray[Any, Any]


def rules(correct: Array, confidence: Array) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(REPEATS):
        order = generator.permutation(len(correct))
        chosen, tried = np.array_split(order, 2)
        table = calibration.coverage(correct[chosen], confidence[chosen])
        for wanted in (0.95, 0.98):
            for rule, column in (("estimate", "accuracy"), ("lower end", "low")):
                levels = table.loc[table[column] >= wanted, "threshold"]
                given = confidence[tried] >= (levels.min() if len(levels) else math.inf)
                precision = correct[tried][given].mean() if given.any() else math.nan
                found.setdefault(f"{wanted} by the {rule}", []).append((precision, given.mean()))
    answer = {}
    for rule, values in found.items():
        precision, coverage = np.array(values).T
        there = precision[~np.isnan(precision)]
        answer[rule] = {
            "held": round(float((there >= float(rule[:4])).mean()), 3) if len(there) else None,
            "precision": round(float(there.mean()), 4) if len(there) else None,
            "coverage": round(float(coverage.mean()), 3),
            "none": round(float(np.isnan(precision).mean()), 3),
        }
    return answer


def few_photos(logits: Array, labels: Array) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    answer: dict[str, Any] = {}
    for count in (15, 40, 100, 300):
        losses: dict[str, list[float]] = {"with": [], "without": [], "uncalibrated": []}
        for _ in range(REPEATS // 4):
            order = generator.permutation(len(labels))
            fitted, tried = order[:count], order[count:]
            values = {"uncalibrated": 1.0}
            for name, given in (("with", {}), ("without", {"spread": math.inf})):
                values[name] = calibration.fit(logits[fitted], labels[fitted], **given).value
            for name, value in values.items():
                probabilities = calibration.calibrated(np.exp(logits[tried]), value)
                losses[name].append(calibration.scores(probabilities, labels[tried])["nll"])
        answer[str(count)] = {
            name: [round(float(np.mean(ones)), 4), round(float(np.quantile(ones, 0.95)), 4)]
            for name, ones in losses.items()
        }
    return answer


def by_chance(probabilities: Array) -> dict[str, float]:
    """The mean calibration errors if every probability were exactly true."""
    generator = np.random.default_rng(0)
    steps = probabilities.cumsum(axis=1)
    steps /= steps[:, -1:]
    found = []
    for _ in range(REPEATS // 4):
        labels = (steps < generator.random((len(steps), 1))).sum(axis=1)
        found.append(calibration.scores(probabilities, labels))
    return {
        name: round(float(np.mean([one[name] for one in found])), 4)
        for name in ("ece", "adaptive_ece")
    }


def judged(run: runs.Run) -> dict[str, Any]:
    said, found = run.predictions, run.info["calibration"]
    test = said[said["split"] == "test"]
    table = calibration.coverage(test["correct"], test["probability"])
    names = [f"p[{name}]" for name in run.class_names]
    before = calibration.uncalibrated(said[names].to_numpy(dtype=np.float64), found["temperature"])
    labels = pd.Index(run.class_names).get_indexer(said["label"])
    return {
        "run": run.name,
        "backbone": run.info["backbone"],
        "photos": {split: int((said["split"] == split).sum()) for split in ("validation", "test")},
        "temperature": found["temperature"],
        **{when: found[when] for when in ("before", "after", "validation")},
        "by_chance": by_chance(test[names].to_numpy(dtype=np.float64)),
        "at_coverage": {
            str(share): table[table["coverage"] >= share]
            .iloc[0][["coverage", "threshold", "accuracy", "low", "high"]]
            .to_dict()
            for share in (1.0, 0.9, 0.8)
        },
        "threshold": run.info["threshold"],
        "scope": run.info["scope"],
        "rules": rules(said["correct"].to_numpy(), said["probability"].to_numpy()),
        "few_photos": few_photos(np.log(np.maximum(before, 1e-30)), labels),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+")
    options = parser.parse_args()
    found = [judged(runs.load(run)) for run in options.runs]
    print(json.dumps({"machine": machine(), "runs": found}, indent=2))


if __name__ == "__main__":
    main()

"""Which way of making photos square serves a classifier best: crop, pad or stretch.

A logistic regression on the frozen features of one backbone (a linear probe) is trained for each
mode on the same photos. Its strength of regularisation is chosen on the validation split. Because
that split is small, the modes are compared by cross-validation over train and validation photos
together; the test split is only reported.

Command:

    python benchmarks/resize_modes.py PHOTOS [--backbone efficientnet_lite0] [--output FILE]

PHOTOS is anything that `tlearn finetune --dataset` takes. Square photos tell nothing: all three
modes show the same. About three minutes a mode for 3,800 photos on two CPU cores. The table in docs/decoding.md comes from this file.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tlearn import backbones, datasets, splits
from tlearn.photos import pipeline
from tlearn.photos.resize_modes import RESIZE_MODES

REGULARISATION = (0.0003, 0.001, 0.003, 0.01)
FOLDS = 5


def features(examples: pd.DataFrame, class_names: tuple[str, ...], backbone: str, mode: str):
    trunk = backbones.build(backbone)
    pooled = keras.layers.GlobalAveragePooling2D()(trunk.output)
    model = keras.Model(trunk.input, pooled)
    size = trunk.input_shape[1]
    batches = pipeline.batches(examples, class_names, image_size=size, resize_mode=mode)
    return model.predict(batches, verbose=0)


def probe(c: float):
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000))


def measure(dataset: datasets.Dataset, backbone: str, mode: str) -> tuple[dict[str, Any], Any]:
    examples, names = dataset.examples, dataset.class_names
    began = time.perf_counter()
    rows = features(examples, names, backbone, mode)
    seconds = time.perf_counter() - began
    labels = examples["label"].map({name: place for place, name in enumerate(names)}).to_numpy()
    of = {name: (examples["split"] == name).to_numpy() for name in ("train", "validation", "test")}

    fitted = {c: probe(c).fit(rows[of["train"]], labels[of["train"]]) for c in REGULARISATION}
    scores = {
        c: float(model.score(rows[of["validation"]], labels[of["validation"]]))
        for c, model in fitted.items()
    }
    best = max(scores, key=lambda c: scores[c])
    development = of["train"] | of["validation"]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    guesses = cross_val_predict(probe(best), rows[development], labels[development], cv=folds)
    hits = guesses == labels[development]
    result = {
        "mode": mode,
        "validation": scores[best],
        "cross_validation": float(hits.mean()),
        "test": float(fitted[best].score(rows[of["test"]], labels[of["test"]])),
        "regularisation": best,
        "validation_by_regularisation": scores,
        "seconds": round(seconds, 1),
    }
    return result, hits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()

    dataset = splits.make(datasets.load(arguments.photos))
    counts = dataset.examples["split"].value_counts().to_dict()
    results, hits = [], {}
    for mode in RESIZE_MODES:
        result, hits[mode] = measure(dataset, arguments.backbone, mode)
        results.append(result)
        print(json.dumps(result), file=sys.stderr)
    best = max(results, key=lambda result: result["cross_validation"])["mode"]
    for result in results:
        # The same photos in each mode, so the error of the difference is that of paired guesses.
        lost = hits[best].astype(float) - hits[result["mode"]].astype(float)
        result["behind_best"] = float(lost.mean())
        result["standard_error"] = float(np.std(lost) / math.sqrt(len(lost)))
    report = {
        "photos": arguments.photos,
        "backbone": arguments.backbone,
        "splits": {str(name): int(count) for name, count in counts.items()},
        "folds": FOLDS,
        "best": best,
        "modes": results,
    }
    text = json.dumps(report, indent=2)
    if arguments.output:
        arguments.output.write_text(text + "\n")
    else:
        sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()

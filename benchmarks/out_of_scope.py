"""Which score tells best that a photo is unlike anything a model was trained on.

    python benchmarks/out_of_scope.py RUN OTHER_RUN

Each run's model is shown the validation and test photos of the other, and its own test photos. AUROC is
the chance that a photo of the other set has a higher score than one of its own test photos. `flagged`
is the share above the threshold that flags 5 % (and 1 %) of the run's own validation photos, of its test
photos and of the others; `kib` is what the SavedModel has to carry for it. The photos of both runs must
be where they were.

Scores: max softmax (Hendrycks and Gimpel 2017), energy (Liu et al. 2020), k nearest neighbours of
normalised features (Sun et al. 2022), of features as they are, and of features divided by their spread;
Mahalanobis (Lee et al. 2018, last layer; the covariance shrunk by Ledoit and Wolf 2004, or half-way
towards its mean variance), of normalised features (Mueller and Hein 2025), relative (Ren et al. 2021),
and of the 64 strongest directions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
from measuring import machine
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score

from tlearn import heads, runs
from tlearn.calibration import scope
from tlearn.networks import last_layer
from tlearn.photos import pipeline

Array = np.ndarray[Any, Any]
Score = Callable[[Array, Array], Array]


def looked_at(run: runs.Run, reader: keras.Model, photos: pd.DataFrame) -> tuple[Array, Array]:
    """Features and logits of photos, by the run's model; their labels do not matter."""
    batches = pipeline.batches(
        photos,
        tuple(sorted(set(photos["label"]))),
        image_size=run.info["image_size"],
        batch_size=32,
        resize_mode=run.info["resize_mode"],
    )
    parts = [reader.predict_on_batch(images) for images, _ in batches]
    return np.concatenate([one[0] for one in parts]), np.concatenate([one[1] for one in parts])


def unit(features: Array) -> Array:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def neighbours(bank: Array, k: int, change: Callable[[Array], Array] = lambda one: one) -> Score:
    known = change(bank)

    def score(features: Array, logits: Array) -> Array:
        asked = change(features)
        squares = (asked**2).sum(axis=1)[:, None] - 2 * asked @ known.T + (known**2).sum(axis=1)
        return np.partition(squares, k - 1, axis=1)[:, k - 1]

    return score


def halved(residuals: Array) -> Array:
    covariance = residuals.T @ residuals / len(residuals)
    return (covariance + np.trace(covariance) / len(covariance) * np.eye(len(covariance))) / 2


def shrunk(residuals: Array) -> Array:
    return ledoit_wolf(residuals, assume_centered=True)[0]


def strongest(residuals: Array, rank: int = 64) -> Array:
    values, vectors = np.linalg.eigh(residuals.T @ residuals / len(residuals))
    values[:-rank] = values[:-rank].mean()
    return (vectors * values) @ vectors.T


def mahalanobis(
    train: Array,
    labels: Array,
    covariance: Callable[[Array], Array],
    change: Callable[[Array], Array] = lambda one: one,
    *,
    relative: bool = False,
) -> Score:
    known = change(train).astype(np.float64)
    means = np.stack([known[labels == one].mean(axis=0) for one in np.unique(labels)])
    precision = np.linalg.inv(covariance(known - means[np.searchsorted(np.unique(labels), labels)]))
    mean = known.mean(axis=0)
    background = np.linalg.inv(covariance(known - mean)) if relative else None

    def score(features: Array, logits: Array) -> Array:
        asked = change(features).astype(np.float64)
        of_means = np.einsum("cd,de,ce->c", means, precision, means)
        squares = (asked @ precision * asked).sum(axis=1)
        found = squares + (of_means - 2 * asked @ precision @ means.T).min(axis=1)
        if background is not None:
            found -= ((asked - mean) @ background * (asked - mean)).sum(axis=1)
        return found

    return score


def scores(train: Array, labels: Array) -> dict[str, tuple[float, Score]]:
    """From a method's name to the numbers it carries and the score: the higher, the less alike."""
    count, size = train.shape
    classes = len(np.unique(labels))
    found: dict[str, tuple[float, Score]] = {
        "max softmax": (0, lambda _, logits: -np.exp(logits.max(1) - logsumexp(logits, axis=1))),
        "energy": (0, lambda _, logits: -logsumexp(logits, axis=1)),
    }
    for k in (1, 5, 10, 50):
        found[f"neighbour {k}, normalised"] = (count * size, neighbours(train, k, unit))
    for k in (1, 5, 10):
        found[f"neighbour {k}"] = (count * size, neighbours(train, k))
    spread = scope.Known.of(train).spread
    found["neighbour 1, scaled"] = (count * size, neighbours(train, 1, lambda one: one / spread))
    for k in (1, 5):
        found[f"neighbour {k}, scaled and normalised"] = (
            count * size,
            neighbours(train, k, lambda one: unit(one / spread)),
        )
    known = scope.Known.of(train[scope.pick(labels, size)])
    found["as shipped"] = (known.bank.size / 2, lambda one, _: known.nearest(one))
    square = (size + classes) * size
    found["mahalanobis, Ledoit-Wolf"] = (square, mahalanobis(train, labels, shrunk))
    found["mahalanobis, halved"] = (square, mahalanobis(train, labels, halved))
    found["mahalanobis, normalised"] = (square, mahalanobis(train, labels, shrunk, unit))
    found["mahalanobis, relative"] = (
        square + size**2,
        mahalanobis(train, labels, halved, relative=True),
    )
    found["mahalanobis, 64 directions"] = (
        (64 + classes) * size,
        mahalanobis(train, labels, strongest),
    )
    return found


def judged(run: runs.Run, other: runs.Run) -> dict[str, Any]:
    model = keras.models.load_model(run.model_path)
    reader = keras.Model(model.inputs, list(last_layer.around(model, heads.LOGITS)))
    own = {
        split: looked_at(run, reader, photos.reset_index(drop=True))
        for split, photos in run.splits.groupby("split")
    }
    strange = other.splits[other.splits["split"] != "train"].reset_index(drop=True)
    unlike = looked_at(run, reader, strange)
    labels = run.splits.loc[run.splits["split"] == "train", "label"].to_numpy(dtype=str)
    answer: dict[str, Any] = {
        "train": len(labels),
        **{split: len(own[split][0]) for split in ("validation", "test")},
        "others": len(strange),
        "features": own["train"][0].shape[1],
        "scores": {},
    }
    for name, (numbers, score) in scores(own["train"][0], labels).items():
        held_out, test, others = (score(*one) for one in (own["validation"], own["test"], unlike))
        truth = np.repeat([0, 1], [len(test), len(others)])
        row = {"auroc": float(roc_auc_score(truth, np.concatenate([test, others])))}
        row["kib"] = round(4 * numbers / 1024)
        for share in (0.05, 0.01):
            place = min(len(held_out), int(np.ceil((len(held_out) + 1) * (1 - share)))) - 1
            limit = np.sort(held_out)[place]
            row[f"flagged_{share}"] = {
                "test": round(float((test > limit).mean()), 4),
                "others": round(float((others > limit).mean()), 4),
            }
        answer["scores"][name] = row
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("other")
    options = parser.parse_args()
    first, second = runs.load(options.run), runs.load(options.other)
    answer = {
        "machine": machine(),
        "backbone": first.info["backbone"],
        f"{first.info['dataset']['name']} shown {second.info['dataset']['name']}": judged(
            first, second
        ),
        f"{second.info['dataset']['name']} shown {first.info['dataset']['name']}": judged(
            second, first
        ),
    }
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()

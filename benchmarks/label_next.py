"""What labelling photos in tlearn's order teaches, beside labelling as many at random.

    python benchmarks/label_next.py ../shared/data/clothing --start 100 --step 100 --rounds 4

The training photos are the pool, the others judge. Heads are solved on frozen features of growing
sets, so that nothing but the choice of photos differs; each seed begins with another random set.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import threadpoolctl
from label_noise import frozen
from measuring import machine
from photo_sets import divided
from scipy.special import softmax

from tlearn import crossing
from tlearn.labelling import choosing_next, neighbours
from tlearn.stages import linear_head


def solved(features: np.ndarray, labels: np.ndarray, classes: int) -> linear_head.Solution:
    """The head of the penalty that three folds find best."""
    folds = np.random.default_rng(0).permutation(len(labels)) % 3
    best = crossing.cross_validate(features, labels, folds, classes, label_smoothing=0.0).penalty
    path = linear_head.path(features, linear_head.smoothed(labels, classes, 0.0))
    return next(head for head in path if head.penalty == best)


def alternatives(
    method: str, probabilities: np.ndarray, features: np.ndarray, count: int, seed: int
) -> np.ndarray:
    """Other ways to choose: BADGE (Ash et al. 2020), and weighted farthest-first without a cap."""
    unsure = choosing_next.uncertainty(probabilities)
    if method == "uncertainty":
        return np.argsort(-unsure, kind="stable")[:count]
    values, weights = features.astype(np.float32), np.ones((len(features), 1), np.float32)
    if method == "spread":
        values = values / np.linalg.norm(values, axis=1, keepdims=True)
    else:
        weights = probabilities.astype(np.float32)
        weights[np.arange(len(weights)), probabilities.argmax(axis=1)] -= 1.0
    sizes = (values**2).sum(axis=1) * (weights**2).sum(axis=1)
    random = np.random.default_rng(seed)
    chosen = [int((sizes if method == "badge" else unsure).argmax())]
    nearest = np.full(len(values), np.inf, np.float32)
    while len(chosen) < count:
        last = chosen[-1]
        apart = sizes + sizes[last] - 2 * (values @ values[last]) * (weights @ weights[last])
        nearest = np.minimum(nearest, np.maximum(apart, 0))
        nearest[chosen] = 0
        worth = nearest.astype(np.float64)
        if method == "badge":
            chosen.append(int(random.choice(len(worth), p=worth / worth.sum())))
        else:
            chosen.append(int((np.sqrt(worth) * unsure).argmax()))
    return np.array(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos")
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--start", type=int, default=100)
    parser.add_argument("--step", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--copies", type=int, default=1, help="how often the pool has each photo")
    given = parser.parse_args()
    data = divided(given.photos)
    examples, raw = frozen(data, given.backbone)
    names = data.class_names
    labels = np.array([names.index(label) for label in examples["label"]])
    pool = np.flatnonzero((examples["split"] == "train").to_numpy())
    judges = np.flatnonzero((examples["split"] != "train").to_numpy())
    if given.copies > 1:
        # A burst: the same thing again, a little otherwise.
        more = np.repeat(pool, given.copies - 1)
        noise = np.random.default_rng(0).normal(size=(len(more), raw.shape[1]))
        near = raw[more].astype(np.float32)
        near += 0.1 * near.std(axis=1, keepdims=True) * noise.astype(np.float32)
        pool = np.concatenate([pool, np.arange(len(raw), len(raw) + len(more))])
        raw, labels = np.concatenate([raw, near]), np.concatenate([labels, labels[more]])
    rows: dict[str, list[list[float]]] = {}
    with threadpoolctl.threadpool_limits(1):
        features = neighbours.principal(raw, 256)
        for method in ("random", "tlearn", "badge", "spread", "uncertainty"):
            for seed in map(int, given.seeds.split(",")):
                random = np.random.default_rng(seed)
                known = random.choice(pool, given.start, replace=False)
                curve = []
                for left in range(given.rounds, -1, -1):
                    head = solved(features[known], labels[known], len(names))
                    scores = features @ head.kernel + head.bias
                    right = scores[judges].argmax(axis=1) == labels[judges]
                    curve.append(round(float(right.mean()), 4))
                    if not left:
                        break
                    open_ = np.setdiff1d(pool, known)
                    if method == "random":
                        chosen = random.choice(len(open_), given.step, replace=False)
                    else:
                        chances = softmax(scores[open_].astype(np.float64), axis=1)
                        chosen = (
                            choosing_next.order(chances, raw[open_], given.step)
                            if method == "tlearn"
                            else alternatives(method, chances, raw[open_], given.step, seed)
                        )
                    known = np.concatenate([known, open_[chosen]])
                rows.setdefault(method, []).append(curve)
    means = {
        method: [round(float(value), 4) for value in np.mean(curves, axis=0)]
        for method, curves in rows.items()
    }
    counts = [given.start + given.step * number for number in range(given.rounds + 1)]
    print(json.dumps({**machine(), "labelled": counts, "means": means, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()

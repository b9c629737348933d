"""Which ideas for a better head pay, on frozen features. JSON out.

    taskset -c 1 python benchmarks/heads.py ../shared/data/clothing
    python benchmarks/heads.py PHOTOS --seeds 0 --only flip,larger
    python benchmarks/heads.py PHOTOS --only blocks,half_blocks --per-class 10

Every idea is measured beside the head that tlearn solves, on the same photos: five-fold
cross-validation over the training and validation photos together, once for each seed; the test photos
are not looked at. Of the photos that a fold trains on, an eighth is held out to choose the penalty, as
the validation photos do in a run, so that the fold's own photos only judge. Label smoothing 0.1, as in
the recipes. `--per-class` has so many photos of each class fit, and a fifth as many, but two, choose.

`accuracy` and `log_loss` are means over all folds. `difference` is that to `plain`, paired by fold, with
the standard error of Nadeau and Bengio (2003), which counts in that folds share most of their training
photos. `cpu_ms` is what the network takes for one photo to be judged, decoded already, `fit_cpu_seconds`
what the fits of one fold take, all in CPU time. One JSON object per idea.

- `normalised`, `square_root`, `standardised`: features at length 1, square roots of them, each divided by
  its standard deviation
- `cosine`: the scores are cosines times a scale (8, 16 or 32), of centred features
- `average_and_max`: the last feature map's mean and its maximum (the head of fastai)
- `blocks`: the mean of each block's feature maps, scaled to the same mean square (Head2Toe, Evci et al.
  2022, with one mean for each channel); `half_blocks`: of the last half of them, as `--head depths` takes
  them; `late_blocks`: of the last third; `blocks_selected`: the
  share of all (a tenth, three tenths) that a group lasso weighs most
- `flip`: the mean of the probabilities of a photo and its mirror image; `mirror_in_training`: the head
  is fitted on both; `mirror_in_both`: the two together
- `smaller`, `larger`: the head fitted and judged at other sizes (`--sizes`); `smaller_at_plain` and
  `plain_at_larger`: fitted at one, judged at the other, which is what FixRes (Touvron et al. 2019) mends
  by a head fitted anew
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import head_fits
import keras
import measuring
import numpy as np
import pandas as pd
import photo_sets
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from tlearn import backbones, heads
from tlearn.features.trunk import Trunk
from tlearn.photos import pipeline
from tlearn.stages import freezing, linear_head

Array = np.ndarray[Any, Any]

FOLDS = 5
SMOOTHING = 0.1
TIMED = 128
SHARES = (0.1, 0.3)
LASSO = 0.02


@dataclass(frozen=True)
class Seen:
    """What the network says of all photos at one size.

    Args:
        blocks: The mean of each block's feature maps, `(photos, channels)`; the last is the head's input.
        maximum: The maximum of the last one; at other sizes there is none.
    """

    blocks: list[Array]
    maximum: Array | None

    @classmethod
    def of(cls, parts: list[Array]) -> Seen:
        return cls(parts[:-1], parts[-1]) if len(parts) > 1 else cls(parts, None)

    @property
    def top(self) -> Array:
        return self.blocks[-1]


@dataclass(frozen=True)
class Fold:
    """One way to divide the photos: rows that fit a head, choose its penalty, and judge it."""

    seen: dict[str, Seen]
    labels: Array
    targets: Array
    fit: Array
    choose: Array
    judge: Array

    @functools.cached_property
    def plain(self) -> linear_head.LinearHead:
        return self.solve(self.seen["plain"].top)

    def solve(self, rows: Array, mirrored: Array | None = None) -> linear_head.LinearHead:
        """tlearn's head on such features; where there are mirror images, on both."""
        fitted, targets = rows[self.fit], self.targets[self.fit]
        if mirrored is not None:
            fitted, targets = np.concatenate([fitted, mirrored[self.fit]]), np.tile(targets, (2, 1))
        held_out = rows[self.choose]
        return linear_head.fit(fitted, targets, held_out, self.labels[self.choose])

    def judged(self, head: linear_head.LinearHead, rows: Array) -> Array:
        """Probabilities of the photos that judge."""
        return head_fits.chances(rows[self.judge] @ head.kernel + head.bias)

    def solved(self, rows: Array) -> Array:
        return self.judged(self.solve(rows), rows)

    def both(self, head: linear_head.LinearHead) -> Array:
        ways = (self.seen["plain"].top, self.seen["mirrored"].top)
        return np.mean([self.judged(head, rows) for rows in ways], axis=0)

    def even(self, parts: list[Array]) -> Array:
        """Parts beside each other, centred, each with a mean square of 1 a feature."""
        centred = [part - part[self.fit].mean(axis=0) for part in parts]
        sizes = [float(np.sqrt(np.mean(part[self.fit] ** 2))) for part in centred]
        return np.concatenate(
            [part / (size or 1.0) for part, size in zip(centred, sizes, strict=True)], axis=1
        )

    def least_loss(self, candidates: Iterator[tuple[float, Array]]) -> Array:
        """The candidate's probabilities whose loss on the photos that choose is the least."""
        return min(candidates, key=lambda candidate: candidate[0])[1]


def _standardised(fold: Fold) -> Array:
    top = fold.seen["plain"].top
    return fold.solved(top / np.maximum(top[fold.fit].std(axis=0), 1e-6))


def _cosine(fold: Fold) -> Array:
    top = fold.seen["plain"].top

    def candidates() -> Iterator[tuple[float, Array]]:
        for scale in head_fits.SCALES:
            head = head_fits.cosine(top[fold.fit], fold.targets[fold.fit], scale)
            _, loss = linear_head.score(head(top[fold.choose]), fold.labels[fold.choose])
            yield loss, head_fits.chances(head(top[fold.judge]))

    return fold.least_loss(candidates())


def _blocks_selected(fold: Fold) -> Array:
    every = fold.even(fold.seen["plain"].blocks)
    order = np.argsort(-head_fits.strengths(every[fold.fit], fold.targets[fold.fit], LASSO))

    def candidates() -> Iterator[tuple[float, Array]]:
        for share in SHARES:
            rows = every[:, order[: math.ceil(share * len(order))]]
            head = fold.solve(rows)
            yield head.log_loss, fold.judged(head, rows)

    return fold.least_loss(candidates())


def _late(blocks: list[Array]) -> list[Array]:
    """The last third of the blocks."""
    return blocks[-max(1, len(blocks) // 3) :]


def _half(blocks: list[Array]) -> list[Array]:
    """The last half of the blocks."""
    return blocks[len(blocks) // 2 :]


def _square_root(fold: Fold) -> Array:
    top = fold.seen["plain"].top
    return fold.solved(np.sign(top) * np.sqrt(np.abs(top)))


def _mirrored_head(fold: Fold) -> linear_head.LinearHead:
    return fold.solve(fold.seen["plain"].top, fold.seen["mirrored"].top)


# Each gives the probabilities of the photos that judge, and needs what is seen of all photos.
IDEAS: dict[str, Callable[[Fold], Array]] = {
    "plain": lambda fold: fold.judged(fold.plain, fold.seen["plain"].top),
    "normalised": lambda fold: fold.solved(head_fits.unit(fold.seen["plain"].top)),
    "square_root": _square_root,
    "standardised": _standardised,
    "cosine": _cosine,
    "average_and_max": lambda fold: fold.solved(
        fold.even([fold.seen["plain"].top, fold.seen["plain"].maximum])
    ),
    "blocks": lambda fold: fold.solved(fold.even(fold.seen["plain"].blocks)),
    "half_blocks": lambda fold: fold.solved(fold.even(_half(fold.seen["plain"].blocks))),
    "late_blocks": lambda fold: fold.solved(fold.even(_late(fold.seen["plain"].blocks))),
    "blocks_selected": _blocks_selected,
    "flip": lambda fold: fold.both(fold.plain),
    "mirror_in_training": lambda fold: fold.judged(_mirrored_head(fold), fold.seen["plain"].top),
    "mirror_in_both": lambda fold: fold.both(_mirrored_head(fold)),
    "smaller": lambda fold: fold.solved(fold.seen["smaller"].top),
    "smaller_at_plain": lambda fold: fold.judged(
        fold.solve(fold.seen["smaller"].top), fold.seen["plain"].top
    ),
    "plain_at_larger": lambda fold: fold.judged(fold.plain, fold.seen["larger"].top),
    "larger": lambda fold: fold.solved(fold.seen["larger"].top),
}
# What the network does for one photo that is judged; otherwise what it does for `plain`.
WORK = {
    "average_and_max": "average_and_max",
    "blocks": "blocks",
    "half_blocks": "blocks",
    "late_blocks": "blocks",
    "blocks_selected": "blocks",
    "flip": "mirrored",
    "mirror_in_both": "mirrored",
    "smaller": "smaller",
    "plain_at_larger": "larger",
    "larger": "larger",
}


def outputs(backbone: str, size: int | None) -> tuple[keras.Model, list[Any], Any]:
    """The network, the mean of each of its blocks, and the maximum of the last."""
    network = backbones.build(backbone, image_size=size)
    blocks, _ = freezing.split_head(heads.attach(network, 2))
    maps = [block[-1].output for block in blocks[:-1]] + [network.output]
    average, maximum = keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D
    means, most = [average()(one) for one in maps], maximum()(maps[-1])
    return keras.Model(network.input, [*means, most]), means, most


def look(pool: pd.DataFrame, names: tuple[str, ...], backbone: str, sizes: tuple[int, ...]) -> Any:
    """What is seen of all photos in every way, and the CPU milliseconds that a photo takes."""
    parts: dict[str, list[list[Array]]] = {}
    costs: dict[str, float] = {}
    for name, size in {"plain": None, "smaller": sizes[0], "larger": sizes[1]}.items():
        model, means, most = outputs(backbone, size)
        # At other sizes only the head's input is asked for.
        wanted = [*means, most] if name == "plain" else means[-1:]
        engine = Trunk(model, wanted, photos=len(pool))
        batches = pipeline.batches(pool, names, image_size=int(model.input_shape[1]))
        first = []
        for images, _ in batches.as_numpy_iterator():
            parts.setdefault(name, []).append(engine(images))
            if name == "plain":
                parts.setdefault("mirrored", []).append(engine(images[:, :, ::-1].copy()))
            if len(first) < TIMED // len(images):
                first.append(images)
        pixels = np.concatenate(first)
        costs["blocks" if name == "plain" else name] = cost(engine, pixels)
        if name == "plain":
            for what, some in {"plain": means[-1:], "average_and_max": [means[-1], most]}.items():
                costs[what] = cost(Trunk(model, some, engine=engine.engine), pixels)
        print(f"seen: {name}", file=sys.stderr, flush=True)
    costs["mirrored"] = 2 * costs["plain"]
    joined = {name: [np.concatenate(b) for b in zip(*p, strict=True)] for name, p in parts.items()}
    return joined, costs


def kept(file: Path | None, compute: Callable[[], Any]) -> Any:
    """What was computed into the file before; otherwise it is computed, and written there."""
    if file is not None and file.exists():
        with np.load(file) as stored:
            costs = json.loads(str(stored["costs"]))
            names = dict.fromkeys(key.partition("/")[0] for key in stored.files if "/" in key)
            counts = {name: sum(k.startswith(f"{name}/") for k in stored.files) for name in names}
            parts = {
                name: [stored[f"{name}/{place}"] for place in range(count)]
                for name, count in counts.items()
            }
            return parts, costs
    parts, costs = compute()
    if file is not None:
        arrays = {f"{name}/{n}": one for name, each in parts.items() for n, one in enumerate(each)}
        np.savez(file, costs=json.dumps(costs), **arrays)
    return parts, costs


def cost(engine: Trunk, images: Array) -> float:
    """CPU milliseconds a photo."""
    rate = measuring.timed(len(images), lambda: engine(images))
    return 1000 * rate["cpu_seconds"] / len(images)


def division(
    labels: Array, groups: Array, seed: int, per_class: int | None
) -> Iterator[tuple[Array, Array, Array]]:
    """Rows to fit, to choose by and to judge by, for each fold; equal photos are judged together."""
    by_fold = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for others, judge in by_fold.split(labels, labels, groups):
        fit, choose = train_test_split(
            others, test_size=1 / 8, stratify=labels[others], random_state=seed
        )
        if per_class:
            fit = few(fit, labels, per_class, seed)
            choose = few(choose, labels, max(2, per_class // 5), seed)
        yield np.sort(fit), np.sort(choose), judge


def few(rows: Array, labels: Array, count: int, seed: int) -> Array:
    """So many rows of each class, or all, drawn at random."""
    rows = np.random.default_rng(seed).permutation(rows)
    return np.concatenate([rows[labels[rows] == one][:count] for one in np.unique(labels)])


def smoothed(labels: Array) -> Array:
    """What a head is fitted to, `(photos, classes)`."""
    return linear_head.smoothed(labels, int(labels.max()) + 1, SMOOTHING)


def paired(idea: list[float], plain: list[float]) -> dict[str, float]:
    """The mean difference and its standard error over folds that share training photos."""
    gains = [one - other for one, other in zip(idea, plain, strict=True)]
    shared = 1 / len(gains) + 1 / (FOLDS - 1)
    return {
        "mean": round(statistics.fmean(gains), 5),
        "standard_error": round(math.sqrt(shared * statistics.variance(gains)), 5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--seeds", type=measuring.whole_numbers, default=(0, 1, 2))
    parser.add_argument("--sizes", type=measuring.whole_numbers, default=(192, 256))
    parser.add_argument("--features", type=Path, help=".npz: to keep them in, or to take them from")
    parser.add_argument("--per-class", type=int, help="photos of each class that fit a head")
    parser.add_argument("--only", help=f"ideas beside plain: {','.join(IDEAS)}")
    given = parser.parse_args()
    wanted = ["plain", *(given.only.split(",") if given.only else list(IDEAS)[1:])]

    dataset = photo_sets.divided(given.photos)
    pool = dataset.examples[dataset.examples["split"] != "test"].reset_index(drop=True)
    labels = pipeline.class_numbers(pool, dataset.class_names)
    parts, costs = kept(
        given.features, lambda: look(pool, dataset.class_names, given.backbone, given.sizes)
    )
    seen = {name: Seen.of(each) for name, each in parts.items()}
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in wanted}
    for seed in given.seeds:
        for rows in division(labels, pool["digest"].to_numpy(), seed, given.per_class):
            fold = Fold(seen, labels, smoothed(labels), *rows)
            for name in wanted:
                began = time.process_time()
                probabilities = IDEAS[name](fold)
                seconds = time.process_time() - began
                truth = labels[fold.judge]
                # The logarithms of probabilities are scores, too.
                scores = np.log(np.maximum(probabilities, 1e-12))
                found[name].append((*linear_head.score(scores, truth), seconds))
            print(f"judged: seed {seed}, {len(found['plain'])} folds", file=sys.stderr, flush=True)
    for name in wanted:
        accuracy, loss, seconds = (list(values) for values in zip(*found[name], strict=True))
        plain_accuracy, plain_loss, _ = (list(v) for v in zip(*found["plain"], strict=True))
        result = {
            "idea": name,
            "accuracy": round(statistics.fmean(accuracy), 4),
            "log_loss": round(statistics.fmean(loss), 4),
            "difference": {
                "accuracy": paired(accuracy, plain_accuracy),
                "log_loss": paired(loss, plain_loss),
            },
            "cpu_ms": round(costs[WORK.get(name, "plain")], 2),
            "fit_cpu_seconds": round(statistics.fmean(seconds), 2),
        }
        print(json.dumps(result), flush=True)
    summary = {"photos": len(pool), "seeds": given.seeds, "backbone": given.backbone}
    print(json.dumps({**summary, "costs": costs, **measuring.machine()}))


if __name__ == "__main__":
    main()

"""What the last epochs, their average, and the way back to the head are worth, by one training. JSON out.

    python benchmarks/averages.py ../shared/data/clothing --per-class 10,25 --seeds 0,1
    python benchmarks/averages.py PHOTOS --method default:learning_rate=3e-4,default:batch_size=32

Photos are drawn as by `size_rules.py`, whose methods these are, and judged by a part of the pool: no
test photo is looked at. A recipe of two stages is trained once, and afterwards judged with

- `head`: the weights before the unfreeze
- `last`: those after the last epoch
- `average`: the mean of those after each epoch of the last half (Izmailov et al. 2018)
- `exponential`: an average in which each step's weights count a hundredth of all before (of as many steps
  as an epoch has, where these are fewer)
- `between`: half-way from `head` to `last` (WiSE-FT, Wortsman et al. 2022)
- `average_between`: half-way from `head` to `average`

With several methods, `soup` judges the mean of their last weights (Wortsman et al. 2022): give
one recipe at several rates.

One JSON object per run, and one per size and method with the means over the seeds. There,
`undone_by_accuracy` and `undone_by_log_loss` are `average`, but `head` in runs in which `average` is
worse than it on the run's own validation photos.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

import few_photos
import keras
import measuring
import numpy as np
import pandas as pd
import size_rules

from tlearn import stages


class Snapshots(keras.callbacks.Callback):
    """The model's weights before training and after each epoch, and their exponential average."""

    def __init__(self, of: keras.Model) -> None:
        super().__init__()
        self.weights: list[list[np.ndarray]] = []
        self.exponential: list[np.ndarray] = []
        self._of = of

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.weights = [self._of.get_weights()]
        self.exponential = [one.copy() for one in self.weights[0]]

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        share = 1 / min(100, self.params["steps"])
        for mine, one in zip(self.exponential, self._of.get_weights(), strict=True):
            mine += share * (one - mine)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.weights.append(self._of.get_weights())

    def candidates(self) -> dict[str, list[np.ndarray]]:
        head, *epochs = self.weights
        average = mean(epochs[len(epochs) // 2 :])
        return {
            "head": head,
            "last": epochs[-1],
            "average": average,
            "exponential": self.exponential,
            "between": mean([head, epochs[-1]]),
            "average_between": mean([head, average]),
        }


# The last weights of each method so far, by size and seed.
Soup = dict[tuple[str, int], list[list[np.ndarray]]]


def mean(several: list[list[np.ndarray]]) -> list[np.ndarray]:
    return [np.mean(one, axis=0) for one in zip(*several, strict=True)]


def measure(
    trainer: size_rules.Trainer,
    method: str,
    per_class: str,
    seed: int,
    labels: np.ndarray,
    soup: Soup,
) -> dict[str, Any]:
    """Train once; the figures of each candidate on the judging and on the validation photos."""
    data = trainer.pool.draw(size_rules.size_of(per_class), seed)
    job = trainer.job(method, data, seed)
    judged = trainer.judged(job)
    snapshots = Snapshots(job.model)
    stages.run(
        job.model,
        job.stages,
        lambda stage: None,  # all is kept
        job.in_order(job.validation),
        kept=job.kept,
        callbacks=[snapshots],
    )
    if not snapshots.weights:
        raise SystemExit(f"The recipe must unfreeze something. Received: method={method!r}")
    held_out = job.kept(job.stages[-1])
    own = pd.Categorical(job.validation["label"], categories=data.class_names).codes
    found: dict[str, Any] = {"validation_photos": len(own)}
    pot = soup.setdefault((per_class, seed), [])
    pot.append(snapshots.weights[-1])
    candidates = snapshots.candidates() | ({"soup": mean(pot)} if len(pot) > 1 else {})
    for name, weights in candidates.items():
        job.model.set_weights(weights)
        found[name] = size_rules.figures(size_rules.answers(judged), labels)
        on_own = size_rules.figures(size_rules.answers(held_out), own)
        found[name] |= {f"validation_{key}": on_own[key] for key in ("accuracy", "log_loss")}
    return found


def together(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    def judged(run: dict[str, Any], name: str) -> dict[str, float]:
        if not name.startswith("undone_by_"):
            return run[name]
        key = f"validation_{name.removeprefix('undone_by_')}"
        worse = run["average"][key] - run["head"][key]
        return run["head" if (worse if key.endswith("loss") else -worse) > 0 else "average"]

    names = ["head", "last", "average", "exponential", "between", "average_between"]
    names += ["soup"] if "soup" in runs[0] else []
    return {
        name: {
            key: round(float(np.mean([judged(run, name)[key] for run in runs])), 4)
            for key in ("accuracy", "log_loss")
        }
        for name in (*names, "undone_by_accuracy", "undone_by_log_loss")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--per-class", default="10,25")
    parser.add_argument("--seeds", type=measuring.whole_numbers, default=(0, 1))
    parser.add_argument("--method", default="default")
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--judges", type=int, default=300, help="at most so many photos judge")
    given = parser.parse_args()
    pool = few_photos.pool(given.photos, "pool")
    judges = pool.judges.sample(min(given.judges, len(pool.judges)), random_state=0)
    pool = dataclasses.replace(pool, judges=judges.reset_index(drop=True))
    labels = pd.Categorical(pool.judges["label"], categories=pool.data.class_names).codes
    soup: Soup = {}
    trainer = size_rules.Trainer(pool, given.backbone, given.image_size)
    for size in given.per_class.split(","):
        for method in given.method.split(","):
            where = {"photos": pool.data.name, "per_class": size, "method": method}
            runs = []
            for seed in given.seeds:
                runs.append(measure(trainer, method, size, seed, labels, soup))
                print(json.dumps({**where, "seed": seed, **runs[-1]}), flush=True)
            print(json.dumps({"cell": where, "seeds": given.seeds, **together(runs)}), flush=True)


if __name__ == "__main__":
    main()

"""What recipes reach with so many labelled photos of each class, over several seeds. JSON out.

    python benchmarks/size_rules.py ../shared/data/clothing --answers answers/
    python benchmarks/size_rules.py PHOTOS --per-class 5,10 --seeds 0,1,2,3 \\
        --method linear_probe,default,default:learning_rate=5e-4:batch_size=32 --judged-by pool

The test photos are always the same and all of them: the given test split, or tlearn's own by seed 0.
Of the other photos so many of each class are drawn by the seed, and the command's own split divides
them, 15 % to validate: with 5 of each class there are few to validate on, as in life. The seed also
decides the order and the dropout; of each photo the same views are kept for all seeds. With
`--judged-by pool` a part of the other photos judges in place of the test photos, so that settings can
be chosen without looking at those.

A method is `linear_probe`, `default`, `previous` (the default of November 2026, written out below) or
another recipe function, with arguments of its own after colons, `batch_size` among them.

One JSON object per run, then one per cell: its mean test accuracy with a 95 % interval, and its
difference from each method before it. The interval is of Owen's pigeonhole bootstrap (2007): seeds and
test photos are both drawn anew, 2,000 times; it holds both what another seed and what other test
photos might have changed, and is rather too wide than too narrow. `--answers` keeps the answers of
every run, and what is there already is not run again.

CPU seconds are of this process from the kept features on: training and its compilation, without the
pass over the photos, which all runs share.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import few_photos
import keras
import measuring
import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from tlearn import backbones, datasets, jobs, recipes
from tlearn.features import keeping
from tlearn.memory import budget
from tlearn.photos import decoding
from tlearn.stages import Stage
from tlearn.stages.material import Material
from tlearn.training_data import class_weights

_RESAMPLES = 2000


def previous(num_examples: int) -> tuple[tuple[Stage, ...], int]:
    """The default of November 2026, number by number, so that it stays what it was."""
    batch = 32 if num_examples >= 512 else 16 if num_examples >= 256 else 8
    epochs = max(4, min(15, round(430 / math.ceil(num_examples / batch))))
    views = min(4, epochs) if num_examples < 2500 else 1 if epochs < 6 else 2
    head = Stage(name="head", epochs=2, learning_rate=3e-3, views=views, solver="lbfgs")
    unfrozen = Stage(
        name="unfreeze",
        epochs=epochs,
        learning_rate=1e-3,
        unfreeze=0.35,
        layer_decay=0.9,
        warmup=0.1,
        weight_decay=1e-4,
        label_smoothing=0.1,
        patience=max(2, math.ceil(epochs / 2)),
        augmentation="light",
        views=views,
    )
    return (head, unfrozen), batch


def plan(method: str, num_examples: int, num_classes: int) -> tuple[tuple[Stage, ...], int | None]:
    """The stages of a method, and its photos per step where it names them."""
    name, *pairs = method.split(":")
    if name == "previous":
        return previous(num_examples)
    given: dict[str, Any] = {}
    for pair in pairs:
        key, _, text = pair.partition("=")
        given[key] = text
        with contextlib.suppress(json.JSONDecodeError):
            given[key] = json.loads(text)
    batch = given.pop("batch_size", None)
    recipe = recipes.load("freeze_then_unfreeze" if name == "default" else name)
    return recipe.with_arguments(given).stages(num_examples, num_classes), batch


class Trainer:
    """Runs methods on photos drawn from one pool, with one backbone whose weights are put back."""

    def __init__(self, pool: few_photos.Pool, backbone: str, image_size: int | None) -> None:
        self.pool = pool
        name = backbones.resolve(backbone).name
        self._network = backbones.build(name, weights="imagenet", image_size=image_size)
        self._weights = self._network.get_weights()
        self._budget = budget(None)

    def job(self, method: str, data: datasets.Dataset, seed: int) -> jobs.Job:
        """A method on photos that were drawn, ready to be trained; the last one's model is gone."""
        self._network.set_weights(self._weights)
        keras.utils.set_random_seed(seed)
        stages, batch = plan(method, data.count("train"), len(data.class_names))
        return jobs.Job(
            self._network,
            data,
            stages,
            policy="float32",
            budget=self._budget,
            resize_mode=decoding.DEFAULT_RESIZE,
            batch_size=batch,
        )

    def run(
        self, method: str, data: datasets.Dataset, seed: int
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Probabilities `(judges, classes)`, and what the run was like."""
        job = self.job(method, data, seed)
        judged = self.judged(job)
        job.kept(job.stages[0])
        cpu, wall = time.process_time(), time.perf_counter()
        training = job.run()
        spent = {
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "wall_seconds": round(time.perf_counter() - wall, 1),
        }
        kept = training.stages[training.stages["kept"]].iloc[0]
        return answers(judged), {
            "train": len(job.train),
            "validation": len(job.validation),
            "kept_stage": kept["stage"],
            "validation_accuracy": round(float(kept["validation_accuracy"]), 4),
            "validation_log_loss": round(float(kept["validation_log_loss"]), 4),
            **spent,
        }

    def judged(self, job: jobs.Job) -> Material:
        """The judging photos' features, and the part of the network behind them.

        To be asked for before the job is run, since what is kept is of the pretrained weights.
        """
        photos = keeping.Photos(
            train=job.train,
            validation=self.pool.judges,
            class_names=self.pool.data.class_names,
            image_size=job.image_size,
            resize_mode=decoding.DEFAULT_RESIZE,
            batch_size=32,
            seed=0,
            class_weights=class_weights(job.train["label"], self.pool.data.class_names),
        )
        kept = keeping.Kept(job.model, job.stages, photos, budget=self._budget)
        found = kept(job.stages[-1])
        if found is None:
            raise SystemExit("Nothing is kept, so that each run would decode all photos anew.")
        return found


def answers(material: Material) -> np.ndarray:
    """Probabilities `(photos, classes)` of the photos held out."""
    return np.concatenate([material.model.predict_on_batch(x) for x, _ in material.validation])


def figures(answers: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy, macro F1 and log loss on the judging photos."""
    chosen = answers.argmax(axis=1)
    losses = -np.log(np.maximum(answers[np.arange(len(labels)), labels], 1e-12))
    return {
        "accuracy": round(float(np.mean(chosen == labels)), 4),
        "macro_f1": round(float(f1_score(labels, chosen, average="macro")), 4),
        "log_loss": round(float(np.mean(losses)), 4),
    }


def interval(hits: np.ndarray) -> list[float]:
    """The 95 % interval of the mean of `(seeds, photos)`, by drawing both anew (Owen 2007)."""
    random = np.random.default_rng(0)
    seeds, photos = hits.shape
    of_seeds = random.multinomial(seeds, np.full(seeds, 1 / seeds), _RESAMPLES) / seeds
    of_photos = random.multinomial(photos, np.full(photos, 1 / photos), _RESAMPLES) / photos
    means = np.einsum("rs,rp,sp->r", of_seeds, of_photos, hits, optimize=True)
    return [round(float(end), 4) for end in np.quantile(means, [0.025, 0.975])]


def cell(runs: list[dict[str, Any]], hits: np.ndarray, before: dict[str, np.ndarray]) -> Any:
    """The runs of one method and one size taken together."""
    names = ("accuracy", "macro_f1", "log_loss", "cpu_seconds")
    found = {name: round(float(np.mean([run[name] for run in runs])), 4) for name in names}
    return {
        **found,
        "interval": interval(hits),
        "ended_with_the_head": sum(run["kept_stage"] == "head" for run in runs),
        "difference": {
            method: {
                "accuracy": round(float(np.mean(hits - theirs)), 4),
                "interval": interval(hits - theirs),
                "seeds_below": int(np.sum(hits.mean(axis=1) < theirs.mean(axis=1))),
            }
            for method, theirs in before.items()
        },
    }


def remembered(
    folder: Path, name: str, run: Callable[[], tuple[np.ndarray, dict[str, Any]]]
) -> tuple[np.ndarray, dict[str, Any]]:
    """A run's answers, read where they are kept and else made and kept."""
    place = folder / f"{name.replace(':', '_').replace('=', '-')}.npz"
    if place.exists():
        with np.load(place) as kept:
            return kept["answers"], json.loads(str(kept["about"]))
    answers, about = run()
    np.savez(place, answers=answers, about=json.dumps(about))
    return answers, about


def size_of(text: str) -> int | None:
    return None if text == "all" else int(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--per-class", default="5,10,25,100,all")
    parser.add_argument("--seeds", type=measuring.whole_numbers, default=(0, 1, 2))
    parser.add_argument("--method", default="linear_probe,previous,default")
    parser.add_argument("--judged-by", choices=("test", "pool"), default="test")
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--answers", type=Path, help="a folder; what is in it is not run again")
    given = parser.parse_args()
    scratch = tempfile.TemporaryDirectory()
    folder = given.answers or Path(scratch.name)
    folder.mkdir(parents=True, exist_ok=True)
    pool = few_photos.pool(given.photos, given.judged_by)
    labels = pd.Categorical(pool.judges["label"], categories=pool.data.class_names).codes
    trainer = Trainer(pool, given.backbone, given.image_size)
    settings = f"{pool.data.name}-{given.judged_by}-{given.backbone}-{given.image_size or 'own'}"
    for size in given.per_class.split(","):
        drawn = {seed: pool.draw(size_of(size), seed) for seed in given.seeds}
        hits: dict[str, np.ndarray] = {}
        for method in given.method.split(","):
            where = {"photos": pool.data.name, "per_class": size, "method": method}
            runs, found = [], []
            for seed, data in drawn.items():
                answers, about = remembered(
                    folder,
                    f"{settings}-{size}-{method}-{seed}",
                    lambda m=method, d=data, s=seed: trainer.run(m, d, s),
                )
                runs.append({**where, "seed": seed, **figures(answers, labels), **about})
                found.append(answers.argmax(axis=1) == labels)
                print(json.dumps(runs[-1]), flush=True)
            hits[method] = np.array(found, dtype=float)
            before = {name: other for name, other in hits.items() if name != method}
            told = {"cell": where, "judges": len(labels), **cell(runs, hits[method], before)}
            print(json.dumps(told), flush=True)
    scratch.cleanup()


if __name__ == "__main__":
    main()

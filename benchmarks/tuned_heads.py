"""Which ideas for a better answer pay on the fine-tuned model: flips, a second size. JSON out.

    taskset -c 1 python benchmarks/tuned_heads.py ../shared/data/clothing
    python benchmarks/tuned_heads.py PHOTOS --seeds 0,1 --sizes 192,256

For each seed, a fifth of the training and validation photos together is kept to judge by, and an eighth
of the rest to validate on, as in the first fold of `heads.py`; the test photos are not looked at. A
classifier is trained on the remaining ones by the default recipe, as it is for the whole set, at the
backbone's own size and once more at the smaller size. Then it is judged:

- `plain`: as it comes out of training
- `flip`: by the mean of its probabilities for a photo and its mirror image
- `refitted`: after its head was solved anew on the features of the trained network
- `at_larger`, `larger_refitted`: at the larger size, without and with a head solved anew there
- `smaller`, `smaller_at_plain`, `smaller_refitted`: trained at the smaller size and judged there; judged
  at the plain size; with a head solved anew at the plain size (FixRes, Touvron et al. 2019)

`difference` is that to `plain`, paired by photo, with its standard error over the photos of all seeds.
`cpu_ms` is what the network takes for one photo, decoded already; `training_cpu_seconds` what a training
takes, without imports, evaluation and export. One JSON object per idea.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from typing import Any

import head_fits
import heads as frozen
import keras
import measuring
import numpy as np
import photo_sets

from tlearn import backbones, datasets, heads, jobs, memory, recipes
from tlearn.features.trunk import Trunk
from tlearn.photos import pipeline
from tlearn.photos.resize_modes import DEFAULT_RESIZE
from tlearn.stages import linear_head

Array = np.ndarray[Any, Any]
PLAIN = 0  # the backbone's own size


def trained(
    data: datasets.Dataset, backbone: str, size: int, photos: int, seed: int
) -> tuple[keras.Model, float]:
    """The default recipe's model at a size, and the CPU seconds of its training."""
    keras.utils.set_random_seed(seed)
    plan = recipes.load("freeze_then_unfreeze").stages(num_examples=photos)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TLEARN_CACHE"] = cache
        began = time.process_time()
        job = jobs.Job(
            backbones.build(backbone, image_size=size or None),
            data,
            plan,
            policy="float32",
            budget=memory.budget("1GiB"),
            resize_mode=DEFAULT_RESIZE,
            seed=seed,
        )
        job.run()
        return job.model, time.process_time() - began


class Judge:
    """A trained model at some size: its features of all photos, and what heads say of them."""

    def __init__(self, model: keras.Model, backbone: str, size: int) -> None:
        kernel, bias = model.get_layer("logits").get_weights()
        self.own = linear_head.LinearHead(kernel, bias, 0.0, 0.0, 0.0, 0)
        whole = heads.attach(backbones.build(backbone, image_size=size or None), len(bias))
        whole.set_weights(model.get_weights())
        self.size = int(whole.input_shape[1])
        self.trunk = Trunk(whole, [whole.get_layer("head_dropout").input])
        self.cpu_ms = 0.0

    def features(self, data: datasets.Dataset, *, mirror: bool = False) -> Array:
        """Of each photo, in the order of the table."""
        batches = pipeline.batches(data.examples, data.class_names, image_size=self.size)
        found = []
        for number, (images, _) in enumerate(batches.as_numpy_iterator()):
            given = images[:, :, ::-1].copy() if mirror else images
            found.append(self.trunk(given)[0])
            if number == 0 and not self.cpu_ms:
                self.cpu_ms = frozen.cost(self.trunk, given)
        return np.concatenate(found)


def judged(
    data: datasets.Dataset, labels: Array, backbone: str, sizes: tuple[int, ...], seed: int
) -> tuple[dict[str, Array], dict[str, float]]:
    """Each idea's probabilities of the photos judged by, and the costs."""
    photos = data.count("train")
    fit, choose, judge = next(frozen.division(labels, data.examples["digest"].to_numpy(), seed))
    splits = np.full(len(labels), "test", object)
    splits[fit], splits[choose] = "train", "validation"
    data = dataclasses.replace(data, examples=data.examples.assign(split=splits))
    targets = frozen.smoothed(labels)

    def says(head: linear_head.LinearHead, rows: Array) -> Array:
        return head_fits.chances(rows[judge] @ head.kernel + head.bias)

    def refitted(rows: Array) -> Array:
        head = linear_head.fit(rows[fit], targets[fit], rows[choose], labels[choose])
        return says(head, rows)

    found, costs = {}, {}
    model, costs["training"] = trained(data, backbone, PLAIN, photos, seed)
    looking = Judge(model, backbone, PLAIN)
    rows = looking.features(data)
    found["plain"] = says(looking.own, rows)
    found["flip"] = (found["plain"] + says(looking.own, looking.features(data, mirror=True))) / 2
    found["refitted"] = refitted(rows)
    costs["plain"] = looking.cpu_ms
    looking = Judge(model, backbone, sizes[1])
    rows = looking.features(data)
    found["at_larger"], found["larger_refitted"] = says(looking.own, rows), refitted(rows)
    costs["larger"] = looking.cpu_ms

    model, costs["training_smaller"] = trained(data, backbone, sizes[0], photos, seed)
    looking = Judge(model, backbone, sizes[0])
    found["smaller"] = says(looking.own, looking.features(data))
    costs["smaller"] = looking.cpu_ms
    rows = Judge(model, backbone, PLAIN).features(data)
    found["smaller_at_plain"], found["smaller_refitted"] = says(looking.own, rows), refitted(rows)
    return {"truth": labels[judge], **found}, costs


def paired(values: Array, plain: Array) -> dict[str, float]:
    gains = values - plain
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return {"mean": round(float(gains.mean()), 5), "standard_error": round(float(error), 5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--seeds", type=measuring.whole_numbers, default=(0, 1))
    parser.add_argument("--sizes", type=measuring.whole_numbers, default=(192, 256))
    given = parser.parse_args()

    data = photo_sets.divided(given.photos)
    pool = data.examples[data.examples["split"] != "test"].reset_index(drop=True)
    data = dataclasses.replace(data, examples=pool)
    labels = pipeline.class_numbers(pool, data.class_names)
    by_seed = [judged(data, labels, given.backbone, given.sizes, seed) for seed in given.seeds]
    answers = {
        name: np.concatenate([found[name] for found, _ in by_seed]) for name in by_seed[0][0]
    }
    costs = {name: float(np.mean([c[name] for _, c in by_seed])) for name in by_seed[0][1]}
    truth = answers.pop("truth")
    hits = {name: (rows.argmax(axis=1) == truth).astype(float) for name, rows in answers.items()}
    losses = {
        name: -np.log(np.maximum(rows[np.arange(len(truth)), truth], 1e-12))
        for name, rows in answers.items()
    }
    for name in answers:
        small, large = name.startswith("smaller"), "larger" in name
        each = costs["larger" if large else "smaller" if name == "smaller" else "plain"]
        result = {
            "idea": name,
            "accuracy": round(float(hits[name].mean()), 4),
            "log_loss": round(float(losses[name].mean()), 4),
            "difference": {
                "accuracy": paired(hits[name], hits["plain"]),
                "log_loss": paired(losses[name], losses["plain"]),
            },
            "cpu_ms": round(each * (2 if name == "flip" else 1), 2),
            "training_cpu_seconds": round(costs["training_smaller" if small else "training"], 1),
        }
        print(json.dumps(result), flush=True)
    print(json.dumps({"judged": len(truth), "seeds": given.seeds, **measuring.machine()}))


if __name__ == "__main__":
    main()

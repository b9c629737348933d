"""What several steps in one call of TensorFlow save: a head and a top of a network. JSON out.

    python benchmarks/steps_per_execution.py [--steps 1,8,16]

A head trained by AdamW on vectors has the smallest steps there are; the top is that of the default
recipe, on activations at its cut. Features are noise, since only time is asked for. Milliseconds per
photo of a second epoch and a third, batches of 32.
"""

from __future__ import annotations

import argparse
import json

import bare_model
import keras
import measuring
import numpy as np
import tensorflow as tf

from tlearn import backbones, heads
from tlearn.networks import folding

CLASSES = 10
BATCHES = {"head": 96, "top": 24}


def fitted(model: keras.Model, batches: int, steps: int) -> dict[str, float]:
    chance = np.random.default_rng(0)
    photos = batches * bare_model.BATCH
    features = chance.normal(size=(photos, *model.input_shape[1:])).astype("float16")
    labels = np.eye(CLASSES, dtype="float32")[chance.integers(0, CLASSES, photos)]
    data = tf.data.Dataset.from_tensor_slices((features, labels))
    data = data.batch(bare_model.BATCH).prefetch(2)
    model.compile(
        keras.optimizers.AdamW(1e-4),
        "categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps,
    )
    model.fit(data, verbose=0)
    rate = measuring.timed(photos, lambda: model.fit(data, verbose=0))
    return {
        "ms_per_photo": round(1000 / rate["photos_per_second"], 3),
        "cpu_ms_per_photo": round(1000 / rate["photos_per_cpu_second"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=measuring.whole_numbers, default=(1, 8, 16))
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--unfreeze", type=float, default=0.35, help="the share that trains")
    given = parser.parse_args()
    model = heads.attach(backbones.build(given.backbone), CLASSES)
    vector = bare_model.cut_named(model, "head_pooling")
    cut = bare_model.cut(model, given.unfreeze)
    parts = {
        "head": folding.folded(model, vector.tensor, model.outputs[0]),
        "top": folding.folded(model, cut.tensor, model.outputs[0]),
    }
    result = {
        name: {str(steps): fitted(part, BATCHES[name], steps) for steps in given.steps}
        for name, part in parts.items()
    }
    print(json.dumps({"steps_per_execution": result, **measuring.machine()}, indent=2))


if __name__ == "__main__":
    main()

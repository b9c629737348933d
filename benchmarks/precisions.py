"""What mixed precision is worth on this machine, and whether the photos keep up with it. JSON out.

    python benchmarks/precisions.py ../shared/data/clothing
    KERAS_BACKEND=jax python benchmarks/precisions.py PHOTOS --policies float32,mixed_bfloat16 -- --epochs 5

For each policy `tlearn finetune` as a user runs it, in a fresh process with an empty cache: accuracy,
and photos per second of the frozen features and of the unfrozen stage (the median of its epochs after
the first, which compiles). Then, likewise, the whole network trained for `--pixel-epochs` epochs on the
photos themselves, decoded and augmented anew in each: `waiting` is the share of its time that is saved
when the same steps are fed from a few batches that lie in memory already. One JSON object per policy;
the first comes with the backend and the device.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import fine_tuning
import measuring
import pandas as pd

POLICIES = "float32,mixed_bfloat16,mixed_float16"
IN_MEMORY = 8  # batches


def rate(history: pd.DataFrame) -> float:
    """Photos per second of the epochs after the first."""
    return float(history["photos_per_second"].iloc[1:].median())


def whole_run(photos: str, policy: str, options: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        run, cost = fine_tuning.run(
            photos,
            [*options, "--precision", policy],
            output=Path(scratch, "runs"),
            cache=Path(scratch, "cache"),
        )
        history = run.history
        last = history[history["stage"] == history["stage"].iloc[-1]]
        features = run.info["features"]
        return {
            **cost.as_dict(),
            **fine_tuning.reached(run),
            "features": features,
            "unfrozen_photos_per_second": rate(last),
            "seconds": run.info["seconds"],
            "max_difference": run.info["export"]["max_difference"],
        }


def from_pixels(photos: str, policy: str, epochs: int) -> dict[str, Any]:
    """All of the network trained on photos that are decoded and augmented in every epoch."""
    import keras
    import photo_sets
    import tensorflow as tf

    from tlearn import backbones, heads, stages, training_data
    from tlearn import precision as precisions
    from tlearn.photos import pipeline, resize_modes
    from tlearn.recipes import schedules

    data = photo_sets.divided(photos)
    train = data.examples[data.examples["split"] == "train"].reset_index(drop=True)
    stage = stages.Stage("all", epochs=epochs, learning_rate=1e-4, unfreeze=1.0)
    batch = schedules.batch_size(len(train))
    rates = {}
    for source in ("photos", "memory"):
        keras.utils.set_random_seed(0)
        with precisions.policy(policy):
            network = backbones.build("efficientnet_lite0")
            model = heads.attach(network, len(data.class_names))
        size = int(model.input_shape[1])
        batches = training_data.for_stage(
            stage,
            train,
            data.class_names,
            image_size=size,
            batch_size=batch,
            resize_mode=resize_modes.DEFAULT_RESIZE,
            seed=0,
        )
        steps = len(batches)
        if source == "memory":
            batches = batches.take(IN_MEMORY).cache().repeat().take(steps).prefetch(2)
            batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
        held_out = data.examples[data.examples["split"] == "validation"].head(batch)
        judged = pipeline.batches(held_out, data.class_names, image_size=size, batch_size=batch)
        rates[source] = rate(stages.run(model, [stage], batches, judged).history)
    return {
        "batch": batch,
        "photos_per_second": rates["photos"],
        "from_memory": rates["memory"],
        "waiting": 1 - rates["photos"] / rates["memory"],
    }


def device() -> dict[str, str]:
    import keras

    name = keras.backend.backend()
    if name == "jax":
        import jax

        return {"backend": name, "device": ", ".join(one.device_kind for one in jax.devices())}
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(one).get("device_name", "?") for one in gpus]
    return {"backend": name, "device": ", ".join(names) or "CPU"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--policies", default=POLICIES)
    parser.add_argument("--pixel-epochs", type=int, default=4, help="0 leaves that part out")
    parser.add_argument("--part", choices=("device", "pixels"), help=argparse.SUPPRESS)
    given = measuring.parse(parser)
    if given.part == "device":
        print(json.dumps(device()))
        return
    if given.part == "pixels":
        print(json.dumps(from_pixels(given.photos, given.policies, given.pixel_epochs)))
        return

    def apart(part: str, policy: str) -> dict[str, Any]:
        command = [sys.executable, __file__, given.photos, "--part", part, "--policies", policy]
        command += ["--pixel-epochs", str(given.pixel_epochs)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ)
        done.check_returncode()
        return json.loads(done.stdout.splitlines()[-1])

    found: dict[str, Any] = {**apart("device", POLICIES), **measuring.machine()}
    for policy in given.policies.split(","):
        found |= {"policy": policy, "run": whole_run(given.photos, policy, given.options)}
        if given.pixel_epochs:
            found["pixels"] = apart("pixels", policy)
        print(json.dumps(found), flush=True)
        found = {}


if __name__ == "__main__":
    main()

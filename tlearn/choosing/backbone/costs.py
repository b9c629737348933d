"""What a classifier costs on this machine: to answer, to keep, to fine-tune."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tlearn import stages
from tlearn.networks import cutting
from tlearn.stages import freezing

__all__ = ["Costs", "measure", "photos_per_second"]

_BATCH = 32
_LONG_ENOUGH = 0.5  # seconds of timing
# What a photo costs, as a share of a plain forward pass through the whole network: one view of the
# frozen pass, decoding included, and a training step of what trains, by its share of the
# multiplications. Measured on EfficientNet-Lite0; docs/performance.md has how far they hold elsewhere.
_FROZEN = 0.7
_TRAINING = 1.4
# Starting, reading, building graphs, the export and its proof.
_FIXED_SECONDS = 25.0


@dataclass(frozen=True)
class Costs:
    """What a classifier costs.

    Args:
        parameters: Numbers in it, head included.
        photos_per_second: Photos that it answers in a second on this machine, in batches of 32,
            already decoded.
        exported_bytes: What its weights take as float32, which is what a SavedModel weighs but
            for a megabyte or two of graph.
        fine_tuning_seconds: About how long fine-tuning will take here, the first time.
    """

    parameters: int
    photos_per_second: float
    exported_bytes: int
    fine_tuning_seconds: float


def measure(
    model: keras.Model, plan: Sequence[stages.Stage], *, train: int, held_out: int
) -> Costs:
    """Measure a classifier, and estimate what training it by some stages will take.

    Args:
        model: The classifier.
        plan: The stages.
        train: Number of training photos.
        held_out: Number of validation and test photos.

    Returns:
        Its costs.
    """
    rate = photos_per_second(model)
    parameters = int(model.count_params())
    return Costs(
        parameters,
        rate,
        4 * parameters,
        _FIXED_SECONDS + _passes(model, plan, train=train, held_out=held_out) / rate,
    )


def photos_per_second(model: keras.Model) -> float:
    """Time a model on pixels of no meaning.

    Args:
        model: A model from `(batch, height, width, 3)` pixels.

    Returns:
        Photos per second, in batches of 32.
    """
    pixels = tf.constant(
        np.random.default_rng(0).uniform(0, 255, (_BATCH, *model.input_shape[1:])), tf.float32
    )
    answer = tf.function(lambda images: model(images, training=False), autograph=False)
    answer(pixels)  # traced, and its memory brought in
    seconds: list[float] = []
    while sum(seconds) < _LONG_ENOUGH:
        started = time.perf_counter()
        np.asarray(answer(pixels))
        seconds.append(time.perf_counter() - started)
    return _BATCH / min(seconds)


def _passes(
    model: keras.Model, plan: Sequence[stages.Stage], *, train: int, held_out: int
) -> float:
    """All the work of fine-tuning, in photos that go forward through the whole network once."""
    whole = _multiplications(model.layers)
    views, trained = 1, 0.0
    for stage in plan:
        freezing.unfreeze(model, stage.unfreeze)
        if stage.unfreeze:
            share = _multiplications(_from_first_trained(model)) / whole
            trained += share * stage.epochs * train
            views = max(views, stage.views)
    evaluated = 2 * held_out  # and once more by the exported model
    return evaluated + _FROZEN * (views * train + held_out) + _TRAINING * trained


def _from_first_trained(model: keras.Model) -> list[keras.layers.Layer]:
    places = [place for place, layer in enumerate(model.layers) if layer.trainable_weights]
    return model.layers[places[0] :] if places else []


def _multiplications(layers: Sequence[keras.layers.Layer]) -> int:
    return max(1, sum(cutting.multiplications(layer) for layer in layers if layer.weights))

"""A table of examples becomes batches of pixels and labels, read while the model works.

What is shuffled is the numbers of the rows, never pixels, and what is held in memory is two batches
and the photos being decoded, whatever the size of the data set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tlearn.errors import DatasetError
from tlearn.photos.augmentation import Augmentation, augment
from tlearn.photos.decoding import decode, load, smallest_for
from tlearn.photos.resize_modes import DEFAULT_RESIZE
from tlearn.photos.resizing import resize
from tlearn.photos.steady import AT_ONCE, steady
from tlearn.stages.epochs import Clock

__all__ = ["batches", "class_numbers", "views"]

_BATCHES_AHEAD = 2


def batches(
    examples: pd.DataFrame,
    class_names: Sequence[str],
    *,
    image_size: int,
    batch_size: int = 32,
    resize_mode: str = DEFAULT_RESIZE,
    shuffle: bool = False,
    seed: int = 0,
    augmentation: Augmentation | None = None,
    balanced: bool = False,
    clock: Clock | None = None,
    done: int = 0,
    only: range | None = None,
) -> tf.data.Dataset:
    """Read the photos of a table in batches.

    Two data sets made with the same arguments give the same batches, epoch by epoch, to the last
    pixel. Each epoch has another order and other augmentation.

    Args:
        examples: Table with the columns `path`, `decoder` and `label`. Without `label`, each label
            is -1.
        class_names: The names of the classes; a label's number is its place here.
        image_size: The side of the square photos, in pixels.
        batch_size: Photos in a batch. The last batch holds what is left.
        resize_mode: `"crop"`, `"pad"` or `"stretch"`; see `tlearn.photos.decoding.resize`.
        shuffle: Whether each epoch has a new order. Leave it out for validation, test and
            prediction: then the order is the table's.
        seed: Decides order and augmentation.
        augmentation: What to do to the photos in training, or `None`.
        balanced: Whether each epoch draws all classes equally often, in place of each photo once.
            An epoch is as long as before: photos of small classes come several times, some photos
            of large ones wait for another epoch. It shuffles, too.
        clock: Says which epoch it is; by default each pass is the next one.
        done: How many batches to leave out at the beginning of each epoch.
        only: The places in each batch whose photos are read; at others there is black. By default all.

    Returns:
        Data set of `float32` images of shape `(batch, image_size, image_size, 3)`, values 0 to
        255, and `int32` labels of shape `(batch,)`. Its cardinality is known.

    Raises:
        DatasetError: If a label is not among `class_names`.
        ValueError: If `batch_size` or `image_size` is below 1.

    Example:

    ```python
    train = batches(table, ("cat", "dog"), image_size=224, shuffle=True)
    model.fit(train, epochs=3)
    ```
    """
    for name, value in (("batch_size", batch_size), ("image_size", image_size)):
        if value < 1:
            raise ValueError(f"Expected a whole number of at least 1. Received: {name}={value!r}")
    labels = class_numbers(examples, class_names)
    opened = _opener(examples, image_size)

    def pixels(row: tf.Tensor, photo_seed: tf.Tensor) -> tf.Tensor:
        image = opened(row)
        if augmentation is None:
            return resize(image, image_size, resize_mode)
        return augment(image, image_size, resize_mode, augmentation, photo_seed)

    def read(number: tf.Tensor, row: tf.Tensor, photo_seed: tf.Tensor) -> tuple[Any, Any]:
        if only is None:
            return pixels(row, photo_seed), tf.gather(labels, row)
        place = number % batch_size
        mine = tf.logical_and(place >= only.start, place < only.stop)
        black = tf.zeros((image_size, image_size, 3))
        image = tf.cond(mine, lambda: pixels(row, photo_seed), lambda: black)
        return image, tf.gather(labels, row)

    # Graph code as it stands: AutoGraph would spend seconds on reading its source.
    read = tf.autograph.experimental.do_not_convert(read)
    rows = _rows(labels, shuffle=shuffle, balanced=balanced, seed=seed, clock=clock or Clock())
    if done:
        rows = rows.skip(done * batch_size)
    # In the table's order whichever photo is decoded first: parallel work changes no batch.
    numbered = tf.data.Dataset.zip((tf.data.Dataset.range(max(len(examples), 1)), rows))
    photos = numbered.map(
        lambda number, row: read(number, *row), num_parallel_calls=AT_ONCE, deterministic=True
    )
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return steady(photos.batch(batch_size).prefetch(_BATCHES_AHEAD)).with_options(options)


def views(
    examples: pd.DataFrame,
    wanted: Sequence[int],
    *,
    image_size: int,
    batch_size: int,
    resize_mode: str = DEFAULT_RESIZE,
    augmentation: Augmentation,
    seed: int = 0,
) -> tf.data.Dataset:
    """Read each photo once and make several views of it.

    View 0 is the photo as it is seen when the model does not train. What another view shows is
    decided by the photo's content, the view's number and the seed, so that a photo keeps its views
    when others are added.

    Args:
        examples: Table with the columns `path`, `decoder` and `digest`.
        wanted: The numbers of the views, each 0 or more.
        image_size: The side of the square photos, in pixels.
        batch_size: Photos in a batch.
        resize_mode: `"crop"`, `"pad"` or `"stretch"`.
        augmentation: How views other than 0 are changed.
        seed: Decides what they show.

    Returns:
        Data set of `float32` of shape `(batch, views, image_size, image_size, 3)`, values 0 to 255,
        in the order of the table.
    """
    opened = _opener(examples, image_size)
    # 60 bits of the content's hash, so that the numbers stay whole and positive in int64.
    contents = tf.constant([int(digest[:15], 16) for digest in examples["digest"]], tf.int64)

    def read(row: tf.Tensor) -> tf.Tensor:
        image = opened(row)
        content = tf.gather(contents, row)
        seen = []
        for view in wanted:
            if view == 0:
                seen.append(resize(image, image_size, resize_mode))
            else:
                photo_seed = tf.stack([content, tf.constant(seed * 4096 + view, tf.int64)])
                seen.append(augment(image, image_size, resize_mode, augmentation, photo_seed))
        return tf.stack(seen)

    read = tf.autograph.experimental.do_not_convert(read)
    rows = tf.data.Dataset.range(len(examples))
    photos = rows.map(read, num_parallel_calls=AT_ONCE, deterministic=True)
    return steady(photos.batch(batch_size).prefetch(_BATCHES_AHEAD))


def _opener(examples: pd.DataFrame, image_size: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """From a row's number to its pixels, upright and no smaller than the model needs."""
    paths = tf.constant([os.fsencode(path) for path in examples["path"]], tf.string)
    decoders = tf.constant(examples["decoder"].astype(str).tolist(), tf.string)
    needs_pillow = bool((examples["decoder"] != "graph").any())

    def opened(row: tf.Tensor) -> tf.Tensor:
        path = tf.gather(paths, row)
        if needs_pillow:
            return load(path, tf.gather(decoders, row), smallest_for(image_size))
        return decode(tf.io.read_file(path), smallest_for(image_size))

    return opened


def class_numbers(examples: pd.DataFrame, class_names: Sequence[str]) -> np.ndarray:
    """The number of each photo's class.

    Args:
        examples: Table; without the column `label`, each number is -1.
        class_names: The names of the classes; a label's number is its place here.

    Returns:
        int32 `(photos,)`.

    Raises:
        DatasetError: If a label is not among `class_names`.
    """
    if "label" not in examples:
        return np.full(len(examples), -1, np.int32)
    number = {name: place for place, name in enumerate(class_names)}
    strangers = sorted({str(label) for label in examples["label"] if label not in number})
    if strangers:
        raise DatasetError(
            f"Some photos have a label that is no class: {', '.join(strangers[:5])}. Expected one "
            f"of {len(number)} classes. Give the class names of the data set that the photos came "
            f"from. Received: class_names={tuple(class_names)[:20]!r}"
        )
    return np.array([number[label] for label in examples["label"]], np.int32)


def _rows(
    labels: np.ndarray, *, shuffle: bool, balanced: bool, seed: int, clock: Clock
) -> tf.data.Dataset:
    """Each epoch's row numbers, and for each a seed of its own, of shape `(2,)`."""
    count = len(labels)

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        # One random number an epoch, the same in every run with this seed, decides all that follows.
        drawn = tf.stack([tf.constant(seed, tf.int64), number])
        epoch_seed = tf.random.stateless_uniform((), drawn, 0, tf.int64.max, tf.int64, "philox")
        order = tf.range(count, dtype=tf.int64)
        if balanced and count:
            order = _balanced(order, labels, epoch_seed)
        elif shuffle:
            order = _shuffled(order, epoch_seed, 0)
        places = tf.range(count, dtype=tf.int64)
        seeds = tf.stack([tf.fill([count], epoch_seed), places], axis=1)
        return tf.data.Dataset.from_tensor_slices((order, seeds))

    return (
        clock.numbers("order")
        .flat_map(tf.autograph.experimental.do_not_convert(epoch))
        .apply(tf.data.experimental.assert_cardinality(count))
    )


def _shuffled(values: tf.Tensor, epoch_seed: tf.Tensor, purpose: int) -> tf.Tensor:
    # Negative, so that it is no photo's seed.
    seed = tf.stack([epoch_seed, tf.constant(-1 - purpose, tf.int64)])
    return tf.random.experimental.stateless_shuffle(values, seed, alg="philox")


def _balanced(order: tf.Tensor, labels: np.ndarray, epoch_seed: tf.Tensor) -> tf.Tensor:
    """Deal the classes out in turn, and each class's photos one after another, round and round."""
    present, compact, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    order = _shuffled(order, epoch_seed, 0)
    by_class = tf.gather(order, tf.argsort(tf.gather(compact, order), stable=True))

    places = tf.range(len(labels), dtype=tf.int64)
    # Another class goes first each time, since the first ones may get one photo more.
    turns = _shuffled(tf.range(len(present), dtype=tf.int64), epoch_seed, 1)
    whose = tf.gather(turns, places % len(present))
    drawn = (places // len(present)) % tf.gather(tf.constant(sizes, tf.int64), whose)
    chosen = tf.gather(by_class, tf.gather(tf.constant(starts, tf.int64), whose) + drawn)
    return _shuffled(chosen, epoch_seed, 2)

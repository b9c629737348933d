"""Photos of a batch mixed with each other: mixup and CutMix."""

from __future__ import annotations

import tensorflow as tf

from tlearn.photos.steady import AT_ONCE
from tlearn.stages.epochs import Clock

__all__ = ["mix"]


def mix(
    dataset: tf.data.Dataset,
    *,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    seed: int = 0,
    clock: Clock | None = None,
    done: int = 0,
) -> tf.data.Dataset:
    """Mix the photos of each batch, and their labels with them.

    Mixup (Zhang et al. 2018, arXiv:1710.09412) blends two photos; CutMix (Yun et al. 2019,
    arXiv:1905.04899) puts a box of one into the other. With both, each batch gets one of them,
    either equally likely.

    Args:
        dataset: Data set of batches: images of shape `(batch, height, width, 3)` and float
            one-hot labels of shape `(batch, classes)`.
        mixup: The Beta distribution's alpha for mixup, such as 0.2; 0 leaves it out.
        cutmix: The same for CutMix, such as 1.0; 0 leaves it out.
        seed: Decides what is mixed with what.
        clock: Says which epoch it is; by default each pass is the next one.
        done: How many batches of the epoch come before those of `dataset`.

    Returns:
        Data set of the same shapes, both `float32`; each row of labels still adds up to 1.

    Raises:
        ValueError: If an alpha is negative, or the labels are not one-hot.

    Example:

    ```python
    one_hot = train.map(lambda images, labels: (images, tf.one_hot(labels, 10)))
    mixed = mix(one_hot, mixup=0.2, cutmix=1.0)
    ```
    """
    for name, alpha in (("mixup", mixup), ("cutmix", cutmix)):
        if not alpha >= 0:
            raise ValueError(f"Expected an alpha of 0 or more. Received: {name}={alpha!r}")
    if not mixup and not cutmix:
        return dataset
    labels_spec = dataset.element_spec[1]
    if labels_spec.shape.rank != 2 or not labels_spec.dtype.is_floating:
        raise ValueError(
            "Labels can only be mixed when they are one-hot. Expected a float tensor of shape "
            f"(batch, classes); use tf.one_hot. Received: labels={labels_spec!r}"
        )

    def mixed(
        batch: tuple[tf.Tensor, tf.Tensor], batch_seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = tf.cast(batch[0], tf.float32), tf.cast(batch[1], tf.float32)
        seeds = tf.random.split(batch_seed, 4, alg="philox")
        rows = tf.range(tf.shape(images)[0])
        partner = tf.random.experimental.stateless_shuffle(rows, seeds[0], alg="philox")
        others = tf.gather(images, partner)
        if mixup and cutmix:
            coin = tf.random.stateless_uniform((), seeds[1], alg="philox") < 0.5
            images, share = tf.cond(
                coin,
                lambda: _blended(images, others, mixup, seeds[2]),
                lambda: _boxed(images, others, cutmix, seeds[2:4]),
            )
        elif mixup:
            images, share = _blended(images, others, mixup, seeds[2])
        else:
            images, share = _boxed(images, others, cutmix, seeds[2:4])
        return images, share * labels + (1 - share) * tf.gather(labels, partner)

    # Graph code as it stands: AutoGraph would spend seconds on reading its source.
    mixed = tf.autograph.experimental.do_not_convert(mixed)
    # No photo's seed: that of an epoch is positive.
    batch = tf.data.Dataset.counter(start=done)
    epoch = (clock or Clock()).numbers("mixing")
    seeds = epoch.flat_map(
        lambda number: batch.map(lambda place: tf.stack([-1 - seed * 2**20 - number, place]))
    ).apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    return tf.data.Dataset.zip(dataset, seeds).map(
        mixed, num_parallel_calls=AT_ONCE, deterministic=True
    )


def _share(alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """One draw from Beta(alpha, alpha), as the quotient of two Gamma draws."""
    draws = tf.random.stateless_gamma((2,), seed, alpha=alpha)
    return tf.math.divide_no_nan(draws[0], draws[0] + draws[1])


def _blended(
    images: tf.Tensor, others: tf.Tensor, alpha: float, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    share = _share(alpha, seed)
    return share * images + (1 - share) * others, share


def _boxed(
    images: tf.Tensor, others: tf.Tensor, alpha: float, seeds: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.shape(images)
    sides = tf.cast(shape[1:3], tf.float32)
    cut = tf.sqrt(1 - _share(alpha, seeds[0])) * sides
    centre = tf.random.stateless_uniform((2,), seeds[1], alg="philox") * sides
    low = tf.cast(tf.clip_by_value(centre - cut / 2, 0.0, sides), tf.int32)
    high = tf.cast(tf.clip_by_value(centre + cut / 2, 0.0, sides), tf.int32)
    rows, columns = tf.range(shape[1])[:, tf.newaxis], tf.range(shape[2])[tf.newaxis, :]
    inside = (rows >= low[0]) & (rows < high[0]) & (columns >= low[1]) & (columns < high[1])
    share = 1 - tf.reduce_mean(tf.cast(inside, tf.float32))
    return tf.where(inside[tf.newaxis, :, :, tf.newaxis], others, images), share

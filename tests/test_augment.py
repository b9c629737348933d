"""Augmentation: reproducible, within bounds, and nothing that was not asked for."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tlearn.photos.augmentation import Augmentation, augment, mix
from tlearn.photos.decoding import RESIZE_MODES, resize

SEEDS = 40


def picture(height: int = 120, width: int = 160) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def many(image: np.ndarray, augmentation: Augmentation, mode: str = "crop") -> np.ndarray:
    run = tf.function(lambda seed: augment(tf.constant(image), 48, mode, augmentation, seed))
    return np.stack([run(tf.constant([7, number], tf.int64)) for number in range(SEEDS)])


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_none_is_the_plain_resize(mode: str) -> None:
    seen = augment(tf.constant(picture()), 48, mode, Augmentation("none"), (1, 2))
    assert np.array_equal(seen, resize(picture(), 48, mode))


@pytest.mark.parametrize("mode", RESIZE_MODES)
@pytest.mark.parametrize("strength", ["light", "strong"])
def test_each_seed_gives_its_own_photo_and_always_the_same(strength: str, mode: str) -> None:
    first = many(picture(), Augmentation(strength), mode)
    assert first.dtype == np.float32
    assert first.shape == (SEEDS, 48, 48, 3)
    assert first.min() >= 0
    assert first.max() <= 255
    assert np.array_equal(first, many(picture(), Augmentation(strength), mode))
    assert len({image.tobytes() for image in first}) == SEEDS


def test_strong_changes_more_than_light() -> None:
    plain = resize(picture(), 48, "crop").numpy()
    light, strong = (
        np.abs(many(picture(), Augmentation(strength, mirror=False)) - plain).mean()
        for strength in ("light", "strong")
    )
    assert 0 < light < strong


@pytest.mark.parametrize("strength", ["light", "strong"])
def test_left_and_right_change_places_only_when_allowed(strength: str) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[:, :50] = 200  # bright on the left

    def flipped(mirror: bool) -> np.ndarray:
        seen = many(image, Augmentation(strength, mirror=mirror))
        return seen[:, :, :16].mean((1, 2, 3)) < seen[:, :, -16:].mean((1, 2, 3))

    assert not flipped(mirror=False).any()
    assert 0.2 * SEEDS < flipped(mirror=True).sum() < 0.8 * SEEDS


def test_top_and_bottom_never_change_places() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[:50] = 200
    seen = many(image, Augmentation("strong"))
    assert (seen[:, :16].mean((1, 2, 3)) > seen[:, -16:].mean((1, 2, 3))).all()


def hues(images: np.ndarray) -> np.ndarray:
    """The angle of each photo's mean colour around grey, in degrees."""
    red, green, blue = np.moveaxis(images.mean((1, 2)), -1, 0)
    return np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue))


def test_hue_changes_only_when_allowed() -> None:
    image = np.full((60, 60, 3), (150, 110, 90), np.uint8)
    original = hues(image[np.newaxis].astype(float))
    kept = hues(many(image, Augmentation("strong", hue=False)))
    assert np.abs(kept - original).max() < 0.01
    changed = np.abs(hues(many(image, Augmentation("strong", hue=True))) - original)
    assert 2 < changed.max() < 25


def test_grey_photos_stay_grey() -> None:
    grey = np.repeat(picture()[..., :1], 3, axis=-1)
    seen = many(grey, Augmentation("strong"))
    assert np.ptp(seen, axis=-1).max() < 1.0


def test_brightness_varies_around_the_original() -> None:
    image = np.full((60, 60, 3), 100, np.uint8)
    means = many(image, Augmentation("strong")).mean((1, 2, 3))
    assert 70 <= means.min() < 90
    assert 110 < means.max() <= 130


def test_crops_are_taken_from_the_full_resolution() -> None:
    fine = np.zeros((800, 800, 3), np.uint8)
    fine[:, ::16] = 255  # lines that the plain resize to 48 blurs into one another
    plain = resize(fine, 48, "crop").numpy()
    contrasts = many(fine, Augmentation("strong", hue=False)).std((1, 2, 3))
    assert contrasts.max() > 1.3 * plain.std()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (3, 5)])
def test_tiny_and_thin_photos_survive(shape: tuple[int, int]) -> None:
    for mode in RESIZE_MODES:
        seen = many(np.full((*shape, 3), 90, np.uint8), Augmentation("strong"), mode)
        assert np.isfinite(seen).all()


def test_an_unknown_strength_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"none.*light.*strong.*Received: strength='wild'"):
        Augmentation("wild")


def batches(count: int = 20, size: int = 6) -> tf.data.Dataset:
    """Photos whose every pixel is ten times the number of their class."""
    labels = np.arange(count) % 4
    images = np.ones((count, 8, 8, 3), np.float32) * 10 * labels[:, None, None, None]
    one_hot = np.eye(4, dtype=np.float32)[labels]
    return tf.data.Dataset.from_tensor_slices((images, one_hot)).batch(size)


def read(dataset: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


@pytest.mark.parametrize(
    "amounts", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}]
)
def test_labels_are_mixed_as_the_photos_are(amounts: dict[str, float]) -> None:
    dataset = mix(batches(), **amounts, seed=3)
    assert dataset.cardinality() == 4
    images, labels = read(dataset)
    assert np.allclose(labels.sum(axis=-1), 1)
    assert ((labels > 0.01) & (labels < 0.99)).any()
    # The mean of a mixed photo tells in which shares it was mixed.
    assert np.allclose(images.mean((1, 2, 3)), labels @ (10 * np.arange(4)), atol=1e-3)


def test_mixup_blends_and_cutmix_pastes() -> None:
    blended, _ = read(mix(batches(), mixup=1.0))
    assert all(np.ptp(image) < 1e-4 for image in blended)
    pasted, labels = read(mix(batches(), cutmix=1.0))
    assert set(np.unique(pasted)) <= {0.0, 10.0, 20.0, 30.0}
    for image, label in zip(pasted, labels, strict=True):
        assert len(np.unique(image)) == (label > 0).sum()


def test_one_seed_mixes_the_same_way_in_every_run() -> None:
    first, second = (mix(batches(), mixup=0.4, cutmix=1.0, seed=3) for _ in range(2))
    assert np.array_equal(read(first)[0], read(second)[0])
    assert np.array_equal(read(first)[0], read(second)[0])  # and in the second epoch
    assert not np.array_equal(read(first)[0], read(first)[0])
    assert not np.array_equal(
        read(mix(batches(), mixup=0.4, seed=1))[0], read(mix(batches(), mixup=0.4, seed=2))[0]
    )


def test_small_alphas_never_give_what_is_no_number() -> None:
    images, labels = read(mix(batches(200, 2), mixup=0.01, cutmix=0.01))
    assert np.isfinite(images).all()
    assert np.isfinite(labels).all()


def test_nothing_to_mix_changes_nothing() -> None:
    dataset = batches()
    assert mix(dataset) is dataset


def test_what_cannot_be_mixed_is_refused() -> None:
    with pytest.raises(ValueError, match="Received: mixup=-1"):
        mix(batches(), mixup=-1)
    numbered = batches().map(lambda images, labels: (images, tf.argmax(labels, axis=-1)))
    with pytest.raises(ValueError, match="one-hot"):
        mix(numbered, cutmix=1.0)

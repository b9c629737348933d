"""Batches: complete, in order or reproducibly not, balanced when asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from tlearn.errors import DatasetError
from tlearn.photos import decoding, pipeline
from tlearn.photos.augmentation import Augmentation

CLASSES = ("2", "10", "rare")
SIZES = {"2": 20, "10": 9, "rare": 2}
TOTAL = sum(SIZES.values())


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """31 photos of 3 unequal classes, each of its own grey, some for Pillow."""
    folder = tmp_path_factory.mktemp("photos")
    rows = []
    for label in CLASSES:
        for place in range(SIZES[label]):
            number = len(rows)
            noise = np.random.default_rng(number).integers(0, 100, (6, 8, 3), dtype=np.uint8)
            image = Image.fromarray(noise + 5 * number % 150).resize((40, 30))
            suffix = "bmp" if number % 5 == 0 else "jpg"
            path = folder / f"{label}-{place} ü.{suffix}"
            image.save(path)
            rows.append((str(path), label, "pillow" if suffix == "bmp" else "graph"))
    return pd.DataFrame(rows, columns=["path", "label", "decoder"])


def read(dataset: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def test_every_photo_comes_once_and_in_order(examples: pd.DataFrame) -> None:
    images, labels = read(pipeline.batches(examples, CLASSES, image_size=24, batch_size=4))
    assert images.dtype == np.float32
    assert labels.dtype == np.int32
    assert labels.tolist() == [CLASSES.index(label) for label in examples["label"]]
    for path, image in zip(examples["path"], images, strict=True):
        pixels = decoding.decode_with_pillow(Path(path).read_bytes())
        assert np.allclose(image, decoding.resize(pixels, 24), atol=1e-3)


@pytest.mark.parametrize("mode", decoding.RESIZE_MODES)
def test_the_resize_mode_is_the_one_asked_for(examples: pd.DataFrame, mode: str) -> None:
    images, _ = read(pipeline.batches(examples[:3], CLASSES, image_size=24, resize_mode=mode))
    pixels = decoding.decode_with_pillow(Path(examples["path"][1]).read_bytes())
    assert np.allclose(images[1], decoding.resize(pixels, 24, mode), atol=1e-3)


@pytest.mark.parametrize(("batch_size", "sizes"), [(8, [8, 8, 8, 7]), (31, [31]), (100, [31])])
def test_the_last_batch_holds_what_is_left(
    examples: pd.DataFrame, batch_size: int, sizes: list[int]
) -> None:
    batches = pipeline.batches(examples, CLASSES, image_size=8, batch_size=batch_size, shuffle=True)
    assert [len(labels) for _, labels in batches] == sizes
    assert batches.cardinality() == len(sizes)


def test_no_photos_are_no_batches(examples: pd.DataFrame) -> None:
    for balanced in (False, True):
        none = pipeline.batches(examples[:0], CLASSES, image_size=8, balanced=balanced)
        assert none.cardinality() == 0
        assert list(none) == []
        assert none.element_spec[0].shape.as_list() == [None, 8, 8, 3]


def test_without_labels_each_is_minus_one(examples: pd.DataFrame) -> None:
    unlabelled = examples.drop(columns="label")
    _, labels = read(pipeline.batches(unlabelled, (), image_size=8))
    assert labels.tolist() == [-1] * TOTAL


def test_a_label_that_is_no_class_is_named(examples: pd.DataFrame) -> None:
    with pytest.raises(DatasetError, match="no class: rare"):
        pipeline.batches(examples, ("2", "10"), image_size=8)


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"image_size": 0}])
def test_sizes_below_one_are_refused(examples: pd.DataFrame, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        pipeline.batches(examples, CLASSES, **({"image_size": 8} | wrong))


@pytest.mark.parametrize("balanced", [False, True])
def test_one_seed_gives_the_same_pixels_in_every_run(
    examples: pd.DataFrame, balanced: bool
) -> None:
    def epochs(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        dataset = pipeline.batches(
            examples,
            CLASSES,
            image_size=16,
            batch_size=7,
            shuffle=True,
            seed=seed,
            augmentation=Augmentation("strong"),
            balanced=balanced,
        )
        return [read(dataset) for _ in range(2)]

    first, second, other = epochs(5), epochs(5), epochs(6)
    for (images, labels), (images_again, labels_again) in zip(first, second, strict=True):
        assert np.array_equal(images, images_again)
        assert np.array_equal(labels, labels_again)
    assert not np.array_equal(first[0][0], other[0][0])
    assert not np.array_equal(first[0][0], first[1][0])


def test_each_epoch_has_another_order_of_the_same_photos(examples: pd.DataFrame) -> None:
    dataset = pipeline.batches(examples, CLASSES, image_size=8, shuffle=True)
    plain, _ = read(pipeline.batches(examples, CLASSES, image_size=8))
    epochs = [read(dataset)[0] for _ in range(2)]
    assert not np.array_equal(epochs[0], epochs[1])
    everything = sorted(image.tobytes() for image in plain)
    for images in epochs:
        assert sorted(image.tobytes() for image in images) == everything


def test_each_epoch_augments_anew_and_keeps_the_order(examples: pd.DataFrame) -> None:
    dataset = pipeline.batches(examples, CLASSES, image_size=8, augmentation=Augmentation("light"))
    (first, labels), (second, labels_again) = read(dataset), read(dataset)
    assert np.array_equal(labels, labels_again)
    assert all(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_no_augmentation_is_made_of_none(examples: pd.DataFrame) -> None:
    plain, _ = read(pipeline.batches(examples, CLASSES, image_size=8))
    none = Augmentation("none")
    images, _ = read(pipeline.batches(examples, CLASSES, image_size=8, augmentation=none))
    assert np.array_equal(images, plain)


def test_balanced_epochs_draw_all_classes_alike(examples: pd.DataFrame) -> None:
    dataset = pipeline.batches(examples, CLASSES, image_size=8, batch_size=7, balanced=True)
    assert dataset.cardinality() == 5
    seen = set()
    for _ in range(8):
        images, labels = read(dataset)
        assert len(labels) == TOTAL
        assert sorted(np.bincount(labels)) == [10, 10, 11]
        assert labels[:12].tolist() != sorted(labels[:12].tolist())
        seen |= {image.tobytes() for image in images}
    assert len(seen) == TOTAL  # photos of the large class have their turn in other epochs


def test_balance_is_over_the_classes_that_are_there(examples: pd.DataFrame) -> None:
    some = examples[examples["label"] != "10"].reset_index(drop=True)
    _, labels = read(pipeline.batches(some, CLASSES, image_size=8, balanced=True))
    assert np.bincount(labels).tolist() == [11, 0, 11]


def test_pixels_are_not_kept_in_memory(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), dtype=np.uint8)
    path = tmp_path / "large.png"
    Image.fromarray(noise).save(path, compress_level=1)
    table = pd.DataFrame({"path": [str(path)] * 120, "label": "a", "decoder": "graph"})
    batches = pipeline.batches(table, ("a",), image_size=64, batch_size=8, shuffle=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(len(labels) for _, labels in batches) == 120
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 600 * 1024  # KiB; 120 decoded photos would be 1.08 GB


def test_it_feeds_keras_for_a_known_number_of_steps(examples: pd.DataFrame) -> None:
    import keras

    model = keras.Sequential([keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    train = pipeline.batches(examples, CLASSES, image_size=8, batch_size=8, shuffle=True)
    steps = []
    counter = keras.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: steps.append(batch))
    model.fit(
        train.map(lambda x, y: (x / 255, y)),
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[counter],
    )
    assert steps == [0, 1, 2, 3] * 2


def test_workers_read_only_their_own_places_and_together_all(examples: pd.DataFrame) -> None:
    def batches(only: range | None) -> tuple[np.ndarray, np.ndarray]:
        settings = {"image_size": 24, "batch_size": 4, "shuffle": True, "seed": 3}
        return read(
            pipeline.batches(
                examples, CLASSES, augmentation=Augmentation("light"), only=only, **settings
            )
        )

    images, labels = batches(None)
    first, second = batches(range(2)), batches(range(2, 4))
    np.testing.assert_array_equal(images, first[0] + second[0])
    np.testing.assert_array_equal(labels, first[1])
    places = np.arange(TOTAL) % 4
    assert not first[0][places >= 2].any()
    assert not second[0][places < 2].any()

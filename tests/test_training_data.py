"""Each stage gets the photos it asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tlearn import stages, training_data

CLASSES = ("dark", "light")


@pytest.fixture
def examples(tmp_path: Path) -> pd.DataFrame:
    """Nine dark photos and three light ones."""
    rows = []
    for index in range(12):
        label = "light" if index % 4 == 0 else "dark"
        path = tmp_path / f"{index}.png"
        level = 220 if label == "light" else 30
        Image.fromarray(np.full((20, 24, 3), level, np.uint8)).save(path)
        rows.append({"path": str(path), "label": label, "decoder": "graph"})
    return pd.DataFrame(rows)


def make(stage: stages.Stage, examples: pd.DataFrame, batch_size: int = 5):
    return training_data.for_stage(
        stage, examples, CLASSES, image_size=16, batch_size=batch_size, resize_mode="crop", seed=1
    )


def stage(**settings: object) -> stages.Stage:
    return stages.Stage(**{"name": "s", "epochs": 1, "learning_rate": 1e-3, **settings})


def test_every_photo_comes_once_with_a_one_hot_label(examples):
    images, labels = zip(*make(stage(augmentation="none"), examples), strict=True)
    assert [len(batch) for batch in labels] == [5, 5, 2]
    assert np.concatenate(labels).sum(axis=0).tolist() == [9, 3]
    for batch, encoded in zip(images, labels, strict=True):
        brightness = batch.numpy().mean(axis=(1, 2, 3))
        np.testing.assert_array_equal(brightness > 127, encoded.numpy()[:, 1] == 1)


def test_balanced_sampling_draws_both_classes_equally_often(examples):
    labels = np.concatenate([y for _, y in make(stage(balance="sampling"), examples)])
    assert labels.sum(axis=0).tolist() == [6, 6]


def test_class_weights_make_both_classes_count_the_same(examples):
    total = np.zeros(2)
    for _, labels, weights in make(stage(balance="weights"), examples):
        total += (labels.numpy() * weights.numpy()[:, None]).sum(axis=0)
    np.testing.assert_allclose(total, [6, 6], rtol=1e-6)


def test_class_weights_equal_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    labels = pd.Series(["a"] * 7 + ["b"] * 2 + ["c"])
    expected = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=labels)
    np.testing.assert_allclose(training_data.class_weights(labels, ("a", "b", "c")), expected)


def test_a_class_with_no_training_photo_weighs_nothing():
    weights = training_data.class_weights(pd.Series(["a", "a", "b"]), ("a", "b", "none"))
    assert weights[2] == 0
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("mixing", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_mixed_photos_have_mixed_labels_that_sum_to_one(examples, mixing):
    labels = np.concatenate([y for _, y in make(stage(**mixing), examples, batch_size=12)])
    np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-5)
    assert ((labels > 0.01) & (labels < 0.99)).any()


def test_the_same_seed_gives_the_same_pixels(examples):
    first = [x.numpy() for x, _ in make(stage(augmentation="strong"), examples)]
    again = [x.numpy() for x, _ in make(stage(augmentation="strong"), examples)]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)

"""What is kept of photos for a report: the right ones, within a budget, and where the model looked."""

from __future__ import annotations

import io
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import run_folders
from PIL import Image

from tlearn import heads
from tlearn.explaining import overlays, small_photos
from tlearn.explaining.class_activation import ClassActivation, last_map


def patches() -> keras.Model:
    """A network that sees red as class 0 and blue as class 1, and nothing else."""
    pixels = keras.Input((32, 32, 3))
    features = keras.layers.AveragePooling2D(8, name="features")(pixels)
    model = heads.attach(keras.Model(pixels, features), 2)
    model.get_layer("logits").set_weights(
        [np.array([[1, 0], [0, 0], [0, 1]], "float32"), np.zeros(2)]
    )
    return model


def red_and_blue() -> np.ndarray:
    """Red in the upper left corner, blue in the lower right one."""
    photo = np.zeros((1, 32, 32, 3), "float32")
    photo[0, :8, :8, 0] = 255
    photo[0, -8:, -8:, 2] = 255
    return photo


def test_the_map_of_a_class_is_bright_where_that_class_is() -> None:
    look = ClassActivation(patches())
    red, blue = (look(red_and_blue(), [number])[0] for number in (0, 1))
    assert red.shape == (4, 4)
    assert np.unravel_index(red.argmax(), red.shape) == (0, 0)
    assert np.unravel_index(blue.argmax(), blue.shape) == (3, 3)
    assert red.max() == blue.max() == 1
    assert red.min() == 0


def test_a_frozen_network_has_maps_too() -> None:
    model = patches()
    model.trainable = False
    assert ClassActivation(model)(red_and_blue(), [0]).max() == 1


def test_a_head_that_looks_at_several_depths_has_maps_of_the_last() -> None:
    pixels = keras.Input((32, 32, 3))
    first = keras.layers.AveragePooling2D(2)(pixels)
    last = keras.layers.AveragePooling2D(4)(first)
    model = heads.attach(keras.Model(pixels, last), 2, depths=[first])
    assert ClassActivation(model)(red_and_blue(), [0]).shape == (1, 4, 4)


def test_a_photo_with_nothing_that_speaks_for_a_class_has_an_empty_map() -> None:
    assert ClassActivation(patches())(np.zeros((1, 32, 32, 3)), [0]).max() == 0


def test_a_network_without_a_feature_map_has_no_maps() -> None:
    pixels = keras.Input((8, 8, 3))
    features = keras.layers.Dense(4)(keras.layers.Flatten()(pixels))
    model = heads.attach(keras.Model(pixels, features), 2)
    assert last_map(model) is None
    with pytest.raises(ValueError, match="has none"):
        ClassActivation(model)


def test_patches_of_a_transformer_are_no_feature_map() -> None:
    pixels = keras.Input((8, 8, 3))
    grid = keras.layers.Conv2D(4, 2, strides=2)(pixels)
    tokens = keras.layers.Reshape((16, 4))(grid)
    features = keras.layers.GlobalAveragePooling1D()(tokens)
    assert last_map(heads.attach(keras.Model(pixels, features), 2)) is None


def test_the_surest_mistakes_are_laid_over_the_square_that_the_model_sees() -> None:
    table = pd.DataFrame(
        {
            "path": ["a", "b", "c"],
            "label": ["red", "blue", "red"],
            "predicted": ["blue", "red", "red"],
            "correct": [False, False, True],
            "probability": [0.6, 0.9, 1.0],
        },
        index=[7, 9, 11],  # rows of a larger table
    )
    examples = table[["path", "label"]].assign(decoder="graph")

    def in_order(photos: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
        numbers = [("red", "blue").index(label) for label in photos["label"]]
        return [(np.repeat(red_and_blue(), len(photos), axis=0), np.array(numbers))]

    found = overlays.of_mistakes(patches(), examples, table, ("red", "blue"), in_order)
    assert list(found["path"]) == ["b", "a"]
    assert tuple(found.columns) == overlays.COLUMNS

    def corner(encoded: bytes) -> float:
        """How bright the upper left corner, which is red, stands out against the lower right."""
        pixels = np.asarray(Image.open(io.BytesIO(encoded)).convert("L"), dtype=float)
        return pixels[5:35, 5:35].mean() - pixels[-35:-5, -35:-5].mean()

    for_predicted, for_label = (corner(found[name].iloc[0]) for name in overlays.COLUMNS[2:])
    assert for_predicted > 0 > for_label  # b was taken for red, and is blue


@pytest.fixture
def predictions(tmp_path: Path) -> pd.DataFrame:
    table = run_folders.predictions(photos=400).reset_index(drop=True)
    paths = []
    for place in range(len(table)):
        file = tmp_path / f"{place}.jpg"
        noise = np.random.default_rng(place).integers(0, 255, (60, 300, 3), dtype=np.uint8)
        Image.fromarray(noise).save(file)
        paths.append(str(file))
    return table.assign(path=paths)


def test_every_mistake_and_a_few_right_photos_of_each_class_are_kept(
    predictions: pd.DataFrame,
) -> None:
    found = small_photos.thumbnails(predictions)
    kept = predictions[predictions["path"].isin(found["path"])]
    assert kept["correct"].eq(False).sum() == predictions["correct"].eq(False).sum()
    assert kept[kept["correct"]].groupby("label").size().eq(4).all()
    sizes = {Image.open(io.BytesIO(picture)).size for picture in found["jpeg"]}
    assert sizes == {(112, 22)}


def test_a_budget_leaves_out_the_second_of_a_kind_before_the_first_of_another(
    predictions: pd.DataFrame,
) -> None:
    whole = small_photos.thumbnails(predictions)
    kinds = predictions[["label", "predicted"]].drop_duplicates()
    budget = int(whole["jpeg"].map(len).head(len(kinds)).sum())
    found = small_photos.thumbnails(predictions, budget=budget)
    kept = predictions[predictions["path"].isin(found["path"])]
    assert len(found) == len(kinds) == len(kept[["label", "predicted"]].drop_duplicates())
    assert found["jpeg"].map(len).sum() <= budget


def test_a_photo_that_has_gone_is_passed_over(predictions: pd.DataFrame) -> None:
    gone = small_photos.by_importance(predictions)["path"].iloc[0]
    Path(gone).unlink()
    assert gone not in set(small_photos.thumbnails(predictions)["path"])

"""Blocks are whole, BatchNorm stays in inference mode, and a nested backbone is taken apart."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tlearn.stages import freezing


def small_residual_network() -> keras.Model:
    """conv-bn-relu, two residual blocks without names, pooling, a dense head."""
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    x = keras.layers.BatchNormalization(name="stem_bn")(x)
    x = keras.layers.ReLU(name="stem_relu")(x)
    for name in ("first", "second"):
        y = keras.layers.Conv2D(4, 3, padding="same", name=f"{name}_conv")(x)
        y = keras.layers.BatchNormalization(name=f"{name}_bn")(y)
        x = keras.layers.Add(name=f"{name}_add")([x, y])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="probabilities")(x))


def names(blocks: tuple[freezing.Block, ...]) -> list[list[str]]:
    return [[layer.name for layer in block] for block in blocks]


def test_a_residual_connection_is_never_cut_in_two():
    backbone, head = freezing.split_head(small_residual_network())
    assert names(backbone) == [
        ["stem", "stem_bn", "stem_relu"],
        ["first_conv", "first_bn", "first_add"],
        ["second_conv", "second_bn", "second_add"],
    ]
    assert [layer.name for layer in head] == ["probabilities"]


def test_every_layer_is_in_exactly_one_block():
    model = small_residual_network()
    found = [layer.name for block in freezing.blocks(model) for layer in block]
    expected = [layer.name for layer in model.layers if not layer.name.startswith("input")]
    assert sorted(found) == sorted(expected)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("make", "num_blocks"),
    [
        (keras.applications.MobileNetV2, 19),
        (keras.applications.EfficientNetB0, 18),
        (keras.applications.ResNet50, 17),
    ],
)
def test_blocks_of_keras_applications_are_their_papers_blocks(make, num_blocks):
    model = make(weights=None, input_shape=(64, 64, 3), classes=5)
    backbone, head = freezing.split_head(model)
    assert len(backbone) == pytest.approx(num_blocks, abs=2)
    assert "predictions" in [layer.name for layer in head]


def test_a_dropout_before_the_heads_layer_belongs_to_the_head():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(3, name="features")(inputs)
    x = keras.layers.Dropout(0.5, name="drop")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="logits")(x))
    backbone, head = freezing.split_head(model)
    assert names(backbone) == [["features"]]
    assert [layer.name for layer in head] == ["drop", "logits"]


def test_share_zero_trains_the_head_alone():
    model = small_residual_network()
    assert freezing.unfreeze(model, 0.0) == 4 * 3 + 3
    assert {variable.path.split("/")[0] for variable in model.trainable_variables} == {
        "probabilities"
    }


def test_a_share_opens_whole_blocks_from_the_end_and_never_batch_norm():
    model = small_residual_network()
    freezing.unfreeze(model, 0.34)
    open_layers = {variable.path.split("/")[0] for variable in model.trainable_variables}
    assert open_layers == {"second_conv", "probabilities"}
    freezing.unfreeze(model, 1.0)
    open_layers = {variable.path.split("/")[0] for variable in model.trainable_variables}
    assert open_layers == {"stem", "first_conv", "second_conv", "probabilities"}


def test_a_tiny_share_still_opens_one_block():
    model = small_residual_network()
    assert freezing.unfreeze(model, 0.01) > freezing.unfreeze(model, 0.0)


def test_batch_norm_statistics_do_not_drift_while_unfrozen():
    model = small_residual_network()
    freezing.unfreeze(model, 1.0)
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    before = model.get_layer("first_bn").get_weights()
    kernel = model.get_layer("first_conv").get_weights()[0]
    photos = np.random.default_rng(0).normal(5, 3, (32, 16, 16, 3)).astype("float32")
    model.fit(photos, np.arange(32) % 3, epochs=2, verbose=0)
    for old, new in zip(before, model.get_layer("first_bn").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert not np.array_equal(kernel, model.get_layer("first_conv").get_weights()[0])


def test_a_nested_backbone_of_another_project_has_the_same_blocks():
    base = small_residual_network()
    base = keras.Model(base.input, base.get_layer("second_add").output)
    inputs = keras.Input((16, 16, 3))
    x = base(inputs, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    nested = keras.Model(inputs, keras.layers.Dense(3)(x))
    backbone, _ = freezing.split_head(nested)
    assert [block[-1].name for block in backbone] == ["stem_relu", "first_add", "second_add"]
    freezing.unfreeze(nested, 0.34)
    assert base.get_layer("second_conv").trainable
    assert not base.get_layer("first_conv").trainable


def test_a_sequential_model_and_a_head_of_two_layers_are_understood():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(2, 3, name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(4, activation="relu", name="hidden"),
            keras.layers.Dense(2, activation="softmax", name="out"),
        ]
    )
    backbone, head = freezing.split_head(model)
    assert names(backbone) == [["conv"]]
    assert [layer.name for layer in head] == ["hidden", "out"]


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(ValueError, match=f"Received: share={share}"):
        freezing.unfreeze(small_residual_network(), share)


def test_a_model_without_weights_is_refused():
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match="nothing to train"):
        freezing.split_head(keras.Model(inputs, keras.layers.ReLU()(inputs)))

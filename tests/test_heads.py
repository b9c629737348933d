"""A head makes a classifier of a backbone, flat, with float32 probabilities."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tlearn.errors import BackboneError
from tlearn.heads import attach


def _backbone(output: str) -> keras.Model:
    pixels = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, strides=4, name="conv")(pixels)
    if output == "features":
        x = keras.layers.GlobalMaxPooling2D()(x)
    if output == "tokens":
        x = keras.layers.Reshape((-1, 4))(x)
    return keras.Model(pixels, x, name="small")


@pytest.mark.parametrize("output", ["feature map", "features"])
def test_the_probabilities_are_the_softmax_of_the_logits_of_the_mean(output):
    backbone = _backbone(output)
    model = attach(backbone, 5, dropout=0.5)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    features = backbone(pixels).numpy()
    features = features.mean((1, 2)) if features.ndim == 4 else features
    kernel, bias = model.get_layer("logits").get_weights()
    logits = features @ kernel + bias
    odds = np.exp(logits - logits.max(1, keepdims=True))
    answer = model(pixels)
    np.testing.assert_allclose(answer, odds / odds.sum(1, keepdims=True), rtol=1e-4, atol=1e-6)
    assert model.output_names == ["probabilities"]
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)


def test_it_may_look_at_several_depths():
    pixels = keras.Input((32, 32, 3))
    first = keras.layers.Conv2D(4, 3, strides=4)(pixels)
    last = keras.layers.Conv2D(6, 3, activation="relu")(first)
    model = attach(keras.Model(pixels, last), 2, depths=[first])
    photos = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    maps = keras.Model(pixels, [first, last])(photos)
    means = np.concatenate([one.numpy().mean((1, 2)) for one in maps], axis=1)
    seen = keras.Model(pixels, model.get_layer("head_depths").output)(photos)
    np.testing.assert_allclose(seen, means, rtol=1e-5)
    assert model.get_layer("logits").kernel.shape == (10, 2)


def test_it_shares_the_weights_of_the_backbone():
    backbone = _backbone("feature map")
    assert attach(backbone, 2).get_layer("conv") is backbone.get_layer("conv")


def test_dropout_acts_in_training_only():
    model = attach(_backbone("features"), 3, dropout=0.9)
    pixels = np.full((64, 32, 32, 3), 9, np.float32)
    calm = model(pixels, training=False).numpy()
    assert np.ptp(calm, axis=0).max() < 1e-6
    assert np.ptp(model(pixels, training=True).numpy(), axis=0).max() > 1e-3


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_probabilities_are_float32_whatever_the_backbone_works_in(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = attach(_backbone("feature map"), 3)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("conv").compute_dtype == policy.removeprefix("mixed_")
    assert model.get_layer("probabilities").compute_dtype == "float32"
    assert model(np.zeros((1, 32, 32, 3), np.float32)).dtype == "float32"


def test_what_cannot_be_a_classifier_is_refused():
    with pytest.raises(ValueError, match="num_classes=1"):
        attach(_backbone("features"), 1)
    with pytest.raises(BackboneError, match=r"output_shape=\(None, 64, 4\)"):
        attach(_backbone("tokens"), 2)

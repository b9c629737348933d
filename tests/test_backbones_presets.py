"""Presets of KerasHub and KerasCV become flat models on raw pixels, or say why they cannot."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from tlearn.backbones import build, weights_are_here
from tlearn.backbones.naming import resolve
from tlearn.backbones.presets import as_plain_backbone
from tlearn.backbones.scaling import linear
from tlearn.errors import BackboneError, MissingExtra, WeightsUnavailable

keras_hub = pytest.importorskip("keras_hub")

_SCALE, _OFFSET = [1 / 58, 1 / 57, 1 / 56], [-2.1, -2.0, -1.8]


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))


def _pixels(size: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.uniform(0, 255, (2, size, size, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "small_resnet"
    network = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    network.save_to_preset(str(folder))
    converter = keras_hub.layers.ResNetImageConverter(
        image_size=(96, 96), scale=_SCALE, offset=_OFFSET
    )
    converter.save_to_preset(str(folder))
    return network, folder


def test_a_local_preset_answers_as_its_network_on_what_its_converter_gives(resnet, tmp_path):
    network, folder = resnet
    model = build(f"hub:{folder}")
    assert model.input_shape == (None, 96, 96, 3)
    pixels = _pixels(96)
    expected = network(pixels * np.float32(_SCALE) + np.float32(_OFFSET)).numpy()
    np.testing.assert_allclose(model(pixels).numpy(), expected, atol=1e-4)
    assert np.abs(network(pixels / 255).numpy() - expected).max() > 1e-2
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    for layer in model.layers:
        assert layer.output is not None  # raises where a layer is called more than once
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(pixels).numpy(), model(pixels).numpy())
    assert weights_are_here(resolve(f"hub:{folder}"))


def test_a_local_preset_takes_other_sizes_and_random_weights(resnet, monkeypatch):
    network, folder = resnet
    monkeypatch.chdir(folder.parent)
    model = build("hub:./small_resnet", image_size=64, weights="random")
    assert model.output_shape == (None, 8, 8, 128)
    name = "conv1_conv"
    own, random = network.get_layer(name), model.get_layer(name)
    assert np.abs(own.get_weights()[0] - random.get_weights()[0]).max() > 1e-3


def test_a_network_of_tokens_gives_its_class_token(tmp_path):
    network = keras_hub.models.DINOV2Backbone(
        patch_size=14,
        num_layers=1,
        hidden_dim=32,
        num_heads=2,
        intermediate_dim=64,
        image_shape=(56, 56, 3),
    )
    network.save_to_preset(str(tmp_path))
    keras_hub.layers.DINOV2ImageConverter(
        image_size=(56, 56), scale=_SCALE, offset=_OFFSET
    ).save_to_preset(str(tmp_path))
    model = build(f"hub:{tmp_path}")
    pixels = _pixels(56)
    tokens = network({"images": pixels * np.float32(_SCALE) + np.float32(_OFFSET)}).numpy()
    np.testing.assert_allclose(model(pixels).numpy(), tokens[:, 0], atol=1e-4)
    assert build(f"hub:{tmp_path}", image_size=112).output_shape == (None, 32)


def test_a_folder_without_its_image_converter_is_refused(tmp_path):
    network = keras_hub.models.VGGBackbone(stackwise_num_repeats=[1], stackwise_num_filters=[4])
    network.save_to_preset(str(tmp_path))
    with pytest.raises(BackboneError, match="image_converter.save_to_preset"):
        build(f"hub:{tmp_path}")


class _Forgetful(keras.layers.Layer):
    """A layer that cannot tell how it was made, as some of KerasHub's cannot."""

    def __init__(self, factor, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, inputs):
        return self.factor * inputs


def test_a_network_that_could_not_be_loaded_again_is_refused():
    inputs = keras.Input((32, 32, 3))
    network = keras.Model(inputs, _Forgetful(2, name="forgetful")(inputs))
    with pytest.raises(BackboneError, match=r"cannot be rebuilt.*loaded again"):
        as_plain_backbone(network, image_size=32, scaling=linear(1.0, 0.0))


def test_without_a_network_it_says_what_to_do(resnet):
    with pytest.raises(WeightsUnavailable, match=r"hub:FOLDER.*efficientnet_lite0"):
        build("hub:resnet_18_imagenet")


def test_an_unknown_preset_is_answered_with_those_that_are_close():
    with pytest.raises(BackboneError, match="'resnet_18_imagenet'"):
        build("hub:resnet_19_imagenet")


def test_what_presets_do_not_offer_is_refused(tmp_path):
    with pytest.raises(BackboneError, match="without its ImageNet head"):
        build("hub:resnet_18_imagenet", include_top=True)
    (tmp_path / "own.weights.h5").touch()
    with pytest.raises(BackboneError, match="brings its own weights"):
        build("hub:resnet_18_imagenet", weights=tmp_path / "own.weights.h5")


def test_keras_cv_without_its_package_names_the_extra(monkeypatch):
    # As where it is not installed: None makes the import fail, whether it is there or not.
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    with pytest.raises(MissingExtra, match=r"tlearn\[keras-cv\]"):
        build("keras_cv:resnet50_imagenet")


@pytest.mark.skipif(find_spec("keras_cv") is None, reason="needs the extra keras-cv")
@pytest.mark.parametrize("rescaling", [True, False])
def test_a_preset_of_keras_cv_answers_as_its_network(tmp_path, rescaling):
    import keras_cv
    from keras_cv.src.utils.preset_utils import save_to_preset

    network = keras_cv.models.DenseNetBackbone(
        stackwise_num_repeats=[1, 1], include_rescaling=rescaling
    )
    save_to_preset(network, str(tmp_path))
    model = build(f"keras_cv:{tmp_path}", image_size=64)
    pixels = _pixels(64)
    expected = network(pixels if rescaling else pixels / 255).numpy()
    np.testing.assert_allclose(model(pixels).numpy(), expected, atol=1e-4)
    with pytest.raises(WeightsUnavailable, match="keras_cv:FOLDER"):
        build("keras_cv:resnet50_imagenet")
    with pytest.raises(BackboneError, match="'resnet50_imagenet'"):
        build("keras_cv:resnet50_imagenettt")

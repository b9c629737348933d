"""The bundled networks answer as they were published, whatever they are asked to be built for."""

from __future__ import annotations

from importlib.resources import files

import keras
import numpy as np
import pytest
from PIL import Image

from tlearn.backbones import build, imagenet_class_names, table
from tlearn.backbones.efficientnet_lite_weights import assign
from tlearn.errors import BackboneError


def photo(package: str, name: str, size: int) -> np.ndarray:
    """The middle of a real photo `(1, size, size, 3)`, 0..255."""
    with Image.open(str(files(package) / name)) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.convert("RGB").crop((left, top, left + side, top + side))
        return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC), np.float32)[None]


@pytest.fixture(scope="module")
def lite0() -> keras.Model:
    return build("efficientnet_lite0", include_top=True)


@pytest.mark.parametrize(
    ("package", "name", "label"),
    [
        ("skimage.data", "chelsea.png", "Egyptian cat"),
        ("skimage.data", "coffee.png", "espresso"),
        ("skimage.data", "rocket.jpg", "missile"),
        ("skimage.data", "motorcycle_left.png", "moped"),
        ("sklearn.datasets.images", "flower.jpg", "daisy"),
        ("sklearn.datasets.images", "china.jpg", "palace"),
    ],
)
def test_lite0_names_what_is_on_real_photos(lite0, package, name, label):
    answer = lite0(photo(package, name, 224)).numpy()
    assert answer.shape == (1, 1000)
    assert answer.sum() == pytest.approx(1, abs=1e-5)
    assert imagenet_class_names()[answer.argmax()] == label


@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
def test_lite1_and_lite2_know_a_cat_from_a_coffee(name):
    model = build(name, include_top=True)
    size = model.input_shape[1]
    names = imagenet_class_names()
    cat = model(photo("skimage.data", "chelsea.png", size)).numpy().argmax()
    coffee = model(photo("skimage.data", "coffee.png", size)).numpy().argmax()
    assert (names[cat], names[coffee]) == ("Egyptian cat", "espresso")


def test_the_table_tells_their_size_and_number_of_weights():
    for row in (row for row in table() if row.family == "efficientnet_lite"):
        model = build(row.name, weights="random", include_top=True)
        assert model.count_params() == row.parameters
        assert model.input_shape == (None, row.image_size, row.image_size, 3)


def test_the_model_is_flat_and_its_blocks_are_found_by_their_names(lite0):
    assert not any(isinstance(layer, keras.Model) for layer in lite0.layers)
    blocks = {layer.name.split("_")[0] for layer in lite0.layers if layer.name.startswith("block")}
    counts = {1: 1, 2: 2, 3: 2, 4: 3, 5: 3, 6: 4, 7: 1}
    assert blocks == {f"block{n}{'abcd'[i]}" for n, count in counts.items() for i in range(count)}
    for layer in lite0.layers:
        assert layer.output is not None  # raises where a layer is called more than once


def test_without_its_head_it_gives_the_last_feature_map_at_any_size():
    for size in (32, 97, 224):
        model = build("efficientnet_lite0", weights="random", image_size=size)
        side = -(-size // 32)
        assert model.output_shape == (None, side, side, 1280)
        assert model(np.zeros((1, size, size, 3), np.float32)).shape == (1, side, side, 1280)


def test_the_head_stands_on_the_same_features(lite0):
    pixels = photo("skimage.data", "chelsea.png", 224)
    features = build("efficientnet_lite0")(pixels).numpy().mean((1, 2))
    kernel, bias = lite0.get_layer("predictions").get_weights()
    logits = features @ kernel + bias
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose(lite0(pixels).numpy(), probabilities, atol=1e-5)


def test_it_is_saved_and_loaded_without_a_change(lite0, tmp_path):
    lite0.save(tmp_path / "lite0.keras")
    loaded = keras.saving.load_model(tmp_path / "lite0.keras")
    pixels = photo("skimage.data", "coffee.png", 224)
    np.testing.assert_array_equal(loaded(pixels).numpy(), lite0(pixels).numpy())


def test_a_weights_file_is_taken_and_one_of_another_network_is_refused():
    from tlearn.backbones import resolve
    from tlearn.backbones.presence import bundled_file

    own = build("lite0", weights=bundled_file(resolve("lite0")))
    np.testing.assert_array_equal(own.get_weights()[0], build("lite0").get_weights()[0])
    with pytest.raises(BackboneError, match=r"does not fit efficientnet_lite2|no tensor named"):
        build("lite2", weights=bundled_file(resolve("lite0")))


@pytest.mark.parametrize("named_as", ["packages", "timm"])
def test_both_namings_of_a_state_dict_reach_their_layers(named_as):
    model = build("lite3", weights="random", image_size=32)
    state, expected = _numbered(model, named_as)
    assign(model, state)
    for layer in model.layers:
        for weight, number in zip(layer.weights, expected.get(layer.name, ()), strict=True):
            assert np.unique(weight.numpy()).tolist() == [number], weight.path
    state.popitem()
    with pytest.raises(BackboneError, match=r"does not fit efficientnet_lite3: it has no tensor"):
        assign(model, state)


def _numbered(model, named_as):
    """A state dict with a number of its own in each tensor, and where each belongs.

    The names are put together here as PyTorch does it: counted, block after block.
    """
    state, expected = {}, {}

    def put(layer, name):
        norm = isinstance(layer, keras.layers.BatchNormalization)
        parts = ["weight", "bias", "running_mean", "running_var"] if norm else ["weight"]
        expected[layer.name] = []
        for part, weight in zip(parts, layer.weights, strict=True):
            shape = tuple(weight.shape)
            if len(shape) == 4:
                depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
                order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
                shape = tuple(shape[axis] for axis in order)
            expected[layer.name].append(len(state) + 1)
            state[f"{name}.{part}"] = np.full(shape, len(state) + 1, np.float32)

    timm = named_as == "timm"
    blocks: dict[str, list[keras.layers.Layer]] = {}
    for layer in (layer for layer in model.layers if layer.weights):
        blocks.setdefault(layer.name.split("_")[0], []).append(layer)
    for layer, name in zip(
        blocks.pop("stem"), ("conv_stem", "bn1") if timm else ("_conv_stem", "_bn0"), strict=True
    ):
        put(layer, name)
    top = blocks.pop("top")
    for count, (block, layers) in enumerate(blocks.items()):
        stage, place = int(block[5]) - 1, "abcdefg".index(block[6])
        if timm and len(layers) == 4:
            names = ["conv_dw", "bn1", "conv_pw", "bn2"]
        elif timm:
            names = ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
        else:
            names = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"]
        prefix = f"blocks.{stage}.{place}" if timm else f"_blocks.{count}"
        for layer, name in zip(layers, names[-len(layers) :], strict=True):
            put(layer, f"{prefix}.{name}")
    for layer, name in zip(
        top, ("conv_head", "bn2") if timm else ("_conv_head", "_bn1"), strict=True
    ):
        put(layer, name)
    return state, expected


def test_random_weights_come_only_when_asked_for():
    first = build("lite0", weights="random").get_layer("block3a_project_conv").get_weights()[0]
    trained = build("lite0").get_layer("block3a_project_conv").get_weights()[0]
    assert np.abs(first - trained).max() > 0.1
    with pytest.raises(BackboneError, match=r"no such weights file.*weights='imagenett'"):
        build("lite0", weights="imagenett")
    with pytest.raises(BackboneError, match="32 pixels or more"):
        build("lite0", image_size=16)

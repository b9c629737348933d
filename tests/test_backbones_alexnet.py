"""AlexNet answers as torchvision's does, at any size, and is fine-tuned from a file of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torch_files import Tensor, names_of_torch, write_legacy, write_zip

import tlearn
from tlearn import heads
from tlearn.backbones import build, resolve
from tlearn.backbones.alexnet import assign
from tlearn.datasets import sample
from tlearn.errors import BackboneError, WeightsUnavailable
from tlearn.networks import cutting
from tlearn.stages import freezing

_SHAPES = {
    "features.0": (64, 3, 11, 11),
    "features.3": (192, 64, 5, 5),
    "features.6": (384, 192, 3, 3),
    "features.8": (256, 384, 3, 3),
    "features.10": (256, 256, 3, 3),
    "classifier.1": (4096, 9216),
    "classifier.4": (4096, 4096),
    "classifier.6": (1000, 4096),
}


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    """Torchvision's names and shapes; numbers that keep the activations near one."""
    draw = np.random.default_rng(0)
    found = {}
    for name, shape in _SHAPES.items():
        spread = np.float32(np.sqrt(2 / np.prod(shape[1:])))
        found[f"{name}.weight"] = draw.standard_normal(shape, np.float32) * spread
        found[f"{name}.bias"] = draw.standard_normal(shape[0], np.float32) / 10
    return found


@pytest.fixture(scope="module")
def files(state, tmp_path_factory) -> Iterator[dict[str, Path]]:
    folder = tmp_path_factory.mktemp("weights")
    found = {"zip": folder / "zip.pth", "legacy": folder / "legacy.pth"}
    with names_of_torch():
        tensors = {name: Tensor(value) for name, value in state.items()}
        write_zip(found["zip"], tensors)
        write_legacy(found["legacy"], tensors)
    yield found
    for path in found.values():  # a quarter of a gigabyte each
        path.unlink()


def reference(state, pixels):
    """Features of fc7 and probabilities, in plain NumPy, channels first as in PyTorch."""
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    x = ((pixels / 255 - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    for layer, stride, padding, pooled in (
        (0, 4, 2, True),
        (3, 1, 2, True),
        (6, 1, 1, False),
        (8, 1, 1, False),
        (10, 1, 1, True),
    ):
        kernel = state[f"features.{layer}.weight"]
        side = kernel.shape[-1]
        x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        x = np.lib.stride_tricks.sliding_window_view(x, (side, side), (2, 3))
        x = np.tensordot(x[:, :, ::stride, ::stride], kernel, ((1, 4, 5), (1, 2, 3)))
        x = np.maximum(x.transpose(0, 3, 1, 2) + state[f"features.{layer}.bias"][:, None, None], 0)
        if pooled:
            x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))[:, :, ::2, ::2]
            x = x.max((4, 5))
    edges = [(i * x.shape[2] // 6, -(-(i + 1) * x.shape[2] // 6)) for i in range(6)]
    x = np.stack(
        [np.stack([x[:, :, a:b, c:d].mean((2, 3)) for c, d in edges], 2) for a, b in edges], 2
    )
    x = x.reshape(len(x), -1)
    for layer in (1, 4):
        weight, bias = state[f"classifier.{layer}.weight"], state[f"classifier.{layer}.bias"]
        x = np.maximum(x @ weight.T + bias, 0)
    logits = x @ state["classifier.6.weight"].T + state["classifier.6.bias"]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return x, powers / powers.sum(1, keepdims=True)


# At 224 pixels the last map is 6 wide; at 160 it is 4, and the windows overlap.
@pytest.mark.parametrize(("size", "layout"), [(224, "zip"), (160, "legacy")])
def test_it_answers_as_torchvisions_alexnet_does(state, files, size, layout):
    pixels = np.random.default_rng(1).uniform(0, 255, (2, size, size, 3)).astype(np.float32)
    model = build("alexnet", weights=files[layout], image_size=size, include_top=True)
    features, probabilities = reference(state, pixels)
    assert probabilities.max() > 5 / 1000
    np.testing.assert_allclose(model(pixels).numpy(), probabilities, atol=1e-5)
    if size == 160:
        without_head = build("alexnet", weights=files[layout], image_size=size)
        assert without_head.output_shape == (None, 4096)
        np.testing.assert_allclose(without_head(pixels).numpy(), features, atol=1e-4)


def test_its_layers_are_its_blocks_and_dropout_trains_with_what_it_stands_before():
    model = heads.attach(build("alexnet", weights="random", image_size=63), 3)
    backbone, head = freezing.split_head(model)
    opens = [{layer.name.split("_")[0] for layer in block} for block in backbone]
    assert opens == [{f"block{number}"} for number in range(1, 8)]
    assert [layer.name for layer in head] == ["head_dropout", "logits", "probabilities"]
    ends = {0.0: "block7_relu", 0.15: "block6_relu", 0.3: "block6_flatten"}
    for share, last in ends.items():
        freezing.unfreeze(model, share)
        assert cutting.cuts(model, head)[-1].name == last


def test_it_has_the_published_number_of_weights():
    model = build("alexnet", weights="random", include_top=True)
    assert model.count_params() == resolve("alexnet").parameters == 61_100_840
    assert model.input_shape == (None, 224, 224, 3)
    with pytest.raises(BackboneError, match=r"does not fit alexnet: it has no tensor named 'feat"):
        assign(model, {"conv1.weight": np.zeros(3)})
    wrong = {"features.0.weight": np.zeros((96, 3, 11, 11)), "features.0.bias": np.zeros(96)}
    with pytest.raises(BackboneError, match=r"does not fit alexnet: the shapes at block1_conv"):
        assign(model, wrong)


def test_photos_that_nothing_would_be_left_of_are_refused():
    with pytest.raises(BackboneError, match=r"Expected 63 pixels or more.*image_size=62"):
        build("alexnet", weights="random", image_size=62)


def test_that_a_file_is_needed_is_told_before_any_photo_is_looked_for(tmp_path):
    with pytest.raises(WeightsUnavailable, match=r"--weights FILE.*alexnet-owt-7be5be79\.pth"):
        tlearn.finetune(tmp_path / "absent", backbone="alexnet", output=tmp_path)


@pytest.mark.slow
def test_it_is_fine_tuned_from_a_file_and_exported(files, tmp_path):
    sample.write(tmp_path / "digits", per_class=16, classes=2)
    run = tlearn.finetune(
        tmp_path / "digits",
        backbone="alexnet",
        weights=str(files["zip"]),
        recipe_options={"head_epochs": 1, "epochs": 1, "unfreeze": 0.1, "views": 1},
        image_size=64,
        output=tmp_path,
    )
    assert run.info["metrics"]["accuracy"] >= 0.5
    assert run.info["export"]["max_difference"] < 1e-4
    assert run.info["features"]["cuts"][0] == "block7_relu"
    assert run.info["weights"].endswith("zip.pth")

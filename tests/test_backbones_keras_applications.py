"""Every network of keras.applications, flat, sees what Keras's own preprocessing would show it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tlearn.backbones import build, imagenet_class_names, resolve, table
from tlearn.errors import BackboneError

_MODULES = {
    "convnext": "convnext",
    "densenet": "densenet",
    "efficientnet": "efficientnet",
    "efficientnetv2": "efficientnet_v2",
    "inception": "inception_v3",
    "inceptionresnet": "inception_resnet_v2",
    "mobilenetv1": "mobilenet",
    "mobilenetv2": "mobilenet_v2",
    "mobilenetv3": "mobilenet_v3",
    "nasnet": "nasnet",
    "resnet": "resnet",
    "resnetv2": "resnet_v2",
    "vgg": "vgg16",
    "xception": "xception",
}
_QUICK = {
    "convnexttiny",
    "efficientnetb0",
    "efficientnetv2-b0",
    "mobilenetv1-0.25",
    "mobilenetv2-0.35",
    "mobilenetv3-small",
    "resnet50",
    "vgg16",
    "xception",
}
_MEAN = np.array([0.485, 0.456, 0.406])
_DEVIATION = np.array([0.229, 0.224, 0.225])


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """All networks of Keras together would take 10 GB."""
    yield
    keras.utils.clear_session(free_memory=True)


def _rows():
    for row in table():
        if row.source == "keras.applications":
            marks = () if row.name in _QUICK else pytest.mark.slow
            yield pytest.param(row, id=row.name, marks=marks)


def _pixels(size: int, photos: int = 2) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.uniform(0, 255, (photos, size, size, 3)).astype(np.float32)


def _normalization(model: keras.Model) -> keras.layers.Normalization | None:
    kinds = [layer for layer in model.layers if isinstance(layer, keras.layers.Normalization)]
    return kinds[0] if kinds else None


def _reference(row, size: int, model: keras.Model) -> keras.Model:
    """Keras's own network with the weights of `model`."""
    options = {"alpha": row.width} if row.family in ("mobilenetv1", "mobilenetv2") else {}
    function = getattr(keras.applications, row.function)
    reference = function(weights=None, include_top=False, input_shape=(size, size, 3), **options)
    values = iter(model.get_weights())
    for layer in reference.layers:
        if not isinstance(layer, keras.layers.Normalization):
            layer.set_weights([next(values) for _ in layer.get_weights()])
    assert next(values, None) is None
    if row.family == "efficientnet":
        # What their files hold, put so that Keras's formula gives what they were trained on.
        normalization = _normalization(reference)
        normalization.set_weights([_MEAN, _DEVIATION**2, np.array(0)])
        normalization.finalize_state()
    return reference


@pytest.mark.parametrize("row", list(_rows()))
def test_it_answers_as_keras_own_preprocessing_and_network_do(row):
    keras.utils.set_random_seed(1)
    size = 96
    model = build(row.name, weights="random", image_size=size)
    reference = _reference(row, size, model)
    module = import_module(f"keras.applications.{_MODULES[row.family]}")
    pixels = _pixels(size)
    expected = reference(module.preprocess_input(pixels.copy()), training=False).numpy()
    scale = np.abs(expected).max()
    assert 0 < scale < np.inf
    np.testing.assert_allclose(
        model(pixels, training=False).numpy() / scale, expected / scale, atol=1e-4
    )
    # A scaling that is a little wrong would have been noticed.
    wrong = reference(module.preprocess_input(0.9 * pixels + 9), training=False).numpy()
    assert np.abs(wrong - expected).max() / scale > 1e-3
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert sum(layer.name == "input_scaling" for layer in model.layers) == 1
    assert model.input_shape == (None, size, size, 3)
    assert len(model.output_shape) == 4
    for layer in model.layers:
        assert layer.output is not None  # raises where a layer is called more than once


@pytest.mark.parametrize("name", ["efficientnetb0", "mobilenetv3-small", "resnet50"])
def test_it_is_saved_and_loaded_without_a_change(tmp_path, name):
    model = build(name, weights="random", image_size=64, include_top=True)
    assert model.count_params() == resolve(name).parameters - (7 if name == "efficientnetb0" else 0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    pixels = _pixels(64)
    answer = model(pixels, training=False).numpy()
    np.testing.assert_array_equal(loaded(pixels, training=False).numpy(), answer)
    np.testing.assert_allclose(answer.sum(1), 1, atol=1e-5)
    assert answer.shape == (2, 1000)


@pytest.mark.slow
def test_the_table_tells_the_size_and_the_number_of_weights():
    for row in table():
        if row.source == "keras.applications" and row.parameters < 30_000_000:
            options = {"alpha": row.width} if row.width != 1 else {}
            shape = {"input_shape": (row.image_size, row.image_size, 3)}
            own = getattr(keras.applications, row.function)(weights=None, **options, **shape)
            assert own.count_params() == row.parameters, row.name


def test_a_head_that_needs_one_size_says_so():
    with pytest.raises(BackboneError, match=r"xception cannot be built for photos of this size"):
        build("xception", weights="random", image_size=40)


@pytest.mark.parametrize(
    ("variance", "divided_again"),
    [
        pytest.param(_DEVIATION, True, id="as Keras's files have it"),
        pytest.param(_DEVIATION**2, False, id="as it should be", marks=pytest.mark.slow),
        pytest.param(np.ones(3), False, id="left alone", marks=pytest.mark.slow),
    ],
)
def test_an_efficientnet_file_brings_its_own_scaling(tmp_path, variance, divided_again):
    raw = keras.applications.EfficientNetB0(
        weights=None, include_top=False, input_shape=(64, 64, 3)
    )
    normalization = _normalization(raw)
    normalization.set_weights([_MEAN, variance, np.array(0)])
    raw.save_weights(tmp_path / "own.weights.h5")
    # Keras divides by the root of the deviation once more for its own weights only.
    normalization.set_weights([_MEAN, variance**2 if divided_again else variance, np.array(0)])
    normalization.finalize_state()
    model = build("efficientnetb0", weights=tmp_path / "own.weights.h5", image_size=64)
    pixels = _pixels(64)
    expected = raw(pixels, training=False).numpy()
    scale = np.abs(expected).max()
    answer = model(pixels, training=False).numpy()
    np.testing.assert_allclose(answer / scale, expected / scale, atol=1e-4)


def test_a_file_of_another_network_is_refused_with_what_was_expected(tmp_path):
    other = keras.applications.MobileNet(weights=None, alpha=0.25, include_top=False)
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(BackboneError, match=r"MobileNet\(alpha=0\.5\).*with or without the Image"):
        build("mobilenetv1-0.5", weights=tmp_path / "other.weights.h5")
    with pytest.raises(BackboneError, match=r"MobileNet\(alpha=0\.25\), with the ImageNet head"):
        build("mobilenetv1-0.25", weights=tmp_path / "other.weights.h5", include_top=True)
    own = build("mobilenetv1-0.25", weights=tmp_path / "other.weights.h5")
    np.testing.assert_array_equal(own.get_weights()[0], other.get_weights()[0])
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(BackboneError, match=r"does not fit vgg16"):
        build("vgg16", weights=tmp_path / "text.h5")


def _in_a_fresh_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_on_a_silent_network_it_gives_up_soon_and_never_takes_random_weights(tmp_path):
    code = """
import time, tlearn.backbones.downloads as downloads
from tlearn.backbones import build
from tlearn.errors import WeightsUnavailable
downloads._SECONDS_OF_SILENCE = 1.0
import keras
start = time.monotonic()
try:
    build("resnet50")
except WeightsUnavailable as error:
    print(f"{time.monotonic() - start:.1f}|{error}")
"""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # answers nobody
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = _in_a_fresh_process(
            code, KERAS_HOME=str(tmp_path), https_proxy=proxy, HTTPS_PROXY=proxy, no_proxy=""
        )
    seconds, _, message = done.stdout.strip().partition("|")
    assert message, done.stderr
    assert float(seconds) < 30
    assert "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5" in message
    assert "--weights FILE" in message
    assert "efficientnet_lite0" in message


def test_weights_in_the_cache_are_used_with_no_network_even_if_only_with_their_head(tmp_path):
    own = keras.applications.MobileNet(weights=None, alpha=0.25)
    (tmp_path / "models").mkdir()
    own.save(tmp_path / "models" / resolve("mobilenetv1-0.25").files[0])
    code = """
import numpy as np
from tlearn.backbones import build, resolve, weights_are_here
assert weights_are_here(resolve("mobilenetv1-0.25"))
print(np.sum([np.abs(value).sum() for value in build("mobilenetv1-0.25").get_weights()]))
"""
    nowhere = "http://127.0.0.1:9"
    done = _in_a_fresh_process(
        code, KERAS_HOME=str(tmp_path), https_proxy=nowhere, HTTPS_PROXY=nowhere, no_proxy=""
    )
    trunk = own.get_weights()[:-2]
    expected = np.sum([np.abs(value).sum() for value in trunk])
    assert done.stdout, done.stderr
    assert float(done.stdout) == pytest.approx(expected, rel=1e-4)


@pytest.fixture
def shared_weights(shared_data: Path) -> Path:
    folder = shared_data.parent / "weights"
    if not folder.is_dir():
        pytest.skip(f"the real weights files are not at {folder}")
    return folder


@pytest.mark.slow
def test_a_real_file_with_a_head_names_a_cat_and_serves_without_it(shared_weights):
    path = shared_weights / "mobilenet_2_5_224_tf.h5"
    model = build("mobilenet-0.25", weights=path, include_top=True)
    with Image.open(str(files("skimage.data") / "chelsea.png")) as image:
        square = image.convert("RGB").crop((75, 0, 375, 300)).resize((224, 224))
    pixels = np.asarray(square, np.float32)[None]
    answer = model(pixels).numpy()
    assert imagenet_class_names()[answer.argmax()] in ("tabby", "tiger cat", "Egyptian cat")
    # Keras's own function and preprocessing say the same.
    own = keras.applications.MobileNet(alpha=0.25, weights=str(path))
    expected = own(keras.applications.mobilenet.preprocess_input(pixels.copy())).numpy()
    np.testing.assert_allclose(answer, expected, atol=1e-4)
    trunk = build("mobilenet-0.25", weights=path, image_size=160)
    assert trunk.output_shape == (None, 5, 5, 256)
    np.testing.assert_array_equal(trunk.get_weights()[-1], own.get_weights()[-3])


@pytest.mark.slow
def test_a_real_file_without_a_head_serves_and_says_that_it_has_none(shared_weights):
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
    model = build("mobilenetv2-0.35", weights=shared_weights / name)
    assert model.output_shape == (None, 7, 7, 1280)
    with pytest.raises(BackboneError, match="with the ImageNet head"):
        build("mobilenetv2-0.35", weights=shared_weights / name, include_top=True)
    with pytest.raises(BackboneError, match="does not fit mobilenetv2-0.5"):
        build("mobilenetv2-0.5", weights=shared_weights / name)


@pytest.mark.slow
def test_the_names_in_keras_cache_are_those_that_keras_asks_for(tmp_path):
    code = """
import re, keras
from tlearn.backbones import build, table
from tlearn.errors import WeightsUnavailable
for row in table():
    if row.source == "keras.applications" and row.parameters < 29_000_000:
        for include_top, file in zip((True, False), row.files):
            try:
                build(row.name, include_top=include_top)
            except WeightsUnavailable as error:
                asked = re.search(r"/([^/ ]+\\.h5)", str(error))[1]
            # Two files bear another name at their source than in the cache.
            if row.family == "nasnet":
                asked = asked.lower().replace("-", "_")
            assert asked == file, (asked, file)
        keras.backend.clear_session()
print("all")
"""
    nowhere = "http://127.0.0.1:9"
    done = _in_a_fresh_process(
        code, KERAS_HOME=str(tmp_path), https_proxy=nowhere, HTTPS_PROXY=nowhere, no_proxy=""
    )
    assert done.stdout.startswith("all"), done.stderr


def test_keras_bars_do_not_reach_standard_output():
    from tlearn.backbones.downloads import downloading

    code = (
        "from tlearn.backbones.downloads import downloading\n"
        "from tlearn.backbones import resolve\n"
        "with downloading(resolve('resnet50')):\n    print('a bar')\n"
    )
    done = _in_a_fresh_process(code)
    assert done.stdout == ""
    assert "a bar" in done.stderr
    started = time.monotonic()
    before = socket.getdefaulttimeout()
    with pytest.raises(BackboneError, match="failed to build it"), downloading(resolve("vgg16")):
        raise TypeError("a fault of a library")
    assert socket.getdefaulttimeout() == before
    assert time.monotonic() - started < 5

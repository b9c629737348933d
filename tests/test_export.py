"""The exported SavedModel answers as the model it came from, wherever it is loaded."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_image

from tlearn.errors import ExportError, RunError
from tlearn.export import as_float32, export, verify
from tlearn.export.verification import Answers, compare
from tlearn.photos import decoding

SIZE = 32
CLASSES = ("10", "2 é", "shirt", "NA")
LOW = {tf.float16.as_datatype_enum, tf.bfloat16.as_datatype_enum}


def tiny(seed: int = 0, *, policy: str = "float32", augmented: bool = False) -> keras.Model:
    """A flat model from raw pixels whose answers differ strongly from photo to photo."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        x = inputs = keras.Input((SIZE, SIZE, 3))
        if augmented:
            x = layers.RandomFlip()(x)
            x = layers.RandomRotation(0.3)(x)
            x = layers.RandomContrast(0.9)(x)
        x = layers.Rescaling(1 / 127.5, -1)(x)
        x = layers.Conv2D(16, 5, strides=2, kernel_initializer="he_normal")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("swish")(x)
        if augmented:
            x = layers.GaussianNoise(1.0)(x)
        x = layers.Flatten()(x)
        x = layers.Dropout(0.5)(x)
        x = layers.Dense(len(CLASSES), name="logits")(x)
        outputs = layers.Activation("softmax", dtype="float32", name="probabilities")(x)
    finally:
        keras.config.set_dtype_policy(before)
    model = keras.Model(inputs, outputs)
    generator = np.random.default_rng(seed)
    norm = next(layer for layer in model.layers if isinstance(layer, layers.BatchNormalization))
    norm.set_weights([generator.uniform(0.5, 1.5, weight.shape) for weight in norm.weights])
    return model


def encode(pixels: np.ndarray, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def crops() -> list[np.ndarray]:
    """Twelve different parts of two real photos, upright and lying."""
    photos = [load_sample_image("china.jpg"), load_sample_image("flower.jpg")]
    return [
        np.ascontiguousarray(photo[top : top + height, left : left + width])
        for photo in photos
        for top, left in [(0, 0), (120, 90), (200, 310)]
        for height, width in [(150, 200), (211, 97)]
    ]


def answers_of(model: keras.Model, photos: Iterable[bytes], mode: str = "pad") -> np.ndarray:
    """What the model says of photos, without the SavedModel."""
    smallest = decoding.smallest_for(SIZE)
    photos = [decoding.decode(tf.constant(data), smallest) for data in photos]
    pixels = [decoding.resize(photo, SIZE, mode) for photo in photos]
    return np.asarray(model(tf.stack(pixels), training=False))


def nodes(directory: Path) -> list[Any]:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel()
    saved.ParseFromString((directory / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    return [
        *graph.node,
        *(node for function in graph.library.function for node in function.node_def),
    ]


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return tiny()


@pytest.fixture(scope="module")
def directory(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("exported") / "saved_model"
    export(model, CLASSES, directory, image_size=SIZE, resize_mode="pad")
    return directory


@pytest.fixture(scope="module")
def saved(directory: Path) -> Any:
    return tf.saved_model.load(str(directory))


@pytest.fixture(scope="module")
def jpegs() -> list[bytes]:
    return [encode(crop, "JPEG", quality=90) for crop in crops()]


@pytest.fixture
def examples(tmp_path: Path, jpegs: list[bytes]) -> pd.DataFrame:
    """Photos of both decoders on the disk."""
    files = {f"{number}.jpg": data for number, data in enumerate(jpegs)}
    palette = Image.fromarray(crops()[3]).quantize(64)
    palette.save(tmp_path / "palette.bmp")
    files["palette.bmp"] = (tmp_path / "palette.bmp").read_bytes()
    files["scan.tif"] = encode(crops()[8], "TIFF")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    decoders = [decoding.route(data) for data in files.values()]
    assert decoders[-2:] == ["pillow", "pillow"]
    return pd.DataFrame({"path": [str(tmp_path / name) for name in files], "decoder": decoders})


def evaluated(model: keras.Model, examples: pd.DataFrame) -> np.ndarray:
    """What an evaluation says: each photo by its own decoder, the whole batch by `predict`."""
    columns = (examples["path"].to_list(), examples["decoder"].to_list())
    photos = tf.data.Dataset.from_tensor_slices(columns)
    smallest = decoding.smallest_for(SIZE)
    photos = photos.map(lambda path, decoder: decoding.load(path, decoder, smallest))
    photos = photos.map(lambda image: decoding.resize(image, SIZE, "pad"))
    return np.asarray(model.predict(photos.batch(8), verbose=0))


def test_bytes_get_the_answers_of_the_model(
    model: keras.Model, saved: Any, jpegs: list[bytes]
) -> None:
    expected = answers_of(model, jpegs)
    assert len(set(expected.argmax(axis=1))) > 1, "the photos must not look alike to the model"
    said = saved.signatures["serving_default"](images=tf.constant(jpegs))
    np.testing.assert_allclose(said["probabilities"], expected, atol=1e-6)
    np.testing.assert_array_equal(said["class_index"], expected.argmax(axis=1))
    np.testing.assert_allclose(said["probability"], expected.max(axis=1), atol=1e-6)
    names = [name.decode() for name in said["class_name"].numpy()]
    assert names == [CLASSES[best] for best in expected.argmax(axis=1)]
    dtypes = {name: value.dtype.name for name, value in said.items()}
    assert dtypes == {
        "class_name": "string",
        "class_index": "int64",
        "probability": "float32",
        "probabilities": "float32",
    }


@pytest.mark.parametrize("mode", decoding.RESIZE_MODES)
def test_the_resize_mode_of_the_training_is_inside(
    model: keras.Model, jpegs: list[bytes], mode: str, tmp_path: Path
) -> None:
    export(model, CLASSES, tmp_path / "saved", image_size=SIZE, resize_mode=mode)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    said = loaded.signatures["serving_default"](images=tf.constant(jpegs[:4]))
    np.testing.assert_allclose(said["probabilities"], answers_of(model, jpegs[:4], mode), atol=1e-6)
    assert loaded.signatures["about"]()["resize_mode"].numpy() == mode.encode()


def test_pixels_are_scaled_exactly_once(tmp_path: Path) -> None:
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(3, activation="softmax", use_bias=False)(x)
    model = keras.Model(inputs, outputs)
    model.layers[-1].set_weights([np.eye(3)])
    export(model, ["red", "green", "blue"], tmp_path / "saved", image_size=SIZE)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    plain = np.full((40, 50, 3), (255, 102, 0), np.uint8)
    expected = np.exp([1, 0.4, 0]) / np.exp([1, 0.4, 0]).sum()
    for said in (
        loaded.signatures["serving_default"](images=tf.constant([encode(plain, "PNG")])),
        loaded.signatures["pixels"](pixels=plain[np.newaxis].astype(np.float32)),
        loaded.signatures["pixels_uint8"](pixels=plain[np.newaxis]),
    ):
        np.testing.assert_allclose(said["probabilities"], [expected], atol=1e-6)
        assert said["class_name"].numpy() == [b"red"]


def test_augmentation_and_dropout_stay_out_of_the_graph(tmp_path: Path, jpegs: list[bytes]) -> None:
    model = tiny(augmented=True)
    export(model, CLASSES, tmp_path / "saved", image_size=SIZE, resize_mode="pad")
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    said = loaded.signatures["serving_default"](images=tf.constant(jpegs))["probabilities"]
    np.testing.assert_allclose(said, answers_of(model, jpegs), atol=1e-6)
    random = {node.op for node in nodes(tmp_path / "saved") if "random" in node.op.lower()}
    assert random == set()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_a_low_precision_model_is_exported_in_float32(
    policy: str, tmp_path: Path, jpegs: list[bytes]
) -> None:
    low, twin = tiny(3, policy=policy), tiny(3)
    twin.set_weights([np.asarray(weight, np.float32) for weight in low.get_weights()])
    assert np.abs(answers_of(low, jpegs) - answers_of(twin, jpegs)).max() > 1e-4
    rebuilt = as_float32(low)
    assert {layer.compute_dtype for layer in rebuilt.layers} == {"float32"}
    np.testing.assert_array_equal(answers_of(rebuilt, jpegs), answers_of(twin, jpegs))
    export(low, CLASSES, tmp_path / "saved", image_size=SIZE, resize_mode="pad")
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    said = loaded.signatures["serving_default"](images=tf.constant(jpegs))["probabilities"]
    np.testing.assert_allclose(said, answers_of(twin, jpegs), atol=1e-6)
    types = {value.type for node in nodes(tmp_path / "saved") for value in node.attr.values()}
    assert types & LOW == set()


def test_nested_and_composite_layers_become_float32_too() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        inputs = keras.Input((SIZE, SIZE, 3))
        inner = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.ReLU()])
        x = keras.layers.Reshape((-1, 4))(inner(inputs))
        x = keras.layers.MultiHeadAttention(2, 2)(x[:, :16], x[:, :16]) * 2.0
        x = keras.layers.Bidirectional(keras.layers.LSTM(3))(x)
        model = keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(x))
    finally:
        keras.config.set_dtype_policy("float32")
    rebuilt = as_float32(model)
    assert {layer.compute_dtype for layer in rebuilt._flatten_layers()} == {"float32"}
    assert rebuilt.output.dtype == "float32"
    for new, old in zip(rebuilt.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    assert keras.config.dtype_policy().name == "float32"


def test_a_float32_model_is_taken_as_it_is(model: keras.Model) -> None:
    assert as_float32(model) is model


def test_a_model_that_cannot_be_rebuilt_is_refused() -> None:
    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(ExportError, match="functional or sequential"):
        as_float32(Own(dtype="mixed_bfloat16"))


def test_a_phone_photo_gets_the_answer_of_its_upright_twin(model: keras.Model, saved: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = encode(crops()[1], "JPEG", quality=90, exif=exif)
    unturned = encode(crops()[1], "JPEG", quality=90)
    upright = encode(decoding.decode_with_pillow(lying), "PNG")
    said = saved.signatures["serving_default"](images=tf.constant([lying, upright, unturned]))
    turned, twin, wrong = said["probabilities"].numpy()
    np.testing.assert_allclose(turned, twin, atol=1e-6)
    assert np.abs(turned - wrong).max() > 0.01


def test_one_bad_photo_harms_no_other(model: keras.Model, saved: Any, jpegs: list[bytes]) -> None:
    bmp = encode(crops()[0], "BMP")
    batch = [b"", jpegs[0], jpegs[1][: len(jpegs[1]) // 2], jpegs[2], b"no photo", bmp, jpegs[3]]
    said = saved.signatures["serving_default"](images=tf.constant(batch))
    good = [1, 3, 6]
    bad = [0, 2, 4, 5]
    expected = answers_of(model, [batch[place] for place in good])
    np.testing.assert_allclose(said["probabilities"].numpy()[good], expected, atol=1e-6)
    np.testing.assert_array_equal(said["class_index"].numpy()[good], expected.argmax(axis=1))
    assert said["class_index"].numpy()[bad].tolist() == [-1] * 4
    assert said["class_name"].numpy()[bad].tolist() == [b""] * 4
    assert not said["probability"].numpy()[bad].any()
    assert not said["probabilities"].numpy()[bad].any()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_batch_may_be_empty_or_all_bad(saved: Any, count: int) -> None:
    said = saved.signatures["serving_default"](images=tf.constant(["x"] * count, tf.string))
    assert said["probabilities"].shape == (count, len(CLASSES))
    assert said["class_index"].numpy().tolist() == [-1] * count


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_pixels_of_any_size_and_dtype_are_taken(model: keras.Model, saved: Any, dtype: str) -> None:
    batch = np.stack([crops()[0], crops()[2]])
    square = decoding.resize(tf.constant(batch), SIZE, "pad")
    expected = np.asarray(model(square, training=False))
    said = saved.signatures["pixels"](pixels=batch.astype(dtype))
    np.testing.assert_allclose(said["probabilities"], expected, atol=1e-6)
    ready = saved.signatures["pixels"](pixels=square)
    np.testing.assert_allclose(ready["probabilities"], expected, atol=1e-6)
    none = saved.signatures["pixels"](pixels=batch[:0].astype(dtype))
    assert none["probabilities"].shape == (0, len(CLASSES))


def test_uint8_tensors_have_a_signature_of_their_own(model: keras.Model, saved: Any) -> None:
    batch = tf.constant(np.stack([crops()[0], crops()[2]]))
    expected = saved.signatures["pixels"](pixels=tf.cast(batch, tf.float32))["probabilities"]
    said = saved.signatures["pixels_uint8"](pixels=batch)["probabilities"]
    np.testing.assert_allclose(said, expected, atol=1e-6)


def test_a_photo_of_twelve_megapixels_is_answered(model: keras.Model, saved: Any) -> None:
    pixels = np.asarray(Image.fromarray(crops()[0]).resize((4000, 3000)))
    large = encode(pixels, "JPEG")
    said = saved.signatures["serving_default"](images=tf.constant([large]))["probabilities"]
    np.testing.assert_allclose(said, answers_of(model, [large]), atol=1e-6)


def test_it_loads_where_neither_keras_nor_tlearn_can(
    model: keras.Model, directory: Path, jpegs: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpegs[0])
    # TensorFlow imports Keras by itself where it finds it; `None` keeps it from being found.
    program = (
        "import sys\n"
        "sys.modules['keras'] = sys.modules['tlearn'] = None\n"
        "import tensorflow as tf\n"
        f"loaded = tf.saved_model.load({str(directory)!r})\n"
        f"photo = tf.io.read_file({str(tmp_path / 'photo.jpg')!r})\n"
        "said = loaded.signatures['serving_default'](images=photo[tf.newaxis])\n"
        "print(said['probabilities'].numpy().tolist())\n"
        "print([name.decode() for name in loaded.signatures['about']()['class_names'].numpy()])\n"
        "assert not any(name.split('.')[0] in ('keras', 'tlearn', 'tf_keras')\n"
        "               for name, module in sys.modules.items() if module is not None)\n"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    probabilities, names = map(eval, ran.stdout.splitlines())
    np.testing.assert_allclose(probabilities, answers_of(model, jpegs[:1]), atol=1e-6)
    assert tuple(names) == CLASSES


def test_class_names_and_sizes_stand_beside_and_inside(directory: Path, saved: Any) -> None:
    lines = (directory / "assets" / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert tuple(lines) == CLASSES
    about = saved.signatures["about"]()
    assert tuple(name.decode() for name in about["class_names"].numpy()) == CLASSES
    assert about["image_size"].numpy() == SIZE


def test_a_folder_in_use_is_left_alone(model: keras.Model, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="absent or empty"):
        export(model, CLASSES, tmp_path, image_size=SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(model: keras.Model, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    export(model, CLASSES, tmp_path / "empty", image_size=SIZE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]
    assert (tmp_path / "empty" / "saved_model.pb").is_file()


def test_a_place_that_cannot_be_written_is_named(model: keras.Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="Cannot write"):
        export(model, CLASSES, tmp_path / "file" / "saved", image_size=SIZE)


@pytest.mark.parametrize(
    ("names", "size", "words"),
    [(CLASSES[:3], SIZE, "class names"), (CLASSES, SIZE * 2, "image size")],
)
def test_a_model_that_does_not_fit_is_refused(
    model: keras.Model, tmp_path: Path, names: tuple[str, ...], size: int, words: str
) -> None:
    with pytest.raises(ExportError, match=words):
        export(model, names, tmp_path / "saved", image_size=size)
    assert list(tmp_path.iterdir()) == []


def test_a_true_export_is_verified(
    model: keras.Model, directory: Path, examples: pd.DataFrame
) -> None:
    probabilities = evaluated(model, examples)
    difference = verify(directory, examples, probabilities, CLASSES, batch_size=4)
    assert 0 <= difference < 1e-5


def answers(probabilities: np.ndarray, *, unreadable: int | None = None) -> Answers:
    """What a SavedModel would say that gives these probabilities."""
    index = probabilities.argmax(axis=1)
    if unreadable is not None:
        index[unreadable] = -1
    names = np.array([*CLASSES, ""])
    return Answers(names[:-1], index, names[index], probabilities)


def photos_named(count: int) -> pd.DataFrame:
    return pd.DataFrame({"path": [f"{n}.jpg" for n in range(count)], "decoder": "graph"})


def test_two_classes_may_change_places_only_within_a_tie() -> None:
    known = np.array([[0.1, 0.6, 0.3, 0.0], [0.40002, 0.39998, 0.2, 0.0]])
    other = np.array([[0.1, 0.6, 0.3, 0.0], [0.39999, 0.40001, 0.2, 0.0]])
    assert compare(answers(other), photos_named(2), known, CLASSES) == pytest.approx(3e-5)
    further = known + np.array([[0, 0, 0, 0], [1e-4, 0, 0, 0]])
    with pytest.raises(ExportError, match=r"1 of 2 predictions[\s\S]*1\.jpg: 10 0\.4001"):
        compare(answers(other), photos_named(2), further, CLASSES)


def test_an_unreadable_photo_and_a_probability_that_is_no_number_are_changes() -> None:
    known = np.array([[0.1, 0.6, 0.3, 0.0], [0.2, 0.0, 0.0, 0.8]])
    with pytest.raises(ExportError, match=r"1\.jpg: NA 0\.8000 in the .*, unreadable"):
        compare(answers(known, unreadable=1), photos_named(2), known, CLASSES)
    for place in range(4):
        broken = known.copy()
        broken[1, place] = np.nan
        with pytest.raises(ExportError, match=r"1 of 2 .*up to nan[\s\S]*1\.jpg"):
            compare(answers(known), photos_named(2), broken, CLASSES)
        with pytest.raises(ExportError, match=r"1 of 2 .*up to nan[\s\S]*1\.jpg"):
            compare(answers(broken), photos_named(2), known, CLASSES)


def test_names_that_differ_or_stand_in_another_order_are_found_out() -> None:
    known = np.array([[0.1, 0.6, 0.3, 0.0]])
    with pytest.raises(ExportError, match="other class names"):
        compare(answers(known), photos_named(1), known, CLASSES[::-1])
    said = answers(known)
    wrong = Answers(said.class_names, said.class_index, said.class_names[:1], said.probabilities)
    with pytest.raises(ExportError, match="10 0.6000 from the SavedModel"):
        compare(wrong, photos_named(1), known, CLASSES)


def test_a_run_without_test_photos_has_nothing_to_compare() -> None:
    none = np.zeros((0, len(CLASSES)))
    assert compare(answers(none), photos_named(0), none, CLASSES) == 0.0


def test_an_export_with_other_weights_is_found_out(
    model: keras.Model, examples: pd.DataFrame, tmp_path: Path
) -> None:
    export(tiny(seed=1), CLASSES, tmp_path / "other", image_size=SIZE, resize_mode="pad")
    with pytest.raises(ExportError, match=r"predictions changed[\s\S]*\.(jpg|bmp|tif): ") as caught:
        verify(tmp_path / "other", examples, evaluated(model, examples), CLASSES)
    assert "in the evaluation" in str(caught.value)


def test_a_broken_saved_model_is_told_with_its_last_words(
    model: keras.Model, directory: Path, examples: pd.DataFrame, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes((directory / "saved_model.pb").read_bytes()[:500])
    with pytest.raises(ExportError, match=r"exit status 1, last words:\n[\s\S]*Error"):
        verify(broken, examples, evaluated(model, examples), CLASSES)


def test_a_photo_that_went_away_is_named(
    model: keras.Model, directory: Path, examples: pd.DataFrame
) -> None:
    probabilities = evaluated(model, examples)
    Path(examples["path"].iloc[2]).unlink()
    with pytest.raises(ExportError, match=r"2\.jpg"):
        verify(directory, examples, probabilities, CLASSES)
    with pytest.raises(ValueError, match="do not belong together"):
        verify(directory, examples, probabilities[1:], CLASSES)

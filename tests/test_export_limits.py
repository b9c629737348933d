"""A SavedModel says when it is unsure and what is unlike anything it knows, wherever it is loaded."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from test_export import CLASSES, SIZE, answers_of, crops, encode, tiny

from tlearn import heads
from tlearn.calibration import Limits, Scope
from tlearn.calibration.scope import Known
from tlearn.errors import ExportError
from tlearn.export import doubts_check, export
from tlearn.export.verification import ask, compare
from tlearn.networks import last_layer
from tlearn.prediction.trained import predict

# As large as the model's input, so that no resizing evens it out.
NOISE = (255 * np.random.default_rng(0).integers(0, 2, (SIZE, SIZE, 3))).astype(np.uint8)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return tiny()


@pytest.fixture(scope="module")
def jpegs() -> list[bytes]:
    return [encode(crop, "JPEG", quality=90) for crop in crops()]


def features_of(model: keras.Model, photos: list[bytes]) -> np.ndarray:
    seen, _ = last_layer.around(model, heads.LOGITS)
    return answers_of(keras.Model(model.inputs, seen), photos)


@pytest.fixture(scope="module")
def limits(model: keras.Model, jpegs: list[bytes]) -> Limits:
    """Half of the answers are unsure; the first six photos are known, the others hardly beyond."""
    features = features_of(model, jpegs)
    known = Known.of(features[:6])
    farthest = float(known.nearest(features).max())
    middle = float(np.sort(answers_of(model, jpegs).max(axis=1))[5:7].mean())
    return Limits(temperature=1.5, threshold=middle, scope=Scope(known, farthest * 1.01))


@pytest.fixture(scope="module")
def directory(model: keras.Model, limits: Limits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("exported") / "saved_model"
    export(model, CLASSES, directory, image_size=SIZE, resize_mode="pad", limits=limits)
    return directory


@pytest.fixture(scope="module")
def saved(directory: Path) -> Any:
    return tf.saved_model.load(str(directory))


@pytest.fixture
def examples(tmp_path: Path, jpegs: list[bytes]) -> pd.DataFrame:
    for number, data in enumerate(jpegs):
        (tmp_path / f"{number}.jpg").write_bytes(data)
    paths = [str(tmp_path / f"{number}.jpg") for number in range(len(jpegs))]
    return pd.DataFrame({"path": paths, "decoder": "graph"})


def doubts(model: keras.Model, limits: Limits, photos: list[bytes]) -> pd.DataFrame:
    """What an evaluation says."""
    assert limits.scope is not None
    probability = answers_of(model, photos).max(axis=1)
    distance = limits.scope.distances(features_of(model, photos))
    return pd.DataFrame(
        {
            "probability": probability,
            "unsure": probability < limits.threshold,
            "distance": distance,
            "unlike": distance > 1,
        }
    )


def test_photos_get_their_doubts_from_bytes_and_from_pixels(
    model: keras.Model, limits: Limits, saved: Any, jpegs: list[bytes]
) -> None:
    photos = [*jpegs, encode(NOISE, "PNG")]
    expected = doubts(model, limits, photos)
    assert expected["unsure"].nunique() == 2
    assert expected["unlike"].tolist() == [False] * 12 + [True]
    said = saved.signatures["serving_default"](images=tf.constant(photos))
    for name in ("unsure", "unlike"):
        np.testing.assert_array_equal(said[name], expected[name])
    np.testing.assert_allclose(said["distance"], expected["distance"], atol=2e-3)
    for signature, kind in (("pixels", np.float32), ("pixels_uint8", np.uint8)):
        found = saved.signatures[signature](pixels=tf.constant(NOISE[np.newaxis].astype(kind)))
        assert found["unlike"].numpy() == [True]
        assert found["distance"].numpy() == pytest.approx(expected["distance"].iloc[-1], abs=2e-3)


def test_what_cannot_be_read_is_unsure_and_harms_no_other(saved: Any, jpegs: list[bytes]) -> None:
    whole = saved.signatures["serving_default"](images=tf.constant(jpegs[:2]))
    said = saved.signatures["serving_default"](images=tf.constant([jpegs[0], b"no", jpegs[1]]))
    assert said["unsure"].numpy()[1]
    assert not said["unlike"].numpy()[1]
    assert said["distance"].numpy()[1] == -1
    np.testing.assert_allclose(said["distance"].numpy()[[0, 2]], whole["distance"], atol=1e-5)
    np.testing.assert_array_equal(said["unsure"].numpy()[[0, 2]], whole["unsure"])


@pytest.mark.parametrize("name", ["unsure", "unlike", "distance"])
def test_an_empty_batch_is_answered_with_nothing(saved: Any, name: str) -> None:
    none = tf.constant([], tf.string)
    assert saved.signatures["serving_default"](images=none)[name].shape == (0,)
    pixels = tf.zeros((0, 20, 20, 3))
    assert saved.signatures["pixels"](pixels=pixels)[name].shape == (0,)


def test_it_tells_its_temperature_and_its_limits(saved: Any, limits: Limits) -> None:
    about = saved.signatures["about"]()
    assert limits.scope is not None
    told = [float(about[name]) for name in ("temperature", "threshold", "distance_limit")]
    assert told == pytest.approx([1.5, limits.threshold, limits.scope.limit], rel=1e-6)


def test_it_is_unsure_where_neither_keras_nor_tlearn_can_be_imported(
    directory: Path, limits: Limits, model: keras.Model, jpegs: list[bytes], tmp_path: Path
) -> None:
    expected = doubts(model, limits, jpegs)["unsure"].to_numpy()
    photos = [jpegs[int(np.flatnonzero(expected == wanted)[0])] for wanted in (True, False)]
    for number, data in enumerate([*photos, encode(NOISE, "PNG")]):
        (tmp_path / str(number)).write_bytes(data)
    program = (
        "import sys\n"
        "sys.modules['keras'] = sys.modules['tlearn'] = None\n"
        "import tensorflow as tf\n"
        f"loaded = tf.saved_model.load({str(directory)!r})\n"
        f"files = [{str(tmp_path)!r} + '/' + name for name in '012']\n"
        "photos = [open(file, 'rb').read() for file in files]\n"
        "said = loaded.signatures['serving_default'](images=tf.constant(photos))\n"
        "print(said['unsure'].numpy()[:2].tolist(), said['unlike'].numpy().tolist())\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[True, False] [False, False, True]"


def test_an_export_is_verified_with_its_doubts_and_others_are_found_out(
    model: keras.Model,
    limits: Limits,
    directory: Path,
    examples: pd.DataFrame,
    jpegs: list[bytes],
) -> None:
    known, expected = answers_of(model, jpegs), doubts(model, limits, jpegs)
    said = ask(directory, examples)
    assert compare(said, examples, known, CLASSES) < 1e-4
    doubts_check.compare(said, examples, expected)
    turned = expected.assign(unsure=~expected["unsure"])
    with pytest.raises(ExportError, match=r"doubts other photos.*: 12 of 12"):
        doubts_check.compare(said, examples, turned)
    nearer = expected.assign(distance=expected["distance"] / 2)
    with pytest.raises(ExportError, match=r"doubts other photos"):
        doubts_check.compare(said, examples, nearer)
    with pytest.raises(ExportError, match="does not say which answers are unsure"):
        doubts_check.compare(dataclasses.replace(said, unsure=None), examples, expected)


def test_without_a_scope_there_is_a_threshold_only(model: keras.Model, tmp_path: Path) -> None:
    export(model, CLASSES, tmp_path / "saved", image_size=SIZE, limits=Limits(threshold=0.99))
    said = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    assert "unsure" in said.structured_outputs
    assert "unlike" not in said.structured_outputs


def test_a_scope_needs_a_model_whose_features_can_be_found(limits: Limits, tmp_path: Path) -> None:
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Dense(len(CLASSES), activation="softmax")(keras.layers.Flatten()(inputs))
    with pytest.raises(ExportError, match="no features to compare"):
        export(keras.Model(inputs, x), CLASSES, tmp_path / "saved", image_size=SIZE, limits=limits)
    assert not (tmp_path / "saved").exists()


def test_predict_answers_unsure_and_flags_what_is_unlike(
    model: keras.Model,
    limits: Limits,
    directory: Path,
    examples: pd.DataFrame,
    jpegs: list[bytes],
    tmp_path: Path,
) -> None:
    (tmp_path / "noise.png").write_bytes(encode(NOISE, "PNG"))
    (tmp_path / "nothing.jpg").write_bytes(b"")
    files = [*examples["path"], tmp_path / "noise.png", tmp_path / "nothing.jpg"]
    table = predict(files, run=directory)
    expected = doubts(model, limits, [*jpegs, encode(NOISE, "PNG")])
    good = table[table["error"].isna()]
    assert good["unsure"].tolist() == expected["unsure"].tolist()
    assert good["unlike"].tolist() == expected["unlike"].tolist()
    assert good["answer"].tolist() == [
        "unsure" if unsure else label
        for unsure, label in zip(expected["unsure"], good["label"], strict=True)
    ]
    assert good["label"].isin(CLASSES).all(), "the best class stays to be seen"
    bad = table.iloc[-1]
    assert bad["answer"] is None
    assert bad["unsure"] is pd.NA
    assert np.isnan(bad["distance"])
    flipped = predict(files[:3], run=directory, flip=True)
    assert np.isfinite(flipped["distance"]).all()


def test_another_threshold_can_be_asked_for(
    directory: Path, examples: pd.DataFrame, tmp_path: Path
) -> None:
    assert not predict(examples["path"], run=directory, threshold=0)["unsure"].any()
    assert predict(examples["path"], run=directory, threshold=1)["unsure"].all()
    with pytest.raises(ValueError, match="from 0 to 1"):
        predict(examples["path"], run=directory, threshold=1.5)
    with pytest.raises(ValueError, match="either a threshold or a target"):
        predict(examples["path"], run=directory, threshold=0.5, target_precision=0.9)


def test_dividing_the_last_layer_calibrates_and_changes_no_answer(jpegs: list[bytes]) -> None:
    model = tiny()
    before = answers_of(model, jpegs)
    last_layer.divide(model, heads.LOGITS, 2.0)
    after = answers_of(model, jpegs)
    expected = np.sqrt(before) / np.sqrt(before).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(after, expected, atol=1e-5)
    np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))

"""A run becomes files for other runtimes, each of which answers as the run does, or there is none."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_run
import tensorflow as tf
from typer.testing import CliRunner, Result

import tlearn
from tlearn import runs
from tlearn.cli import app
from tlearn.errors import AccuracyDropError, ExportError, MissingExtra
from tlearn.formats import exporting, kinds, litert_metadata, proving, samples, versions
from tlearn.formats.squares import square
from tlearn.photos.resizing import resize

ROOT = Path(__file__).resolve().parents[1]


def call(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"}).invoke(app, ["export", *words])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    return small_run.write(tmp_path_factory.mktemp("formats"))


@pytest.fixture(scope="module")
def exported(run: runs.Run, tmp_path_factory: pytest.TempPathFactory) -> exporting.Exported:
    return tlearn.export_run(
        run, "litert,onnx", output=tmp_path_factory.mktemp("served"), name="photos"
    )


# Before anything is computed


@pytest.mark.parametrize(
    ("formats", "quantize", "told"),
    [
        (["savedmodel"], ["int8"], "TensorFlow SavedModel cannot be quantized so"),
        (["litert", "openvino"], ["dynamic"], "OpenVINO cannot be quantized so"),
        (["litert", "tensorrt"], ["none"], "no such format.*tensorrt"),
        (["litert"], ["int4"], "no such quantization.*int4"),
        ([], ["none"], "no such format"),
    ],
)
def test_what_makes_no_sense_is_refused(formats: list[str], quantize: list[str], told: str) -> None:
    with pytest.raises(ExportError, match=told):
        kinds.wanted(formats, quantize)


def test_each_format_is_made_in_each_quantization_once() -> None:
    made = kinds.wanted(["litert", "onnx", "litert"], ["none", "int8"])
    assert [one.file for one in made] == [
        *("model.tflite", "model-int8.tflite", "model.onnx", "model-int8.onnx")
    ]


def test_a_missing_extra_gives_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'tlearn\[onnx\]'"):
        kinds.wanted(["onnx"])
    assert kinds.wanted(["savedmodel"])


def test_photos_that_are_gone_are_an_error_and_leave_nothing(run: runs.Run, tmp_path: Path) -> None:
    photos = Path(run.splits["path"].iloc[0]).parents[1]
    aside = photos.rename(photos.with_name("aside"))
    try:
        with pytest.raises(ExportError, match="20 of 20 test photos are not there"):
            tlearn.export_run(run, "litert", output=tmp_path / "out")
    finally:
        aside.rename(photos)
    assert not (tmp_path / "out").exists()


def test_a_photo_that_has_changed_proves_nothing(run: runs.Run) -> None:
    photos = samples.photos_of(run, "test").assign(digest="0" * 64)
    with pytest.raises(ExportError, match="changed since the run was trained"):
        next(samples.decoded(photos, small_run.SIZE))


def test_int8_is_calibrated_on_training_photos_only(run: runs.Run) -> None:
    train = run.splits[run.splits["split"] == "train"]
    pixels = samples.calibration(run, count=8)
    assert pixels.shape == (8, small_run.SIZE, small_run.SIZE, 3)
    of_train = list(samples.decoded(train, small_run.SIZE))
    known = [samples.squares(one, small_run.SIZE, "crop") for one in of_train]
    assert all(any(np.array_equal(one, other) for other in known) for one in pixels)


# The squares


@pytest.mark.parametrize("mode", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("shape", [(40, 30), (97, 211), (32, 32), (9, 17), (1000, 333)])
def test_a_square_made_by_matrices_is_that_of_training(mode: str, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape, 3)).astype(np.float32)
    trained = resize(tf.constant(pixels), 32, mode).numpy()
    assert np.abs(square(tf.constant(pixels), 32, mode).numpy() - trained).max() < 0.02


# What comes out


def test_the_table_says_that_nothing_changed(exported: exporting.Exported, run: runs.Run) -> None:
    table = exported.table
    assert list(table["format"]) == ["litert", "onnx"]
    assert (table["changed"] == 0).all()
    assert (table["drop"] == 0).all()
    assert (table["max_difference"] < 1e-4).all()
    assert (table["accuracy"] == run.info["metrics"]["accuracy"]).all()
    assert (table[["bytes", "milliseconds", "peak_memory"]] > 0).all(axis=None)
    assert (table["photos"] == 20).all()


def test_the_table_lies_beside_the_files(exported: exporting.Exported) -> None:
    assert exported.folder.parts[-2:] == ("photos", "1")
    about = json.loads((exported.folder / "about.json").read_text(encoding="utf-8"))
    assert about["class_names"] == list(small_run.CLASSES)
    assert about["threshold"] == 0.6
    assert [row["file"] for row in about["files"]] == ["model.tflite", "model.onnx"]
    listed = versions.listed(exported.folder.parents[1])
    pd.testing.assert_frame_equal(listed.drop(columns=["name", "version"]), exported.table)
    assert (exported.folder / "labels.txt").read_text(encoding="utf-8").splitlines() == list(
        small_run.CLASSES
    )


def test_labels_and_metadata_are_in_the_litert_file(exported: exporting.Exported) -> None:
    from ai_edge_litert import schema_py_generated as schema

    file = exported.folder / "model.tflite"
    with zipfile.ZipFile(file) as archive:
        assert archive.read("labels.txt").decode().splitlines() == list(small_run.CLASSES)
        assert json.loads(archive.read("about.json"))["resize_mode"] == "crop"
    model = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)
    (entry,) = [one for one in model.metadata if one.name == b"TFLITE_METADATA"]
    metadata = bytes(model.buffers[entry.buffer].data)
    assert metadata[4:8] == b"M001"
    for text in (b"labels.txt", b"pixels", b"probabilities", b"about.json"):
        assert text in metadata
    assert litert_metadata.LABELS in zipfile.ZipFile(file).namelist()


def test_the_onnx_file_says_what_it_knows(exported: exporting.Exported) -> None:
    import onnx

    model = onnx.load(str(exported.folder / "model.onnx"))
    said = {one.key: one.value for one in model.metadata_props}
    assert json.loads(said["class_names"]) == list(small_run.CLASSES)
    assert float(said["threshold"]) == 0.6
    assert "antialias" in said["preparation"]
    assert said["Image.NominalPixelRange"] == "NominalRange_0_255"
    (pixels,) = model.graph.input
    assert [one.dim_param or one.dim_value for one in pixels.type.tensor_type.shape.dim] == [
        *("batch", "height", "width", 3)
    ]


# The folder


def test_versions_count_up_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / "exports" / "clothes"
    with pytest.raises(FileNotFoundError), versions.next_one(place) as version:
        (version.folder / "no folder" / "half").write_text("x")
    assert not (tmp_path / "exports").exists()
    for number in (1, 2):
        with versions.next_one(place) as version:
            (version.folder / "whole").write_text("x")
        assert version.final == place / str(number)
    with pytest.raises(RuntimeError), versions.next_one(place):
        raise RuntimeError
    assert sorted(one.name for one in place.iterdir()) == ["1", "2"]


def test_another_process_may_take_the_number_that_was_free(tmp_path: Path) -> None:
    with versions.next_one(tmp_path) as late:
        (late.folder / "whole").write_text("late")
        with versions.next_one(tmp_path) as early:
            (early.folder / "whole").write_text("early")
    assert (early.final, late.final) == (tmp_path / "1", tmp_path / "2")


# A file that recognises too little


def a_proof(run: runs.Run, changed: np.ndarray) -> proving.Proof:
    expected = run.predictions[run.predictions["split"] == "test"].reset_index(drop=True)
    told = expected[[f"p[{name}]" for name in run.class_names]].to_numpy(dtype=np.float64)
    said = told.copy()
    said[changed] = np.roll(said[changed], 1, axis=1)
    (wanted,) = kinds.wanted(["litert"], ["int8"])
    return proving._compared(run, wanted, expected, told, said, 0.01, 10**8)


def test_a_drop_names_the_classes_that_fell(run: runs.Run) -> None:
    test = run.predictions[run.predictions["split"] == "test"]
    proof = a_proof(run, (test["label"] == "flower").to_numpy())
    assert proof.changed == 5
    assert set(proof.fallen) == {"flower"}
    with pytest.raises(AccuracyDropError, match=r"(?s)litert int8: .*5 of 20.*flower: recall"):
        exporting._hold(run, [proof], 1.0)
    exporting._hold(run, [proof], 100)


def test_the_command_says_so_with_its_own_exit_code(
    run: runs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every weight of the run's network set to the same, behind its back."""
    import keras

    spoiled = runs.load(shutil.copytree(run.path, tmp_path / "spoiled"))
    model = keras.models.load_model(spoiled.model_path, compile=False)
    head = model.get_layer("logits")
    head.set_weights([0 * one for one in head.get_weights()])
    model.save(spoiled.model_path)
    monkeypatch.setattr(proving, "TIE", 1.0)
    done = call(str(spoiled.path), "--format", "litert")
    assert done.exit_code == 4
    assert "Error: An exported file recognises fewer test photos" in done.stderr
    assert "flower: recall 1.000 -> 0.000" in done.stderr
    assert not spoiled.exports_path.exists()


def test_a_changed_prediction_fails_what_is_not_quantized(run: runs.Run, tmp_path: Path) -> None:
    import keras

    spoiled = runs.load(shutil.copytree(run.path, tmp_path / "spoiled"))
    model = keras.models.load_model(spoiled.model_path, compile=False)
    head = model.get_layer("logits")
    head.set_weights([-one for one in head.get_weights()])
    model.save(spoiled.model_path)
    with pytest.raises(ExportError, match="LiteRT file does not answer as the run did"):
        tlearn.export_run(spoiled, "litert", max_drop=100)
    assert not spoiled.exports_path.exists()


def test_a_runtime_that_fails_is_named_with_its_last_words(run: runs.Run, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"no model")
    with pytest.raises(ExportError, match=r"(?s)could not be checked.*last words:\n.*Flatbuffer"):
        proving.prove(
            run, kinds.wanted(["litert"])[0], tmp_path / "model.tflite", tlearn.progress.SILENT
        )


# The command


@pytest.mark.slow
def test_the_command_shows_the_table_and_lists_it_again(run: runs.Run, tmp_path: Path) -> None:
    words = (str(run.path), "--output", str(tmp_path), "--name", "served")
    done = call(*words)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "served" / "1" / "saved_model.pb").is_file()
    assert (tmp_path / "served" / "1" / "variables").is_dir()
    assert "savedmodel" in done.stdout
    assert "On 20 test photos" in done.stdout
    listed = call(*words, "--list")
    assert "served/1" in listed.stdout
    nothing = call(str(run.path), "--list")
    assert "Nothing has been exported" in nothing.stdout


def test_a_refusal_and_the_list_do_not_load_tensorflow(run: runs.Run) -> None:
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from tlearn.cli import app\n"
        "for words in (['--list'], ['--quantize', 'int8']):\n"
        f"    CliRunner().invoke(app, ['export', {str(run.path)!r}, *words])\n"
        "sys.exit('tensorflow' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True)
    assert (ran.returncode, ran.stderr) == (0, b"")

"""What is predicted is what the SavedModel says, file by file, whatever the files are."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pillow_heif
import pytest
import run_folders
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_image

from tlearn.errors import DatasetError, DecodeError, RunError, TlearnError
from tlearn.export import export
from tlearn.photos import decoding
from tlearn.prediction.answers import answers_table, check_output
from tlearn.prediction.trained import predict, write
from tlearn.progress import Progress, Task

SIZE = 16
CLASSES = ("1", "10", "shirt")


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(
        len(CLASSES), kernel_initializer=keras.initializers.RandomNormal(0, 0.1)
    )(x)
    return keras.Model(inputs, keras.layers.Softmax()(x))


@pytest.fixture(scope="module")
def saved(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("exported") / "saved_model"
    export(model, CLASSES, directory, image_size=SIZE, resize_mode="stretch")
    return directory


def crop(number: int) -> np.ndarray:
    photo = load_sample_image(["china.jpg", "flower.jpg"][number % 2])
    top, left = 37 * number % 300, 71 * number % 400
    return np.ascontiguousarray(photo[top : top + 120, left : left + 90])


def encode(pixels: np.ndarray | Image.Image, format: str, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def dirty() -> dict[str, bytes]:
    """Files as they lie in a real folder: readable under any name, and not at all."""
    jpeg = encode(crop(0), "JPEG", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6
    heic = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(crop(1))).save(heic, quality=-1)
    return {
        "1.jpg": jpeg,
        "2.JPEG": encode(crop(1), "PNG"),
        "3 turned.jpg": encode(crop(2), "JPEG", exif=exif),
        "4.tif": encode(crop(3), "TIFF"),
        "5.bmp": encode(Image.fromarray(crop(4)).quantize(32), "BMP"),
        "6.heic": heic.getvalue(),
        "7.gif": encode(crop(5), "GIF"),
        "8 é": encode(crop(6), "WEBP", lossless=True),
        "bad empty.jpg": b"",
        "bad notes.txt": b"not a photo at all",
        "bad truncated.jpg": jpeg[: len(jpeg) // 2],
        "bad truncated.png": encode(crop(7), "PNG")[:5000],
    }


@pytest.fixture
def folder(dirty: dict[str, bytes], tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, data in dirty.items():
        (folder / name).write_bytes(data)
    (folder / ".DS_Store").write_bytes(b"hidden")
    return folder


def expected(model: keras.Model, data: bytes) -> np.ndarray:
    """The model's own answer on the pixels that Pillow reads."""
    pixels = decoding.decode_with_pillow(data, smallest=decoding.smallest_for(SIZE))
    square = decoding.resize(tf.constant(pixels), SIZE, "stretch")
    return np.asarray(model(square[tf.newaxis], training=False))[0]


class Watcher(Progress):
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.steps: list[int] = []
        self.totals: list[int | None] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def task(self, description: str, total: int | None = None, unit: str = "photos") -> Task:
        self.totals.append(total)
        steps = self.steps

        class Counting(Task):
            def advance(self, number: int = 1) -> None:
                steps.append(number)

        return Counting()


def test_a_dirty_folder_is_answered_file_by_file(
    model: keras.Model, saved: Path, folder: Path, dirty: dict[str, bytes]
) -> None:
    watcher = Watcher()
    table = predict(folder, run=saved, progress=watcher)
    assert list(table.columns) == [
        *["path", "answer"],
        *["label", "probability", "label_2", "probability_2", "label_3", "probability_3"],
        *["unsure", "unlike", "distance", "error"],
    ]
    assert [Path(path).name for path in table["path"]] == list(dirty)
    good = table[~table["path"].str.contains("bad")]
    assert all(error is None for error in good["error"])
    for row in good.itertuples():
        known = expected(model, dirty[Path(row.path).name])
        order = np.argsort(-known)
        assert [row.label, row.label_2, row.label_3] == [CLASSES[place] for place in order]
        said = [row.probability, row.probability_2, row.probability_3]
        # A JPEG's colours are rounded once more or less on either way; all others are equal.
        np.testing.assert_allclose(said, known[order], atol=1e-5)
    assert good["label"].nunique() > 1, "the photos must not look alike to the model"
    bad = table[table["path"].str.contains("bad")].set_index("path")
    assert bad["error"].to_list() == [
        "the file is empty",
        "not an image",
        "the file is truncated",
        "the file is truncated",
    ]
    assert all(label is None for label in bad["label"])
    assert bad["probability"].isna().all()
    assert sum(watcher.steps) == len(dirty) == watcher.totals[0]
    (warning,) = watcher.warnings
    assert "4 of 12 files" in warning
    assert "bad notes.txt: not an image" in warning


def test_flip_answers_with_the_mean_of_a_photo_and_its_mirror_image(
    saved: Path, folder: Path, dirty: dict[str, bytes], tmp_path: Path
) -> None:
    # Mirrored once more on the disk, without loss, each file gets the same mean.
    turned = tmp_path / "turned"
    turned.mkdir()
    good = {name: data for name, data in dirty.items() if "bad" not in name}
    for name, data in good.items():
        pixels = decoding.decode_with_pillow(data, smallest=decoding.smallest_for(SIZE))
        (turned / name).write_bytes(encode(np.ascontiguousarray(pixels[:, ::-1]), "PNG"))
    once, both = (predict(folder, run=saved, flip=flip) for flip in (False, True))
    assert list(both.columns) == list(once.columns)
    assert (both["error"].notna() == once["error"].notna()).all()

    def probabilities(table: pd.DataFrame) -> np.ndarray:
        found = []
        for row in table[table["error"].isna()].to_dict("records"):
            places = ["", "_2", "_3"]
            of = {row[f"label{place}"]: row[f"probability{place}"] for place in places}
            found.append([of[name] for name in CLASSES])
        return np.array(found)

    plain = probabilities(once)
    mirrored = probabilities(predict(turned, run=saved))
    assert np.abs(plain - mirrored).max() > 0.01, "the model must tell left from right"
    mean = (plain + mirrored) / 2
    np.testing.assert_allclose(probabilities(both), mean, atol=1e-5)
    again = probabilities(predict(turned, run=saved, flip=True))
    np.testing.assert_allclose(again, mean, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 5, 12])
def test_the_batch_size_changes_no_answer(saved: Path, folder: Path, batch_size: int) -> None:
    whole = predict(folder, run=saved)
    parts = predict(folder, run=saved, batch_size=batch_size)
    pd.testing.assert_frame_equal(parts, whole, atol=1e-6)


def test_large_files_fill_a_batch_before_its_number_does(
    saved: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predict(folder, run=saved)
    monkeypatch.setattr("tlearn.prediction.reading._BATCH_BYTES", 10_000)
    watcher = Watcher()
    pd.testing.assert_frame_equal(predict(folder, run=saved, progress=watcher), whole, atol=1e-6)
    assert len(watcher.steps) > 3


def test_what_the_graph_refuses_pillow_still_reads(
    model: keras.Model, saved: Path, tmp_path: Path
) -> None:
    # The checksum of its last chunk is broken: libpng stops there, Pillow does not.
    data = encode(crop(2), "PNG")
    cut = data[: data.rindex(b"IEND") + 4] + bytes(4)
    (tmp_path / "odd.png").write_bytes(cut)
    assert decoding.route(cut) == "graph"
    loaded = tf.saved_model.load(str(saved))
    said = loaded.signatures["serving_default"](images=tf.constant([cut]))
    assert said["class_index"].numpy() == [-1]
    row = predict(tmp_path / "odd.png", run=saved).iloc[0]
    assert row["error"] is None
    assert row["probability"] == pytest.approx(expected(model, cut).max(), abs=1e-5)
    assert predict(tmp_path / "odd.png", run=saved, flip=True)["error"][0] is None


def test_a_missing_file_and_a_pipe_are_rows_with_their_reason(
    saved: Path, folder: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    table = predict([folder / "1.jpg", "gone.jpg", tmp_path / "pipe"], run=saved)
    assert table["error"].to_list() == [None, "there is no such file", "not a regular file"]
    assert table["path"].to_list()[1] == "gone.jpg"


def test_top_is_limited_by_the_classes(saved: Path, folder: Path) -> None:
    one = predict(folder / "1.jpg", run=saved, top=1)
    assert "label" in one.columns
    assert "label_2" not in one.columns
    many = predict(folder / "1.jpg", run=saved, top=99)
    assert "label_3" in many.columns
    assert "label_4" not in many.columns
    for wrong in ({"top": 0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=r"1 or more. Received: \w+=0"):
            predict(folder, run=saved, **wrong)


def test_a_run_is_named_in_every_way(model: keras.Model, folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for name, class_names in {"older": CLASSES[::-1], "newer": CLASSES}.items():
        with run_folders.runs.unfinished(root, name) as writing:
            year = {"older": "2001", "newer": "2002"}[name]
            run_folders.fill(
                writing,
                class_names=class_names,
                changes={"created": f"{year}-01-01T00:00:00.000+00:00"},
            )
            export(model, class_names, writing.saved_model_path, image_size=SIZE)
    latest = predict(folder / "1.jpg", root=root)
    named = predict(folder / "1.jpg", run="newer", root=root)
    older = predict(folder / "1.jpg", run=root / "older")
    value = predict(folder / "1.jpg", run=run_folders.runs.load("older", root))
    bare = predict(folder / "1.jpg", run=root / "older" / "saved_model")
    pd.testing.assert_frame_equal(latest, named)
    pd.testing.assert_frame_equal(older, value)
    pd.testing.assert_frame_equal(older, bare)
    ends = {"1": "shirt", "shirt": "1", "10": "10"}
    assert older["label_3"][0] == ends[named["label_3"][0]]


def test_no_run_and_no_such_run_are_clear_errors(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished run"):
        predict(folder, root=tmp_path / "none")
    with pytest.raises(RunError, match="no run 'nothing'"):
        predict(folder, run="nothing", root=tmp_path)


def test_a_saved_model_of_another_make_is_refused(folder: Path, tmp_path: Path) -> None:
    module = tf.Module()
    module.answer = tf.function(lambda x: x, input_signature=[tf.TensorSpec((None,))])
    tf.saved_model.save(module, str(tmp_path / "other"), signatures=module.answer)
    with pytest.raises(RunError, match=r"one that tlearn wrote.*other"):
        predict(folder, run=tmp_path / "other")
    (tmp_path / "other" / "saved_model.pb").write_bytes(b"broken")
    with pytest.raises(RunError, match="one that tlearn wrote"):
        predict(folder, run=tmp_path / "other")


def test_nothing_readable_and_nothing_there_are_errors(saved: Path, folder: Path) -> None:
    with pytest.raises(DecodeError, match=r"Not one of 4 files[\s\S]*bad empty\.jpg: the file is"):
        predict(str(folder / "bad*"), run=saved)
    with pytest.raises(DecodeError, match=r"my_phtos: there is no such file"):
        predict("my_phtos", run=saved)
    with pytest.raises(DatasetError, match="glob matches nothing"):
        predict(str(folder / "*.xyz"), run=saved)


def test_predicting_needs_no_keras(saved: Path, folder: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['keras'] = None\n"
        "import tlearn\n"
        f"table = tlearn.predict({str(folder / '1.jpg')!r}, run={str(saved)!r})\n"
        "print(table['label'][0])\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == predict(folder / "1.jpg", run=saved)["label"][0]


def test_ties_are_named_in_class_order() -> None:
    flat = np.full((1, 3), 1 / 3, np.float32)
    row = answers_table([Path("a")], flat, CLASSES, [None], 3).iloc[0]
    assert [row["label"], row["label_2"], row["label_3"]] == list(CLASSES)


@pytest.fixture
def table() -> pd.DataFrame:
    probabilities = np.array([[0.1, 0.7, 0.2], [0, 0, 0]], np.float32)
    paths = [Path("a, b\n.jpg"), Path("NA")]
    return answers_table(paths, probabilities, ("007", "NA", 'x"y'), [None, "not an image"], 2)


@pytest.mark.parametrize("suffix", [".csv", ".CSV", ".json", ".parquet"])
def test_a_written_table_reads_back_the_same(
    table: pd.DataFrame, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / "new" / f"answers{suffix}"
    write(table, file)
    if suffix == ".json":
        read = pd.DataFrame(json.loads(file.read_text(encoding="utf-8")), dtype=object)
    elif suffix == ".parquet":
        read = pd.read_parquet(file)
    else:
        read = pd.read_csv(file, dtype={"label": str, "label_2": str}, keep_default_na=False)
    assert list(read.columns) == list(table.columns)
    assert read["path"].to_list() == table["path"].to_list()
    assert read["label"].to_list()[0] == "NA"
    assert read["label_2"].to_list()[0] == 'x"y'
    assert float(read["probability"][0]) == pytest.approx(0.7)
    missing = ["", None] if suffix.lower() == ".csv" else [None]
    assert read["label"].astype(object)[1] in missing or pd.isna(read["label"][1])
    assert read["error"].to_list()[1] == "not an image"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_table_replaces_the_old_file_whole_or_not_at_all(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    file = tmp_path / "answers.parquet"
    file.write_text("the old one")
    unwritable = table.assign(path=[object(), 1])
    with pytest.raises(Exception, match=r"(?i)convert|object"):
        write(unwritable, file)
    assert file.read_text() == "the old one"
    write(table, file)
    assert len(pd.read_parquet(file)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["answers.parquet"]


@pytest.mark.parametrize("name", ["answers.xlsx", "answers", "csv"])
def test_other_suffixes_are_refused_before_the_work(
    table: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    for refuse in (check_output, lambda path: write(table, path)):
        with pytest.raises(TlearnError, match=r"\.csv, \.json, \.parquet\. Received: path="):
            refuse(tmp_path / name)
    assert list(tmp_path.iterdir()) == []

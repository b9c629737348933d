"""TFDS data sets that were prepared for real, by a process that this one knows nothing of."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from photo_files import Heard, pixels
from PIL import Image

from tlearn import splits
from tlearn.datasets import load
from tlearn.errors import DatasetError


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    script = Path(__file__).with_name("tiny_tfds.py")
    subprocess.run([sys.executable, script, folder], check=True, capture_output=True)
    assert "tiny_tfds" not in sys.modules
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TLEARN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("version", ["", ":1.2.3", ":1.*.*"])
def test_its_photos_become_files_of_their_own_bytes(data_dir, version):
    dataset = load(f"tiny_flowers{version}", data_dir=data_dir, strict=True)

    assert dataset.name == "tiny_flowers"
    assert dataset.class_names == ("2", "10", "tulip")
    assert dataset.examples["label"].value_counts().to_dict() == {"2": 4, "10": 4, "tulip": 4}
    assert set(dataset.examples["split"]) == {"train"}
    written = {Path(path).read_bytes() for path in dataset.examples["path"]}
    expected = set()
    for number in range(12):
        stream = io.BytesIO()
        pixels(("train", number), 24).save(stream, "JPEG" if number % 2 else "PNG")
        expected.add(stream.getvalue())
    assert written == expected
    assert {Path(path).suffix for path in dataset.examples["path"]} == {".jpg", ".png"}


def test_a_label_stays_with_its_photo(data_dir):
    examples = load("tiny_flowers", data_dir=data_dir).examples
    names = ["tulip", "10", "2"]
    pngs = [row for row in examples.itertuples() if row.path.endswith(".png")]
    assert len(pngs) == 6
    for row in pngs:
        shown = np.asarray(Image.open(row.path))
        [number] = [n for n in range(12) if (np.asarray(pixels(("train", n), 24)) == shown).all()]
        assert row.label == names[number % 3]


def test_given_splits_are_kept_and_others_named(data_dir):
    heard = Heard()
    dataset = load("tiny_splits", data_dir=data_dir, progress=heard)
    expected = {"train": 18, "test": 9, "validation": 6}
    assert dataset.examples["split"].value_counts().to_dict() == expected
    assert any("unlabeled" in line and "not used" in line for line in heard.warned)
    made = splits.make(dataset)
    assert made.examples["split"].value_counts().to_dict() == expected


def test_classes_without_photos_and_photos_without_labels_are_left_out_and_named(data_dir):
    heard = Heard()
    dataset = load("tiny_unlabelled_test", data_dir=data_dir, progress=heard)
    assert dataset.class_names == ("2", "10", "tulip")
    assert dataset.examples["split"].value_counts().to_dict() == {"train": 12}
    assert any(line.startswith("3 photos of tiny_unlabelled_test have no") for line in heard.warned)
    assert any("names 1 classes that have no photo" in line for line in heard.warned)


def test_where_there_are_two_labels_the_one_the_set_names_counts(data_dir):
    assert load("tiny_pairs", data_dir=data_dir).class_names == ("2", "10", "tulip")


def test_one_split_of_another_name_is_the_whole_set(data_dir):
    dataset = load("tiny_whole", data_dir=data_dir)
    assert all(split is None for split in dataset.examples["split"])
    assert len(dataset.examples) == 12


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("tiny_texts", r"has caption: Text, image: Image\. Expected one Image and one ClassLabel"),
        ("tiny_folds", r"has the splits 'fold1', 'fold2'\. Expected one named train"),
        ("tiny_flowers:9.9.9", "no TFDS data set of that name.*none.*prepared in .* has 1.2.3"),
        ("tf_flowers:9.9.9", r"cannot be loaded at version 9\.9\.9"),
        ("tf_flower", r"no TFDS data set of that name.*Did you mean 'tf_flowers'.*sub-folder"),
    ],
)
def test_what_is_no_set_of_labelled_photos_is_a_clear_error(data_dir, source, said):
    with pytest.raises(DatasetError, match=said):
        load(source, data_dir=data_dir)


def test_it_is_written_once_and_anew_when_it_was_prepared_anew(data_dir, own_cache):
    first = load("tiny_flowers", data_dir=data_dir)
    path = Path(first.examples["path"][0])
    before = path.stat().st_mtime_ns
    assert load("tiny_flowers", data_dir=data_dir).examples.equals(first.examples)
    assert path.stat().st_mtime_ns == before
    os.utime(data_dir / "tiny_flowers" / "1.2.3" / "features.json")
    again = load("tiny_flowers", data_dir=data_dir)
    assert len(list((own_cache / "tfds").iterdir())) == 2
    assert again.examples["digest"].tolist() == first.examples["digest"].tolist()


def test_a_damaged_set_is_a_clear_error_and_leaves_nothing(data_dir, own_cache, tmp_path):
    broken = tmp_path / "broken" / "tiny_flowers" / "1.2.3"
    broken.mkdir(parents=True)
    for path in (data_dir / "tiny_flowers" / "1.2.3").iterdir():
        data = path.read_bytes()
        (broken / path.name).write_bytes(
            data[: len(data) // 2] if "tfrecord" in path.name else data
        )
    with pytest.raises(DatasetError, match="is damaged.*prepare it again"):
        load("tiny_flowers", data_dir=tmp_path / "broken")
    assert list((own_cache / "tfds").iterdir()) == []


def test_a_folder_of_the_same_name_comes_first(data_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny_flowers").mkdir()
    with pytest.raises(DatasetError, match="no class folders"):
        load("tiny_flowers", data_dir=data_dir)


def without_network(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_network_a_set_to_be_downloaded_is_a_clear_error_and_soon(tmp_path, monkeypatch):
    without_network(monkeypatch, "http://127.0.0.1:9")  # nobody listens there
    begun = time.monotonic()
    with pytest.raises(DatasetError) as caught:
        load("tf_flowers", data_dir=tmp_path / "data")
    assert time.monotonic() - begun < 60
    message = str(caught.value)
    assert "download.tensorflow.org cannot be reached from here" in message
    assert "--data-dir" in message
    assert not (tmp_path / "data").exists()


@pytest.fixture
def refusing_proxy() -> Iterator[str]:
    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_that_is_refused_is_a_clear_error(tmp_path, monkeypatch, refusing_proxy, capfd):
    without_network(monkeypatch, refusing_proxy)
    heard = Heard()
    with pytest.raises(DatasetError, match=r"'tf_flowers' is not prepared in .*DownloadError.*403"):
        load("tf_flowers", data_dir=tmp_path / "data", progress=heard)
    assert heard.said[0].startswith("Downloading tf_flowers (")
    assert capfd.readouterr().out == ""

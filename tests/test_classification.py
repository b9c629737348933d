"""`classify` names what is on real photos, and what it cannot read."""

from __future__ import annotations

import shutil
from importlib.resources import files

import pandas as pd
import pytest

from tlearn.backbones import build
from tlearn.errors import BackboneError, DatasetError, DecodeError
from tlearn.prediction.pretrained import classify
from tlearn.progress import Progress

_PHOTOS = {
    "coffee.png": ("skimage.data", {"espresso"}),
    "chelsea.png": ("skimage.data", {"Egyptian cat", "tabby", "tiger cat"}),
    "china.jpg": ("sklearn.datasets.images", {"palace"}),
    "flower.jpg": ("sklearn.datasets.images", {"daisy"}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name, (package, _) in _PHOTOS.items():
        shutil.copy(str(files(package) / name), folder)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    (folder / "empty.png").touch()
    return folder


class _Listener(Progress):
    def __init__(self):
        self.warnings = []

    def warn(self, message):
        self.warnings.append(message)


def test_photos_are_named_and_unreadable_files_are_told(folder):
    listener = _Listener()
    answers = classify(folder, top=3, progress=listener)
    assert list(answers.columns) == [
        *("path", "label", "probability", "label_2", "probability_2", "label_3", "probability_3"),
        "error",
    ]
    by_name = {path.rpartition("/")[2]: row for path, row in answers.set_index("path").iterrows()}
    assert set(by_name) == {*_PHOTOS, "broken.jpg", "empty.png"}
    for name, (_, labels) in _PHOTOS.items():
        assert by_name[name]["label"] in labels
        assert by_name[name]["error"] is None
        assert 1 > by_name[name]["probability"] >= by_name[name]["probability_2"] > 0
    for name in ("broken.jpg", "empty.png"):
        assert by_name[name]["error"]
        assert pd.isna(by_name[name]["label"])
    assert "broken.jpg" in listener.warnings[0]


def test_it_answers_as_the_network_itself_does(folder):
    import numpy as np
    import tensorflow as tf

    from tlearn.photos.decoding import load, resize, smallest_for

    path = folder / "coffee.png"
    pixels = resize(
        load(tf.constant(str(path)), tf.constant("graph"), smallest_for(224)), 224, "crop"
    )
    own = build("efficientnet_lite0", include_top=True)(pixels[None]).numpy()
    (row,) = classify(path, top=1).itertuples()
    assert row.probability == pytest.approx(float(np.max(own)), abs=1e-5)


def test_what_cannot_be_answered_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="top=0"):
        classify(folder, top=0)
    with pytest.raises(DatasetError):
        classify([])
    with pytest.raises(DecodeError, match="there is no such file"):
        classify(tmp_path / "nowhere.jpg")
    with pytest.raises(BackboneError, match="without its ImageNet head"):
        classify(folder, backbone="hub:resnet_18_imagenet")

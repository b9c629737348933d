"""The table, the names that it answers to, and which weights are on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from tlearn.backbones import build, imagenet_class_names, resolve, table, weights_are_here
from tlearn.backbones.presence import bundled_file
from tlearn.backbones.table import ALIASES
from tlearn.errors import BackboneError, MissingExtra, WeightsUnavailable


def test_every_name_and_alias_resolves_to_one_row():
    names = [row.name for row in table()]
    assert max(Counter(names).values()) == 1
    for row in table():
        assert resolve(row.name) is row
        # A preset may be a path, so its capitals count.
        if ":" not in row.name:
            assert resolve(row.name.upper()) is row
    for alias, target in ALIASES.items():
        assert resolve(alias).name == target
        assert target in names


def test_every_family_of_keras_applications_has_an_alias_or_a_row_of_its_name():
    names = set(ALIASES) | {row.name for row in table()}
    families = {row.family for row in table() if row.source == "keras.applications"}
    assert families - names == {"inceptionresnet"}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("efficientnet", "efficientnet_lite0"),
        ("EfficientNet-Lite0", "efficientnet_lite0"),
        ("EfficientNetV2B0", "efficientnetv2-b0"),
        ("efficientnetv2_b0", "efficientnetv2-b0"),
        ("MobileNetV3Large", "mobilenetv3-large"),
        ("ConvNeXt Tiny", "convnexttiny"),
        ("mobilenet-0.25", "mobilenetv1-0.25"),
        ("resnet", "resnet50"),
        ("AlexNet", "alexnet"),
        ("lite4", "efficientnet_lite4"),
        ("hub:resnet_18_imagenet", "hub:resnet_18_imagenet"),
        ("HUB:kaggle://me/mine/keras/own/1", "hub:kaggle://me/mine/keras/own/1"),
        ("keras_cv:resnet50_imagenet", "keras_cv:resnet50_imagenet"),
    ],
)
def test_spellings(given, meant):
    assert resolve(given).name == meant


def test_an_unknown_name_is_answered_with_those_that_are_close():
    with pytest.raises(BackboneError, match=r"`tlearn backbones`.*'resnet50'.*backbone='resnet5'"):
        resolve("resnet5")
    with pytest.raises(BackboneError, match="name of a preset is missing"):
        resolve("hub:")


def test_a_preset_in_the_table_keeps_what_the_table_knows_of_it():
    assert resolve("hub:resnet_18_imagenet").parameters == 11_186_112
    assert resolve("hub:some_other").parameters is None


def test_rows_say_what_they_must():
    for row in table():
        assert row.source in ("bundled", "file", "keras.applications", "keras-hub", "keras-cv")
        assert row.weights_from
        assert (row.top1 is None) == (row.top1_source is None)
        if row.source in ("bundled", "file", "keras.applications"):
            assert 0.5 < row.top1 < 0.9
            assert 224 <= row.image_size <= 600
            assert row.parameters > 400_000
        assert (row.files is not None) == (row.source == "keras.applications")


def test_the_table_is_read_without_tensorflow():
    code = (
        "import sys, json, tlearn.backbones as b; b.resolve('efficientnet'); "
        "[b.weights_are_here(row) for row in b.table()]; b.imagenet_class_names(); "
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras", "keras_hub", "sklearn"} & set(json.loads(done.stdout))


def test_the_thousand_names_are_different_and_in_imagenets_order():
    names = imagenet_class_names()
    assert len(names) == len(set(names)) == 1000
    known = {0: "tench", 281: "tabby", 504: "coffee mug", 657: "missile", 999: "toilet tissue"}
    assert {index: names[index] for index in known} == known
    assert (names[134], names[517]) == ("crane (bird)", "crane (machine)")


def test_bundled_weights_are_here_and_a_missing_package_names_its_extra():
    lite = resolve("efficientnet_lite0")
    assert weights_are_here(lite)
    absent = replace(lite, name="efficientnet_lite9", function="efficientnet_lite9_pytorch_model")
    assert not weights_are_here(absent)
    with pytest.raises(MissingExtra, match=r"'efficientnet-lite9-pytorch-model'.*tlearn\[lite\]"):
        bundled_file(absent)


def test_weights_that_the_user_brings_are_not_here_and_the_row_names_the_file():
    rows = [row for row in table() if row.source == "file"]
    assert [row.name for row in rows] == ["efficientnet_lite3", "efficientnet_lite4", "alexnet"]
    for row in rows:
        assert not weights_are_here(row)
        assert "--weights FILE" in row.weights_from
        assert row.weights_from.endswith(".pth")


@pytest.mark.parametrize("name", ["alexnet", "efficientnet_lite3", "efficientnet_lite4"])
def test_without_the_users_file_the_error_says_which_to_fetch_and_how_to_give_it(name):
    file = resolve(name).weights_from.rpartition("/")[2]
    with pytest.raises(WeightsUnavailable, match=rf"--weights FILE.*{file}.*efficientnet_lite0"):
        build(name)


def test_weights_in_the_cache_of_keras_are_here(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    row = resolve("mobilenetv2-0.35")
    assert not weights_are_here(row)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / row.files[1]).touch()
    assert weights_are_here(row)


def test_presets_in_the_cache_or_in_a_folder_are_here(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    row = resolve("hub:resnet_18_imagenet")
    assert not weights_are_here(row)
    folder = tmp_path / "models/keras/resnetv1/keras/resnet_18_imagenet/3"
    folder.mkdir(parents=True)
    (folder / "config.json").touch()
    assert weights_are_here(row)
    assert weights_are_here(resolve(f"hub:{folder}"))
    assert not weights_are_here(resolve(f"hub:{tmp_path}"))

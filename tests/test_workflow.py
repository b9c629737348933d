"""The main job on real photos (handwritten digits), end to end and through its accidents."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import tlearn
from tlearn import calibration, runs
from tlearn.datasets import sample
from tlearn.errors import RecipeError, RunError, TlearnError

QUICK = {"head_epochs": 3, "epochs": 2, "unfreeze": 0.1}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "digits"
    sample.write(folder, per_class=24, classes=3)
    return folder


@pytest.fixture(scope="module")
def run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    """A run of the default recipe, cut short, with two unreadable files among the photos."""
    (digits / "0" / "empty.jpg").touch()
    (digits / "1" / "text.png").write_text("not a photo")
    return tlearn.finetune(
        digits, recipe_options=QUICK, image_size=64, output=tmp_path_factory.mktemp("runs")
    )


def test_it_learns(run):
    assert run.info["metrics"]["accuracy"] > 0.8


def test_every_photo_stands_in_exactly_one_split(run, digits):
    splits = run.splits
    assert len(splits) == 72
    assert splits["path"].is_unique
    assert set(splits["split"]) == {"train", "validation", "test"}
    counts = run.info["dataset"]
    assert counts["train"] + counts["validation"] + counts["test"] == 72


def test_unreadable_files_are_named_and_left_out(run):
    assert {Path(path).name for path in run.skipped["path"]} == {"empty.jpg", "text.png"}
    assert run.info["dataset"]["skipped"] == 2


def test_predictions_are_kept_for_validation_and_test_and_no_other_photo(run):
    predictions = run.predictions
    held_out = run.splits[run.splits["split"] != "train"]
    assert sorted(predictions["path"]) == sorted(held_out["path"])
    columns = [f"p[{name}]" for name in run.class_names]
    np.testing.assert_allclose(predictions[columns].sum(axis=1), 1, atol=1e-5)


def test_the_saved_keras_model_gives_the_predictions_that_were_kept(run):
    from tlearn.photos import pipeline

    model = keras.models.load_model(run.model_path)
    test = run.splits[run.splits["split"] == "test"]
    batches = pipeline.batches(
        test, run.class_names, image_size=64, resize_mode=run.info["resize_mode"]
    )
    again = np.concatenate([model.predict_on_batch(images) for images, _ in batches])
    kept = run.predictions[run.predictions["split"] == "test"]
    kept = kept.set_index("path").loc[test["path"], [f"p[{name}]" for name in run.class_names]]
    np.testing.assert_allclose(again, kept.to_numpy(), atol=1e-5)


def test_the_temperature_comes_from_validation_and_no_other_photo(run):
    said = run.info["calibration"]
    columns = [f"p[{name}]" for name in run.class_names]
    found = {}
    for split, rows in run.predictions.groupby("split"):
        before = calibration.uncalibrated(rows[columns].to_numpy(float), said["temperature"])
        labels = [run.class_names.index(label) for label in rows["label"]]
        found[split] = calibration.fit(np.log(before), labels).value
        figures = said["validation"] if split == "validation" else said
        again = calibration.scores(before, labels)
        assert figures["before"] == pytest.approx(again, abs=1e-4)
        again = calibration.scores(rows[columns].to_numpy(), labels)
        assert figures["after"] == pytest.approx(again, abs=1e-6)
    assert said["temperature"] == pytest.approx(found["validation"], rel=1e-3)
    assert said["temperature"] != pytest.approx(found["test"], rel=1e-3)


def test_so_few_validation_photos_show_no_precision_and_none_is_unsure(run):
    said = run.info["threshold"]
    assert (said["target"], said["wanted"], said["threshold"]) == ("precision", 0.95, None)
    assert said["validation"]["precision_low"] < 0.95
    assert said["test"]["answered"] == said["test"]["photos"]
    assert not run.predictions["unsure"].any()
    assert "no answer is unsure" in " ".join(str(tlearn.report(run)).split())


def test_noise_is_flagged_as_unlike_and_what_was_trained_on_is_not(run, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    keras.utils.save_img(tmp_path / "noise.png", noise, scale=False)
    trained_on = run.splits.loc[run.splits["split"] == "train", "path"].tolist()
    answers = tlearn.predict([tmp_path / "noise.png", *trained_on], run=run)
    assert answers["unlike"].tolist() == [True] + [False] * len(trained_on)
    assert run.info["scope"]["bank"] == len(trained_on)
    held_out = run.predictions
    again = tlearn.predict(held_out["path"].tolist(), run=run)
    np.testing.assert_allclose(again["distance"], held_out["distance"], atol=0.01)


def test_the_export_was_compared_on_every_test_photo(run):
    assert run.info["export"]["photos"] == run.info["dataset"]["test"]
    assert run.info["export"]["max_difference"] < 1e-4


def test_no_augmentation_and_no_nested_model_are_in_the_exported_model(run):
    model = keras.models.load_model(run.model_path)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert not any(kind.startswith("Random") for kind in kinds)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert model.output.dtype == "float32"


def test_a_run_keeps_pictures_so_that_its_page_needs_no_photo(run, tmp_path):
    wrong = run.predictions.query("split == 'test' and not correct")
    assert set(wrong["path"]) <= set(run.thumbnails["path"])
    assert set(run.overlays["path"]) == set(wrong["path"])
    # At least one of each class that was right.
    assert len(run.thumbnails) >= len(wrong) + len(run.class_names)
    page = run.report().page(tmp_path / "report.html")
    assert page.stat().st_size < 1_000_000


def test_the_unfreeze_is_compared_with_the_frozen_head(run):
    assert run.stages["stage"].tolist() == ["head", "unfreeze"]
    assert run.info["validation"]["final"] >= run.info["validation"]["head"]


def test_the_run_tells_how_it_was_made(run):
    info = run.info
    assert info["backbone"] == "efficientnet_lite0"
    assert info["precision"] == "float32"
    assert info["recipe_options"] == QUICK
    assert {"tensorflow", "keras", "tlearn", "python"} <= set(info["versions"])
    from tlearn import recipes

    assert recipes.load(run.path / "recipe.toml").arguments == QUICK
    assert "# Stage unfreeze: epochs=2, learning_rate=0.0005, unfreeze=0.1" in run.recipe_text


def test_the_learning_curve_is_of_the_photos_that_were_not_for_the_test(run):
    curve = run.learning_curve
    whole = curve[curve["share"] == 1]
    assert whole["held_out"].sum() == (run.splits["split"] != "test").sum()
    sizes = run.info["photo_sizes"]
    assert 0 < sizes["low"] <= sizes["median"] <= sizes["high"]
    assert any(one.kind == "photos" for one in tlearn.report(run).advice)


def test_the_report_and_predict_use_the_run(run, digits):
    report = tlearn.report(run)
    assert list(report.per_class["class"]) == ["0", "1", "2"]
    photo = run.splits["path"].iloc[0]
    answers = tlearn.predict([photo], run=run)
    assert answers["label"].iloc[0] in run.class_names
    held_out = run.predictions.iloc[0]
    again = tlearn.predict([held_out["path"]], run=run).iloc[0]
    assert again["label"] == held_out["predicted"]
    assert again["probability"] == pytest.approx(held_out["probability"], abs=1e-4)


@pytest.mark.slow
def test_the_same_command_again_gets_a_name_of_its_own_and_the_same_split(run, digits):
    again = tlearn.finetune(
        digits,
        recipe="linear_probe",
        recipe_options={"epochs": 1},
        image_size=64,
        target_coverage=0.5,
        output=run.path.parent,
    )
    said = again.predictions.query("split == 'validation'")
    assert said["unsure"].sum() == len(said) // 2
    assert again.info["threshold"]["target"] == "coverage"
    assert again.name == f"{run.name}-2"
    pd.testing.assert_frame_equal(again.splits, run.splits)
    assert runs.latest(run.path.parent).name == again.name


def test_an_argument_that_the_recipe_does_not_take_stops_before_any_photo_is_read(tmp_path):
    with pytest.raises(RecipeError, match="unfreeze"):
        tlearn.finetune(
            tmp_path / "absent",
            recipe="linear_probe",
            recipe_options={"unfreeze": 0.5},
            output=tmp_path,
        )


def test_pretrained_weights_are_never_replaced_by_random_ones(digits, tmp_path):
    with pytest.raises(TlearnError, match="weights"):
        tlearn.finetune(digits, weights=str(tmp_path / "none.h5"), output=tmp_path / "runs")
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.slow
def test_a_class_with_one_photo_trains(digits, tmp_path):
    import shutil

    photos = tmp_path / "photos"
    shutil.copytree(digits, photos)
    lonely = photos / "lonely"
    lonely.mkdir()
    shutil.copy(next((digits / "2").glob("*.png")), lonely / "one.png")
    # The same bytes stand in class 2 as well, so make it a photo of its own.
    keras.utils.save_img(lonely / "one.png", np.full((32, 32, 3), 200.0))
    result = tlearn.finetune(
        photos,
        recipe="linear_probe",
        recipe_options={"epochs": 1},
        image_size=64,
        output=tmp_path / "runs",
    )
    assert "lonely" in result.class_names
    assert (result.splits.query("label == 'lonely'")["split"] == "train").all()


@pytest.mark.slow
def test_a_tfds_data_set_that_was_prepared_here_goes_through_the_main_job(tmp_path):
    data_dir = tmp_path / "tfds"
    builder = Path(__file__).with_name("tiny_tfds.py")
    subprocess.run([sys.executable, builder, data_dir], check=True, capture_output=True)
    more = ["--data-dir", str(data_dir), "--recipe", "linear_probe", "--epochs", "1"]
    more += ["--image-size", "64", "--output", str(tmp_path / "runs")]
    subprocess.run(
        [sys.executable, "-m", "tlearn", "finetune", "--dataset", "tiny_splits", *more],
        check=True,
        capture_output=True,
    )
    run = runs.latest(tmp_path / "runs")
    assert run.class_names == ("2", "10", "tulip")
    counts = run.info["dataset"]
    assert (counts["train"], counts["validation"], counts["test"]) == (18, 6, 9)


def command(digits: Path, output: Path, *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "tlearn",
        "finetune",
        "--dataset",
        str(digits),
        "--image-size",
        "64",
        "--epochs",
        "2",
        "--unfreeze",
        "0.1",
        "--output",
        str(output),
        *more,
    ]


@pytest.mark.slow
def test_a_full_disk_is_said_in_clear_words_and_leaves_nothing(digits, small_disk):
    disk = small_disk(12 * 1024)
    with pytest.raises(RunError, match="full"):
        tlearn.finetune(
            digits,
            recipe="linear_probe",
            recipe_options={"epochs": 1},
            image_size=64,
            output=disk / "runs",
        )
    assert runs.table(disk / "runs").empty
    assert not [path for path in disk.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_a_read_only_output_folder_is_refused_before_training(digits, small_disk):
    disk = small_disk(64)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    asked = subprocess.run(
        command(digits, disk / "runs"), capture_output=True, text=True, check=False
    )
    assert asked.returncode == 1
    assert "read-only" in asked.stderr.lower()
    assert "Traceback" not in asked.stderr


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_is_exported_in_float32(digits, tmp_path, precision):
    run = tlearn.finetune(
        digits,
        recipe_options={"head_epochs": 1, "epochs": 1, "unfreeze": 0.1},
        image_size=64,
        precision=precision,
        output=tmp_path,
    )
    assert run.info["precision"] == precision
    model = keras.models.load_model(run.model_path)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert run.info["export"]["max_difference"] < 1e-4


@pytest.mark.slow
def test_real_photos_of_clothes_are_told_apart_by_the_head_alone(shared_data, tmp_path):
    run = tlearn.finetune(
        shared_data / "clothing",
        recipe="linear_probe",
        recipe_options={"epochs": 2},
        output=tmp_path,
    )
    assert run.info["dataset"]["test"] == 372
    assert run.info["metrics"]["accuracy"] > 0.80
    assert run.info["export"]["max_difference"] < 1e-4

"""Kept features train the same model as computing them each time, and are computed once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from photo_files import Heard

from tlearn import backbones, datasets, heads, recipes, splits, stages
from tlearn.datasets import sample
from tlearn.errors import CacheError
from tlearn.features import batches, store
from tlearn.features.keeping import Kept, Photos
from tlearn.features.trunk import TOLERANCE, Trunk
from tlearn.photos import pipeline
from tlearn.stages import freezing
from tlearn.stages.stage import Stage

SIZE = 64


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Photos:
    folder = tmp_path_factory.mktemp("photos") / "digits"
    sample.write(folder, per_class=20, classes=3)
    data = splits.make(datasets.load(folder), seed=0)
    part = dict(tuple(data.examples.groupby("split")))
    return Photos(
        train=part["train"].reset_index(drop=True),
        validation=part["validation"].reset_index(drop=True),
        class_names=data.class_names,
        image_size=SIZE,
        resize_mode="crop",
        batch_size=8,
        seed=0,
        class_weights=np.ones(3),
    )


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TLEARN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def number_of(*tables: pd.DataFrame) -> int:
    """Photos, each content once."""
    return pd.concat(tables)["digest"].nunique()


def classifier() -> keras.Model:
    keras.utils.set_random_seed(0)
    return heads.attach(backbones.build("efficientnet_lite0", image_size=SIZE), 3)


def in_order(photos: Photos) -> tf.data.Dataset:
    return pipeline.batches(photos.validation, photos.class_names, image_size=SIZE, batch_size=8)


def keep(model: keras.Model, plan: Sequence[Stage], photos: Photos, **settings: object) -> Kept:
    return Kept(model, plan, photos, **{"budget": 2**30, **settings})


def train(
    model: keras.Model, plan: Sequence[Stage], photos: Photos, **settings: object
) -> tuple[stages.Training, Kept]:
    kept = keep(model, plan, photos, **settings)
    found = stages.run(
        model, plan, lambda stage: pytest.fail("trained on pixels"), in_order(photos), kept=kept
    )
    return found, kept


class ComputedEachTime:
    """Rows that are not kept: each reading decodes the photo and runs the trunk in float32."""

    def __init__(self, model: keras.Model, cut: str, table: pd.DataFrame) -> None:
        self.trunk = keras.Model(model.input, model.get_layer(cut).output)
        self.table = table
        self.shape = (len(table), *self.trunk.output_shape[1:])
        self.dtype = np.dtype("float32")

    def __len__(self) -> int:
        return len(self.table)

    def read(self, positions: np.ndarray) -> np.ndarray:
        some = self.table.iloc[positions].drop(columns="label")
        images = np.concatenate(
            [images for images, _ in pipeline.batches(some, (), image_size=SIZE)]
        )
        return np.asarray(self.trunk(images, training=False))


@pytest.mark.slow
def test_kept_features_train_the_same_model_as_computing_them_each_time(photos, monkeypatch):
    plan = recipes.freeze_then_unfreeze(
        40, head_epochs=3, epochs=3, unfreeze=0.3, augmentation="none"
    )
    answers = []
    for each_time in (False, True):
        model = classifier()
        if each_time:
            monkeypatch.setattr(
                Kept,
                "_opened",
                lambda self, plan, stage, model=model: (
                    [ComputedEachTime(model, plan.cut.name, photos.train)],
                    ComputedEachTime(model, plan.cut.name, photos.validation),
                ),
            )
        train(model, plan, photos)
        answers.append(model.predict(in_order(photos), verbose=0))
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-3)


def test_each_photo_is_computed_once_for_all_stages_and_runs(photos):
    plan = recipes.freeze_then_unfreeze(40, epochs=2, unfreeze=0.3)
    _, first = train(classifier(), plan, photos)
    every = number_of(photos.train, photos.validation)
    assert first.info["computed"] == first.info["photos"] == every
    assert first.info["view_passes"] == every + number_of(photos.train)
    heard = Heard()
    other = recipes.linear_probe(40)
    _, again = train(classifier(), other, photos, progress=heard)
    assert again.info["computed"] == 0
    assert heard.said == [f"Frozen features of {every} photos: all kept from an earlier run."]


def test_added_photos_are_the_only_ones_computed(photos):
    from dataclasses import replace

    plan = recipes.linear_probe(40)
    train(classifier(), plan, replace(photos, train=photos.train.iloc[5:]))
    _, kept = train(classifier(), plan, photos)
    assert kept.info["computed"] == 5


@pytest.mark.slow
def test_another_seed_has_other_views_but_the_same_plain_photo(photos):
    from dataclasses import replace

    plan = recipes.freeze_then_unfreeze(40, epochs=2, unfreeze=0.3)
    train(classifier(), plan, photos)
    _, kept = train(classifier(), plan, replace(photos, seed=1))
    assert kept.info["view_passes"] == number_of(photos.train)


@pytest.mark.slow
def test_features_beyond_the_budget_stay_on_the_disk_and_train_the_same_model(photos):
    plan = recipes.freeze_then_unfreeze(40, head_epochs=2, epochs=2, unfreeze=0.3)
    answers = []
    for budget in (2**30, 0):
        model = classifier()
        _, kept = train(model, plan, photos, budget=budget)
        assert bool(kept.info.get("on_disk")) == (budget == 0)
        answers.append(model.predict(in_order(photos), verbose=0))
    np.testing.assert_array_equal(*answers)


def test_a_cache_that_cannot_be_written_to_is_said_and_training_goes_on(photos, own_cache):
    own_cache.write_text("a file where the folder should be")
    heard = Heard()
    found, _ = train(classifier(), recipes.linear_probe(40), photos, progress=heard)
    assert found.stages["validation_accuracy"].iloc[-1] > 0.8
    assert len(heard.warned) == 1
    assert "cannot be kept" in heard.warned[0]
    assert "TLEARN_CACHE" in heard.warned[0]


def test_features_that_fit_nowhere_are_an_error_that_says_what_to_do(photos, own_cache):
    own_cache.write_text("a file where the folder should be")
    with pytest.raises(CacheError, match="--memory"):
        train(classifier(), recipes.linear_probe(40), photos, budget=0)


EVERYTHING = recipes.freeze_then_unfreeze(40, epochs=2, unfreeze=1.0)


@pytest.mark.slow
def test_when_all_is_unfrozen_the_pixels_are_kept_and_each_photo_is_decoded_once(photos):
    found, kept = train(classifier(), EVERYTHING, photos)
    assert kept.info["cuts"] == ["head_pooling", "pixels"]
    assert found.history["stage"].tolist() == ["head", "unfreeze", "unfreeze"]
    _, again = train(classifier(), EVERYTHING, photos)
    assert again.info["computed"] == 0


def test_kept_pixels_are_what_the_model_sees_to_half_a_level(photos):
    plan = (Stage("all", 1, 1e-3, unfreeze=1.0, augmentation="none"),)
    kept = keep(classifier(), plan, photos)
    stages.freezing.unfreeze(kept._model, 1.0)
    seen = np.concatenate([images for images, _ in kept(plan[0]).validation])
    plain = np.concatenate([images for images, _ in in_order(photos)])
    assert np.abs(seen - plain).max() <= 0.5


@pytest.mark.slow
@pytest.mark.parametrize("why", ["there is no room", "the cache cannot be written to"])
def test_where_pixels_cannot_be_kept_photos_are_decoded_and_the_head_starts_from_features(
    photos, own_cache, monkeypatch, why
):
    if why == "there is no room":
        monkeypatch.setenv("TLEARN_CACHE_SIZE", "500kB")
    else:
        own_cache.write_text("a file where the folder should be")
    model = classifier()
    kept = keep(model, EVERYTHING, photos)
    asked = []

    def pixels(stage: Stage) -> tf.data.Dataset:
        asked.append(stage.name)
        return in_order(photos).map(lambda images, labels: (images, tf.one_hot(labels, 3)))

    found = stages.run(model, EVERYTHING, pixels, in_order(photos), kept=kept)
    assert asked == ["unfreeze"]
    assert found.history["stage"].tolist() == ["head", "unfreeze", "unfreeze"]


@pytest.mark.slow
def test_no_stage_keeps_what_an_earlier_one_has_trained(photos):
    deep = Stage("deep", 1, 1e-3, unfreeze=0.5)
    model = classifier()
    kept = keep(model, (deep, Stage("head", 1, 1e-3)), photos)
    stages.run(model, (deep, Stage("head", 1, 1e-3)), in_order(photos), in_order(photos))
    assert len(kept.info) == 0  # nothing computed before it is asked for
    plans = kept._plans
    assert plans[0]
    assert plans[1]
    assert plans[1].cut.before <= plans[0].cut.before


@pytest.mark.slow
def test_a_head_that_looks_at_several_depths_is_trained_on_kept_features_too(photos):
    keras.utils.set_random_seed(0)
    network = backbones.build("efficientnet_lite0", image_size=SIZE)
    model = heads.attach(network, 3, depths=freezing.depths(network))
    plan = recipes.freeze_then_unfreeze(40, epochs=1, augmentation="none")
    found, kept = train(model, plan, photos)
    joined, block = kept.info["cuts"]
    assert joined == "head_depths"
    assert block.startswith("block")
    # As the first stage solved it on kept features, so the whole model answers on photos.
    head, final = found.stages["validation_log_loss"]
    labels = pipeline.class_numbers(photos.validation, photos.class_names)
    answers = model.predict(in_order(photos), verbose=0)
    log_loss = -np.log(answers[np.arange(len(labels)), labels]).mean()
    np.testing.assert_allclose(log_loss, min(head, final), atol=2e-3)
    # Half-way through the blocks, as many train as without it.
    plain = heads.attach(backbones.build("efficientnet_lite0", image_size=SIZE), 3)
    assert [len(one) for one in freezing.split_head(model)[0]] == [
        len(one) for one in freezing.split_head(plain)[0]
    ]


def test_litert_gives_tensorflows_features():
    model = classifier()
    wanted = [model.get_layer("block4a_project_bn").output, model.get_layer("head_pooling").output]
    images = np.random.default_rng(0).uniform(0, 255, (7, SIZE, SIZE, 3)).astype("float32")
    quick = Trunk(model, wanted, engine="litert")
    plain = Trunk(model, wanted, engine="tensorflow")
    for ours, theirs in zip(quick(images), plain(images), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE * np.abs(theirs).max())
    assert quick.engine == "litert"
    assert quick.difference is not None
    assert quick.difference <= TOLERANCE


# In a process of its own: what TensorFlow keeps in its threads for one shape is kept until they end.
_ONE_PHOTO = """
import keras, numpy as np, tensorflow as tf
from tlearn import backbones, determinism, heads
from tlearn.features.trunk import Trunk
from tlearn.networks import cutting, folding
from tlearn.stages import freezing

determinism.begin(0, required=True)
model = heads.attach(backbones.build("efficientnet_lite0", image_size=64), 3)
freezing.unfreeze(model, 0.1)
cut = cutting.cuts(model, [model.layers[-1]])[-1]
top = folding.folded(model, cut.tensor, model.outputs[0])
kept = np.random.default_rng(0).normal(size=(1, *cut.tensor.shape[1:])).astype("float32")

@tf.function
def step(inputs):
    with tf.GradientTape() as tape:
        loss = keras.losses.categorical_crossentropy([[0.0, 0.0, 1.0]], top(inputs))
    return tape.gradient(loss, top.trainable_variables)

Trunk(model, [cut.tensor], engine="tensorflow")(np.zeros((1, 64, 64, 3), np.float32))
found = {b"".join(one.numpy().tobytes() for one in step(tf.constant(kept))) for _ in range(300)}
print("gradients", len(found))
"""


@pytest.mark.slow
def test_a_step_of_one_photo_is_the_same_whether_or_not_the_trunk_ran_on_one() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _ONE_PHOTO],
        env=os.environ | {"TF_NUM_INTRAOP_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.splitlines()[-1:] == ["gradients 1"], told.stderr


def test_what_litert_cannot_run_is_run_by_tensorflow_and_said():
    source = keras.Input((SIZE, SIZE, 3))
    features = keras.layers.Lambda(lambda images: tf.strings.length(tf.as_string(images)))(source)
    model = keras.Model(source, features)
    said: list[str] = []
    trunk = Trunk(model, [features], engine="litert", warn=said.append)
    (found,) = trunk(np.zeros((3, SIZE, SIZE, 3), np.float32))
    assert found.shape == (3, SIZE, SIZE, 3)
    assert trunk.engine == "tensorflow"
    assert len(said) == 1
    assert "LiteRT cannot run this backbone" in said[0]


def epochs_of(data: tf.data.Dataset, count: int) -> list[np.ndarray]:
    return [np.concatenate([one[0].numpy() for one in data]) for _ in range(count)]


def test_each_epoch_has_each_photo_once_in_a_new_order_and_each_view_in_turn():
    number = np.arange(50, dtype=np.float16)
    views = [batches.InMemory(np.stack([number, np.full(50, view)], 1)) for view in range(3)]
    stage = Stage("unfreeze", 6, 1e-3)
    labels = np.arange(50) % 2
    data = batches.training(views, labels, 2, stage, batch_size=8, seed=0)
    assert int(data.cardinality()) == 7
    found = epochs_of(data, 6)
    for epoch in found:
        assert sorted(epoch[:, 0]) == number.tolist()
    assert not np.array_equal(found[0][:, 0], found[1][:, 0])
    seen = np.stack([epoch[np.argsort(epoch[:, 0]), 1] for epoch in found])
    for half in (seen[:3], seen[3:]):
        assert (np.sort(half, axis=0) == np.arange(3)[:, None]).all()
    assert len(np.unique(seen[0])) == 3  # views are mixed within an epoch
    again = epochs_of(batches.training(views, labels, 2, stage, batch_size=8, seed=0), 2)
    np.testing.assert_array_equal(again[1], found[1])


def test_sampling_draws_all_classes_equally_often():
    labels = np.array([0] * 90 + [1] * 10)
    views = [batches.InMemory(labels[:, None].astype(np.float16))]
    stage = Stage("head", 2, 1e-3, balance="sampling")
    data = batches.training(views, labels, 2, stage, batch_size=20, seed=0)
    assert epochs_of(data, 1)[0].mean() == 0.5


def test_mixing_blends_kept_features_and_their_labels():
    labels = np.arange(40) % 2
    views = [batches.InMemory(labels[:, None].astype(np.float16))]
    stage = Stage("head", 2, 1e-3, mixup=0.4)
    data = batches.training(views, labels, 2, stage, batch_size=20, seed=0)
    for features, wanted in data:
        np.testing.assert_allclose(features[:, 0], wanted[:, 1], atol=1e-3)
        assert len(np.unique(wanted[:, 1])) > 2


def test_the_store_tells_what_it_holds(photos):
    train(classifier(), recipes.linear_probe(40), photos)
    (row,) = store.shelves().to_dict("records")
    assert row["photos"] == number_of(photos.train, photos.validation)
    assert "efficientnet_lite0" in row["kind"]
    assert "head_pooling" in row["kind"]

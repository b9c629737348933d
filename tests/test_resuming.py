"""What was interrupted goes on as if nothing had happened: the same weights, to the last bit."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tlearn import precision, stages
from tlearn.errors import RunError
from tlearn.files.snapshots import Snapshots
from tlearn.interrupts import Terminated
from tlearn.photos.mixing import mix
from tlearn.photos.steady import steady
from tlearn.stages.checkpoints import Checkpoints
from tlearn.stages.epochs import Clock, Epochs
from tlearn.stages.material import Material

PHOTOS, BATCH = 40, 12
PLAN = (
    stages.Stage("head", epochs=3, learning_rate=1e-2, unfreeze=0.0),
    stages.Stage(
        "unfreeze", epochs=4, learning_rate=3e-3, unfreeze=1.0, average=0.5, mixup=0.2, patience=3
    ),
)


def classifier() -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3, activation="relu", name="block1_conv")(inputs)
    x = keras.layers.Conv2D(6, 3, activation="relu", name="block2_conv")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.3)(x)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", dtype="float32")(x))


def photos(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = random.uniform(0, 1, (count, 8, 8, 3)).astype("float32")
    pixels[np.arange(count), :, :, labels] += 0.3
    return pixels, np.eye(3, dtype="float32")[labels]


def epochs(stage: stages.Stage) -> Epochs:
    pixels, labels = photos(PHOTOS, 0)

    def make(clock: Clock, done: int) -> tf.data.Dataset:
        def order(number: tf.Tensor) -> tf.data.Dataset:
            seed = tf.stack([np.int64(5), number])
            rows = tf.random.experimental.stateless_shuffle(tf.range(PHOTOS), seed)
            return tf.data.Dataset.from_tensor_slices(rows)

        rows = clock.numbers("order").flat_map(order)
        rows = rows.apply(tf.data.experimental.assert_cardinality(PHOTOS)).skip(done * BATCH)
        found = rows.batch(BATCH).map(lambda row: (tf.gather(pixels, row), tf.gather(labels, row)))
        return steady(mix(found, mixup=stage.mixup, seed=7, clock=clock, done=done))

    return Epochs(make, BATCH)


def train(
    checkpoints: Checkpoints | None = None,
    *callbacks: keras.callbacks.Callback,
    plan: tuple[stages.Stage, ...] = PLAN,
) -> tuple[list[np.ndarray], stages.Training]:
    model = classifier()
    held_out = steady(tf.data.Dataset.from_tensor_slices(photos(18, 1)).batch(BATCH))

    def kept(stage: stages.Stage) -> Material:
        return Material(model, epochs(stage), held_out)

    found = stages.run(
        model, plan, None, held_out, kept=kept, callbacks=callbacks, checkpoints=checkpoints
    )
    return model.get_weights(), found


class Signal(keras.callbacks.Callback):
    """Sends this process a signal after so many steps."""

    def __init__(self, step: int, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.left = step
        self.number = number

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    timing = ["seconds", "photos_per_second"]
    pd.testing.assert_frame_equal(
        one.drop(columns=timing, errors="ignore"),
        other.drop(columns=timing, errors="ignore"),
        check_exact=True,
    )


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[list[np.ndarray], stages.Training]:
    return train()


# Four batches an epoch, three epochs and then four: in the middle, at an epoch's end, between stages.
@pytest.mark.parametrize("step", [1, 12, 19, 24])
def test_ctrl_c_loses_no_step(tmp_path: Path, step: int, uninterrupted) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(Checkpoints(tmp_path, plan="a"), Signal(step))
    weights, training = train(Checkpoints(tmp_path, plan="a"))
    for one, other in zip(weights, uninterrupted[0], strict=True):
        np.testing.assert_array_equal(one, other)
    same(training.history, uninterrupted[1].history)
    same(training.stages, uninterrupted[1].stages)


@pytest.mark.parametrize("step", [16, 18, 20])
def test_what_went_astray_as_it_was_kept_goes_back(tmp_path: Path, step: int) -> None:
    ruin = stages.Stage("ruin", epochs=4, learning_rate=10.0, unfreeze=1.0, warmup=0.0)
    plan = (PLAN[0], ruin)
    expected, whole = train(plan=plan)
    assert whole.rollbacks["epoch"].iloc[0] == 1
    with pytest.raises(KeyboardInterrupt):
        train(Checkpoints(tmp_path, plan="a"), Signal(step), plan=plan)
    weights, training = train(Checkpoints(tmp_path, plan="a"), plan=plan)
    pd.testing.assert_frame_equal(training.rollbacks, whole.rollbacks)
    same(training.history, whole.history)
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_sigterm_is_told_from_ctrl_c(tmp_path: Path) -> None:
    with pytest.raises(Terminated):
        train(Checkpoints(tmp_path, plan="a"), Signal(6, signal.SIGTERM))


def test_a_finished_training_is_not_done_again(tmp_path: Path, uninterrupted) -> None:
    train(Checkpoints(tmp_path, plan="a"))
    never = Signal(1)
    weights, _ = train(Checkpoints(tmp_path, plan="a"), never)
    assert never.left == 1
    for one, other in zip(weights, uninterrupted[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_rate_goes_on_where_it_was(tmp_path: Path, uninterrupted) -> None:
    """As keras#19179 and #19389 tell, where the optimizer, its rate and the epoch were lost."""
    with pytest.raises(KeyboardInterrupt):
        train(Checkpoints(tmp_path, plan="a"), Signal(18))
    _, training = train(Checkpoints(tmp_path, plan="a"))
    assert training.history["epoch"].tolist() == [1, 2, 3, 1, 2, 3, 4]
    rates = training.history["learning_rate"]
    np.testing.assert_array_equal(rates, uninterrupted[1].history["learning_rate"])
    assert rates.nunique() == 6  # the last of each stage is 0


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path, uninterrupted) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(Checkpoints(tmp_path, plan="a", share=1.0), Signal(18))
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 2
    files[-1].write_bytes(files[-1].read_bytes()[:5000])
    weights, _ = train(Checkpoints(tmp_path, plan="a"))
    for one, other in zip(weights, uninterrupted[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_checkpoints_of_another_plan_are_not_gone_on_from(tmp_path: Path, uninterrupted) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(Checkpoints(tmp_path, plan="a"), Signal(18))
    assert Checkpoints(tmp_path, plan="a").load() is not None
    assert Checkpoints(tmp_path, plan="b").load() is None


def test_loss_scale_and_slots_of_mixed_precision_go_on_too(tmp_path: Path) -> None:
    with precision.policy("mixed_float16"):
        expected, _ = train()
        with pytest.raises(KeyboardInterrupt):
            train(Checkpoints(tmp_path, plan="a"), Signal(19))
        kept = Checkpoints(tmp_path, plan="a").load()
        weights, _ = train(Checkpoints(tmp_path, plan="a"))
    assert kept is not None
    assert any(one.size == 1 and one.max() >= 2.0**10 for one in kept.snapshot.arrays.values())
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_snapshots_are_kept_and_equal_arrays_written_once(tmp_path: Path) -> None:
    kept = Snapshots(tmp_path)
    assert kept.load() is None
    assert not kept
    frozen = np.random.default_rng(0).normal(size=100_000)
    for number in range(4):
        kept.save({"number": number, "tenth": 0.1}, {"now": frozen, "best": frozen.copy()})
    assert len(files := list(tmp_path.iterdir())) == 2
    assert all(file.stat().st_size < 1.2 * frozen.nbytes for file in files)
    last = kept.load()
    assert last is not None
    assert last.facts == {"number": 3, "tenth": 0.1}
    np.testing.assert_array_equal(last.arrays["best"], frozen)


def test_a_full_disk_leaves_the_last_snapshot(small_disk) -> None:
    kept = Snapshots(small_disk(1000) / "kept")
    kept.save({"number": 0}, {"small": np.zeros(1000)})
    with pytest.raises(RunError, match="the disk is full"):
        kept.save({"number": 1}, {"large": np.random.default_rng(0).normal(size=200_000)})
    last = kept.load()
    assert last is not None
    assert last.facts["number"] == 0
    assert len(list(kept.folder.iterdir())) == 1

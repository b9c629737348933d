"""A training that goes astray goes back to its best; what exceeds the memory is taken in parts."""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tlearn import stages
from tlearn.photos.steady import steady
from tlearn.progress import Progress
from tlearn.stages import compiling, evening, optimizer, step_memory
from tlearn.stages.best import Best
from tlearn.stages.guarding import Guard


class Listener(Progress):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def classifier() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3, activation="relu", name="block1_conv")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="out")(x))


def photos(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = random.uniform(0, 1, (count, 8, 8, 3)).astype("float32")
    pixels[np.arange(count), :, :, labels] += 0.5
    return pixels, labels.astype("int32")


def batches(count: int, seed: int, size: int = 16) -> tf.data.Dataset:
    return steady(tf.data.Dataset.from_tensor_slices(photos(count, seed)).batch(size))


HEAD = stages.Stage("head", epochs=8, learning_rate=3e-2)


def test_a_rate_of_ten_goes_back_twice_and_ends_as_good_as_the_head() -> None:
    model, heard = classifier(), Listener()
    ruin = stages.Stage("unfreeze", epochs=12, learning_rate=10.0, unfreeze=1.0, warmup=0.0)
    held_out = batches(60, 1)
    training = stages.run(model, (HEAD, ruin), batches(90, 0), held_out, progress=heard)
    assert training.rollbacks["stage"].tolist() == ["unfreeze"] * len(training.rollbacks)
    assert 1 <= len(training.rollbacks) <= 3
    assert training.rollbacks["learning_rate"].iloc[0] == pytest.approx(1.0)
    assert any("went back to the best" in one for one in heard.warnings)
    head, kept = training.stages.iloc[0], training.stages[training.stages["kept"]].iloc[0]
    assert kept["validation_log_loss"] <= head["validation_log_loss"]
    assert model.evaluate(held_out, verbose=0)[1] >= head["validation_accuracy"]


def test_pixels_that_are_no_numbers_leave_the_head_as_it_was() -> None:
    model, heard = classifier(), Listener()
    broken = stages.Stage("unfreeze", epochs=9, learning_rate=1e-3, unfreeze=1.0)

    def train(stage: stages.Stage) -> tf.data.Dataset:
        if stage is HEAD:
            return batches(90, 0)
        return batches(90, 0).map(lambda x, y: (tf.where(x > 1.4, np.nan, x), y))

    training = stages.run(model, (HEAD, broken), train, batches(60, 1), progress=heard)
    assert training.stages["kept"].tolist() == [True, False]
    assert len(training.rollbacks) == 3
    assert training.rollbacks["why"].tolist() == ["the loss was nan"] * 3
    assert np.isnan(training.rollbacks["learning_rate"].iloc[-1])
    assert len(training.history) == 8 + 3
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    assert "ends there" in heard.warnings[2]


def test_a_training_that_goes_well_never_goes_back() -> None:
    fine = stages.Stage("unfreeze", epochs=6, learning_rate=1e-2, unfreeze=1.0)
    training = stages.run(classifier(), (HEAD, fine), batches(90, 0), batches(60, 1))
    assert training.rollbacks.empty


@pytest.mark.parametrize(
    ("accuracies", "astray"),
    [
        ([0.85, 0.75, 0.8, 0.92], None),  # as at the peak of the rate
        ([0.85, 0.75, 0.74], 3),
        ([0.75, 0.85, 0.75, 0.85], None),
        ([0.55], 1),
    ],
)
def test_what_recovers_is_let_alone(accuracies: list[float], astray: int | None) -> None:
    guard = Guard(6, Best(0.9, 0.4, 8, []))
    guard.set_model(classifier())
    ended = None
    for epoch, accuracy in enumerate(accuracies, 1):
        logs = {"loss": 0.5, "val_log_loss": 0.5, "val_accuracy": accuracy, "val_photos": 400}
        guard.on_epoch_end(epoch - 1, logs)
        if ended is None and guard.why is not None:
            ended = epoch
    assert ended == astray


@pytest.mark.parametrize(("size", "parts"), [(16, 2), (7, 4)])
def test_batches_in_parts_make_the_same_steps(size: int, parts: int) -> None:
    """90 photos leave the last batch smaller, and 7 cannot be divided by 4."""
    stage = stages.Stage("all", epochs=3, learning_rate=1e-2, unfreeze=1.0)
    found = []
    for divided in (1, parts):
        model = classifier()
        train = compiling.one_hot(batches(90, 0, size), 3)
        steps = len(train)
        if divided > 1:
            even = -(-size // divided) * divided
            train = evening.in_parts(evening.evened(train, even), even, divided)
            assert len(train) == divided * steps
        made = optimizer.make(model, stage, 3 * steps, parts=divided)
        compiling.compile_for(model, model, stage, made)
        seen = model.fit(train, epochs=3, shuffle=False, verbose=0).history["photos"]
        assert seen == [90, 90, 90]
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_the_memory_of_a_step_grows_with_what_is_trained() -> None:
    model = classifier()
    whole = step_memory.bytes_per_photo(model)
    assert whole > 4 * 6 * 6 * 6
    model.layers[1].trainable = False
    assert step_memory.bytes_per_photo(model) < whole / 10
    assert step_memory.parts_that_fit(model, 32) == 1


LITTLE_MEMORY = """
import resource, sys
import keras, numpy as np, psutil, tensorflow as tf
from tlearn import stages
from tlearn.progress import Progress
from tlearn.stages.epochs import Epochs
from tlearn.stages.material import Material

class Out(Progress):
    def warn(self, message):
        print(message)

SIZE, SIDE = 96, 128
keras.utils.set_random_seed(0)
inputs = keras.Input((SIDE, SIDE, 3))
x = keras.layers.Conv2D(64, 3, padding="same", activation="relu", name="block1_conv")(inputs)
x = keras.layers.Activation("relu")(x)
x = keras.layers.GlobalAveragePooling2D()(x)
model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
pixels = np.random.default_rng(0).uniform(0, 1, (SIZE, SIDE, SIDE, 3)).astype("float32")
labels = np.eye(3, dtype="float32")[np.arange(SIZE) % 3]
make = lambda clock, done: tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(SIZE)
held_out = tf.data.Dataset.from_tensor_slices((pixels[:6], labels[:6])).batch(6)
if float(sys.argv[1]):
    most = psutil.Process().memory_info().vms + int(float(sys.argv[1]) * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
stage = stages.Stage("all", epochs=2, learning_rate=1e-3, unfreeze=1.0)
training = stages.run(
    model, (stage,), None, held_out, kept=lambda _: Material(model, Epochs(make, SIZE), held_out),
    progress=Out(),
)
print(*training.history["val_log_loss"])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ulimit")
def test_below_a_limit_of_memory_the_same_steps_are_made_in_parts() -> None:
    free, limited = (
        subprocess.run([sys.executable, "-c", LITTLE_MEMORY, limit], capture_output=True, text=True)
        for limit in ("0", "3.7")
    )
    assert free.returncode == 0, free.stderr
    assert limited.returncode == 0, limited.stderr
    said, losses = limited.stdout.strip().splitlines()
    assert "is taken in" in said
    expected = [float(one) for one in free.stdout.split()]
    np.testing.assert_allclose([float(one) for one in losses.split()], expected, atol=1e-4)

"""Stages train what they say, keep the best, and work on other projects' models and data."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tlearn import recipes, stages
from tlearn.errors import TrainingError
from tlearn.progress import Progress, Task
from tlearn.stages import optimizer
from tlearn.stages.best import Best, KeepBest


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def coloured_squares(number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures whose strongest channel is their class."""
    random = np.random.default_rng(seed)
    labels = np.arange(number) % 3
    pictures = random.uniform(0, 60, (number, 16, 16, 3)).astype("float32")
    pictures[np.arange(number), :, :, labels] += 30
    return pictures, labels


def batches(number: int, seed: int, *, one_hot: bool = False) -> tf.data.Dataset:
    pictures, labels = coloured_squares(number, seed)
    encoded = np.eye(3, dtype="float32")[labels] if one_hot else labels
    return tf.data.Dataset.from_tensor_slices((pictures, encoded)).batch(16)


def small_model(activation: str | None = "softmax") -> keras.Model:
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="block1_conv")(x)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="block2_conv")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, activation=activation, name="out")(x))


def quick(**settings: object) -> tuple[stages.Stage, ...]:
    return recipes.freeze_then_unfreeze(
        90, **{"head_epochs": 3, "epochs": 6, "learning_rate": 1e-2, **settings}
    )


def test_the_default_recipe_learns_and_reports_each_epoch_and_stage():
    model = small_model()
    training = stages.run(model, quick(), batches(90, 0), batches(30, 1))
    assert list(training.stages["stage"]) == ["head", "unfreeze"]
    assert training.stages["kept"].tolist() == [False, True]
    assert training.stages["trainable_parameters"].is_monotonic_increasing
    assert len(training.history) == training.stages["epochs"].sum()
    assert training.stages["validation_accuracy"].iloc[-1] > 0.9
    # An epoch's seconds hold its validation as well, so this is the least that can be right.
    history = training.history
    assert (history["photos_per_second"] * history["seconds"] >= 90).all()


def test_the_model_ends_with_the_weights_of_the_kept_stage_and_can_be_evaluated():
    model = small_model()
    held_out = batches(30, 1)
    training = stages.run(model, quick(), batches(90, 0), held_out)
    kept = training.stages[training.stages["kept"]].iloc[0]
    log_loss, accuracy = model.evaluate(held_out, verbose=0)
    assert accuracy == pytest.approx(kept["validation_accuracy"], abs=1e-6)
    assert log_loss == pytest.approx(kept["validation_log_loss"], abs=1e-5)


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("activation", ["softmax", None])
def test_labels_may_be_integers_or_one_hot_and_outputs_probabilities_or_logits(one_hot, activation):
    model = small_model(activation)
    training = stages.run(
        model,
        recipes.linear_probe(48, epochs=2),
        batches(48, 0, one_hot=one_hot),
        batches(24, 1, one_hot=one_hot),
    )
    log_loss, _ = model.evaluate(batches(24, 1, one_hot=one_hot), verbose=0)
    assert log_loss == pytest.approx(training.stages["validation_log_loss"].iloc[-1], abs=1e-5)


def test_the_head_stage_leaves_the_backbone_untouched():
    model = small_model()
    before = model.get_layer("block2_conv").get_weights()[0]
    stages.run(model, recipes.linear_probe(48, epochs=1), batches(48, 0), batches(24, 1))
    np.testing.assert_array_equal(before, model.get_layer("block2_conv").get_weights()[0])


def test_unfreezing_changes_the_backbone_because_each_stage_compiles_anew():
    model = small_model()
    before = model.get_layer("block2_conv").get_weights()[0]
    stages.run(model, quick(), batches(48, 0), batches(24, 1))
    assert not np.array_equal(before, model.get_layer("block2_conv").get_weights()[0])


def test_a_stage_that_is_worse_on_validation_is_undone_and_said():
    warnings: list[str] = []

    class Listener(Progress):
        def warn(self, message: str) -> None:
            warnings.append(message)

    good, _ = quick(head_epochs=8)
    model = small_model()
    held_out = batches(30, 1)
    ruinous = stages.Stage("ruin", epochs=1, learning_rate=50.0, unfreeze=1.0, warmup=0.0)
    training = stages.run(model, (good, ruinous), batches(90, 0), held_out, progress=Listener())
    assert training.stages["kept"].tolist() == [True, False]
    assert "'ruin' did not better" in warnings[-1]
    assert model.evaluate(held_out, verbose=0)[1] == pytest.approx(
        training.stages["validation_accuracy"].iloc[0], abs=1e-6
    )


def test_each_epoch_is_told_as_it_ends_and_may_end_the_training():
    told: list[tuple[str, int]] = []

    class Enough(Exception):
        pass

    def after_epoch(stage, row):
        assert row["val_log_loss"] > 0
        told.append((stage.name, row["epoch"]))
        if len(told) == 3:
            raise Enough

    plan = quick(head_epochs=2, epochs=3)
    with pytest.raises(Enough):
        stages.run(small_model(), plan, batches(48, 0), batches(24, 1), after_epoch=after_epoch)
    assert told == [("head", 1), ("head", 2), ("unfreeze", 1)]


def test_the_best_epoch_is_that_of_the_lowest_log_loss_and_patience_counts_from_it():
    model = small_model()
    keeper = KeepBest(patience=2)
    keeper.set_model(model)
    model.stop_training = False  # as `fit` begins
    weights = []
    for epoch, (log_loss, accuracy) in enumerate([(0.9, 0.5), (0.4, 0.7), (0.6, 0.8), (0.5, 0.8)]):
        kernel, bias = model.get_layer("out").get_weights()
        model.get_layer("out").set_weights([kernel + 1, bias])
        weights.append(model.get_layer("out").get_weights()[0])
        assert not model.stop_training
        keeper.on_epoch_end(epoch, {"val_log_loss": log_loss, "val_accuracy": accuracy})
    assert model.stop_training
    assert keeper.best is not None
    assert (keeper.best.epoch, keeper.best.log_loss, keeper.best.accuracy) == (2, 0.4, 0.7)
    model.set_weights(keeper.best.weights)
    np.testing.assert_array_equal(model.get_layer("out").get_weights()[0], weights[1])


@pytest.mark.parametrize(("photos", "kept"), [(25, 3), (10_000, 1)])
def test_of_epochs_that_differ_by_noise_alone_the_last_is_kept(photos, kept):
    keeper = KeepBest(patience=None)
    keeper.set_model(small_model())
    for epoch, log_loss in enumerate([0.30, 0.45, 0.33, 0.60]):
        scores = {"val_log_loss": log_loss, "val_accuracy": 0.8, "val_photos": photos}
        keeper.on_epoch_end(epoch, scores)
    assert keeper.best is not None
    assert keeper.best.epoch == kept


class Weights(keras.callbacks.Callback):
    """Keeps what the last layer was after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.of_epochs: list[np.ndarray] = []

    def on_epoch_end(self, epoch, logs=None):
        self.of_epochs.append(self.model.get_layer("out").get_weights()[0])


@pytest.mark.parametrize(("average", "averaged"), [(1.0, 6), (0.5, 3), (0.2, 1)])
def test_the_weights_after_the_last_epochs_are_averaged(average, averaged):
    model, watch, held_out = small_model(), Weights(), batches(30, 1)
    # From the random start each epoch is better, so that the average is not worse than noise.
    stage = stages.Stage("s", 6, 1e-3, warmup=0.0, average=average)
    training = stages.run(model, (stage,), batches(90, 0), held_out, callbacks=[watch])
    expected = np.mean(watch.of_epochs[-averaged:], axis=0)
    np.testing.assert_allclose(model.get_layer("out").get_weights()[0], expected, atol=1e-6)
    log_loss, accuracy = model.evaluate(held_out, verbose=0)
    row = training.stages.iloc[0]
    assert log_loss == pytest.approx(row["validation_log_loss"], abs=1e-5)
    assert accuracy == pytest.approx(row["validation_accuracy"], abs=1e-6)


def test_an_average_that_is_worse_than_the_best_epoch_is_not_kept():
    class Ruin(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                layer = self.model.get_layer("out")
                layer.set_weights([one * 0 + 50 * np.arange(3) for one in layer.get_weights()])

    model, watch, held_out = small_model(), Weights(), batches(600, 1)
    stage = stages.Stage("s", 2, 1e-3, warmup=0.0, average=1.0)
    stages.run(model, (stage,), batches(90, 0), held_out, callbacks=[Ruin(), watch])
    np.testing.assert_array_equal(model.get_layer("out").get_weights()[0], watch.of_epochs[0])


@pytest.mark.parametrize(
    ("better", "worse"),
    [((0.8, 0.1), (0.9, 0.5)), ((0.9, 0.4), (0.8, 0.4))],
    ids=["lower log loss", "the same log loss, more accurate"],
)
def test_a_stage_replaces_another_only_when_its_log_loss_is_no_higher(better, worse):
    assert Best(*better, 1, []).beats(Best(*worse, 1, []))
    assert not Best(*worse, 1, []).beats(Best(*better, 1, []))
    assert not Best(*better, 1, []).beats(Best(*better, 1, []))
    assert Best(*worse, 1, []).beats(None)


def test_a_loss_that_is_never_finite_is_an_error_and_not_a_model():
    model = small_model()
    kernel, bias = model.get_layer("out").get_weights()
    model.get_layer("out").set_weights([kernel * np.nan, bias])
    with pytest.raises(TrainingError, match="finite validation loss"):
        stages.run(model, recipes.linear_probe(32, epochs=1), batches(32, 0), batches(24, 1))


def test_training_data_may_differ_by_stage():
    asked: list[str] = []

    def train(stage: stages.Stage) -> tf.data.Dataset:
        asked.append(stage.name)
        return batches(48, 0)

    stages.run(small_model(), quick(head_epochs=1, epochs=1), train, batches(24, 1))
    assert asked == ["head", "unfreeze"]


def test_every_photo_of_an_epoch_is_seen_also_those_of_the_last_partial_batch():
    notes: list[str] = []
    advanced: list[int] = []

    class Counter(Task):
        def advance(self, steps: int = 1) -> None:
            advanced.append(steps)

        def note(self, text: str) -> None:
            notes.append(text)

    class Listener(Progress):
        def task(self, description: str, total: int | None = None, unit: str = "photos") -> Task:
            assert total == 4
            return Counter()

    seen = 0

    def count(pictures, labels):
        nonlocal seen
        seen += len(labels)
        return np.int32(0)

    counted = batches(50, 0).map(
        lambda x, y: (
            x,
            y + tf.cast(tf.ensure_shape(tf.numpy_function(count, [x, y], tf.int32), ()), y.dtype),
        )
    )
    stages.run(
        small_model(),
        recipes.linear_probe(50, epochs=1),
        counted,
        batches(24, 1),
        progress=Listener(),
    )
    assert seen == 50
    assert advanced == [1] * 4
    # How training stands after the last batch is said however soon it comes, then the epoch's end.
    assert ["validation" in note for note in notes[-2:]] == [False, True]


def test_an_epoch_that_an_error_ends_is_not_shown_as_finished():
    ended: list[object] = []

    class Ending(Task):
        def __exit__(self, kind, error, trace):
            ended.append(kind)

    class Listener(Progress):
        def task(self, description: str, total: int | None = None, unit: str = "photos") -> Task:
            return Ending()

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stages.run(
            small_model(),
            recipes.linear_probe(48, epochs=1),
            batches(48, 0),
            batches(24, 1),
            progress=Listener(),
            callbacks=[Stop()],
        )
    assert ended == [KeyboardInterrupt]


def test_a_batch_larger_than_the_data_set_and_a_data_set_of_unknown_length_work():
    everything = batches(10, 0).unbatch().filter(lambda x, y: True).batch(64)
    training = stages.run(
        small_model(), recipes.linear_probe(10, epochs=1), everything, batches(24, 1)
    )
    assert len(training.history) == 1


def test_endless_data_are_refused():
    with pytest.raises(ValueError, match="never end"):
        stages.run(small_model(), recipes.linear_probe(10), batches(16, 0).repeat(), batches(24, 1))


def test_no_stages_are_refused():
    with pytest.raises(ValueError, match="at least one stage"):
        stages.run(small_model(), (), batches(16, 0), batches(24, 1))


def test_the_rate_warms_up_and_falls_to_zero():
    stage = stages.Stage("s", epochs=1, learning_rate=1.0, warmup=0.1)
    schedule = optimizer.make(small_model(), stage, 100)._learning_rate
    rates = [float(schedule(step)) for step in (0, 5, 10, 55, 100)]
    assert rates[0] == pytest.approx(1 / 25)
    assert rates[0] < rates[1] < rates[2] == pytest.approx(1.0)
    assert rates[3] == pytest.approx(0.5, abs=0.01)
    assert rates[4] == pytest.approx(0.0, abs=1e-6)


def test_earlier_blocks_move_more_slowly_by_their_factor():
    model = small_model()
    from tlearn.stages import freezing

    freezing.unfreeze(model, 1.0)
    factors = optimizer.rate_factors(model, 0.5)
    assert {path.split("/")[0]: factor for path, factor in factors.items()} == {
        "block2_conv": 1.0,
        "block1_conv": 0.5,
    }
    stage = stages.Stage("s", 1, 1e-3, unfreeze=1.0, layer_decay=0.5, warmup=0.0, weight_decay=0.0)
    model.compile(optimizer.make(model, stage, 1000), loss="sparse_categorical_crossentropy")
    before = {layer.name: layer.get_weights() for layer in model.layers}
    pictures, labels = coloured_squares(16, 0)
    model.train_on_batch(pictures, labels)
    moved = {
        name: np.abs(model.get_layer(name).get_weights()[0] - before[name][0]).max()
        for name in ("block1_conv", "block2_conv", "out")
    }
    # Adam's first step is the rate itself, whatever the gradient's size.
    assert moved["out"] == pytest.approx(1e-3, rel=0.05)
    assert moved["block2_conv"] == pytest.approx(1e-3, rel=0.05)
    assert moved["block1_conv"] == pytest.approx(5e-4, rel=0.05)


def test_the_trained_model_saves_and_loads_without_tlearn(tmp_path):
    import subprocess
    import sys

    model = small_model()
    stages.run(model, quick(head_epochs=1, epochs=1), batches(48, 0), batches(24, 1))
    model.save(tmp_path / "model.keras")
    code = (
        "import sys, keras; m = keras.models.load_model(sys.argv[1]);"
        "assert 'tlearn' not in sys.modules; print(m.output_shape)"
    )
    answer = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path / "model.keras")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "(None, 3)" in answer.stdout


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("learning_rate", 0.0),
        ("unfreeze", 1.1),
        ("layer_decay", 0.0),
        ("warmup", 1.0),
        ("label_smoothing", 1.0),
        ("augmentation", "wild"),
        ("balance", "yes"),
        ("mixup", -1.0),
        ("patience", 0),
        ("average", 1.5),
    ],
)
def test_a_value_outside_its_range_is_named(field, value):
    with pytest.raises(ValueError, match=f"Received: {field}="):
        stages.Stage(**{"name": "s", "epochs": 1, "learning_rate": 1e-3, field: value})

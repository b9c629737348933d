"""A model cut in two, and folded, answers and learns as the whole does."""

from __future__ import annotations

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

from tlearn import backbones, heads
from tlearn.networks import cutting, folding, graph
from tlearn.networks.depthwise import depthwise_convolution
from tlearn.networks.forgetting import forgetting
from tlearn.stages import freezing


@pytest.fixture(scope="module")
def classifier() -> keras.Model:
    keras.utils.set_random_seed(0)
    return heads.attach(backbones.build("efficientnet_lite0", image_size=64), 3)


def cuts_of(model: keras.Model, share: float) -> tuple[cutting.Cut, ...]:
    freezing.unfreeze(model, share)
    _, head = freezing.split_head(model)
    return cutting.cuts(model, head)


def pixels(count: int = 4, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, side, side, 3)).astype("float32")


def test_trunk_and_folded_top_answer_as_the_whole_at_every_cut(classifier):
    images = pixels()
    whole = classifier.predict(images, verbose=0)
    found = cuts_of(classifier, 0.0)
    assert len(found) > 20
    for cut in found[::6]:
        trunk = keras.Model(classifier.input, cut.tensor)
        top = folding.folded(classifier, cut.tensor, classifier.output)
        np.testing.assert_allclose(
            top.predict(trunk.predict(images, verbose=0), verbose=0), whole, atol=1e-5
        )


def test_a_cut_never_lies_inside_a_residual_block(classifier):
    names = {cut.name for cut in cuts_of(classifier, 0.0)}
    assert "block2b_add" in names
    assert not names & {"block2b_expand_conv", "block2b_dwconv", "block2b_project_bn"}


def test_no_cut_lies_behind_anything_that_trains(classifier):
    for share in (0.2, 0.6):
        last = cuts_of(classifier, share)[-1]
        frozen = keras.Model(classifier.input, last.tensor)
        assert frozen.count_params() > 0
        assert frozen.trainable_weights == []
    assert cuts_of(classifier, 1.0) == ()


def test_the_head_begins_behind_the_cut_so_that_its_dropout_works(classifier):
    assert cuts_of(classifier, 0.0)[-1].name == "head_pooling"


def test_cuts_come_with_their_cost(classifier):
    found = cuts_of(classifier, 0.0)
    assert [cut.before for cut in found] == sorted(cut.before for cut in found)
    by_name = {cut.name: cut for cut in found}
    assert by_name["block4a_project_bn"].bytes == 4 * 4 * 80 * 2


def cut(name: str, before: int, size: int) -> cutting.Cut:
    """A cut of so many float16 bytes a photo."""
    return cutting.Cut(name, keras.KerasTensor((None, size // 2)), before)


def test_the_cut_with_the_least_time_that_fits_is_chosen():
    found = (cut("early", 60, 10), cut("wide", 100, 90), cut("end", 100, 20))
    settings = {"views": 2, "epochs": 5, "photos": 100}
    assert cutting.choose(found, room=10**6, **settings).name == "end"
    assert cutting.choose(found, room=2500, **settings).name == "early"
    assert cutting.choose(found, room=1000, **settings) is None
    assert cutting.choose((), room=10**6, **settings) is None


def small(kind: str) -> keras.Model:
    """Smooth everywhere, so that gradients can be compared closely."""
    inputs = keras.Input((9, 9, 4))
    if kind == "depthwise":
        x = keras.layers.DepthwiseConv2D(5, padding="same", use_bias=True)(inputs)
    else:
        x = keras.layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.Activation("tanh")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    random = np.random.default_rng(1)
    norm = model.get_layer("bn")
    norm.set_weights([random.uniform(0.5, 2, w.shape) for w in norm.get_weights()])
    norm.trainable = False
    return model


@pytest.mark.parametrize("kind", ["plain", "depthwise"])
def test_folding_changes_neither_answers_nor_gradients(kind):
    keras.utils.set_random_seed(0)
    model = small(kind)
    quick = folding.quick(model)
    assert quick is not model
    assert not any(isinstance(one, keras.layers.BatchNormalization) for one in quick.layers)
    images = tf.random.stateless_normal((8, 9, 9, 4), (1, 2))
    found = []
    for one in (model, quick):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(one(images, training=True)[:, 0] ** 2)
        values = [variable.value for variable in model.trainable_variables]
        found.append((float(loss), [np.asarray(g) for g in tape.gradient(loss, values)]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for plain, folded in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(folded, plain, rtol=1e-3, atol=1e-6)


def test_a_batch_norm_that_trains_is_left_as_it_is():
    model = small("plain")
    model.get_layer("bn").trainable = True
    assert folding.quick(model) is model


def test_a_convolution_that_others_read_too_is_left_as_it_is():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1, name="conv")(inputs)
    norm = keras.layers.BatchNormalization()
    outputs = keras.layers.Add()([norm(x), x])
    norm.trainable = False
    assert folding.quick(model := keras.Model(inputs, outputs)) is model


def test_a_model_with_its_own_training_step_is_left_as_it_is():
    class Own(keras.Model):
        def train_step(self, data: object) -> dict[str, float]:
            return {}

    plain = small("plain")
    model = Own(plain.input, plain.output)
    assert folding.quick(model) is model


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [5, 7, 8, 13, 14])
@pytest.mark.parametrize("rows", [3, 5])
def test_the_quick_depthwise_gradient_is_tensorflows(side, rows, stride):
    images = tf.random.stateless_normal((3, side, side + 1, 8), (3, 4))
    kernel = tf.random.stateless_normal((rows, 5, 8, 1), (5, 6))
    found = []
    for convolve in (
        lambda x, k: depthwise_convolution(x, k, stride, "SAME"),
        lambda x, k: tf.nn.depthwise_conv2d(x, k, [1, stride, stride, 1], "SAME"),
    ):
        with tf.GradientTape() as tape:
            tape.watch([images, kernel])
            loss = tf.reduce_sum(tf.sin(convolve(images, kernel)))
        found.append(tape.gradient(loss, [images, kernel]))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_the_fingerprint_tells_weights_apart_and_not_names():
    keras.utils.set_random_seed(0)
    first = small("plain")
    second = keras.models.clone_model(first)
    second.set_weights(first.get_weights())
    renamed = small("plain")
    renamed.set_weights(first.get_weights())
    prints = []
    for model in (first, second, renamed):
        freezing.unfreeze(model, 0.0)
        _, head = freezing.split_head(model)
        prints.append(cutting.fingerprint(model, cutting.cuts(model, head)[-1]))
    assert prints[0] == prints[1] == prints[2]
    freezing.unfreeze(first, 0.0)
    first.trainable = False
    _, head = freezing.split_head(first)
    assert cutting.fingerprint(first, cutting.cuts(first, head)[-1]) == prints[0]
    weights = first.get_weights()
    weights[0][0, 0, 0, 0] += 1e-3
    first.set_weights(weights)
    _, head = freezing.split_head(first)
    assert cutting.fingerprint(first, cutting.cuts(first, head)[-1]) != prints[0]


def test_a_subclassed_model_has_no_graph_and_so_no_cut():
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.out = keras.layers.Dense(3)

        def call(self, inputs: object) -> object:
            return self.out(inputs)

    model = Own()
    model(np.zeros((1, 4), "float32"))
    assert graph.nodes(model) == []
    assert cutting.cuts(model, ()) == ()


def graphs() -> int:
    gc.collect()
    return sum(type(one).__name__ == "FuncGraph" for one in gc.get_objects())


def test_nothing_is_left_of_models_that_were_trained_to_be_forgotten():
    def train() -> None:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
        model.compile("adamw", "categorical_crossentropy")
        model.fit(np.zeros((8, 4), "float32"), np.eye(3, dtype="float32")[[0] * 8], verbose=0)

    before = graphs()
    for _ in range(3):
        with forgetting():
            train()
    assert graphs() == before
    train()
    keras.backend.clear_session()
    assert graphs() > before  # what Keras alone leaves; without that, forgetting can be simpler

"""The frozen part of a network, run as fast as this machine can.

On a CPU the part is written out as a graph without variables. LiteRT runs it where on the first photos
it gives what TensorFlow gives and is quicker. Otherwise, and on a GPU, TensorFlow runs that graph, in
which it folds BatchNorm into the convolutions. Under another backend than TensorFlow, Keras runs it.
"""

from __future__ import annotations

import itertools
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlearn import processors
from tlearn.hushing import hushed
from tlearn.networks import graph

__all__ = ["ENGINES", "TOLERANCE", "Trunk"]

Array = np.ndarray[Any, Any]
Answers = Callable[[], list[Array]]
Engine = Callable[[Array], Answers]

ENGINES = ("auto", "litert", "tensorflow")

# The largest difference from TensorFlow's features that is taken, as a share of the largest
# feature: about what float16 rounds away.
TOLERANCE = 1e-3
# Of fewer photos, building LiteRT's graph takes longer than it saves.
_WORTH_BUILDING = 500
# Photos by which both engines are compared.
_SAMPLE = 8
# Each interpreter has a copy of the weights; all together may take so many bytes.
_COPIES = 2**30


class Trunk:
    """A model from pixels to what is kept of them.

    Args:
        model: A flat functional model with one input.
        outputs: Tensors of the model that are asked for.
        engine: `"litert"`, `"tensorflow"`, or `"auto"` for the quicker of the two.
        photos: About how many it will be run on.
        devices: Names of devices that take turns, such as `("GPU:0", "GPU:1")`, where TensorFlow
            runs it.
        warn: Told in a sentence when LiteRT is not used though it could be.

    Attributes:
        engine: What runs it: `"litert"`, `"tensorflow"`, or the name of Keras's other backend. Settled by
            the first call.
        difference: The largest difference between LiteRT and TensorFlow on the first photos, as
            a share of the largest feature; `None` where they were not compared.
    """

    def __init__(
        self,
        model: keras.Model,
        outputs: Sequence[Any],
        *,
        engine: str = "auto",
        photos: int = _WORTH_BUILDING,
        devices: Sequence[str] = (),
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        if engine not in ENGINES:
            raise ValueError(f"Expected one of {ENGINES}. Received: engine={engine!r}")
        self.engine = "tensorflow"
        self.difference: float | None = None
        self._warn = warn
        self._wanted = engine
        self._photos = photos
        self._devices = tuple(devices)
        self._model, self._outputs = model, tuple(outputs)
        self._run: Engine | None = None
        self._most = 0  # photos in a batch so far

    def __call__(self, images: Array) -> list[Array]:
        """Run it.

        Args:
            images: float32 `(photos, height, width, 3)` in 0..255.

        Returns:
            float32 arrays `(photos, ...)`, in the order of `outputs`.
        """
        return self.begin(images)()

    def begin(self, images: Array) -> Answers:
        """Run it in the background, where the engine can.

        Args:
            images: As for a call; not to be changed before the answers are there.

        Returns:
            A function that waits for the answers and gives them as a call does.
        """
        if self._run is None:
            self._run = self._chosen(images)
        return self._run(images)

    def _chosen(self, images: Array) -> Engine:
        """The engine, after it has been compared on the first photos."""
        if keras.backend.backend() != "tensorflow":
            return self._by_keras()
        plain = _in_turn(_without_variables(self._model, self._outputs), self._devices)
        plainly = self._photos < _WORTH_BUILDING or bool(tf.config.list_logical_devices("GPU"))
        if self._wanted == "tensorflow" or (self._wanted == "auto" and plainly):
            return plain
        quick = _litert(_without_variables(self._model, self._outputs, photos=1))
        if isinstance(quick, str):
            self._warn(f"LiteRT cannot run this backbone, so TensorFlow does: {quick}")
            return plain
        sample = images[:_SAMPLE]
        self.difference = max(
            float(np.max(np.abs(ours - theirs)) / max(float(np.max(np.abs(theirs))), 1e-9))
            for ours, theirs in zip(quick(sample)(), plain(sample)(), strict=True)
        )
        if not self.difference <= TOLERANCE:
            self._warn(
                f"LiteRT's features differ from TensorFlow's by {self.difference:.1e} of the "
                f"largest, more than {TOLERANCE:.0e}, so TensorFlow computes them."
            )
            return plain
        if self._wanted == "auto" and _seconds(plain, sample) < _seconds(quick, sample):
            return plain
        self.engine = "litert"
        return quick

    def _by_keras(self) -> Engine:
        """The part as a model of its own, compiled by the backend that Keras is set to."""
        self.engine = keras.backend.backend()
        part = keras.Model(self._model.inputs, list(self._outputs))

        def run(images: Array) -> Answers:
            count = len(images)
            self._most = max(self._most, count)
            # A batch of another size would be compiled anew.
            missing = self._most - count
            if missing:
                images = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
            found = keras.tree.flatten(part.predict_on_batch(images))
            return lambda: [np.asarray(one, np.float32)[:count] for one in found]

        return run


def _seconds(engine: Engine, sample: Array) -> float:
    """What an engine that has been run before takes, the better of two times."""
    taken = []
    for _ in range(2):
        started = time.perf_counter()
        engine(sample)()
        taken.append(time.perf_counter() - started)
    return min(taken)


def _without_variables(
    model: keras.Model, outputs: Sequence[Any], photos: int | None = None
) -> Any:
    """The part as a TensorFlow function whose weights are constants, for so many photos a call."""
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    source = model.inputs[0]

    @tf.function(
        input_signature=[tf.TensorSpec((photos, *source.shape[1:]), tf.float32)], autograph=False
    )
    def run(images: Any) -> list[Any]:
        given = {id(source): tf.cast(images, source.dtype)}
        found = graph.part(model, given, outputs)
        return [tf.cast(one, tf.float32) for one in found]

    return convert_variables_to_constants_v2(run.get_concrete_function())


def _in_turn(function: Any, devices: Sequence[str]) -> Engine:
    """A TensorFlow function as an engine; on several devices batch after batch, each in its thread."""

    def answers(images: Array) -> list[Array]:
        count = len(images)
        if count == 1:
            # For one photo oneDNN packs constant kernels otherwise, and TensorFlow keeps that routine
            # for whatever layer of these shapes the same thread runs next: training would differ
            # in the last bit from that of a run that found its features kept.
            images = np.repeat(images, 2, axis=0)
        return [output.numpy()[:count] for output in function(tf.constant(images))]

    def at_once(images: Array) -> Answers:
        found = answers(images)
        return lambda: found

    if len(devices) < 2:
        return at_once
    threads = ThreadPoolExecutor(len(devices), thread_name_prefix="tlearn-trunk")
    turns = itertools.cycle(devices)

    def on(device: str, images: Array) -> list[Array]:
        with tf.device(device):
            return answers(images)

    def begin(images: Array) -> Answers:
        return threads.submit(on, next(turns), images).result

    return begin


def _litert(frozen: Any) -> Engine | str:
    """The graph in LiteRT, one photo at a time in each of several interpreters; or why not.

    One photo at a time, since its activations stay in the processor's cache.
    """
    from ai_edge_litert.interpreter import Interpreter

    with hushed():
        try:
            content = tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()
            cores = processors.count()
            count = max(1, min(cores, _COPIES // len(content)))
            interpreters = [
                Interpreter(model_content=content, num_threads=max(1, cores // count))
                for _ in range(count)
            ]
            for interpreter in interpreters:
                interpreter.allocate_tensors()
        except Exception as error:  # an operation that LiteRT does not know
            return str(error).strip().partition("\n")[0]
    source = interpreters[0].get_input_details()[0]["index"]
    places = {one["name"]: one["index"] for one in interpreters[0].get_output_details()}
    targets = [places[tensor.name.partition(":")[0]] for tensor in frozen.outputs]
    shapes = [tuple(tensor.shape[1:]) for tensor in frozen.outputs]
    free: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for interpreter in interpreters:
        free.put(interpreter)
    workers = ThreadPoolExecutor(count, thread_name_prefix="tlearn-trunk")

    def infer(images: Array, found: list[Array], place: int) -> None:
        interpreter = free.get()
        try:
            interpreter.set_tensor(source, images[place : place + 1])
            interpreter.invoke()
            for target, answers in zip(targets, found, strict=True):
                answers[place] = interpreter.get_tensor(target)[0]
        finally:
            free.put(interpreter)

    def begin(images: Array) -> Answers:
        found = [np.empty((len(images), *shape), np.float32) for shape in shapes]
        jobs = [workers.submit(infer, images, found, place) for place in range(len(images))]

        def answers() -> list[Array]:
            for job in jobs:
                job.result()
            return found

        return answers

    return begin

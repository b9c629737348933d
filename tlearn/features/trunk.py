"""The frozen part of a network, run as fast as this machine can.

On a CPU the part is written out as a graph without variables, in which TensorFlow folds BatchNorm
into the convolutions. Where OpenVINO is installed it runs that graph instead, after its answers on
the first photos have been compared with TensorFlow's. On a GPU TensorFlow runs it as it is.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tlearn import processors
from tlearn.networks import graph

__all__ = ["ENGINES", "TOLERANCE", "Trunk"]

Array = np.ndarray[Any, Any]
Answers = Callable[[], list[Array]]
Engine = Callable[[Array], Answers]

ENGINES = ("auto", "openvino", "tensorflow")

# The largest difference from TensorFlow's features that is taken, as a share of the largest
# feature: about what float16 rounds away.
TOLERANCE = 1e-3
# A few photos at a time in each stream: the activations stay in the processor's cache.
_PHOTOS_AT_ONCE = 4


class Trunk:
    """A model from pixels to what is kept of them.

    Args:
        model: A flat functional model with one input.
        outputs: Tensors of the model that are asked for.
        engine: `"auto"`, `"openvino"` or `"tensorflow"`.
        warn: Told in a sentence when OpenVINO is not used though it could be.

    Attributes:
        engine: What runs it: `"openvino"` or `"tensorflow"`. Settled by the first call.
        difference: The largest difference between OpenVINO and TensorFlow on the first photos, as
            a share of the largest feature; `None` where they were not compared.
    """

    def __init__(
        self,
        model: keras.Model,
        outputs: Sequence[Any],
        *,
        engine: str = "auto",
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        if engine not in ENGINES:
            raise ValueError(f"Expected one of {ENGINES}. Received: engine={engine!r}")
        self.engine = "tensorflow"
        self.difference: float | None = None
        self._warn = warn
        self._wanted = engine
        self._graph = _without_variables(model, outputs)
        self._run: Engine | None = None

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

        def plain(images: Array) -> Answers:
            found = [output.numpy() for output in self._graph(tf.constant(images))]
            return lambda: found

        on_gpu = bool(tf.config.list_logical_devices("GPU"))
        if self._wanted == "tensorflow" or (self._wanted == "auto" and on_gpu):
            return plain
        try:
            quick = _openvino(self._graph)
        except ImportError:
            if self._wanted == "openvino":
                raise
            return plain
        except Exception as error:  # an operation that OpenVINO does not know
            self._warn(f"OpenVINO cannot run this backbone, so TensorFlow does: {error}")
            return plain
        sample = images[:4]
        self.difference = max(
            float(np.max(np.abs(ours - theirs)) / max(float(np.max(np.abs(theirs))), 1e-9))
            for ours, theirs in zip(quick(sample)(), plain(sample)(), strict=True)
        )
        if not self.difference <= TOLERANCE:
            self._warn(
                f"OpenVINO's features differ from TensorFlow's by {self.difference:.1e} of the "
                f"largest, more than {TOLERANCE:.0e}, so TensorFlow computes them."
            )
            return plain
        self.engine = "openvino"
        return quick


def _without_variables(model: keras.Model, outputs: Sequence[Any]) -> Any:
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    source = model.inputs[0]

    @tf.function(input_signature=[tf.TensorSpec(source.shape, tf.float32)], autograph=False)
    def run(images: Any) -> list[Any]:
        given = {id(source): tf.cast(images, source.dtype)}
        found = graph.part(model, given, outputs)
        return [tf.cast(one, tf.float32) for one in found]

    return convert_variables_to_constants_v2(run.get_concrete_function())


def _openvino(frozen: Any) -> Engine:
    """The graph in OpenVINO, a few photos in each of as many streams as suit the machine."""
    import openvino
    from openvino.frontend import FrontEndManager

    # Straight through the front end: OpenVINO's own converter would report its use over the network.
    front = FrontEndManager().load_by_framework("tf")
    with tempfile.TemporaryDirectory(prefix="tlearn-") as folder:
        path = Path(folder) / "trunk.pb"
        path.write_bytes(frozen.graph.as_graph_def().SerializeToString())
        network = front.convert(front.load(str(path)))
    names = [tensor.name for tensor in frozen.outputs]
    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": processors.count(),
    }
    compiled = openvino.Core().compile_model(network, "CPU", settings)
    ports = [compiled.output(name) for name in names]
    shapes = [tuple(tensor.shape[1:]) for tensor in frozen.outputs]
    streams = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    workers = ThreadPoolExecutor(streams, thread_name_prefix="tlearn-trunk")
    own = threading.local()

    def infer(images: Array, targets: list[Array]) -> None:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        answers = own.request.infer({0: images}, share_inputs=True, share_outputs=True)
        for port, target in zip(ports, targets, strict=True):
            target[:] = answers[port]

    def begin(images: Array) -> Answers:
        found = [np.empty((len(images), *shape), np.float32) for shape in shapes]
        jobs = []
        for start in range(0, len(images), _PHOTOS_AT_ONCE):
            part = slice(start, start + _PHOTOS_AT_ONCE)
            jobs.append(workers.submit(infer, images[part], [one[part] for one in found]))

        def answers() -> list[Array]:
            for job in jobs:
                job.result()
            return found

        return answers

    return begin

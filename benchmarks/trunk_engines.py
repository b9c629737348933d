"""The frozen trunk in each engine: photos per CPU second, and how far its features are off.

    python benchmarks/trunk_engines.py ../shared/data/clothing [--unfreeze 0.35] [--weights random]

The trunk is the backbone up to where `tlearn finetune` cuts it when that share of the blocks trains.
Pixels are in memory. Keras's `predict` is what a user would run; `tensorflow` and `litert` are
tlearn's own two engines; ONNX Runtime and OpenVINO get the same graph through their own converters.
ONNX Runtime is given a batch of each size, and the quickest counts. Every engine may use all cores.

`of_keras_predict` divides photos per CPU second, so above 1 is faster. `difference` is the largest
from Keras, as a share of the largest feature; `null` where a feature is no number. Engines that are
not installed are named and left out: pip install onnxruntime tf2onnx openvino.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bare_model
import keras
import measuring
import numpy as np
import photo_sets
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tlearn import backbones, heads, processors
from tlearn.features.trunk import Trunk

Array = bare_model.Array
Engine = Callable[[Array], Array]

NEEDS = {
    "onnxruntime": ("onnxruntime", "tf2onnx"),
    "openvino": ("openvino",),
}


def installed(module: str) -> bool:
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def in_batches(engine: Engine, pixels: Array, size: int) -> Array:
    return np.concatenate([engine(pixels[i : i + size]) for i in range(0, len(pixels), size)])


def as_function(trunk: keras.Model) -> tuple[Any, tf.TensorSpec]:
    spec = tf.TensorSpec((None, *trunk.input_shape[1:]), tf.float32, name="images")

    @tf.function(input_signature=[spec])
    def run(images: tf.Tensor) -> tf.Tensor:
        return tf.identity(trunk(images, training=False), name="features")

    return run, spec


def onnx_runtime(trunk: keras.Model) -> Engine:
    import onnxruntime
    import tf2onnx

    function, spec = as_function(trunk)
    network, _ = tf2onnx.convert.from_function(function, input_signature=[spec], opset=17)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = processors.count()
    session = onnxruntime.InferenceSession(
        network.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda images: session.run(None, {session.get_inputs()[0].name: images})[0]


def openvino_streams(trunk: keras.Model) -> Engine:
    """A few photos at a time in each stream, as it is quickest."""
    import openvino
    from openvino.frontend import FrontEndManager

    function, _ = as_function(trunk)
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    # Straight through the front end: OpenVINO's own converter would report its use.
    front = FrontEndManager().load_by_framework("tf")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trunk.pb")
        path.write_bytes(frozen.graph.as_graph_def().SerializeToString())
        network = front.convert(front.load(str(path)))
    settings = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": processors.count(),
    }
    streams = openvino.AsyncInferQueue(openvino.Core().compile_model(network, "CPU", settings))
    found: dict[int, Array] = {}

    def keep(request: Any, place: int) -> None:
        found[place] = request.get_output_tensor(0).data.copy()

    streams.set_callback(keep)

    def run(images: Array) -> Array:
        found.clear()
        for place in range(0, len(images), 4):
            streams.start_async({0: images[place : place + 4]}, place)
        streams.wait_all()
        return np.concatenate([found[place] for place in sorted(found)])

    return run


def difference(found: Array, expected: Array) -> float | None:
    largest = float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))
    return float(f"{largest:.1e}") if np.isfinite(largest) else None


def tried(engine: Engine, pixels: Array, expected: Array, sizes: tuple[int, ...]) -> dict[str, Any]:
    """The engine at its quickest."""
    rates = []
    for size in sizes:
        rate = measuring.timed(len(pixels), functools.partial(in_batches, engine, pixels, size))
        rates.append({"batch": size, **rate})
    best = max(rates, key=lambda rate: rate["photos_per_cpu_second"])
    found = in_batches(engine, pixels, int(best["batch"]))
    return {**best, "difference": difference(found, expected)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--weights", default="imagenet", help="`random` where none can be had")
    parser.add_argument("--unfreeze", type=float, default=0.35, help="the share that trains")
    parser.add_argument("--sample", type=int, default=512, help="photos")
    parser.add_argument("--batches", type=measuring.whole_numbers, default=(1, 4, 32))
    given = parser.parse_args()

    dataset = photo_sets.divided(given.photos)
    sample = photo_sets.sampled(dataset, given.sample)
    network = backbones.build(given.backbone, weights=given.weights)
    model = heads.attach(network, len(dataset.class_names))
    size = int(model.input_shape[1])
    pixels = bare_model.pixels(sample, dataset.class_names, size)
    cut = bare_model.cut(model, given.unfreeze)
    trunk = bare_model.trunk(model, cut)

    def own(engine: str) -> Engine:
        runs = Trunk(model, [cut.tensor], engine=engine)
        return lambda images: runs(images)[0]

    # Each with the sizes of batch that it is tried with: tlearn's engines get what the features
    # pass gives them and divide it themselves.
    usual = (bare_model.BATCH,)
    engines: dict[str, tuple[Callable[[], Engine], tuple[int, ...]]] = {
        "keras_predict": (lambda: functools.partial(bare_model.predict, trunk), (len(pixels),)),
        "tensorflow": (lambda: own("tensorflow"), usual),
        "litert": (lambda: own("litert"), usual),
        "onnxruntime": (lambda: onnx_runtime(trunk), given.batches),
        "openvino": (lambda: openvino_streams(trunk), usual),
    }
    expected = bare_model.predict(trunk, pixels)
    found: dict[str, dict[str, Any]] = {}
    left_out: list[str] = []
    for name, (build, sizes) in engines.items():
        if all(installed(module) for module in NEEDS.get(name, ())):
            found[name] = tried(build(), pixels, expected, sizes)
        else:
            left_out.append(name)
    for rate in found.values():
        rate["cpu_ms_per_photo"] = round(1000 / rate["photos_per_cpu_second"], 2)
        of = found["keras_predict"]["photos_per_cpu_second"]
        rate["of_keras_predict"] = round(rate["photos_per_cpu_second"] / of, 2)
    result = {
        "photos": given.photos,
        "backbone": given.backbone,
        "image_size": size,
        "cut": cut.name,
        "engines": found,
        "not_installed": left_out,
        **measuring.machine(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

"""The same network with less arithmetic: frozen BatchNorm inside the convolution before it.

A BatchNorm that does not train is one factor and one summand per channel. Multiplied into the
kernel, in the graph and anew in each step, it costs a pass over the kernel instead of four over
the activations, and the gradient that reaches the kernel is the same.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tlearn.networks import graph
from tlearn.networks.depthwise import depthwise_convolution

__all__ = ["Folded", "folded", "quick"]

Functional = type(keras.Model(*[keras.Input(())] * 2))

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def folded(model: keras.Model, start: Any, end: Any) -> keras.Model:
    """A part of a model as a model of its own, its frozen BatchNorms folded.

    The variables are the model's own, not copies: what trains in one is trained in the other.

    Args:
        model: A functional model whose `trainable` is set as it shall train.
        start: The tensor of the model that becomes the input.
        end: The tensor of the model that becomes the output.

    Returns:
        A functional model from `start` to `end`. Under a mixed policy nothing is folded, since
        factors near zero would be lost in 16 bits; nor on another backend than TensorFlow, whose
        compiler does it.
    """
    readers = graph.consumers(model)
    waiting: dict[int, tuple[Any, Any]] = {}  # a convolution's new output: itself, and its input

    def replay(node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer = node.operation
        if _is_foldable(layer) and _only_reader_normalises(readers[id(node.outputs[0])]):
            # Not yet: the BatchNorm that follows calls it.
            placeholder = keras.KerasTensor(node.outputs[0].shape, node.outputs[0].dtype)
            waiting[id(placeholder)] = (layer, args[0])
            return placeholder
        if args and id(args[0]) in waiting:
            convolution, inputs = waiting[id(args[0])]
            return Folded(convolution, layer)(inputs)
        return layer(*args, **kwargs)

    inputs = keras.Input(start.shape[1:], dtype=start.dtype, name="kept")
    (outputs,) = graph.part(model, {id(start): inputs}, [end], replay)
    return keras.Model(inputs, outputs, name=f"{model.name}_top")


def quick(model: keras.Model) -> keras.Model:
    """The whole of a model, folded where that can be done.

    Args:
        model: Any Keras model, `trainable` set.

    Returns:
        A model of the same variables; `model` itself where it is not a plain functional one, or
        nothing in it can be folded.
    """
    plain = type(model) in (keras.Model, Functional)
    if not plain or len(model.inputs or ()) != 1 or len(model.outputs or ()) != 1:
        return model
    found = folded(model, model.inputs[0], model.outputs[0])
    return found if any(isinstance(layer, Folded) for layer in found.layers) else model


class Folded(keras.layers.Layer):
    """A convolution with the frozen BatchNorm that follows it, as one convolution.

    Args:
        convolution: A built `Conv2D` or `DepthwiseConv2D` without an activation of its own.
        normalization: The built `BatchNormalization` behind it, which does not train.
    """

    def __init__(
        self,
        convolution: keras.layers.Layer,
        normalization: keras.layers.BatchNormalization,
    ) -> None:
        super().__init__(name=f"{convolution.name}_folded", dtype=convolution.dtype_policy)
        self.convolution = convolution
        self.normalization = normalization
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Convolve, scale and shift in one pass."""
        layer, norm = self.convolution, self.normalization
        scale = keras.ops.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.scale:
            scale = scale * norm.gamma
        shift = -norm.moving_mean * scale
        if norm.center:
            shift = shift + norm.beta
        if layer.use_bias:
            shift = shift + layer.bias * scale
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel = layer.kernel * keras.ops.reshape(scale, layer.kernel.shape[-2:])
            outputs = depthwise_convolution(inputs, kernel, layer.strides[0], layer.padding.upper())
        else:
            kernel = layer.kernel * scale
            outputs = tf.nn.conv2d(inputs, kernel, layer.strides, layer.padding.upper())
        return tf.nn.bias_add(outputs, shift)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As that of the convolution."""
        return self.convolution.compute_output_shape(input_shape)


def _is_foldable(layer: Any) -> bool:
    return (
        keras.backend.backend() == "tensorflow"
        and isinstance(layer, _CONVOLUTIONS)
        and layer.built
        and layer.activation is keras.activations.linear
        and layer.compute_dtype == layer.variable_dtype == "float32"
        and layer.data_format == "channels_last"
        and layer.dilation_rate in (1, (1, 1))
        and layer.padding in ("same", "valid")
        and layer.strides[0] == layer.strides[1]
        and getattr(layer, "groups", 1) == 1
        and not getattr(layer, "lora_enabled", False)
    )


def _only_reader_normalises(readers: list[Any]) -> bool:
    if len(readers) != 1 or isinstance(readers[0], keras.Model):
        return False
    norm = readers[0].operation
    return (
        isinstance(norm, keras.layers.BatchNormalization)
        and not norm.trainable
        and norm.axis in (-1, 3)
        and norm.compute_dtype == "float32"
    )

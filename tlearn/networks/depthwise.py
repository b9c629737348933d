"""Depthwise convolution whose gradient is not slow on a CPU.

For kernels up to three wide the CPU library under TensorFlow (oneDNN) has a routine of its own for
the gradient of a depthwise kernel; for wider ones it computes sixteen channels for each that is
wanted. The gradient of a kernel five wide is put together here from narrower ones.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

__all__ = ["depthwise_convolution"]

_WIDE = 5


def depthwise_convolution(inputs: Any, kernel: Any, stride: int, padding: str) -> Any:
    """Depthwise convolution as `tf.nn.depthwise_conv2d`, with a quicker gradient.

    Args:
        inputs: float32 `(batch, height, width, channels)`; height and width are known.
        kernel: float32 `(rows, columns, channels, multiplier)`.
        stride: In both directions.
        padding: `"SAME"` or `"VALID"`.

    Returns:
        float32 `(batch, new height, new width, channels * multiplier)`.
    """
    strides = [1, stride, stride, 1]
    known = inputs.shape[1] is not None and inputs.shape[2] is not None
    if kernel.shape[1] != _WIDE or padding != "SAME" or not known:
        return tf.nn.depthwise_conv2d(inputs, kernel, strides, padding)

    @tf.custom_gradient
    def convolve(inputs: Any, kernel: Any) -> tuple[Any, Any]:
        def gradients(upstream: Any) -> tuple[Any, Any]:
            of_inputs = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(inputs),
                filter=kernel,
                out_backprop=upstream,
                strides=strides,
                padding=padding,
            )
            return of_inputs, _of_kernel(inputs, kernel.shape, upstream, stride)

        return tf.nn.depthwise_conv2d(inputs, kernel, strides, padding), gradients

    return convolve(inputs, kernel)


def _of_kernel(inputs: Any, shape: Any, upstream: Any, stride: int) -> Any:
    """The gradient of a kernel five wide at padding "SAME", column by column."""
    if stride == 1:
        # A column that looks two pixels to the left meets output w with input w - 2.
        first = _columns(inputs[:, :, :-2], upstream[:, :, 2:], shape, 1, "SAME")
        middle = _columns(inputs, upstream, shape, 3, "SAME")
        last = _columns(inputs[:, :, 2:], upstream[:, :, :-2], shape, 1, "SAME")
        return tf.concat([first, middle, last], axis=1)
    above, below = _padding(inputs.shape[1], shape[0], stride)
    left, _ = _padding(inputs.shape[2], _WIDE, stride)
    reach = (upstream.shape[2] - 1) * stride - inputs.shape[2]
    parts = []
    for start, width in ((0, 3), (3, 2)):
        before, after = left - start, reach + width - left + start
        seen = inputs[:, :, max(0, -before) : inputs.shape[2] + min(0, after)]
        around = [0, 0, above, below, max(0, before), max(0, after), 0, 0]
        parts.append(_columns(seen, upstream, shape, width, "EXPLICIT", stride, around))
    return tf.concat(parts, axis=1)


def _columns(
    inputs: Any,
    upstream: Any,
    shape: Any,
    width: int,
    padding: str,
    stride: int = 1,
    around: list[int] | None = None,
) -> Any:
    return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        input=inputs,
        filter_sizes=[shape[0], width, shape[2], shape[3]],
        out_backprop=upstream,
        strides=[1, stride, stride, 1],
        padding=padding,
        explicit_paddings=around or [],
    )


def _padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What "SAME" puts before and behind."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2

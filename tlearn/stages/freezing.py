"""Which layers of a model train: its head, and as many of its last blocks as a stage asks for.

The only module that sets `trainable`. Three rules stand here once, for every stage:

- whole blocks only: a block begins and ends where the network passes through one single tensor,
  so that no residual connection is cut in two;
- BatchNorm never trains: with `trainable = False` Keras runs it in inference mode, so that the
  statistics of ImageNet are not overwritten by those of a few small batches;
- the head (all that follows the last pooling) always trains.

Changing `trainable` has no effect on a compiled model: `stages.run` compiles after each change.
"""

from __future__ import annotations

import math
import re
from typing import Any

import keras

from tlearn import heads
from tlearn.networks import graph

__all__ = ["Block", "blocks", "depths", "split_head", "unfreeze"]

Block = tuple[keras.layers.Layer, ...]

# keras.applications, KerasHub and tlearn number their blocks in the layers' names:
# block5a_expand_conv, conv4_block2_1_conv, block_13_expand, stage_2_block_7_..., mixed4.
_BLOCK_NAME = re.compile(
    r"^(.*?(?:stages?_?\d+_blocks?_?\d+[a-z]?"
    r"|conv\d+_block\d+"
    r"|expanded_conv_\d+"
    r"|conv_(?:dw|pw)_\d+"
    r"|blocks?_?\d+[a-z]?"
    r"))(?:[_/]|$)"
)
_POOLING = (
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.Flatten,
)
_CONTINUES = (keras.layers.BatchNormalization, keras.layers.Activation, keras.layers.ReLU)


def blocks(model: keras.Model) -> tuple[Block, ...]:
    """Split a model into blocks, from its input to its output.

    A block ends at a cut point: a layer whose output is all that the rest of the network needs.
    Where layers carry block names (`block5a_...`), a block is all that shares a name. A nested
    functional model is taken apart as well, so `base(x)` in another project works like a flat one.

    Args:
        model: A functional or sequential Keras model. Of a subclassed model, each layer that it
            tracks counts as a block, in the order of creation.

    Returns:
        Blocks in order; each is a tuple of leaf layers with no nested model among them. Every
        layer of the model is in exactly one block.
    """
    # A head that looks at several depths cuts no block in two.
    looking_on = [layer for layer in model.layers if layer.name.startswith(heads.DEPTH)]
    steps = graph.steps(model, besides=looking_on)
    if not steps:
        return tuple((layer,) for layer in _leaves(model))
    found: list[Block] = []
    current: list[keras.layers.Layer] = []
    for index, step in enumerate(steps):
        layer = step.layer
        if isinstance(layer, keras.Model):
            if current:
                found.append(tuple(current))
                current = []
            found.extend(blocks(layer))
            continue
        current.append(layer)
        following = steps[index + 1].layer if index + 1 < len(steps) else None
        if step.cut is not None and _ends_a_block(layer, following):
            found.append(tuple(current))
            current = []
    if current:
        found.append(tuple(current))
    return tuple(found)


def depths(backbone: keras.Model) -> list[Any]:
    """The feature maps that a head may look at beside the last one: those of the last half of the blocks.

    The first half is left alone, so that a stage that unfreezes the second half finds the network
    in one single tensor before it, which can be kept.

    Args:
        backbone: A functional model without a head.

    Returns:
        Tensors `(batch, height, width, channels)`, from the input's side; none where the network is not
        one of blocks of feature maps.
    """
    ends = [block[-1].output for block in blocks(backbone) if any(one.weights for one in block)]
    return [end for end in ends[len(ends) // 2 : -1] if len(end.shape) == 4]


def split_head(model: keras.Model) -> tuple[tuple[Block, ...], Block]:
    """Tell a model's backbone from its head.

    The head is all that follows the last pooling or flattening layer, and what joins several of
    them; without one it is the last layer that has weights, a dropout before it, and what follows it.

    Args:
        model: Any Keras model.

    Returns:
        The blocks of the backbone that have weights, in order, and the layers of the head.

    Raises:
        ValueError: The model has no layer with weights.
    """
    all_blocks = blocks(model)
    layers = [layer for block in all_blocks for layer in block]
    weighted = [index for index, layer in enumerate(layers) if layer.weights]
    if not weighted:
        raise ValueError(
            "The model has no layer with weights, so there is nothing to train. "
            f"Received: model={model.name!r}"
        )
    pooled = [i for i, layer in enumerate(layers) if isinstance(layer, _POOLING)]
    start = pooled[-1] + 1 if pooled and pooled[-1] < weighted[-1] else weighted[-1]
    while start and isinstance(layers[start - 1], keras.layers.Dropout):
        start -= 1
    while pooled and isinstance(layers[start], keras.layers.Concatenate):
        start += 1
    head = tuple(layers[start:])
    of_head = {id(layer) for layer in head}
    backbone = (tuple(layer for layer in block if id(layer) not in of_head) for block in all_blocks)
    return tuple(block for block in backbone if any(layer.weights for layer in block)), head


def unfreeze(model: keras.Model, share: float) -> int:
    """Let the head and the last blocks of the backbone train, and freeze all the rest.

    Args:
        model: Any Keras model; its layers' `trainable` is set anew. Compile it afterwards.
        share: The share of the backbone's blocks that train, counted from the output, 0 to 1.
            Rounded to whole blocks, and to at least one when it is above 0.

    Returns:
        The number of parameters that train.

    Raises:
        ValueError: The share is outside 0..1.

    Example:

    ```python
    freezing.unfreeze(model, 0.0)   # the head alone
    freezing.unfreeze(model, 0.66)  # and the last two thirds of the blocks
    ```
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(
            "The share of blocks to unfreeze must be between 0 (the head alone) and 1 "
            f"(everything). Received: share={share}"
        )
    backbone, head = split_head(model)
    num_open = min(len(backbone), max(1, round(share * len(backbone)))) if share else 0
    model.trainable = True
    for layer in _leaves(model):
        layer.trainable = False
    for block in (head, *backbone[len(backbone) - num_open :]):
        for layer in block:
            layer.trainable = True
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def _ends_a_block(layer: Any, following: Any) -> bool:
    if following is None or isinstance(following, keras.Model):
        return True
    if isinstance(following, _CONTINUES):
        return False
    mine, next_one = _block_name(layer), _block_name(following)
    return mine is None or mine != next_one


def _block_name(layer: Any) -> str | None:
    match = _BLOCK_NAME.match(layer.name)
    return match.group(1) if match else None


def _leaves(model: keras.Model) -> list[keras.layers.Layer]:
    found: list[keras.layers.Layer] = []
    for layer in model.layers:
        found.extend(_leaves(layer) if isinstance(layer, keras.Model) else [layer])
    return found

"""A Keras model as a graph: its nodes in order, and a part of it run on other tensors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

__all__ = ["Step", "between", "consumers", "nodes", "part", "steps"]

Replay = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


@dataclass(frozen=True)
class Step:
    """A layer of a model, in the order of the graph.

    Args:
        layer: The layer, or a nested model.
        cut: The one tensor that all the rest of the network needs after this layer; `None` where
            it needs several, as inside a residual block.
    """

    layer: Any
    cut: Any


def nodes(model: keras.Model) -> list[Any]:
    """The nodes of a functional model in topological order, those of its inputs included.

    Args:
        model: Any Keras model.

    Returns:
        Keras nodes; none for a model that is not functional.
    """
    model = getattr(model, "_functional", None) or model  # what is inside a Sequential
    by_depth = getattr(model, "_nodes_by_depth", None)
    if not by_depth or not getattr(model, "operations", None):
        return []
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def steps(model: keras.Model, besides: Collection[Any] = ()) -> list[Step]:
    """The layers of a model in order, each with the cut behind it, if there is one.

    Args:
        model: Any Keras model.
        besides: Layers that only look on: what they read is not needed for their sake.

    Returns:
        A step for each layer, without inputs and bare operations (such as a sum); none for a model
        that is not functional.
    """
    ordered = nodes(model)
    last_use: dict[int, int] = {}
    onlookers = {id(layer) for layer in besides}
    for index, node in enumerate(ordered):
        for tensor in () if id(node.operation) in onlookers else node.input_tensors:
            last_use[id(tensor)] = index
    for tensor in keras.tree.flatten(model.outputs if ordered else []):
        last_use[id(tensor)] = len(ordered)
    needed: dict[int, Any] = {}
    found: list[Step] = []
    seen: set[int] = set()
    for index, node in enumerate(ordered):
        needed.update({id(tensor): tensor for tensor in node.outputs})
        needed = {key: one for key, one in needed.items() if last_use.get(key, -1) > index}
        cut = next(iter(needed.values())) if len(needed) == 1 else None
        layer = node.operation
        if isinstance(layer, keras.layers.InputLayer) or id(layer) in seen:
            continue
        if not isinstance(layer, keras.layers.Layer):
            if found:
                found[-1] = Step(found[-1].layer, cut)
            continue
        seen.add(id(layer))
        found.append(Step(layer, cut))
    return found


def consumers(model: keras.Model) -> dict[int, list[Any]]:
    """Which nodes read a tensor.

    Args:
        model: A functional model.

    Returns:
        From the `id` of each tensor to the nodes that take it. An output of the model counts as
        read by the model itself.
    """
    found: dict[int, list[Any]] = {}
    for node in nodes(model):
        for tensor in node.input_tensors:
            found.setdefault(id(tensor), []).append(node)
    for tensor in keras.tree.flatten(model.outputs):
        found.setdefault(id(tensor), []).append(model)
    return found


def part(
    model: keras.Model,
    given: Mapping[int, Any],
    wanted: Sequence[Any],
    replay: Replay = lambda node, args, kwargs: node.operation(*args, **kwargs),
) -> list[Any]:
    """Run a part of a model's graph on other tensors; layers and weights are shared.

    Args:
        model: A functional model.
        given: From the `id` of tensors of the model to what takes their place.
        wanted: The tensors of the model whose counterparts are asked for.
        replay: Calls a node's layer on new arguments; it may call another in its place.

    Returns:
        The counterparts of `wanted`, in order.
    """
    values = dict(given)
    for node in between(model, given, wanted):
        args, kwargs = node.arguments.fill_in(values)
        outputs = keras.tree.flatten(replay(node, args, kwargs))
        values.update({id(old): new for old, new in zip(node.outputs, outputs, strict=True)})
    return [values[id(tensor)] for tensor in wanted]


def between(model: keras.Model, given: Collection[int], wanted: Sequence[Any]) -> list[Any]:
    """The nodes that lead from what is given to what is wanted, and no others.

    Args:
        model: A functional model.
        given: The `id` of each tensor that is there already.
        wanted: Tensors of the model.

    Returns:
        Keras nodes in topological order.
    """
    missing = {id(tensor) for tensor in wanted} - set(given)
    chosen = []
    for node in reversed(nodes(model)):
        if missing & {id(tensor) for tensor in node.outputs}:
            chosen.append(node)
            missing -= {id(tensor) for tensor in node.outputs}
            missing |= {id(tensor) for tensor in node.input_tensors} - set(given)
    return chosen[::-1]

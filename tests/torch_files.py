"""PyTorch's files of weights, both layouts, written without PyTorch."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C


class Tensor:
    """A tensor to be pickled as PyTorch does it, or with a lie about its shape or strides."""

    def __init__(
        self,
        array,
        shape=None,
        strides=None,
        offset=0,
        storage="FloatStorage",
        key=None,
        parameter=False,
    ):
        self.numbers = _Numbers(array, storage, key)
        self.offset = offset
        self.shape = tuple(array.shape) if shape is None else shape
        own = tuple(stride // array.itemsize for stride in array.strides)
        self.strides = own if strides is None else strides
        self.parameter = parameter

    def __reduce__(self):
        utils = sys.modules["torch._utils"]
        if self.parameter:
            data = Tensor(self.numbers.array)
            return utils._rebuild_parameter, (data, True, OrderedDict())
        described = (self.numbers, self.offset, self.shape, self.strides, False, OrderedDict())
        return utils._rebuild_tensor_v2, described


class _Numbers:
    def __init__(self, array, storage, key):
        self.array = array
        self.storage = storage
        self.key = key


class _Pickler(pickle.Pickler):
    def __init__(self, file, *, view):
        super().__init__(file, protocol=2)
        self.numbers = {}
        self.view = view

    def persistent_id(self, obj):
        if not isinstance(obj, _Numbers):
            return None
        key = obj.key or str(len(self.numbers))
        self.numbers[key] = obj.array
        kind = getattr(sys.modules["torch"], obj.storage)
        return ("storage", kind, key, "cpu", obj.array.size, *self.view)


@contextmanager
def names_of_torch() -> Iterator[None]:
    """Just enough of PyTorch's names for Python's pickler to write them down."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):

        def function(*_):
            raise AssertionError("the reader must not come here")

        function.__module__ = "torch._utils"
        function.__name__ = function.__qualname__ = name
        setattr(utils, name, function)
    for name in ("FloatStorage", "LongStorage", "HalfStorage", "ComplexFloatStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def write_legacy(path: Path, state: object) -> None:
    """Write what `torch.save` wrote before PyTorch 1.6. Inside `names_of_torch` only."""
    legacy_of(path, *_pickled(state, view=(None,)))


def write_zip(path: Path, state: object, **options: Any) -> None:
    """Write what `torch.save` writes since PyTorch 1.6. Inside `names_of_torch` only."""
    zip_of(path, *_pickled(state, view=()), **options)


def legacy_of(path: Path, pickled: bytes, numbers: Mapping[str, np.ndarray] | None = None) -> None:
    """Write the old layout around a pickle of one's own."""
    numbers = numbers or {}
    with path.open("wb") as file:
        for value in (_MAGIC_NUMBER, 1001, {"protocol_version": 1001, "little_endian": True}):
            pickle.dump(value, file, protocol=2)
        file.write(pickled)
        pickle.dump(sorted(numbers), file, protocol=2)
        for key in sorted(numbers):
            array = numbers[key]
            file.write(struct.pack("<q", array.size) + array.tobytes("A"))


def zip_of(
    path: Path,
    pickled: bytes,
    numbers: Mapping[str, np.ndarray] | None = None,
    *,
    root: str = "weights",
    compression: int = zipfile.ZIP_STORED,
) -> None:
    """Write the zip layout around a pickle of one's own."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{root}/data.pkl", pickled)
        archive.writestr(f"{root}/byteorder", "little")
        for key, array in (numbers or {}).items():
            archive.writestr(f"{root}/data/{key}", array.tobytes("A"))


def _pickled(state: object, view: tuple[object, ...]) -> tuple[bytes, dict[str, np.ndarray]]:
    file = io.BytesIO()
    pickler = _Pickler(file, view=view)
    pickler.dump(state)
    return file.getvalue(), pickler.numbers

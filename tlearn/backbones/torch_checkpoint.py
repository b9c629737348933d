"""Read the tensors of a PyTorch state dict, without PyTorch and without running anything.

A `.pth` file holds a pickle, and a pickle may name any function to be called while it is read.
Here only a few names are let through: `OrderedDict`, the functions that rebuild a tensor or a
parameter, and the names of storages. Each stands for an inert object of this module, so a file can describe
numbers and nothing else. Everything else is refused before it can run.

Two layouts exist, and `load_state_dict` tells them apart by their first bytes:

```
before PyTorch 1.6                    since PyTorch 1.6, a zip archive
  pickle: magic number                  NAME/data.pkl     the pickled state dict
  pickle: protocol version              NAME/byteorder    "little"
  pickle: sizes of types                NAME/data/0       a storage's raw numbers
  pickle: the state dict                NAME/data/1
  pickle: list of storage keys          ...
  per key: count (int64), raw numbers
```
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from tlearn.errors import BackboneError

__all__ = ["load_state_dict"]

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_STORAGE_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}


def load_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Read every tensor of a PyTorch state dict.

    Args:
        path: A file written by `torch.save(model.state_dict(), path)`.

    Returns:
        The tensors by name, in the file's order, as arrays in native byte order.

    Raises:
        BackboneError: If the file is not such a state dict, is damaged, or names anything that
            a state dict has no need of.

    Example:

    ```python
    state = load_state_dict("efficientnet-lite0.pth")
    state["_conv_stem.weight"].shape  # (32, 3, 3, 3): out, in, height, width
    ```
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                return _arrays(*_read_zip(file))
            file.seek(0)
            return _arrays(*_read_legacy(file))
    except BackboneError as error:
        raise BackboneError(f"{error} Received: path={str(path)!r}") from error
    except OSError as error:
        raise BackboneError(
            f"The weights file cannot be read ({error.strerror or error}). Give a file that "
            f"exists and may be read. Received: path={str(path)!r}"
        ) from error
    # A damaged pickle can raise nearly anything: unpickling is a machine that runs off its rails.
    except Exception as error:
        raise BackboneError(
            f"The weights file is damaged or is not a PyTorch state dict "
            f"({type(error).__name__}: {error}). Expected a file written by "
            f"torch.save(model.state_dict(), path). Received: path={str(path)!r}"
        ) from error


@dataclass(frozen=True, slots=True)
class _StorageKind:
    """Stands for `torch.FloatStorage` and its like."""

    dtype: str


@dataclass(frozen=True, slots=True)
class _Storage:
    """One run of numbers that tensors look into."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """What a tensor is, told without its numbers. `offset` and `strides` count numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _RebuildTensor:
    """Stands for `torch._utils._rebuild_tensor_v2`; an instance, so that a file cannot alter it."""

    def __call__(
        self,
        storage: object,
        offset: int,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        *_unused: object,
    ) -> _Tensor:
        if not isinstance(storage, _Storage):
            raise BackboneError("The weights file describes a tensor without its numbers.")
        return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


@dataclass(frozen=True, slots=True)
class _RebuildParameter:
    """Stands for `torch._utils._rebuild_parameter`: older files hold parameters, not tensors."""

    def __call__(self, data: object, *_unused: object) -> object:
        return data


class _InertUnpickler(pickle.Unpickler):
    """An unpickler to which only the words of a state dict are known."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _RebuildTensor()
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _RebuildParameter()
        if module == "torch" and name in _STORAGE_DTYPES:
            return _StorageKind(_STORAGE_DTYPES[name])
        raise BackboneError(
            f"The weights file was refused: it asks for {module}.{name}, and a file of weights "
            "has no need of it. Nothing in the file was run. Use a plain state dict, as "
            "torch.save(model.state_dict(), path) writes it."
        )

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_kind, key, _location, count, *view = pid
        if kind != "storage" or not isinstance(storage_kind, _StorageKind) or any(view):
            raise BackboneError("The weights file holds a storage of an unknown kind.")
        return _Storage(storage_kind.dtype, str(key), int(count))


_Described = tuple[dict[str, _Tensor], dict[str, np.ndarray]]


def _read_legacy(file: IO[bytes]) -> _Described:
    if _InertUnpickler(file).load() != _MAGIC_NUMBER:
        raise BackboneError(
            "The weights file is not a PyTorch state dict: it does not open with PyTorch's magic "
            "number. Expected a file written by torch.save(model.state_dict(), path)."
        )
    version = _InertUnpickler(file).load()
    system = _InertUnpickler(file).load()
    if version != _PROTOCOL_VERSION or system.get("little_endian") is not True:
        raise BackboneError(
            "The weights file has a layout that is not known here: expected protocol version "
            f"{_PROTOCOL_VERSION}, little-endian, and found {version!r}, {system!r}."
        )
    tensors = _tensors(_InertUnpickler(file).load())
    keys = _InertUnpickler(file).load()
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    numbers = {}
    for key in keys:
        if key not in storages:
            raise BackboneError("The weights file holds numbers that belong to no tensor.")
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little", signed=True)
        data = file.read(storage.count * np.dtype(storage.dtype).itemsize)
        numbers[key] = _numbers(storage, data, count)
    return tensors, numbers


def _read_zip(file: IO[bytes]) -> _Described:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        pickled = next((name for name in names if name.endswith("/data.pkl")), None)
        if pickled is None:
            raise BackboneError(
                "The weights file is a zip archive, but not one that PyTorch wrote: it holds no "
                "data.pkl. Expected a file written by torch.save(model.state_dict(), path)."
            )
        root = pickled[: -len("data.pkl")]
        if f"{root}byteorder" in names and _read(archive, f"{root}byteorder") != b"little":
            raise BackboneError("The weights file is big-endian; expected little-endian.")
        tensors = _tensors(_InertUnpickler(io.BytesIO(_read(archive, pickled))).load())
        numbers = {}
        for storage in {tensor.storage for tensor in tensors.values()}:
            data = _read(archive, f"{root}data/{storage.key}")
            numbers[storage.key] = _numbers(storage, data, storage.count)
        return tensors, numbers


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    # Only read, never unpacked to a path. A compressed member could swell beyond all memory.
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise BackboneError(
            "The weights file is a compressed zip archive, and PyTorch writes uncompressed ones. "
            "Expected a file written by torch.save(model.state_dict(), path)."
        )
    return archive.read(name)


def _tensors(described: object) -> dict[str, _Tensor]:
    if not isinstance(described, dict) or not all(
        isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in described.items()
    ):
        raise BackboneError(
            "The weights file does not hold a plain state dict: expected tensors by name. Save "
            "model.state_dict() itself, not the model or a training checkpoint around it."
        )
    return described


def _numbers(storage: _Storage, data: bytes, count: int) -> np.ndarray:
    dtype = np.dtype(storage.dtype)
    if count != storage.count or len(data) != count * dtype.itemsize:
        raise BackboneError(
            f"The weights file is cut short or damaged: expected {storage.count} numbers in "
            f"storage {storage.key!r}, and found {len(data) // dtype.itemsize}. Fetch it again."
        )
    return np.frombuffer(data, dtype)


def _arrays(tensors: dict[str, _Tensor], numbers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: _array(name, tensor, numbers[tensor.storage.key]) for name, tensor in tensors.items()
    }


def _array(name: str, tensor: _Tensor, numbers: np.ndarray) -> np.ndarray:
    # Strides come from the file and as_strided checks nothing: a view may not leave its storage,
    # nor be larger than it (a stride of nought repeats one number without end).
    last = tensor.offset + sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    inside = min((tensor.offset, *tensor.shape, *tensor.strides)) >= 0 and last < len(numbers)
    if not inside or math.prod(tensor.shape) > len(numbers):
        raise BackboneError(f"The weights file describes {name!r} as larger than its numbers.")
    strides = tuple(stride * numbers.itemsize for stride in tensor.strides)
    view = np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :], tensor.shape, strides, writeable=False
    )
    return np.ascontiguousarray(view).reshape(tensor.shape)

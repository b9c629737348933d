"""State dicts are read to the last bit, and nothing that a file asks for is ever run."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from tlearn.backbones import resolve
from tlearn.backbones.presence import bundled_file
from tlearn.backbones.torch_checkpoint import load_state_dict
from tlearn.errors import BackboneError

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C


class _Tensor:
    """A tensor to be pickled as PyTorch does it, or with a lie about its shape or strides."""

    def __init__(self, array, shape=None, strides=None, offset=0, storage="FloatStorage"):
        self.array = array
        self.storage = storage
        self.offset = offset
        self.shape = tuple(array.shape) if shape is None else shape
        own = tuple(stride // array.itemsize for stride in array.strides)
        self.strides = own if strides is None else strides

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        numbers = _Numbers(self.array, self.storage)
        return rebuild, (numbers, self.offset, self.shape, self.strides, False, OrderedDict())


class _Numbers:
    def __init__(self, array, storage):
        self.array = array
        self.storage = storage


class _Pickler(pickle.Pickler):
    def __init__(self, file, *, view):
        super().__init__(file, protocol=2)
        self.numbers = {}
        self.view = view

    def persistent_id(self, obj):
        if not isinstance(obj, _Numbers):
            return None
        key = str(len(self.numbers))
        self.numbers[key] = obj.array
        kind = getattr(sys.modules["torch"], obj.storage)
        return ("storage", kind, key, "cpu", obj.array.size, *self.view)


@pytest.fixture
def fake_torch(monkeypatch):
    """Just enough of PyTorch's names for Python's pickler to write them down."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*_):
        raise AssertionError("the reader must not come here")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    for name in ("FloatStorage", "LongStorage", "HalfStorage", "ComplexFloatStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def _write_legacy(path: Path, state: object) -> None:
    with path.open("wb") as file:
        for value in (_MAGIC_NUMBER, 1001, {"protocol_version": 1001, "little_endian": True}):
            pickle.dump(value, file, protocol=2)
        pickler = _Pickler(file, view=(None,))
        pickler.dump(state)
        pickle.dump(sorted(pickler.numbers), file, protocol=2)
        for key in sorted(pickler.numbers):
            array = pickler.numbers[key]
            file.write(struct.pack("<q", array.size) + array.tobytes("A"))


def _write_zip(path: Path, state: object) -> None:
    pickled = io.BytesIO()
    pickler = _Pickler(pickled, view=())
    pickler.dump(state)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", pickled.getvalue())
        archive.writestr("weights/byteorder", "little")
        for key, array in pickler.numbers.items():
            archive.writestr(f"weights/data/{key}", array.tobytes("A"))


_WRITERS = pytest.mark.parametrize("write", [_write_legacy, _write_zip])


@_WRITERS
def test_every_tensor_comes_back_as_it_was(tmp_path, fake_torch, write):
    weight = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    turned = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    half = np.array([0.5, -2], np.float16)
    state = OrderedDict(
        weight=_Tensor(weight),
        turned=_Tensor(turned),
        steps=_Tensor(np.array(7, np.int64), storage="LongStorage"),
        half=_Tensor(half, storage="HalfStorage"),
    )
    write(tmp_path / "state.pth", state)
    found = load_state_dict(tmp_path / "state.pth")
    assert list(found) == ["weight", "turned", "steps", "half"]
    np.testing.assert_array_equal(found["weight"], weight)
    np.testing.assert_array_equal(found["turned"], turned)
    np.testing.assert_array_equal(found["half"], half)
    assert found["steps"].shape == ()
    assert found["steps"] == 7


def test_the_bundled_weights_are_read_whole():
    state = load_state_dict(bundled_file(resolve("efficientnet_lite0")))
    assert state["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert state["_fc.weight"].shape == (1000, 1280)
    trained = {name: value for name, value in state.items() if "num_batches" not in name}
    assert sum(value.size for value in trained.values()) == 4_694_024
    assert all(np.isfinite(value).all() for value in trained.values())
    assert all((value >= 0).all() for name, value in trained.items() if "running_var" in name)


class _Evil:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@_WRITERS
@pytest.mark.parametrize("place", ["alone", "among tensors"])
def test_a_planted_call_is_refused_and_not_run(tmp_path, fake_torch, write, place):
    witness = tmp_path / "it ran"
    evil = _Evil(os.mkdir, str(witness))
    tensor = _Tensor(np.ones(3, np.float32))
    write(tmp_path / "evil.pth", evil if place == "alone" else OrderedDict(a=tensor, b=evil))
    with pytest.raises(BackboneError, match=r"asks for posix\.mkdir|asks for nt\.mkdir"):
        load_state_dict(tmp_path / "evil.pth")
    assert not witness.exists()
    # The same file does run what it asks for when it is read carelessly.
    if write is _write_legacy and place == "alone":
        with (tmp_path / "evil.pth").open("rb") as file:
            for _ in range(4):
                pickle.load(file)
        assert witness.exists()


@pytest.mark.parametrize("call", [eval, getattr, __import__, bytes])
def test_even_the_first_pickle_of_the_file_is_guarded(tmp_path, call):
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(_Evil(call, "1"), protocol=2))
    with pytest.raises(BackboneError, match="was refused"):
        load_state_dict(tmp_path / "evil.pth")


def test_a_name_that_only_looks_like_a_storage_is_refused(tmp_path, fake_torch):
    tensor = _Tensor(np.ones(2, np.float32), storage="ComplexFloatStorage")
    _write_legacy(tmp_path / "state.pth", {"a": tensor})
    with pytest.raises(BackboneError, match=r"asks for torch\.ComplexFloatStorage"):
        load_state_dict(tmp_path / "state.pth")


@pytest.mark.parametrize(
    "lie",
    [
        {"shape": (5,), "strides": (1,)},
        {"shape": (2,), "strides": (4,)},
        {"shape": (4,), "strides": (1,), "offset": 1},
        {"shape": (2,), "strides": (-1,), "offset": 1},
        {"shape": (2,), "strides": (1,), "offset": -1},
        {"shape": (10**9,), "strides": (0,)},
    ],
)
def test_a_tensor_may_not_look_outside_its_numbers(tmp_path, fake_torch, lie):
    _write_legacy(tmp_path / "state.pth", {"a": _Tensor(np.ones(4, np.float32), **lie)})
    with pytest.raises(BackboneError, match="larger than its numbers"):
        load_state_dict(tmp_path / "state.pth")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_file_that_is_cut_short_is_refused(tmp_path, fake_torch, share):
    path = tmp_path / "state.pth"
    _write_legacy(path, {"a": _Tensor(np.ones(1000, np.float32))})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(BackboneError, match="damaged"):
        load_state_dict(path)


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"\x89PNG\r\n", pickle.dumps(7)])
def test_a_file_of_another_kind_is_refused_with_its_path(tmp_path, content):
    (tmp_path / "state.pth").write_bytes(content)
    with pytest.raises(BackboneError, match=r"Received: path=.*state\.pth"):
        load_state_dict(tmp_path / "state.pth")


def test_a_zip_of_something_else_and_a_missing_file_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("photo.jpg", b"")
    with pytest.raises(BackboneError, match=r"no data\.pkl"):
        load_state_dict(tmp_path / "photos.zip")
    with pytest.raises(BackboneError, match="No such file"):
        load_state_dict(tmp_path / "nowhere.pth")


@_WRITERS
def test_a_whole_checkpoint_is_refused_with_what_to_save_instead(tmp_path, fake_torch, write):
    write(tmp_path / "state.pth", {"epoch": 3, "model": {"a": _Tensor(np.ones(3, np.float32))}})
    with pytest.raises(BackboneError, match="plain state dict"):
        load_state_dict(tmp_path / "state.pth")

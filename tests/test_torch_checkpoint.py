"""State dicts are read to the last bit, and nothing that a file asks for is ever run."""

from __future__ import annotations

import os
import pickle
import subprocess
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from torch_files import (
    Tensor,
    legacy_of,
    names_of_torch,
    write_legacy,
    write_zip,
    zip_of,
)

from tlearn.backbones import resolve
from tlearn.backbones.presence import bundled_file
from tlearn.backbones.torch_checkpoint import load_state_dict
from tlearn.errors import BackboneError


@pytest.fixture
def fake_torch():
    with names_of_torch():
        yield


_WRITERS = pytest.mark.parametrize("write", [write_legacy, write_zip])


@_WRITERS
def test_every_tensor_comes_back_as_it_was(tmp_path, fake_torch, write):
    weight = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    turned = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    half = np.array([0.5, -2], np.float16)
    state = OrderedDict(
        weight=Tensor(weight),
        turned=Tensor(turned),
        steps=Tensor(np.array(7, np.int64), storage="LongStorage"),
        half=Tensor(half, storage="HalfStorage"),
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
    tensor = Tensor(np.ones(3, np.float32))
    write(tmp_path / "evil.pth", evil if place == "alone" else OrderedDict(a=tensor, b=evil))
    with pytest.raises(BackboneError, match=r"asks for posix\.mkdir|asks for nt\.mkdir"):
        load_state_dict(tmp_path / "evil.pth")
    assert not witness.exists()
    # The same file does run what it asks for when it is read carelessly.
    if write is write_legacy and place == "alone":
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
    tensor = Tensor(np.ones(2, np.float32), storage="ComplexFloatStorage")
    write_legacy(tmp_path / "state.pth", {"a": tensor})
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
    write_legacy(tmp_path / "state.pth", {"a": Tensor(np.ones(4, np.float32), **lie)})
    with pytest.raises(BackboneError, match="larger than its numbers"):
        load_state_dict(tmp_path / "state.pth")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_file_that_is_cut_short_is_refused(tmp_path, fake_torch, share):
    path = tmp_path / "state.pth"
    write_legacy(path, {"a": Tensor(np.ones(1000, np.float32))})
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
    write(tmp_path / "state.pth", {"epoch": 3, "model": {"a": Tensor(np.ones(3, np.float32))}})
    with pytest.raises(BackboneError, match="plain state dict"):
        load_state_dict(tmp_path / "state.pth")


def test_parameters_are_read_as_the_tensors_that_they_are(tmp_path, fake_torch):
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_legacy(tmp_path / "state.pth", OrderedDict(a=Tensor(weight, parameter=True)))
    np.testing.assert_array_equal(load_state_dict(tmp_path / "state.pth")["a"], weight)


# Files that mean harm. Each would leave a file behind if anything in it ran.

_RAW = pytest.mark.parametrize("wrap", [legacy_of, zip_of])


@_RAW
@pytest.mark.parametrize("protocol", [0, 2, 4])  # GLOBAL by lines, by length, and STACK_GLOBAL
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (os.system, "touch '{}'"),
        (eval, "__import__('os').mkdir({!r})"),
        (exec, "__import__('os').mkdir({!r})"),
        (subprocess.getoutput, "touch '{}'"),
    ],
)
def test_no_spelling_of_a_planted_call_gets_through(
    tmp_path, wrap, protocol, nested, call, argument
):
    witness = tmp_path / "it ran"
    evil = _Evil(call, argument.format(str(witness)))
    state = OrderedDict(a=[(1, {"b": evil})]) if nested else evil
    pickled = pickle.dumps(state, protocol)
    wrap(tmp_path / "evil.pth", pickled)
    with pytest.raises(BackboneError, match="was refused: it asks for"):
        load_state_dict(tmp_path / "evil.pth")
    assert not witness.exists()
    pickle.loads(pickled)
    assert witness.exists()  # so it does run when it is read carelessly


_REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
_STORAGE = b"ctorch\nFloatStorage\n"


@_RAW
@pytest.mark.parametrize(
    "pickled",
    [
        # A state that would replace a method of OrderedDict itself, in both forms of BUILD.
        b"\x80\x02ccollections\nOrderedDict\n}U\x03popK\x01sb.",
        b"\x80\x02ccollections\nOrderedDict\nN}U\x03popK\x01s\x86b.",
        # One that would replace what rebuilds a tensor.
        b"\x80\x02" + _REBUILD + b"}U\x08__call__ccollections\nOrderedDict\nsb.",
        b"\x80\x02" + _REBUILD + b"N}U\x08__call__K\x01s\x86b.",
        # A storage that is made to hold Python objects in place of numbers.
        b"\x80\x02}U\x01a" + _REBUILD + b"((U\x07storage" + _STORAGE + b"]U\x01Oab"
        b"U\x010U\x03cpuK\x01tQK\x00K\x01\x85K\x01\x85\x89}tRs.",
        # A class asked for by way of another name's attributes, and an unknown extension.
        b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.",
        b"\x80\x02\x82\x01.",
        # A storage, called as if it were a function.
        b"\x80\x02" + _STORAGE + b"K\x01\x85R.",
    ],
)
def test_a_file_cannot_alter_what_reads_it(tmp_path, fake_torch, wrap, pickled):
    pop = OrderedDict.pop
    wrap(tmp_path / "evil.pth", pickled, {"0": np.ones(2, np.float32)})
    with pytest.raises(BackboneError, match=r"Received: path="):
        load_state_dict(tmp_path / "evil.pth")
    assert OrderedDict.pop is pop
    write_zip(tmp_path / "good.pth", {"a": Tensor(np.ones(2, np.float32))})
    np.testing.assert_array_equal(load_state_dict(tmp_path / "good.pth")["a"], [1, 1])


@pytest.mark.parametrize("root", ["..", "/outside", "a/../../b", "weights"])
@pytest.mark.parametrize("key", ["0", "../../outside", "/outside"])
def test_names_in_a_zip_that_climb_write_nothing(tmp_path, fake_torch, root, key):
    folder = tmp_path / "deep" / "down"
    folder.mkdir(parents=True)
    weight = np.arange(3, dtype=np.float32)
    write_zip(folder / "state.pth", {"a": Tensor(weight, key=key)}, root=root)
    np.testing.assert_array_equal(load_state_dict(folder / "state.pth")["a"], weight)
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert files == ["state.pth"]


def test_a_zip_whose_numbers_would_swell_is_refused(tmp_path, fake_torch):
    state = {"a": Tensor(np.zeros(10**6, np.float32))}
    write_zip(tmp_path / "bomb.pth", state, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(BackboneError, match=r"compressed.*Received: path="):
        load_state_dict(tmp_path / "bomb.pth")

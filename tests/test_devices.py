"""Which devices train, and that several of them train as one; each in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tlearn.devices.asking import CLUSTER, Asked, asked
from tlearn.devices.group import ONE, Group
from tlearn.errors import DeviceError

ROOT = Path(__file__).resolve().parents[1]

OPENED = """
import numpy as np
from tlearn.devices.asking import asked
from tlearn.devices.opening import open_group
"""


def program(text: str, **environment: str) -> subprocess.Popen[str]:
    """A fresh process that begins with `OPENED`; TensorFlow sees the CPU alone."""
    return subprocess.Popen(
        [sys.executable, "-c", OPENED + text],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def cluster(task: object = None, **kinds: object) -> str:
    return json.dumps({"cluster": kinds, "task": task or {"type": "worker", "index": 0}})


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLUSTER, raising=False)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), Asked("auto")),
        (("ALL",), Asked("all")),
        ((2,), Asked(2)),
        (("2",), Asked(2)),
        (("auto", "a:1,b:2", 1), Asked("auto", ("a:1", "b:2"), 1)),
        (("auto", ["a:1", "[::1]:2"], 0), Asked("auto", ("a:1", "[::1]:2"), 0)),
    ],
)
def test_what_is_asked_for(arguments: tuple[object, ...], expected: Asked) -> None:
    assert asked(*arguments) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        (("none",), "auto, all, or a number"),
        ((0,), "auto, all, or a number"),
        (("auto", "a:1,b:1"), "a --worker of its own"),
        (("auto", None, 1), "a --worker of its own"),
        (("auto", "a:1,b:1", 2), "from 0"),
        (("auto", "a:1,a:1", 0), "each once"),
        (("auto", "a,b", 0), "HOST:PORT"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[object, ...], about: str) -> None:
    with pytest.raises(DeviceError, match=about):
        asked(*arguments)  # type: ignore[arg-type]


def test_tf_config_says_who_is_who(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CLUSTER, cluster({"type": "worker", "index": 1}, worker=["a:1", "b:1"]))
    assert asked() == Asked("auto", ("a:1", "b:1"), 1)
    monkeypatch.setenv(
        CLUSTER, cluster({"type": "worker", "index": 0}, chief=["a:1"], worker=["b:1"])
    )
    assert asked() == Asked("auto", ("a:1", "b:1"), 1)
    assert asked("auto", "x:1,y:1", 0).addresses == ("x:1", "y:1"), "arguments win"
    monkeypatch.setenv(CLUSTER, "{}")
    assert asked() == Asked()


def test_each_worker_has_its_part_of_a_batch_and_of_the_photos() -> None:
    class Four:
        num_replicas_in_sync = 4

    workers = [Group(Four(), workers=2, worker=number) for number in (0, 1)]
    assert [worker.places(10) for worker in workers] == [range(6), range(6, 12)]
    digests = [f"{number:064x}" for number in range(0, 2**40, 2**33)]
    for digest in digests:
        assert [worker.is_mine(digest) for worker in workers].count(True) == 1
    assert ONE.places(10) is None
    assert ONE.is_mine(digests[0])


@pytest.mark.parametrize(
    ("config", "about"),
    [
        ("not json", "must be JSON"),
        ("[1]", "must be JSON"),
        (cluster(worker=["a:1"], ps=["b:1"]), "parameter servers"),
        (cluster({"type": "evaluator", "index": 0}, worker=["a:1"]), "evaluators"),
    ],
)
def test_a_tf_config_of_another_kind_is_refused(
    config: str, about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CLUSTER, config)
    with pytest.raises(DeviceError, match=about):
        asked()


def test_parts_of_a_cpu_train_as_one_device_and_only_with_gradients_added_up_first() -> None:
    found = told(
        program(
            "try: open_group(asked('all'))\n"
            "except Exception as error: print(type(error).__name__, error)\n"
            "print(open_group(asked()).replicas)\n"
            "group = open_group(asked(2))\n"
            "print(group.replicas, group.names, group.is_chief)\n"
            "from tlearn.devices.opening import open_for\n"
            "print(open_for(2, 'auto', 'mixed_float16')[1])\n"
            "try: open_for(2, 'mixed_float16', 'mixed_float16')\n"
            "except Exception as error: print(type(error).__name__, error)\n"
            "from tlearn.devices import proof\n"
            "import keras\n"
            "proof._Steps = keras.optimizers.SGD\n"
            "try: proof.prove(group)\n"
            "except Exception as error: print(type(error).__name__, error)\n"
        )
    )
    without_gpu, alone, first, policy, half, second = found.strip().splitlines()
    assert policy == "float32"
    assert half.startswith("DeviceError Several devices cannot train in mixed_float16")
    assert without_gpu.startswith("DeviceError No GPU is seen here")
    assert alone == "1"
    assert first == "2 ('CPU:0', 'CPU:1') True"
    assert second.startswith("DeviceError Several devices do not train as one here")


TRAINED = """
import dataclasses
import keras, tensorflow as tf
from tlearn import recipes, stages
from tlearn.devices.group import ONE

random = np.random.default_rng(0)
def batches(count):
    inputs, labels = random.normal(size=(count, 6)).astype("float32"), np.arange(count) % 3
    return tf.data.Dataset.from_tensor_slices((inputs + labels[:, None], labels)).batch(8)

train, validation = batches(27), batches(11)
plan = [
    dataclasses.replace(stage, epochs=2, learning_rate=0.1, solver="adamw")
    for stage in recipes.freeze_then_unfreeze(27)
]
def only_mine(batches, group):  # other workers' places hold nothing
    places = group.places(8)
    def hide(inputs, labels):
        here = tf.range(tf.shape(labels)[0])
        seen = (here >= places.start) & (here < places.stop)
        return tf.where(seen[:, None], inputs, 0.0), labels
    return batches if places is None else batches.map(hide)

def trained(group, count=2):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), keras.layers.Dense(3)])
    data = only_mine(train, group), only_mine(validation, group)
    done = stages.run(model, plan[:count], *data, group=group)
    return done, model

def differences(group):
    (one, alone), (several, together) = trained(ONE), trained(group)
    weights = zip(alone.get_weights(), together.get_weights())
    print(max(float(np.abs(a - b).max()) for a, b in weights))
    for column in ("val_log_loss", "val_accuracy", "accuracy"):
        print(float(np.abs(one.history[column] - several.history[column]).max()))
"""


@pytest.mark.slow
def test_two_devices_come_to_the_weights_of_one_where_the_last_batch_is_uneven() -> None:
    found = told(program("group = open_group(asked(2))\n" + TRAINED + "differences(group)\n"))
    assert [float(one) for one in found.split()] == pytest.approx([0] * 4, abs=1e-5)


@pytest.mark.slow
def test_two_workers_train_as_one_and_hear_the_chief() -> None:
    addresses = ",".join(f"localhost:{port}" for port in free_ports(2))
    workers = [
        program(
            f"group = open_group(asked('auto', '{addresses}', {number}))\n"
            "ours = group.weights([np.full((2, 3), group.worker + 0.1, np.float32)])\n"
            "print(group.replicas, group.is_chief, group.text(f'by {group.worker}'))\n"
            "print(group.all(True), group.all(group.is_chief), ours[0].shape, ours[0].max())\n"
            "group.wait()\n" + TRAINED + "differences(group)\n"
        )
        for number in (0, 1)
    ]
    said = [told(worker).strip().splitlines() for worker in workers]
    assert [one[0] for one in said] == ["2 True by 0", "2 False by 0"]
    assert [one[1] for one in said] == ["True False (2, 3) 0.1"] * 2
    for one in said:
        assert [float(value) for value in one[2:]] == pytest.approx([0] * 4, abs=1e-5)


@pytest.mark.slow
def test_keras_without_the_mend_does_not_train_in_several_workers() -> None:
    """When this fails, Keras has mended it: https://github.com/keras-team/keras/issues/20585."""
    addresses = ",".join(f"localhost:{port}" for port in free_ports(2))
    workers = [
        program(
            "from tlearn.devices import mending\n"
            "mending.mend = lambda: None\n"
            f"try: open_group(asked('auto', '{addresses}', {number}))\n"
            "except Exception as error: print(mending.is_needed(), type(error.__cause__).__name__)\n"
        )
        for number in (0, 1)
    ]
    assert [told(worker).strip() for worker in workers] == ["True ValueError"] * 2

"""The script by which `verification` asks a SavedModel, in a process that knows nothing of tlearn.

Run as `python -I saved_model_check.py SAVED_MODEL RESULT.npz BATCH_SIZE`. On standard input come
frames, each an eight-byte length and as many bytes: first the caller's `sys.path` in JSON, so
that TensorFlow is found wherever the caller found it, then one frame per photo.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

__all__ = ["batches", "frames", "main", "peak_memory"]

BATCH_BYTES = 64 * 2**20


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """Read frames until the stream ends."""
    while header := stream.read(8):
        yield stream.read(int.from_bytes(header, "big"))


def batches(photos: Iterator[bytes], batch_size: int) -> Iterator[list[bytes]]:
    """Gather photos into batches that are bounded in number and, but for their last, in bytes."""
    batch: list[bytes] = []
    for photo in photos:
        batch.append(photo)
        if len(batch) == batch_size or sum(map(len, batch)) > BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def peak_memory() -> int:
    """The most memory that this process has had at once, in bytes."""
    try:
        # Not `ru_maxrss`, which on Linux counts that of the process that started this one.
        with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError):
        import psutil

        used = psutil.Process().memory_info()
        return int(getattr(used, "peak_wset", used.rss))  # a peak on Windows only


def main(saved_model: str, result: str, batch_size: int, stream: BinaryIO) -> None:
    """Answer every photo of `stream` with a SavedModel, and write what it said to `result`."""
    photos = frames(stream)
    sys.path.extend(json.loads(next(photos)))
    for name in ("keras", "tlearn"):
        # From here on, importing either is an error: TensorFlow imports Keras by itself where
        # it can, which would hide that the SavedModel needs it.
        sys.modules[name] = None  # type: ignore[assignment]

    import numpy as np
    import tensorflow as tf

    loaded = tf.saved_model.load(saved_model)
    about = loaded.signatures["about"]()
    class_names = [name.decode() for name in about["class_names"].numpy()]
    probabilities = [np.zeros((0, len(class_names)), np.float32)]
    indices = [np.zeros(0, np.int64)]
    names: list[str] = []
    seconds: list[float] = []
    doubts: dict[str, list[np.ndarray]] = {"unsure": [], "unlike": [], "distance": []}
    answer = loaded.signatures["serving_default"]
    for batch in batches(photos, batch_size):
        started = time.perf_counter()
        said = answer(images=tf.constant(batch))
        probabilities.append(said["probabilities"].numpy())
        seconds.append(time.perf_counter() - started)
        indices.append(said["class_index"].numpy())
        names.extend(name.decode() for name in said["class_name"].numpy())
        for kind in doubts.keys() & said.keys():
            doubts[kind].append(said[kind].numpy())
    found: dict[str, Any] = {
        "probabilities": np.concatenate(probabilities),
        "class_index": np.concatenate(indices),
        "class_name": np.array(names, dtype=str),
        "class_names": np.array(class_names, dtype=str),
        **{kind: np.concatenate(parts) for kind, parts in doubts.items() if parts},
        **{name: about[name].numpy() for name in ("threshold",) if name in about},
        # The first batch makes ready what the others use.
        "seconds": np.median(seconds[1:] or seconds or [0.0]),
        "peak_memory": peak_memory(),
    }
    with open(result, "wb") as file:  # noqa: PTH123
        np.savez(file, **found)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.stdin.buffer)

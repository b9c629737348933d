"""The proof that a SavedModel answers photos as the evaluation did, from a fresh process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pandas as pd

from tlearn.errors import DecodeError, ExportError
from tlearn.export import doubts_check
from tlearn.photos.photo_bytes import servable
from tlearn.progress import SILENT, Progress

__all__ = ["Answers", "TIE", "ask", "compare", "verify"]

TIE = 1e-4
"""Two classes whose evaluated probabilities are this near each other may change places."""

_NAMED = 5


@dataclass(frozen=True)
class Answers:
    """What a SavedModel said of some photos.

    Attributes:
        class_names: `(classes,)`, as they stand in the SavedModel.
        class_index: int64 `(photos,)`, -1 for an unreadable photo.
        class_name: `(photos,)`, empty for an unreadable photo.
        probabilities: float32 `(photos, classes)`.
        unsure: bool `(photos,)`, or `None` where the SavedModel has no limits.
        unlike: bool `(photos,)`, likewise.
        distance: float32 `(photos,)`, likewise.
        threshold: float32, below which probability it is unsure, likewise.
        seconds: float64, for one batch, the median of all but the first.
        peak_memory: int64, of the process that answered, in bytes.
    """

    class_names: npt.NDArray
    class_index: npt.NDArray
    class_name: npt.NDArray
    probabilities: npt.NDArray
    unsure: npt.NDArray | None = None
    unlike: npt.NDArray | None = None
    distance: npt.NDArray | None = None
    threshold: npt.NDArray | None = None
    seconds: npt.NDArray | None = None
    peak_memory: npt.NDArray | None = None


def verify(
    directory: str | Path,
    examples: pd.DataFrame,
    probabilities: npt.NDArray[np.floating],
    class_names: Sequence[str],
    *,
    doubts: pd.DataFrame | None = None,
    batch_size: int = 32,
    progress: Progress = SILENT,
) -> float:
    """Feed photos' bytes to a SavedModel in a fresh process and compare with known answers.

    The process can import neither Keras nor tlearn, and uses the CPU, since this process may
    hold all the memory of a GPU. Compare with probabilities computed in float32 (on a GPU with
    TensorFloat-32 off): those of a mixed-precision model differ by more than a tie.

    Args:
        directory: A SavedModel written by `export`.
        examples: The photos, with the columns `path` and `decoder` (`"graph"` or `"pillow"`).
            What only Pillow can decode is sent as PNG bytes.
        probabilities: What the evaluation gave, `(photos, classes)`.
        class_names: In the order of `probabilities`.
        doubts: What the evaluation gave as `unsure`, `unlike`, `distance` and `probability`, a row
            per photo; the SavedModel must doubt the same photos.
        batch_size: Photos per call.
        progress: Who watches.

    Returns:
        The largest absolute difference between two probabilities.

    Raises:
        ExportError: The most probable class changed for a photo (other than between two classes
            within 1e-4 of each other), or whether it is unsure or unlike, a photo could not be
            read, the class names differ, or the process failed.
    """
    if probabilities.shape != (len(examples), len(class_names)):
        raise ValueError(
            "The examples and their probabilities do not belong together. Expected shape "
            f"({len(examples)}, {len(class_names)}). "
            f"Received: probabilities.shape={probabilities.shape}"
        )
    answers = ask(directory, examples, batch_size=batch_size, progress=progress)
    difference = compare(answers, examples, probabilities, class_names)
    if doubts is not None:
        doubts_check.compare(answers, examples, doubts)
    return difference


def ask(
    directory: str | Path,
    examples: pd.DataFrame,
    *,
    batch_size: int = 32,
    progress: Progress = SILENT,
) -> Answers:
    """Have a fresh process answer photos with a SavedModel. The arguments are those of `verify`.

    Raises:
        ExportError: The process failed, or a photo could not be read here.
    """
    with tempfile.TemporaryDirectory(prefix="tlearn-") as scratch:
        result = Path(scratch) / "answers.npz"
        script = Path(__file__).with_name("saved_model_check.py")
        command = [sys.executable, "-I", str(script), str(Path(directory).absolute())]
        command += [str(result), str(batch_size)]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment
            )
            try:
                _feed(process, examples, progress)
                status = process.wait()
            finally:
                process.kill()  # Does nothing to a process that has ended.
                process.wait()
            if status != 0:
                raise ExportError(
                    "The SavedModel could not be checked: the fresh process that loaded it "
                    "failed. Expected it to load with TensorFlow alone and to answer every photo. "
                    f"Received: directory={str(directory)!r}, exit status {status}, "
                    f"last words:\n{_last_words(said)}"
                )
        with np.load(result) as answers:
            return Answers(**{one.name: answers.get(one.name) for one in fields(Answers)})


def _feed(process: subprocess.Popen[bytes], examples: pd.DataFrame, progress: Progress) -> None:
    stream = process.stdin
    if stream is None:
        raise ValueError("The process must have a pipe as its standard input.")
    # A broken pipe means that the process has died; its exit status and last words tell why.
    with (
        contextlib.suppress(BrokenPipeError),
        stream,
        progress.task("Checking the SavedModel", total=len(examples)) as task,
    ):
        _send(stream, json.dumps(sys.path).encode())
        for data in _photos(examples):
            _send(stream, data)
            task.advance()


def _photos(examples: pd.DataFrame) -> Iterator[bytes]:
    for path, decoder in zip(examples["path"], examples["decoder"], strict=True):
        try:
            yield servable(Path(path).read_bytes(), decoder)
        except (OSError, DecodeError) as error:
            raise ExportError(
                "The SavedModel could not be checked: a photo can no longer be read. Expected "
                f"the photos to stay where they are until the run ends. Received: {path!r} "
                f"({error})"
            ) from error


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(8, "big"))
    stream.write(data)


def _last_words(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - 4000))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return "\n".join(lines[-10:])


def compare(
    answers: Answers,
    examples: pd.DataFrame,
    probabilities: npt.NDArray[np.floating],
    class_names: Sequence[str],
) -> float:
    """Hold the answers of a SavedModel against the evaluation's, as `verify` does.

    Returns:
        The largest absolute difference between two probabilities.

    Raises:
        ExportError: They disagree.
    """
    inside = answers.class_names.tolist()
    if inside != list(class_names):
        raise ExportError(
            "The SavedModel has other class names than the evaluation, or another order. "
            f"Expected {list(class_names)}. Received: class_names={inside}"
        )
    if len(examples) == 0:
        return 0.0
    index, served = answers.class_index, answers.probabilities.astype(np.float64)
    evaluated = probabilities.astype(np.float64)
    difference = float(np.abs(served - evaluated).max())
    rows = np.arange(len(examples))
    best = evaluated.argmax(axis=1)
    tied = (index >= 0) & (evaluated[rows, best] - evaluated[rows, index] <= TIE)
    named = np.array(["", *class_names], dtype=object)[index + 1]
    wrong = (index != best) & ~tied
    wrong |= named != answers.class_name.astype(object)
    wrong |= ~np.isfinite(served - evaluated).all(axis=1)
    if not wrong.any():
        return difference

    def told(row: int) -> str:
        says = f"{answers.class_name[row]!s} {served[row].max():.4f} from the SavedModel"
        return (
            f"\n  {examples['path'].iloc[row]}: {class_names[best[row]]} "
            f"{evaluated[row, best[row]]:.4f} in the evaluation, "
            + (says if index[row] >= 0 else "unreadable to the SavedModel")
        )

    at = np.flatnonzero(wrong)
    more = f"\n  and {len(at) - _NAMED} more" if len(at) > _NAMED else ""
    raise ExportError(
        f"The SavedModel does not answer as the trained model did: {len(at)} of {len(examples)} "
        f"predictions changed, probabilities by up to {difference:.3g}. Expected every prediction "
        "to be the same. Do not use this export; a model whose answers depend on the batch or on "
        f"chance cannot be exported. Received:{''.join(map(told, at[:_NAMED]))}{more}"
    )

"""What an exported file says of the test photos, in its own runtime, beside what the run said."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tlearn import export, processors
from tlearn.errors import ExportError
from tlearn.export import TIE
from tlearn.formats import samples
from tlearn.formats.kinds import Wanted
from tlearn.progress import Progress
from tlearn.runs import Run

__all__ = ["Proof", "prove"]

_LAST_WORDS = 2000


@dataclass(frozen=True)
class Proof:
    """What a file said.

    Attributes:
        wanted: What the file is.
        photos: How many were asked.
        accuracy: Of the file on them, 0..1.
        reference: Of the run on them.
        changed: Photos whose most probable class is another, other than by a tie.
        difference: The largest one between two probabilities, 0..1.
        seconds: For one photo at a time, the median. Of a SavedModel with decoding and resizing.
        peak_memory: Of the process, in bytes.
        fallen: The classes that are recognised less often: recall of the run and of the file.
    """

    wanted: Wanted
    photos: int
    accuracy: float
    reference: float
    changed: int
    difference: float
    seconds: float
    peak_memory: int
    fallen: dict[str, tuple[float, float]]

    @property
    def drop(self) -> float:
        """By how many percentage points the accuracy is lower; below 0 where it is higher."""
        return 100 * (self.reference - self.accuracy)


def prove(run: Run, wanted: Wanted, file: Path, progress: Progress) -> Proof:
    """Ask a file all test photos, and set its answers beside the run's.

    Args:
        run: The run that it was made from.
        wanted: What it is.
        file: The file, or the folder of a SavedModel.
        progress: Who watches.

    Returns:
        What it said.

    Raises:
        ExportError: A photo is gone, the file does not load in its runtime, its SavedModel does not
            answer as the run did, or a file in full precision changes a prediction.
    """
    expected = run.predictions[run.predictions["split"] == run.measured.split]
    expected = expected.reset_index(drop=True)
    photos = samples.photos_of(run, run.measured.split)
    photos = photos.set_index("path", drop=False).loc[list(expected["path"])].reset_index(drop=True)
    columns = [f"p[{name}]" for name in run.class_names]
    told = expected[columns].to_numpy(dtype=np.float64)
    if wanted.format.name == "savedmodel":
        answers = export.ask(file, photos, batch_size=1, progress=progress)
        export.compare(answers, photos, told, run.class_names)
        said, seconds, peak = answers.probabilities, answers.seconds, answers.peak_memory
    else:
        found = _asked(run, wanted, file, photos, progress)
        said, seconds, peak = found["probabilities"], found["seconds"], found["peak_memory"]
    proof = _compared(run, wanted, expected, told, said.astype(np.float64), seconds, peak)
    if wanted.quantization == "none" and proof.changed:
        raise ExportError(
            f"The {wanted.format.title} file does not answer as the run did: {proof.changed:,} of "
            f"{proof.photos:,} predictions changed, probabilities by up to {proof.difference:.3g}. "
            "Expected every prediction to be the same where nothing is quantized. Nothing is "
            f"exported. Received: format={wanted.format.name!r}"
        )
    return proof


def _compared(
    run: Run,
    wanted: Wanted,
    expected: pd.DataFrame,
    told: npt.NDArray[np.float64],
    said: npt.NDArray[np.float64],
    seconds: Any,
    peak: Any,
) -> Proof:
    if not np.isfinite(said).all():
        raise ExportError(
            f"The {wanted.format.title} file gives probabilities that are no numbers. Expected "
            f"finite ones; another quantization may do. Received: quantize={wanted.quantization!r}"
        )
    rows, index, best = np.arange(len(said)), said.argmax(axis=1), told.argmax(axis=1)
    true = pd.Index(run.class_names, dtype=object).get_indexer(expected["label"])
    fallen = {}
    for place, name in enumerate(run.class_names):
        its = true == place
        if its.any():
            before, after = float((best[its] == place).mean()), float((index[its] == place).mean())
            if after < before:
                fallen[name] = before, after
    return Proof(
        wanted,
        photos=len(said),
        accuracy=float((index == true).mean()),
        reference=float((best == true).mean()),
        changed=int(((index != best) & (told[rows, best] - told[rows, index] > TIE)).sum()),
        difference=float(np.abs(said - told).max()),
        seconds=float(seconds),
        peak_memory=int(peak),
        fallen=fallen,
    )


def _asked(
    run: Run, wanted: Wanted, file: Path, photos: pd.DataFrame, progress: Progress
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tlearn-") as scratch:
        result = Path(scratch, "answers.npz")
        script = Path(__file__).with_name("runtime_check.py")
        command = [sys.executable, "-I", str(script), wanted.format.name, str(file.absolute())]
        command += [str(result), str(processors.count())]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        with tempfile.TemporaryFile() as words:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                env=environment,
            )
            try:
                with progress.task(f"Checking {wanted.words}", total=len(photos)) as task:
                    _feed(process, _pixels(run, wanted, photos), task.advance)
                status = process.wait()
            finally:
                process.kill()  # Does nothing to a process that has ended.
                process.wait()
            if status != 0:
                words.seek(0)
                raise ExportError(
                    f"The {wanted.format.title} file could not be checked: the fresh process that "
                    "loaded it failed. Expected it to load in its runtime and to answer every "
                    f"photo. Received: exit status {status}, last words:\n"
                    f"{words.read().decode(errors='replace').strip()[-_LAST_WORDS:]}"
                )
        with np.load(result) as answers:
            return dict(answers)


def _pixels(run: Run, wanted: Wanted, photos: pd.DataFrame) -> Iterator[npt.NDArray[np.generic]]:
    size, mode = int(run.info["image_size"]), str(run.info["resize_mode"])
    for pixels in samples.decoded(photos, size):
        yield samples.squares(pixels, size, mode) if wanted.format.squares else pixels


def _feed(
    process: subprocess.Popen[bytes],
    photos: Iterator[npt.NDArray[np.generic]],
    answered: Callable[[], None],
) -> None:
    given, told = process.stdin, process.stdout
    if given is None or told is None:
        raise ValueError("The process must have pipes.")
    # A broken pipe means that the process has died; its exit status and last words tell why.
    with contextlib.suppress(BrokenPipeError), given, told:
        _send(given, json.dumps(sys.path).encode())
        for pixels in photos:
            frame = io.BytesIO()
            np.save(frame, pixels, allow_pickle=False)
            _send(given, frame.getvalue())
            given.flush()
            if not told.read(1):
                return
            answered()


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(8, "big"))
    stream.write(data)

"""Photos in any number are answered into a folder of parts; the same call goes on where it stopped.

No TensorFlow is loaded where nothing is left to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tlearn import runs
from tlearn.bulk import listing, tally
from tlearn.bulk.parts import LOCK, Manifest, Parts
from tlearn.bulk.tally import Tally
from tlearn.errors import PartsError, RunError
from tlearn.files import atomic, locking
from tlearn.prediction import asked
from tlearn.prediction.wanted import Wanted
from tlearn.progress import SILENT, Progress

__all__ = ["ENGINES", "Job", "PART_SIZE", "Workers", "begun", "predict_into"]

ENGINES = ("local", "ray")
PART_SIZE = 1000
_AS_THE_RUN = Wanted()


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes:
        engine: `"local"`, this process; or `"ray"`, processes of Ray on this machine or others.
        address: Of a Ray cluster; `None` starts Ray on this machine, for this call.
        count: How many processes of Ray; `None` lets the machines' processors and GPUs decide.
        batch_size: Photos per call of the model.
    """

    engine: str = "local"
    address: str | None = None
    count: int | None = None
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ValueError(f"Expected one of {ENGINES}. Received: engine={self.engine!r}")
        if self.batch_size < 1 or (self.count is not None and self.count < 1):
            raise ValueError(
                "Expected a number of 1 or more. Received: "
                f"batch_size={self.batch_size}, count={self.count}"
            )


@dataclass(frozen=True)
class Job:
    """A prediction that is under way and that no other process works on.

    Attributes:
        parts: The folder.
        manifest: What it answers.
        missing: The parts that are still to be made.
        model: The folder of the SavedModel.
    """

    parts: Parts
    manifest: Manifest
    missing: tuple[int, ...]
    model: Path

    def run(self, workers: Workers = Workers(), progress: Progress = SILENT) -> Tally:
        """Make the parts that are missing.

        Args:
            workers: Who does the work.
            progress: Who watches.

        Returns:
            What all the answers say, counted.

        Raises:
            MissingExtra: Ray is not installed.
            PartsError: Ray's workers failed for good, or a part has not one row per photo.
            DecodeError: Not one of the photos could be read.
            RunError: The SavedModel is damaged, or the disk is full.
        """
        if self.missing:
            if workers.engine == "ray":
                from tlearn.bulk.on_ray import answered
            else:
                from tlearn.bulk.here import answered
            left = sum(self._size(number) for number in self.missing)
            with progress.task("Predicting", total=left) as task:
                for number, answers in answered(self, workers, task):
                    if answers.num_rows != self._size(number):
                        raise PartsError(
                            "A part has not one row per photo, which is a fault in tlearn: please "
                            f"report it. Received: part={number}, rows={answers.num_rows}, "
                            f"photos={self._size(number)}"
                        )
                    self.parts.write(number, answers)
        counted = tally.of(self.parts)
        tally.tell_errors(counted, progress)
        return counted

    def _size(self, number: int) -> int:
        whole = self.manifest.part_size
        return min(whole, self.manifest.photos.count - number * whole)


def predict_into(
    paths: str | Path | Sequence[str | Path],
    folder: str | Path,
    *,
    run: runs.Run | str | Path | None = None,
    root: str | Path = runs.ROOT,
    wanted: Wanted = _AS_THE_RUN,
    part_size: int | None = None,
    workers: Workers = Workers(),
    leaving_out: Sequence[str | Path] = (),
    progress: Progress = SILENT,
) -> Tally:
    """Classify photos in any number and write the answers to a folder of Parquet files.

    Memory does not grow with the number of photos. Stopped or killed, the same call goes on where it
    was: a part is whole or not there. The folder is read as one table:
    `pandas.read_parquet(folder)`.

    Args:
        paths: Files, folders, globs, URLs such as `s3://bucket/photos/`, and lists as `@photos.txt`.
        folder: The folder for the parts: absent, empty, or begun by the same call.
        run: A run, its folder, its name under `root`, or the folder of a bare SavedModel; by default
            the latest finished run under `root`.
        root: The folder of run folders.
        wanted: What is asked.
        part_size: Photos in a part, 1 or more; 1,000 by default.
        workers: Who does the work.
        leaving_out: Folders in which no photos are looked for, beside `folder`.
        progress: Who watches.

    Returns:
        What the answers say, counted; the parts have exactly one row per photo, sorted by path, with
        the columns that `tlearn.predict` gives.

    Raises:
        DatasetError: There is no photo, or a URL or a list cannot be read.
        DecodeError: Not one of the photos can be read.
        PartsError: The folder holds something else, the answers of other photos, of another run or to
            another question, or another process works on it.
        RunError: There is no such run, it is damaged, or the disk is full.
        MissingExtra: Ray is asked for and not installed.

    Example:

    ```python
    predict_into("s3://bucket/photos/", "answers/", run="clothing-efficientnet_lite0")
    ```
    """
    with begun(
        paths,
        folder,
        run=asked.which(run, root),
        wanted=wanted,
        part_size=part_size,
        leaving_out=leaving_out,
        progress=progress,
    ) as job:
        return job.run(workers, progress)


@contextmanager
def begun(
    paths: str | Path | Sequence[str | Path],
    folder: str | Path,
    *,
    run: runs.Run | Path,
    wanted: Wanted,
    part_size: int | None = None,
    leaving_out: Sequence[str | Path] = (),
    progress: Progress = SILENT,
) -> Iterator[Job]:
    """Begin a prediction, or find where it stopped; what is wrong is told before TensorFlow is loaded.

    Args:
        paths: As for `predict_into`, and so are the others but `run`.
        folder: The folder for the parts.
        run: A run, or the folder of a bare SavedModel.
        wanted: What is asked.
        part_size: Photos in a part.
        leaving_out: Folders in which no photos are looked for.
        progress: Who watches.

    Returns:
        A context manager that gives the `Job`, and holds the folder until it is left.

    Raises:
        DatasetError: As for `predict_into`, and so are the others.
        PartsError: The folder cannot be used.
        RunError: The SavedModel is not there, or the disk is full.
    """
    if part_size is not None and part_size < 1:
        raise ValueError(f"Expected a number of 1 or more. Received: part_size={part_size}")
    parts = Parts(folder)
    before = parts.read_manifest()
    try:
        with locking.locked(parts.path / LOCK):
            parts.tidy()
            before = parts.read_manifest()
            size = part_size or (before.part_size if before else PART_SIZE)
            given = [paths] if isinstance(paths, str | Path) else list(paths)
            fresh = atomic.hidden_sibling(parts.photos)
            try:
                outside = [parts.path, *map(Path, leaving_out)]
                listed = listing.write(given, fresh, size, outside, progress)
                now = Manifest(
                    run=run.name if isinstance(run, runs.Run) else str(run),
                    model=_digest(asked.directory(run)),
                    wanted=wanted,
                    photos=listed,
                    part_size=size,
                )
                if before is None:
                    fresh.replace(parts.photos)
                    parts.write_manifest(now)
                else:
                    _require_same(parts, before, now)
            finally:
                atomic.remove(fresh)
            missing = tuple(parts.missing(now))
            if before is not None:
                done = now.parts - len(missing)
                progress.say(f"{done:,} of {now.parts:,} parts are there already.")
            yield Job(parts, now, missing, asked.directory(run))
    except locking.InUse as error:
        raise PartsError(
            "Another process is writing to this folder of parts. Expected it to be finished or "
            f"stopped first, or another folder. Received: output_dir={str(parts.path)!r}"
        ) from error


def _require_same(parts: Parts, before: Manifest, now: Manifest) -> None:
    differs = []
    if before.photos != now.photos:
        differs.append(
            f"other photos ({before.photos.count:,} then, {now.photos.count:,} now; what was "
            f"listed then is in {parts.photos.name})"
        )
    if before.model != now.model:
        differs.append(f"another model ({before.run!r} then, {now.run!r} now)")
    if before.wanted != now.wanted:
        differs.append(f"other options ({before.wanted} then, {now.wanted} now)")
    if before.part_size != now.part_size:
        differs.append(f"another part size ({before.part_size} then, {now.part_size} now)")
    if differs:
        raise PartsError(
            "The folder of parts was begun with something else, so that going on would mix two "
            "answers. Expected the same photos, run and options, or another folder. "
            f"Received: output_dir={str(parts.path)!r} with {'; '.join(differs)}"
        )


def _digest(saved_model: Path) -> str:
    found = hashlib.sha256()
    files = [saved_model / "saved_model.pb", *sorted((saved_model / "variables").glob("*"))]
    try:
        for file in files:
            with file.open("rb") as opened:
                while block := opened.read(2**20):
                    found.update(block)
    except OSError as error:
        raise RunError(
            "The run's SavedModel cannot be read, so that nothing can be predicted. Expected a run "
            f"with its folder saved_model. Received: run={str(saved_model)!r} ({error})"
        ) from error
    return found.hexdigest()

"""The engine that answers parts in processes of Ray Data, on this machine or on many.

The driver ships the SavedModel and the list of photos and writes the parts, so that the workers need
tlearn and a way to the photos (a shared folder, or URLs), and nothing else. A worker that dies is
replaced and its part is answered again. A part comes back whole, and is written once.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import socket
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tlearn import processors
from tlearn.errors import MissingExtra, PartsError
from tlearn.hushing import hushed
from tlearn.prediction.wanted import Wanted
from tlearn.progress import Task

if TYPE_CHECKING:
    from tlearn.bulk.predicting import Job, Workers

__all__ = ["Answerer", "answered"]

# A TensorFlow process uses so many well; more of them share the rest.
_PROCESSORS_EACH = 4
_PATIENCE = 10.0  # seconds for a cluster to answer


class Answerer:
    """One worker: a SavedModel in memory that answers whole parts. Ray makes it, and calls it.

    Args:
        model: A reference to the SavedModel, packed.
        photos: A reference to the bytes of the list of photos.
        wanted: What is asked.
        batch_size: Photos per call of the model.
        threads: How many processors are its own.
        afar: Whether photos come over a network.
    """

    def __init__(
        self, model: Any, photos: Any, wanted: Wanted, batch_size: int, threads: int, afar: bool
    ) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import ray
        import tensorflow as tf

        from tlearn.prediction.saved import Saved

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        with tempfile.TemporaryDirectory(prefix="tlearn-") as folder:
            with tarfile.open(fileobj=io.BytesIO(ray.get(model))) as packed:
                packed.extractall(folder, filter="data")
            self._saved = Saved(Path(folder), flip=wanted.flip)
        self._photos = pa.BufferReader(ray.get(photos))
        self._wanted, self._batch_size, self._afar = wanted, batch_size, afar

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Answer the part `row["part"]`; the answers come back as one cell, in Arrow's format."""
        import pandas as pd

        from tlearn.bulk import listing
        from tlearn.bulk.parts import to_arrow
        from tlearn.prediction.answering import answer
        from tlearn.prediction.reading import batches

        self._photos.seek(0)
        places = listing.places(self._photos, row["part"])
        read = batches(places, self._batch_size, afar=self._afar)
        tables = list(answer(self._saved, read, self._wanted))
        table = to_arrow(pd.concat(tables, ignore_index=True))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return {"part": row["part"], "answers": sink.getvalue().to_pybytes()}


def answered(job: Job, workers: Workers, task: Task) -> Iterator[tuple[int, pa.Table]]:
    """Answer the parts that are missing.

    Args:
        job: What is to be done.
        workers: Where, and by how many.
        task: Told of each part's photos.

    Returns:
        An iterator of the parts' numbers and answers, as they are finished.

    Raises:
        MissingExtra: Ray Data is not installed.
        PartsError: The cluster cannot be reached, or its workers fail for good.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingExtra("ray", "ray", "Predicting on several machines")
    with _connected(workers.address) as ray:
        count, each, gpus = _shared_out(ray.cluster_resources(), workers.count)
        rows = [{"part": number} for number in job.missing]
        answers = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            Answerer,
            fn_constructor_kwargs={
                "model": ray.put(_packed(job.model)),
                "photos": ray.put(job.parts.photos.read_bytes()),
                "wanted": job.manifest.wanted,
                "batch_size": workers.batch_size,
                "threads": each,
                "afar": job.manifest.photos.afar,
            },
            compute=ray.data.ActorPoolStrategy(size=min(count, len(rows))),
            num_cpus=each,
            num_gpus=gpus,
        )
        done: set[int] = set()
        try:
            for row in answers.iter_rows():
                number = int(row["part"])
                if number not in done:
                    done.add(number)
                    table = pa.ipc.open_stream(row["answers"]).read_all()
                    yield number, table
                    task.advance(table.num_rows)
        except ray.exceptions.RayError as error:
            last = str(error).strip().splitlines()[-1]
            raise PartsError(
                "Ray's workers failed, and not only once. Expected tlearn on every node and photos "
                "that each can read; what is done stays done, and the same command goes on. "
                f"Received: engine='ray' ({type(error).__name__}: {last})"
            ) from error


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray, of its own on this machine where no address is given, and without its chatter."""
    # On one machine Ray stays on loopback.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray Data restarts workers, and then warns of every worker that can be restarted.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray
    import ray.data

    _require_somebody(address)
    ours: dict[str, Any] = (
        {} if address else {"num_cpus": processors.count(), "include_dashboard": False}
    )
    try:
        with hushed():
            ray.init(
                address=address or "local",
                logging_level=logging.CRITICAL,
                log_to_driver=False,
                **ours,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _unreachable(address, error) from error
    settings = ray.data.DataContext.get_current()
    settings.enable_progress_bars = False
    settings.print_on_execution_start = False
    # What fails for good is told by the error that is raised.
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_somebody(address: str | None) -> None:
    """Raise an error where nobody listens; Ray itself would wait for ever."""
    host, colon, port = (address or "").rpartition("://")[2].rpartition(":")
    if not colon:
        return  # none, or `auto`
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE):
            pass
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str | None, error: Exception) -> PartsError:
    return PartsError(
        "Ray cannot be reached. Expected the address of a running cluster, HOST:PORT as `ray start "
        "--head` tells it, or none for this machine alone. "
        f"Received: ray_address={address!r} ({error})"
    )


def _shared_out(there: dict[str, float], wanted: int | None) -> tuple[int, int, int]:
    """How many workers, how many processors each has, and how many GPUs."""
    cpus, gpus = int(there.get("CPU", 1)), int(there.get("GPU", 0))
    count = wanted or gpus or max(1, cpus // _PROCESSORS_EACH)
    return count, max(1, cpus // count), int(0 < count <= gpus)


def _packed(saved_model: Path) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        packed.add(saved_model, arcname=".")
    return file.getvalue()

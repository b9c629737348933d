"""Kill a small run at random moments, go on with it, and compare with one that nobody killed. JSON out.

    python benchmarks/kills.py [--kills 50] [--seed 0]

Half of the kills come at a moment of the run's time, half at one of its writes to the disk (a sync, a
rename, a file begun), those of checkpoints and of the export among them. After each kill no folder may
look finished that is not whole; then the same command runs again, to its end. One JSON object per kill,
then the sum: how many ended with the same weights and the same predictions, to the last bit. The photos
are scikit-learn's digits; both stages are trained by steps. Needs fork.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
_PER_CLASS = 24


def finetune(photos: Path, output: Path) -> None:
    import keras

    import tlearn

    # A head that is trained by steps, too: with --head depths or on few photos it would be solved.
    recipe = output.parent / "steps.toml"
    recipe.write_text(
        'recipe = "gradual_unfreeze"\n[arguments]\nsteps = 1\nepochs = 4\nunfreeze = 0.3\nhead_epochs = 3\n'
    )
    keras.utils.disable_interactive_logging()
    tlearn.finetune(
        photos, recipe=recipe, image_size=64, output=output, name="run", deterministic=True
    )


def child(photos: Path, output: Path, before: Callable[[], None] = lambda: None) -> int:
    """Run it in a process of its own; its number."""
    process = os.fork()
    if process == 0:
        silence = os.open(output.parent / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        before()
        try:
            finetune(photos, output)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return process


_WRITES = [(os, "fsync"), (Path, "rename"), (Path, "replace"), (Path, "write_text")]


def before_each_write(happens: Callable[[], None]) -> Callable[[], None]:
    """What makes a process do something before each of its writes."""

    def counted(operation: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            happens()
            return operation(*arguments, **options)

        return step

    def prepare() -> None:
        for owner, name in _WRITES:
            setattr(owner, name, counted(getattr(owner, name)))

    return prepare


def killed_at_write(number: int) -> Callable[[], None]:
    """Make the process kill itself at its so-manieth write."""
    left = number

    def count() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return before_each_write(count)


def count_writes(file: Path) -> Callable[[], None]:
    """Make the process note how often it writes."""
    written = 0

    def count() -> None:
        nonlocal written
        written += 1
        file.write_bytes(str(written).encode())

    return before_each_write(count)


def ended(process: int, within: float | None = None) -> int:
    """The process's status, or -1 where it still runs after so many seconds."""
    deadline = time.monotonic() + (within if within is not None else 1e9)
    while time.monotonic() < deadline:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return status
        time.sleep(0.005)
    return -1


def digest(output: Path) -> dict[str, str]:
    """What came out: weights and predictions."""
    import zipfile

    import pandas as pd

    with zipfile.ZipFile(output / "run" / "model.keras") as archive:
        weights = archive.read("model.weights.h5")
    predictions = pd.read_parquet(output / "run" / "predictions.parquet")
    return {
        "weights": hashlib.sha256(_datasets(weights)).hexdigest(),
        "predictions": hashlib.sha256(predictions.to_csv().encode()).hexdigest(),
    }


def _datasets(weights: bytes) -> bytes:
    """The numbers of an HDF5 file, without its times and addresses."""
    import io

    import h5py

    found: list[bytes] = []
    with h5py.File(io.BytesIO(weights)) as file:
        file.visititems(
            lambda name, one: (
                found.append(name.encode() + one[()].tobytes())
                if isinstance(one, h5py.Dataset)
                else None
            )
        )
    return b"".join(found)


def looks_finished(output: Path) -> bool:
    """Whether a run shows; ends the program if one shows that is not whole."""
    from tlearn import runs

    table = runs.table(output) if output.exists() else None
    if table is None or table.empty or "finished" not in set(table["state"]):
        return False
    assert list(table["state"]) == ["finished"], table
    run = runs.load("run", output)
    assert len(run.predictions)
    assert (run.saved_model_path / "saved_model.pb").is_file()
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    # Once, and not in each child; nothing is computed before they part.
    import tensorflow  # noqa: F401

    from tlearn import workflow  # noqa: F401
    from tlearn.datasets import sample

    dice = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch, "digits")
        sample.write(photos, per_class=_PER_CLASS, classes=3)
        os.environ["TLEARN_CACHE"] = str(Path(scratch, "cache"))
        note = Path(scratch, "writes")
        for attempt in ("first", "whole"):  # the first fills the cache
            (folder := Path(scratch, attempt)).mkdir()
            started = time.monotonic()
            if ended(child(photos, folder / "runs", count_writes(note))):
                sys.exit((folder / "log").read_text())
            seconds = time.monotonic() - started
        writes, wanted = int(note.read_bytes()), digest(Path(scratch, "whole", "runs"))
        same = resumed = 0
        for number in range(given.kills):
            (folder := Path(scratch, str(number))).mkdir()
            output = folder / "runs"
            row: dict[str, Any] = {"kill": number}
            if number % 2:
                moment = dice.randrange(writes)
                row["at_write"] = moment
                status = ended(child(photos, output, killed_at_write(moment)))
            else:
                moment = dice.uniform(0, seconds)
                row["at_second"] = round(moment, 2)
                process = child(photos, output)
                status = ended(process, moment)
                if status == -1:
                    os.kill(process, signal.SIGKILL)
                    status = ended(process)
            row["killed"] = os.WIFSIGNALED(status)
            row["had_its_name"] = looks_finished(output)
            checkpoints = list(output.glob(".*/checkpoints/*.npz")) if output.exists() else []
            row["checkpoints"] = len(checkpoints)
            if not row["had_its_name"]:
                if ended(child(photos, output)):
                    sys.exit((folder / "log").read_text())
                resumed += bool(checkpoints)
            row["same"] = looks_finished(output) and digest(output) == wanted
            row["left_behind"] = [one.name for one in output.iterdir() if one.name != "run"]
            same += row["same"]
            print(json.dumps(row), flush=True)
        summary = {
            "kills": given.kills,
            "same": same,
            "resumed_from_a_checkpoint": resumed,
            "writes_of_a_run": writes,
            "seconds_of_a_run": round(seconds, 1),
        }
        print(json.dumps(summary))


if __name__ == "__main__":
    main()

"""`tlearn predict --output-dir` on many photos: speed, memory, and whether a kill loses anything.

    python benchmarks/batch_prediction.py RUN PHOTOS --count 20000

The photos of a folder, with a sub-folder per class, are repeated, as links, until there are so many. Beside it stands what one would
write by hand: tf.data and the Keras model in a loop. Then the same work is killed half-way and gone on
with, and done again by two workers of Ray, one of which is killed. JSON out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

BARE = """
import json, sys, time
import keras, tensorflow as tf
from tlearn.photos.decoding import decode, resize, smallest_for

run, photos, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
about = json.load(open(run + "/run.json"))
size, mode = about["image_size"], about["resize_mode"]
model = keras.models.load_model(run + "/model.keras", compile=False)
answer = tf.function(lambda batch: model(batch, training=False))

def square(path):
    return resize(decode(tf.io.read_file(path), smallest_for(size)), size, mode)

paths = tf.data.Dataset.list_files(photos + "/*/*", shuffle=False).take(count)
batches = paths.map(square, num_parallel_calls=tf.data.AUTOTUNE).batch(32).prefetch(tf.data.AUTOTUNE)
began, busy, done = None, 0.0, 0
for batch in batches:
    answer(batch).numpy()
    if began is None:
        began, busy = time.perf_counter(), time.process_time()
    else:
        done += len(batch)
seconds, busy = time.perf_counter() - began, time.process_time() - busy
print(json.dumps({"photos_per_second": done / seconds, "cpu_ms_per_photo": 1000 * busy / done}))
"""


def lay_out(photos: Path, count: int, folder: Path) -> None:
    """So many links to the photos of a folder, a thousand in a folder of their own."""
    found = sorted(path for path in photos.rglob("*") if path.is_file())
    for number, photo in zip(range(count), itertools.cycle(found), strict=False):
        place = folder / f"{number // 1000:04d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:07d}{photo.suffix.lower()}").symlink_to(photo)


def parts_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def predict(
    run: Path,
    photos: Path,
    folder: Path,
    *options: str,
    meddle: Callable[[psutil.Process, int], bool] = lambda process, parts: False,
) -> dict[str, Any]:
    """Run the command; `meddle` may kill something, once, when so many parts are there."""
    command = [sys.executable, "-m", "tlearn", "predict", str(photos), "--run", str(run)]
    before = len(parts_in(folder))
    began = time.perf_counter()
    process = psutil.Popen([*command, "--output-dir", str(folder), *options])
    samples: list[tuple[int, float]] = []
    busy, meddled = 0.0, False
    while process.poll() is None:
        try:
            memory = process.memory_info().rss
            busy = sum(process.cpu_times()[:2])
        except psutil.Error:
            break
        done = len(parts_in(folder)) - before
        samples.append((done, memory / 2**20))
        if not meddled and done:
            meddled = meddle(process, done)
        time.sleep(0.2)
    code = process.wait()
    said: dict[str, Any] = {"exit_code": code, "seconds": round(time.perf_counter() - began, 1)}
    said["something_was_killed"] = meddled
    times = sorted(part.stat().st_mtime for part in parts_in(folder))[before:]
    if len(times) > 2:
        rows = 1000 * (len(times) - 1)
        said["photos_per_second"] = round(rows / (times[-1] - times[0]), 1)
        said["cpu_ms_per_photo_with_start"] = round(1000 * busy / (rows + 1000), 2)
        last = samples[-1][0]
        first_fifth = [memory for done, memory in samples if 0 < done <= max(1, last / 5)]
        last_fifth = [memory for done, memory in samples if done >= last * 4 / 5]
        said["peak_mib_first_fifth"] = round(max(first_fifth, default=0))
        said["peak_mib_last_fifth"] = round(max(last_fifth, default=0))
    return said


def compared(folder: Path, with_folder: Path | None, count: int) -> dict[str, Any]:
    """Whether there is exactly one row per photo, and the same answers."""
    answers = pd.read_parquet(folder)
    said = {
        "rows": len(answers),
        "one_row_per_photo": len(answers) == count and bool(answers["path"].is_unique),
        "errors": int(answers["error"].notna().sum()),
    }
    if with_folder is not None:
        other = pd.read_parquet(with_folder)
        both = answers.merge(other, on="path", suffixes=("", "_other"), validate="one_to_one")
        said["other_answers"] = int((both["answer"] != both["answer_other"]).sum())
        difference = (both["probability"] - both["probability_other"]).abs().max()
        said["largest_difference"] = float(difference)
    return said


def kill_at(half: int) -> Callable[[psutil.Process, int], bool]:
    def meddle(process: psutil.Process, parts: int) -> bool:
        if parts >= half:
            process.send_signal(signal.SIGKILL)
        return parts >= half

    return meddle


def kill_a_worker_at(some: int) -> Callable[[psutil.Process, int], bool]:
    def meddle(process: psutil.Process, parts: int) -> bool:
        if parts < some:
            return False
        workers = [one for one in process.children(recursive=True) if "Answerer" in name_of(one)]
        if workers:
            workers[0].kill()
        return bool(workers)

    return meddle


def name_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--bare", type=int, default=6_000, help="photos in the bare loop")
    parser.add_argument("--only", choices=["bare", "local", "killed", "ray"], action="append")
    arguments = parser.parse_args()
    wanted = arguments.only or ["bare", "local", "killed", "ray"]
    count, half = arguments.count, arguments.count // 2000
    found: dict[str, Any] = {"run": arguments.run.name, "photos": count}
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryDirectory() as scratch:
        photos, local, killed, on_ray = (
            Path(scratch, name) for name in ("photos", "local", "killed", "ray")
        )
        lay_out(arguments.photos, count, photos)
        if "bare" in wanted:
            command = [sys.executable, "-c", BARE, str(arguments.run), str(photos)]
            done = subprocess.run(
                [*command, str(arguments.bare)], stdout=subprocess.PIPE, text=True, check=True
            )
            found["bare"] = json.loads(done.stdout)
        if "local" in wanted:
            found["local"] = predict(arguments.run, photos, local)
            found["local"] |= compared(local, None, count)
        reference = local if "local" in wanted else None
        if "killed" in wanted:
            first = predict(arguments.run, photos, killed, meddle=kill_at(half))
            first["parts"] = len(parts_in(killed))
            second = predict(arguments.run, photos, killed)
            found["killed"] = {"first": first, "second": second}
            found["killed"] |= compared(killed, reference, count)
        if "ray" in wanted:
            options = ("--engine", "ray", "--workers", "2")
            found["ray"] = predict(
                arguments.run, photos, on_ray, *options, meddle=kill_a_worker_at(max(1, half // 2))
            )
            found["ray"] |= compared(on_ray, reference, count)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

"""What `tlearn serve` gives under load, beside the bare SavedModel in a loop, and how it takes what is wrong.

    python benchmarks/serving.py RUN PHOTOS [--clients 1,8,32,128] [--requests 2000] [--only PART]

The photos are those below PHOTOS, each as it is. Clients are coroutines of one process on this machine,
each with a connection of its own, and so share the processors with the server.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import collections
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import malformed_requests
import numpy as np
import psutil

_SUFFIXES = {".jpg", ".jpeg", ".png"}
_BARE = """
import sys, time, json, pathlib, threading
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
answer = loaded.signatures["serving_default"]
photos = [pathlib.Path(one).read_bytes() for one in sys.argv[3:]]
def rate(batch, threads):
    answer(images=tf.constant(photos[:batch]))
    done, begun = [0] * threads, time.monotonic()
    def loop(mine):
        while time.monotonic() - begun < float(sys.argv[2]):
            at = done[mine] % max(1, len(photos) - batch)
            answer(images=tf.constant(photos[at : at + batch]))["probabilities"].numpy()
            done[mine] += batch
    loops = [threading.Thread(target=loop, args=(mine,)) for mine in range(threads)]
    for one in loops:
        one.start()
    for one in loops:
        one.join()
    return sum(done) / (time.monotonic() - begun)
told = {"1": rate(1, 1), "32": rate(32, 1), "32 in two threads": rate(32, 2)}
print(json.dumps(told))
"""


@dataclass
class Outcome:
    """What came of the requests of all clients."""

    seconds: list[float] = field(default_factory=list)
    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    told_when: int = 0
    took: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        good = len(self.seconds)
        p50, p99 = np.percentile(self.seconds, [50, 99]) if good else (0, 0)
        return {
            "photos_per_second": round(good / self.took, 1),
            "p50_ms": round(1000 * p50),
            "p99_ms": round(1000 * p99),
            "statuses": dict(self.statuses),
        }


@contextlib.contextmanager
def server(run: str, *options: str) -> Iterator[tuple[int, psutil.Process]]:
    """A server of the run on a free port; ended as a person ends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tlearn", "serve", run, "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "Serving at" in line:
                yield int(line.split("/ -")[0].rpartition(":")[2]), psutil.Process(process.pid)
                break
        else:
            sys.exit("The server did not start.")
    finally:
        process.send_signal(signal.SIGINT)
        if process.wait(90) != 0:
            sys.exit(f"The server ended with {process.returncode}.")


async def ask(port: int, requests: Iterator[bytes], outcome: Outcome) -> None:
    """One client: a request after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        begun = time.monotonic()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        status = int(head.split(" ", 2)[1])
        outcome.statuses[status] += 1
        if status == 200:
            outcome.seconds.append(time.monotonic() - begun)
        outcome.told_when += "retry-after" in head
    writer.close()


def load(port: int, bodies: Sequence[bytes], clients: int, requests: int) -> Outcome:
    """So many requests, shared out among so many clients."""
    outcome = Outcome()
    wanted = iter(range(requests))

    async def all_of_them() -> None:
        def mine() -> Iterator[bytes]:
            for number in wanted:
                yield bodies[number % len(bodies)]

        await asyncio.gather(*(ask(port, mine(), outcome) for _ in range(clients)))

    begun = time.monotonic()
    asyncio.run(asyncio.wait_for(all_of_them(), 3600))
    outcome.took = time.monotonic() - begun
    return outcome


def request(path: str, body: bytes, kind: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def rest(model: str, photo: bytes) -> bytes:
    body = {"instances": [{"b64": base64.b64encode(photo).decode()}]}
    return request(f"/v1/models/{model}:predict", json.dumps(body).encode(), "application/json")


def bare(run: str, files: Sequence[Path], seconds: float) -> dict[str, float]:
    """Photos per second of the SavedModel alone, by batch size."""
    told = subprocess.run(
        [sys.executable, "-c", _BARE, f"{run}/saved_model", str(seconds), *map(str, files)],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    ).stdout
    return {batch: round(rate, 1) for batch, rate in json.loads(told).items()}


def malformed(port: int, model: str, photo: bytes, count: int) -> dict[str, Any]:
    """How requests that are wrong are answered, and a good one after each twentieth."""
    statuses: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)
    good = malformed_requests.Malformed("good", malformed_requests.post("/predict", photo))
    for number, one in enumerate(malformed_requests.drawn(count, model, photo, slow=20)):
        statuses[one.kind][malformed_requests.exchange("127.0.0.1", port, one)] += 1
        if number % 20 == 0:
            statuses["good ones between"][malformed_requests.exchange("127.0.0.1", port, good)] += 1
    return {kind: dict(sorted(counts.items())) for kind, counts in statuses.items()}


def reloads(run: str, bodies: Sequence[bytes], count: int) -> dict[str, Any]:
    """What newer versions cost, each published while 8 clients ask; and the memory as they go."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, Path(run).name)
        shutil.copytree(Path(run, "saved_model"), folder / "1")
        outcome = Outcome()
        memory: dict[int, int] = {}
        with server(str(folder), "--reload-every", "0.2") as (port, process):
            for version in range(1, count + 1):
                if version > 1:
                    shutil.copytree(folder / "1", Path(place, "next"))
                    Path(place, "next").rename(folder / str(version))
                while _version(port, folder.name) != version:
                    part = load(port, bodies, 8, 32)
                    outcome.seconds += part.seconds
                    outcome.statuses += part.statuses
                    outcome.took += part.took
                load(port, bodies, 8, 64)
                memory[version] = round(process.memory_info().rss / 1e6)
    return {"memory_mb_by_version": memory, "meanwhile": outcome.as_dict()}


def _version(port: int, model: str) -> int:
    """The version that answers now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models/{model}") as answer:
        states = json.load(answer)["model_version_status"]
    return max(int(one["version"]) for one in states if one["state"] == "AVAILABLE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--clients", default="1,8,32,128")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--memory", type=int, default=10_000)
    parser.add_argument("--malformed", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=20)
    parser.add_argument("--only", choices=("load", "memory", "full", "malformed", "reload"))
    given = parser.parse_args()
    files = sorted(one for one in given.photos.rglob("*") if one.suffix.lower() in _SUFFIXES)
    files = files[:: max(1, len(files) // 256)][:256]
    photos = [file.read_bytes() for file in files]
    model = Path(given.run).name
    told: dict[str, Any] = {
        "photos": len(photos),
        "mean_kb": round(np.mean([len(one) for one in photos]) / 1000),
    }

    def wanted(part: str) -> bool:
        return given.only in (None, part)

    files_sent = [request("/predict", photo, "image/jpeg") for photo in photos]
    if wanted("load"):
        told["bare_photos_per_second_by_batch"] = bare(given.run, files, given.seconds)
        rows = [rest(model, photo) for photo in photos]
        with server(given.run) as (port, _):
            load(port, files_sent, 8, 200)
            for name, bodies in {"rest": rows, "upload": files_sent}.items():
                for clients in map(int, given.clients.split(",")):
                    count = min(given.requests, 400) if clients == 1 else given.requests
                    told[f"{name}_{clients}"] = load(port, bodies, clients, count).as_dict()
        told["bare_again"] = bare(given.run, files, given.seconds)
    if wanted("memory"):
        with server(given.run) as (port, process):
            told["memory_mb"] = {0: round(process.memory_info().rss / 1e6)}
            for count in (given.memory // 10, given.memory // 2, given.memory):
                done = max(told["memory_mb"])
                load(port, files_sent, 32, count - done)
                told["memory_mb"][count] = round(process.memory_info().rss / 1e6)
    if wanted("full"):
        with server(given.run, "--queue", "8", "--batch-size", "4") as (port, _):
            outcome = load(port, files_sent, 128, 2000)
            told["queue_of_8"] = {**outcome.as_dict(), "with_retry_after": outcome.told_when}
    if wanted("malformed"):
        with server(given.run, "--receive-timeout", "3") as (port, process):
            before = process.memory_info().rss
            told["malformed"] = malformed(port, model, photos[0], given.malformed)
            told["malformed_memory_mb"] = [
                round(one / 1e6) for one in (before, process.memory_info().rss)
            ]
    if wanted("reload"):
        told["reload"] = reloads(given.run, files_sent, given.versions)
    sys.stdout.write(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()

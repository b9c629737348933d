"""Run a command in a fresh process and say what it cost: wall seconds, CPU seconds, peak memory.

    output, cost = measuring.run([sys.executable, "-m", "tlearn", "runs"])

Only the standard library here. The command is not started by the caller but by this file, run as a
program of its own: Linux counts the memory of the process that starts another as that one's peak,
and a benchmark that has loaded TensorFlow would lend its gigabyte to all it measures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What a command cost, with all processes that it started and waited for.

    The peak is that of its largest process, not the sum over all of them.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_memory_gb: float

    def as_dict(self) -> dict[str, float]:
        return {
            "wall_seconds": round(self.wall_seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "peak_memory_gb": round(self.peak_memory_gb, 2),
        }


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[str, Cost]:
    """What the command wrote to its standard output, and its cost. Ends the program if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "cost.json"
        done = subprocess.run(
            [sys.executable, "-I", "-S", __file__, str(note), *command],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        if done.returncode:
            sys.exit(f"The command ended with {done.returncode}. Received: {list(command)}")
        return done.stdout, Cost(**json.loads(note.read_text()))


def ratios(cost: Cost, to: Cost) -> dict[str, float]:
    """How many times as much one cost as another."""
    return {
        "wall": round(cost.wall_seconds / to.wall_seconds, 3),
        "cpu": round(cost.cpu_seconds / to.cpu_seconds, 3),
        "memory": round(cost.peak_memory_gb / to.peak_memory_gb, 3),
    }


def rates(photos: int, seconds: float, cpu_seconds: float) -> dict[str, float]:
    """What so many photos cost, and how many that is in a second."""
    return {
        "photos": photos,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "photos_per_second": round(photos / max(seconds, 1e-9), 1),
        "photos_per_cpu_second": round(photos / max(cpu_seconds, 1e-9), 1),
    }


def timed(photos: int, work: Callable[[], object]) -> dict[str, float]:
    """The second time counts: the first one traces, compiles, and brings files into memory."""
    work()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return rates(photos, time.perf_counter() - wall, time.process_time() - cpu)


def machine() -> dict[str, object]:
    """The processor's name, and how many cores this process may use."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line[:10] == "model name"]
        name = names[0] if names else name
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    return {"machine": name, "cores": len(usable) or os.cpu_count()}


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The script's own arguments; as `options`, what follows `--`.

    argparse itself takes what follows `--` only where no option stands before it.
    """
    parser.usage = parser.format_usage().partition(": ")[2].rstrip() + " [-- OPTIONS]"
    parser.epilog = "OPTIONS are given to tlearn finetune."
    own = sys.argv[1:]
    cut = own.index("--") if "--" in own else len(own)
    given = parser.parse_args(own[:cut])
    given.options = own[cut + 1 :]
    return given


def whole_numbers(text: str) -> tuple[int, ...]:
    """An option such as `500,1000`; an empty one has none."""
    return tuple(int(part) for part in text.split(",") if part)


def _measure(note: Path, command: Sequence[str]) -> int:
    started = time.perf_counter()
    process = subprocess.Popen(command)
    # The usage of this process and what it waited for, unlike that of all children together.
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in KiB, but for macOS
    cost = {
        "wall_seconds": wall,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_memory_gb": used.ru_maxrss * unit / 1e9,
    }
    note.write_text(json.dumps(cost))
    return process.returncode


if __name__ == "__main__":
    sys.exit(_measure(Path(sys.argv[1]), sys.argv[2:]))

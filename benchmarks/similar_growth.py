"""How the search for near-duplicates grows with the number of photos. JSON out.

    python benchmarks/similar_growth.py ../shared/data/clothing --counts 1000,10000,100000

The small pictures of real photos, each varied (shifted, a part of it enlarged, another picture laid
over it by a fifth, noise), so that there are as many different ones as are asked for; a hundredth are
near-duplicates. One JSON object per count, each measured in a process of its own: CPU seconds and peak
memory of finding candidates, which is all of the search but the closer look at each candidate, and how
many candidates there are.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import measuring
import numpy as np

from tlearn import datasets, inspection
from tlearn.inspection import similar


def varied(grey: np.ndarray, count: int) -> np.ndarray:
    random = np.random.default_rng(0)
    made = np.empty((count, *grey.shape[1:]), np.uint8)
    side = grey.shape[1]
    for row in range(count):
        one, other = grey[random.integers(len(grey), size=2)].astype(np.float32)
        wide = int(random.integers(side // 2, side + 1))
        top, left = random.integers(side - wide + 1, size=2)
        rows, columns = (
            np.linspace(at, at + wide - 1, side).round().astype(int) for at in (top, left)
        )
        part = one[np.ix_(rows, columns)]
        mixed = (
            0.8 * part + 0.2 * other[:: random.choice([-1, 1])] + random.normal(0, 2, part.shape)
        )
        made[row] = np.clip(mixed, 0, 255)
    copies = random.choice(count // 2, count // 100, replace=False)
    noisy = made[copies] + random.normal(0, 2, (len(copies), side, side))
    made[count - 1 - np.arange(len(copies))] = np.clip(noisy, 0, 255)
    return made


def measure(photos: str, count: int) -> None:
    grey = varied(inspection.look(datasets.load(photos).examples).grey, count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, wall = time.process_time(), time.perf_counter()
    found = similar.candidates(grey)
    told = {
        "photos": count,
        "candidates": len(found),
        "cpu_seconds": round(time.process_time() - began, 2),
        "wall_seconds": round(time.perf_counter() - wall, 2),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "memory_before_gb": round(before / 1e6, 2),
        "pictures_gb": round(grey.nbytes / 1e9, 2),
    }
    print(json.dumps({**told, **measuring.machine()}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--counts", type=measuring.whole_numbers, default=(1000, 10_000, 100_000))
    parser.add_argument("--one", type=int, help="this count, in this process")
    given = parser.parse_args()
    if given.one:
        measure(given.photos, given.one)
        return
    for count in given.counts:
        subprocess.run([sys.executable, __file__, given.photos, "--one", str(count)], check=True)


if __name__ == "__main__":
    main()

"""How many planted near-duplicates are found, how many pairs are false, and what it costs. JSON out.

    python benchmarks/near_duplicates.py ../shared/data/clothing

Of so many photos (`--photos 300`) a copy of each kind is written: re-encoded at quality 60, resized to
70 %, mirrored, 92 % of both sides from anywhere, 84 % from the middle, brightened by 20 %. All copies
of one kind stand among all the photos of the data set at once, as in an import gone wrong.

One JSON object per kind, and one for the data set as it is: `recall`, the share of the copies that are
paired with their photo; `other_pairs`, pairs of photos neither of which is a copy of the other, with
those of the data set as it is left out, and `precision`, the share of the right ones among the pairs of
a copy or a photo that was copied. `unplanted` names the pairs that are found without any planting.
`look` is the CPU seconds of looking at all photos, decoding among it; `decode` those of decoding alone, by
Pillow at half, a quarter or an eighth, as looking does; `pairs` those of finding pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import pandas as pd
import planted
from PIL import Image

from tlearn import datasets, inspection
from tlearn.inspection import similar


def decoded(paths: list[str]) -> float:
    """CPU seconds of decoding alone."""
    began = time.process_time()
    for path in paths:
        with Image.open(path) as image:
            image.draft("RGB", (256, 256))
            image.load()
    return time.process_time() - began


def found(examples: pd.DataFrame) -> tuple[set[tuple[str, str]], dict[str, float]]:
    """Pairs of paths, and CPU seconds."""
    began = time.process_time()
    looks = inspection.look(examples)
    looked = time.process_time()
    pairs = similar.pairs(looks)
    cost = {"look": looked - began, "pairs": time.process_time() - looked}
    paths = looks.table["path"].to_numpy()
    both = zip(paths[pairs["first"]], paths[pairs["second"]], strict=True)
    return {(min(pair), max(pair)) for pair in both}, {k: round(v, 2) for k, v in cost.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--photos-copied", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TLEARN_CACHE"] = str(Path(scratch) / "cache")
        examples = datasets.load(given.photos).examples
        decode = round(decoded(list(examples["path"])), 2)
        plain, cost = found(examples)
        about: dict[str, Any] = {"photos": len(examples), "decode": decode, **cost}
        unplanted = sorted(f"{one} = {other}" for one, other in plain)
        print(json.dumps({"kind": "none", **about, "unplanted": unplanted}), flush=True)
        random = np.random.default_rng(given.seed)
        for kind in planted.KINDS:
            folder = Path(scratch) / kind.replace(" ", "_")
            folder.mkdir()
            chosen = random.choice(len(examples), given.photos_copied, replace=False)
            copies = {}
            for row in chosen:
                source = examples["path"].iloc[row]
                target = folder / f"{row}.jpg"
                planted.write(source, kind, target, random)
                copies[str(target)] = source
            more = pd.DataFrame({"path": list(copies), "digest": [f"copy {one}" for one in copies]})
            pairs, cost = found(pd.concat([examples[["path", "digest"]], more], ignore_index=True))
            right = {(min(pair), max(pair)) for pair in copies.items()}
            others = {pair for pair in pairs - right - plain if not through(pair, copies, plain)}
            told = len(pairs & right)
            print(
                json.dumps(
                    {
                        "kind": kind,
                        "copies": len(copies),
                        "recall": round(told / len(right), 4),
                        "precision": round(told / max(1, told + len(others)), 4),
                        "other_pairs": sorted(others),
                        **cost,
                        **measuring.machine(),
                    }
                ),
                flush=True,
            )


def through(pair: tuple[str, str], copies: dict[str, str], plain: set[tuple[str, str]]) -> bool:
    """Whether a copy is paired with a photo that its own photo is paired with anyway."""
    one, other = sorted(copies.get(path, path) for path in pair)
    return one == other or (one, other) in plain


if __name__ == "__main__":
    main()

"""How many photos of no class are found among the outliers. JSON out.

    python benchmarks/outliers.py ../shared/data/clothing ../shared/data/trash
    python benchmarks/outliers.py PHOTOS STRANGERS --share 0.01 --seeds 0,1,2

So many photos of the second set as are `--share` of the first are put into the first one's classes at
random. One JSON object per seed: how many photos are listed, `precision` and `recall` of the list, and
`precision_at_planted`, that of its first rows, as many as were planted. `photos_as_they_are` is how many
are listed when nothing is planted: most of them are unusual and not wrong, and stand against precision.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import pandas as pd

from tlearn import datasets, splits
from tlearn.labelling import suspects


def listed(table: pd.DataFrame) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photos.csv"
        table.to_csv(file, index=False)
        return suspects.find(splits.make(datasets.load(file))).outliers


def rows(photos: str) -> pd.DataFrame:
    return datasets.load(photos).examples[["path", "label"]]


def measure(host: pd.DataFrame, strangers: pd.DataFrame, share: float, seed: int) -> dict[str, Any]:
    drawn = strangers.sample(round(share * len(host)), random_state=seed)
    classes = np.random.default_rng(seed).choice(sorted(set(host["label"])), len(drawn))
    planted = drawn.assign(label=classes)
    found = listed(pd.concat([host, planted], ignore_index=True))
    strange = found["path"].isin(planted["path"]).to_numpy()
    return {
        "seed": seed,
        "photos": len(host),
        "planted": len(planted),
        "listed": len(found),
        "precision": round(float(strange.mean()), 3),
        "recall": round(float(strange.sum() / len(planted)), 3),
        "precision_at_planted": round(float(strange[: len(planted)].mean()), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("strangers", help="photos of something else, likewise")
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--seeds", type=measuring.whole_numbers, default=(0, 1, 2))
    given = parser.parse_args()
    host, strangers = rows(given.photos), rows(given.strangers)
    print(json.dumps({"photos_as_they_are": len(listed(host))}), flush=True)
    for seed in given.seeds:
        print(json.dumps(measure(host, strangers, given.share, seed)), flush=True)


if __name__ == "__main__":
    main()

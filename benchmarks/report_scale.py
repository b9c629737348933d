"""How long a report takes on a run of many classes and predictions, of synthetic tables.

    python benchmarks/report_scale.py
    python benchmarks/report_scale.py --classes 100 --predictions 10000 --repeats 5

The run has 1,000 classes, 50,000 test predictions with all their probabilities, and seven times as many
training photos; a second one is there to compare with. Each verb runs in a fresh process; the first run
of each is not counted. JSON out, one object per verb: the best and the median of wall seconds, CPU
seconds, peak memory, and bytes of what was written.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import measuring
import numpy as np
import pandas as pd

from tlearn import runs
from tlearn.evaluation import evaluate, make_predictions


def examples(names: list[str], predictions: int) -> pd.DataFrame:
    """Test photos, and seven times as many to train on."""
    count = 8 * predictions
    labels = np.array(names, dtype=object)[np.arange(count) % len(names)]
    split = np.where(np.arange(count) // len(names) % 8 == 0, "test", "train")
    return pd.DataFrame(
        {
            "path": [f"/photos/{label}/{number:07d}.jpg" for number, label in enumerate(labels)],
            "label": labels,
            "split": split,
            "group": None,
            "digest": [f"{number:064x}" for number in range(count)],
            "decoder": "graph",
        }
    )


def write(root: Path, name: str, photos: pd.DataFrame, names: list[str], seed: int) -> None:
    """A finished run without its models."""
    test = photos[photos["split"] == "test"].reset_index(drop=True)
    random = np.random.default_rng(seed)
    scores = random.normal(size=(len(test), len(names))).astype(np.float32)
    true = pd.Index(names, dtype=object).get_indexer(pd.Index(test["label"], dtype=object))
    scores[np.arange(len(test)), true] += random.normal(4.2, 1.5, len(test)).astype(np.float32)
    powers = np.exp(scores)
    predictions = make_predictions(test, powers / powers.sum(axis=1, keepdims=True), names)
    stages = pd.DataFrame(
        {
            "stage": ["head"],
            "epochs": [1],
            "learning_rate": [np.nan],
            "trainable_parameters": [1_281_000],
            "validation_accuracy": [0.8],
            "validation_log_loss": [0.9],
            "seconds": [60.0],
            "kept": [True],
        }
    )
    columns = ("loss", "accuracy", "val_loss", "val_accuracy", "val_log_loss")
    history = pd.DataFrame(
        [{"stage": "head", "epoch": epoch, **dict.fromkeys(columns, 0.8)} for epoch in range(1, 11)]
    ).assign(learning_rate=1e-3, seconds=6.0, photos_per_second=6e4)
    measured = evaluate(predictions, names)
    with runs.unfinished(root, name) as folder:
        folder.write_class_names(names)
        folder.write_recipe('recipe = "linear_probe"\n')
        folder.write_table("splits", photos)
        folder.write_table("skipped", pd.DataFrame({"path": [], "reason": []}, dtype=object))
        folder.write_table("stages", stages)
        folder.write_table("history", history)
        folder.write_table("predictions", predictions)
        folder.write_evaluation(measured)
        counts = {split: int((photos["split"] == split).sum()) for split in ("train", "test")}
        folder.write_info(
            {
                "dataset": {
                    "name": "synthetic",
                    "photos": len(photos),
                    "classes": len(names),
                    "validation": 0,
                    "skipped": 0,
                    **counts,
                },
                "backbone": "efficientnet_lite0",
                "image_size": 224,
                "recipe": "linear_probe",
                "seed": 0,
                "metrics": measured.metrics,
            }
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--predictions", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    tlearn = [sys.executable, "-m", "tlearn", "report"]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = [f"class {number:04d}" for number in range(given.classes)]
        photos = examples(names, given.predictions)
        for seed, name in enumerate(("first", "second")):
            write(root / "runs", name, photos, names, seed)
        verbs = {
            "text": [str(root / "runs" / "first")],
            "per_class.csv": [str(root / "runs" / "first"), "--format", "csv"],
            "compare": ["--root", str(root / "runs"), "--compare", "first", "second"],
            "require": [str(root / "runs" / "first"), "--require", "recall[class 0007]>=0.01"],
            "html": [str(root / "runs" / "first"), "--html", str(root / "a.html")],
        }
        for name, words in verbs.items():
            found = [measuring.run([*tlearn, *words]) for _ in range(1 + given.repeats)][1:]
            walls = [cost.wall_seconds for _, cost in found]
            page = root / "a.html"
            written = page.stat().st_size if name == "html" else len(found[0][0])
            print(
                json.dumps(
                    {
                        "verb": name,
                        "classes": given.classes,
                        "predictions": given.predictions,
                        "best_seconds": round(min(walls), 2),
                        "median_seconds": round(statistics.median(walls), 2),
                        "cpu_seconds": round(min(cost.cpu_seconds for _, cost in found), 2),
                        "peak_memory_gb": round(max(cost.peak_memory_gb for _, cost in found), 2),
                        "bytes": written,
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()

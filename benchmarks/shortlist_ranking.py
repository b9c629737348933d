"""The shortlist's order of backbones beside the order after full fine-tuning. JSON out.

    python benchmarks/shortlist_ranking.py ../shared/data/trash --runs ranking/

Each backbone whose weights are on this machine is fine-tuned with all defaults, a fresh process with
an empty cache each; so is the shortlist. With `--runs DIR` the runs are kept there, and those that are
there already are not made again. One JSON object per backbone, then one of all: Spearman's and
Kendall's rank correlation of each column of the shortlist with the test accuracy after fine-tuning, the
time of the shortlist as a share of fine-tuning the default backbone and of fine-tuning all, and how far
the recommended backbone is from the best one. What follows `--` is given to `tlearn finetune`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import fine_tuning
import measuring
import numpy as np
import pandas as pd
import photo_sets
import transferability
from scipy import stats

from tlearn import backbones, jobs, recipes, runs

DEFAULT = "efficientnet_lite0"
SCORES = ("accuracy", "log_loss", "logme", "h_score", "imagenet_top1")


def local() -> list[str]:
    return [row.name for row in backbones.table() if backbones.weights_are_here(row)]


def fine_tuned(photos: str, name: str, kept: Path, options: list[str]) -> dict[str, Any]:
    """A run with all defaults, and its cost; from `kept` where it is there already."""
    note = kept / f"{name}.json"
    if not note.exists():
        with tempfile.TemporaryDirectory() as scratch:
            _, cost = fine_tuning.run(
                photos,
                ["--backbone", name, "--name", name, *options],
                output=kept,
                cache=Path(scratch),
            )
        note.write_text(json.dumps(cost.as_dict()))
    run = runs.load(name, kept)
    return {"backbone": name, **json.loads(note.read_text()), **fine_tuning.reached(run)}


def shortlisted(
    photos: str, names: list[str], scratch: Path
) -> tuple[dict[str, Any], measuring.Cost]:
    """The whole command in a fresh process with an empty cache."""
    given = ["--dataset", photos, "--backbones", ",".join(names), "--output", str(scratch)]
    command = [sys.executable, "-m", "tlearn", "shortlist", *given, "--format", "json"]
    text, cost = measuring.run(command, {"TLEARN_CACHE": os.environ["TLEARN_CACHE"]})
    return json.loads(text), cost


def without_a_head(photos: str, names: list[str]) -> pd.DataFrame:
    """What scores say that fit no head, on the features that the shortlist has kept."""
    data = photo_sets.divided(photos)
    (stage,) = recipes.linear_probe(data.count("train"))
    rows = {}
    for name in names:
        job = jobs.Job(
            backbones.build(name),
            data,
            (stage,),
            policy="float32",
            budget=2**30,
            resize_mode="crop",
        )
        kept = job.kept.plain(stage)
        assert kept is not None
        features = np.concatenate([one.read(np.arange(len(one))) for one in kept])
        labels = pd.concat([job.train["label"], job.validation["label"]])
        numbers = pd.factorize(labels)[0]
        rows[name] = {
            "logme": transferability.logme(features, numbers),
            "h_score": transferability.h_score(features, numbers),
            "imagenet_top1": backbones.resolve(name).top1,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def correlations(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Of each score with the accuracy after fine-tuning; 1 is the same order."""
    found = {}
    for score in SCORES:
        values = -table[score] if score == "log_loss" else table[score]
        found[score] = {
            "spearman": round(float(stats.spearmanr(values, table["fine_tuned"])[0]), 3),
            "kendall": round(float(stats.kendalltau(values, table["fine_tuned"])[0]), 3),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--backbones", default=",".join(local()), help="separated by commas")
    parser.add_argument("--runs", help="folder that keeps the runs")
    given = measuring.parse(parser)
    names = given.backbones.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(given.runs or scratch)
        kept.mkdir(parents=True, exist_ok=True)
        tuned = {}
        for name in names:
            tuned[name] = fine_tuned(given.photos, name, kept, given.options)
            print(json.dumps(tuned[name]), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TLEARN_CACHE"] = str(Path(scratch, "cache"))
        answer, cost = shortlisted(given.photos, names, Path(scratch))
        table = pd.DataFrame(answer["backbones"]).set_index("backbone")
        table = table.join(without_a_head(given.photos, names))
    table["fine_tuning_took"] = pd.Series({n: one["wall_seconds"] for n, one in tuned.items()})
    table["fine_tuned"] = pd.Series({name: one["accuracy"]["value"] for name, one in tuned.items()})
    chosen, best = answer["recommended"], table["fine_tuned"].idxmax()
    whole = sum(one["cpu_seconds"] for one in tuned.values())
    result = {
        **measuring.machine(),
        "shortlist": cost.as_dict(),
        "cpu_of_one_fine_tuning": round(cost.cpu_seconds / tuned[DEFAULT]["cpu_seconds"], 2)
        if DEFAULT in tuned
        else None,
        "cpu_of_all_fine_tunings": round(cost.cpu_seconds / whole, 3),
        "correlations": correlations(table),
        "recommended": chosen,
        "best": best,
        "points_from_best": round(
            100 * float(table["fine_tuned"][best] - table["fine_tuned"][chosen]), 2
        ),
        "table": table.reset_index().to_dict("records"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

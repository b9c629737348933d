"""How many planted wrong labels tlearn and cleanlab find, from the same out-of-fold probabilities.

    python benchmarks/label_noise.py ../shared/data/clothing
    python benchmarks/label_noise.py ../shared/data/trash --shares 0.05,0.1 --seeds 0,1,2

A share of the training labels is changed to another class, drawn at random. Precision and recall
are those of the default threshold of each, over the training photos; the real labels have errors of
their own, which count against precision. cleanlab is asked twice: with the probabilities of the
linear heads alone, and with tlearn's, of heads and neighbours together. Needs `pip install cleanlab`.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import pandas as pd
import threadpoolctl
from cleanlab.filter import find_label_issues
from measuring import machine
from photo_sets import divided
from sklearn.metrics import average_precision_score

from tlearn import backbones, crossing, datasets, jobs, recipes
from tlearn.features import keeping
from tlearn.labelling import confident, judging, neighbours
from tlearn.memory import budget


def frozen(data: datasets.Dataset, backbone: str) -> tuple[pd.DataFrame, np.ndarray]:
    """All photos, and the features `(photos, features)` of the backbone."""
    stages = recipes.linear_probe(data.count("train"))
    job = jobs.Job(
        backbones.build(backbones.resolve(backbone).name),
        data,
        stages,
        policy="float32",
        budget=budget(None),
        resize_mode="crop",
    )
    held_out = data.examples[data.examples["split"] != "train"].reset_index(drop=True)
    photos = keeping.Photos(
        job.train, held_out, data.class_names, job.image_size, "crop", 32, 0, np.ones(1)
    )
    kept = keeping.Kept(job.model, stages, photos, budget=budget(None)).plain(stages[0])
    assert kept is not None
    features = np.concatenate([rows.read(np.arange(len(rows))) for rows in kept])
    return pd.concat([job.train, held_out], ignore_index=True), features.reshape(len(features), -1)


def judged(suspect: np.ndarray, score: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    found = int((suspect & wrong).sum())
    return {
        "suspects": int(suspect.sum()),
        "precision": round(found / max(1, int(suspect.sum())), 3),
        "recall": round(found / int(wrong.sum()), 3),
        "average_precision": round(float(average_precision_score(wrong, score)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos")
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--shares", default="0.05,0.1")
    parser.add_argument("--seeds", default="0,1,2")
    given = parser.parse_args()
    data = divided(given.photos)
    examples, features = frozen(data, given.backbone)
    names = data.class_names
    true = np.array([names.index(label) for label in examples["label"]])
    train = (examples["split"] == "train").to_numpy()
    rows = []
    for share in map(float, given.shares.split(",")):
        for seed in map(int, given.seeds.split(",")):
            random = np.random.default_rng(seed)
            places = np.flatnonzero(train)
            chosen = random.choice(places, round(share * len(places)), replace=False)
            labels = true.copy()
            labels[chosen] = (true[chosen] + random.integers(1, len(names), len(chosen))) % len(
                names
            )
            wrong = (labels != true)[train]
            table = examples.assign(label=[names[label] for label in labels])
            began = time.process_time()
            found = judging.of_features(table, features, names)
            seconds = time.process_time() - began
            ours = found.table.set_index("path").loc[list(examples["path"])]
            own = judged(ours["suspect"].to_numpy()[train], ours["score"].to_numpy()[train], wrong)
            with threadpoolctl.threadpool_limits(1):
                heads = crossing.cross_validate(
                    neighbours.principal(features, 256),
                    labels,
                    crossing.folds(table, 5, seed=0),
                    len(names),
                    label_smoothing=0.0,
                ).probabilities.astype(np.float64)
            heads /= heads.sum(axis=1, keepdims=True)
            result = {"share": share, "seed": seed, "cpu_seconds": round(seconds, 1), "tlearn": own}
            for which, said in (("heads", heads), ("same", found.probabilities)):
                issues = find_label_issues(labels, said, n_jobs=1)
                quality = said[np.arange(len(labels)), labels]
                result[f"cleanlab_{which}"] = judged(issues[train], 1 - quality[train], wrong)
            _, score = confident.suggestions(heads, labels)
            result["tlearn_ranking_of_heads"] = round(
                float(average_precision_score(wrong, score[train])), 3
            )
            rows.append(result)
    means = {}
    for share in dict.fromkeys(row["share"] for row in rows):
        of_share = [row for row in rows if row["share"] == share]
        means[share] = {
            who: {
                key: round(float(np.mean([row[who][key] for row in of_share])), 3)
                for key in of_share[0][who]
            }
            for who in ("tlearn", "cleanlab_heads", "cleanlab_same")
        }
    print(json.dumps({**machine(), "photos": given.photos, "rows": rows, "means": means}, indent=2))


if __name__ == "__main__":
    main()

"""tlearn's default command against the loop of the Keras guide: seconds, memory, accuracy. JSON out.

    python benchmarks/against_the_guide.py ../shared/data/trash
    python benchmarks/against_the_guide.py PHOTOS --seed 1 -- --recipe fine-grained

Both start from the same ImageNet weights and get the same photos in the same split: tlearn's own,
laid out as train/, validation/ and test/ folders of links. What only Pillow can read is left out,
because the guide's loop cannot read it. Each is one fresh process, one after the other, measured
from outside; tlearn's cache is empty, and its time includes the export and its proof, which the
guide has none of. What the guide's loop is, and where it is not the guide's, is said in
guide_loop.py; --guide-epochs and what follows `--` are for a quick look.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import fine_tuning
import measuring
import numpy as np
import pandas as pd
import photo_sets

from tlearn import evaluation, runs
from tlearn.evaluation import intervals

LOOP = Path(__file__).with_name("guide_loop.py")


def of_tlearn(run: runs.Run) -> pd.Series:
    """Whether each test photo was told right, by its class and file name."""
    table = run.predictions
    table = table[table["split"] == evaluation.measured_split(table)]
    files = ["/".join(Path(path).parts[-2:]) for path in table["path"]]
    return pd.Series((table["predicted"] == table["label"]).to_numpy(), index=files)


def of_guide(answers: dict[str, str]) -> pd.Series:
    return pd.Series({file: file.split("/")[0] == answer for file, answer in answers.items()})


def accuracy(right: pd.Series) -> dict[str, float]:
    low, high = intervals.wilson(right.sum(), len(right))
    return {"accuracy": float(right.mean()), "low": float(low), "high": float(high)}


def compared(ours: pd.Series, theirs: pd.Series) -> dict[str, object]:
    """On the same photos, so the error of the difference is that of paired guesses."""
    gained = ours.astype(float) - theirs.reindex(ours.index).astype(float)
    return {
        "test_photos": len(ours),
        "only_tlearn_right": int((gained > 0).sum()),
        "only_guide_right": int((gained < 0).sum()),
        "difference": float(gained.mean()),
        "standard_error": float(np.std(gained) / np.sqrt(len(gained))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--guide-epochs", type=int, default=10, help="of each of its two parts")
    given = measuring.parse(parser)
    shared = ["--backbone", given.backbone, "--seed", str(given.seed)]
    shared += ["--image-size", str(given.image_size)]
    guides = ["--head-epochs", str(given.guide_epochs), "--epochs", str(given.guide_epochs)]

    dataset = photo_sets.divided(given.photos, given.seed)
    examples = dataset.examples[dataset.examples["decoder"] == "graph"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "photos")
        photo_sets.link(examples, folder, photo_sets.class_folders(dataset))
        run, our_cost = fine_tuning.run(
            folder,
            [*shared, *given.options],
            output=Path(scratch, "runs"),
            cache=Path(scratch, "cache"),
        )
        ours = of_tlearn(run)
        text, their_cost = measuring.run([sys.executable, str(LOOP), str(folder), *shared, *guides])
        guide = json.loads(text)
        theirs = of_guide(guide.pop("answers"))
        if set(ours.index) != set(theirs.index):
            sys.exit(f"Not the same test photos. Received: {len(ours)} and {len(theirs)} photos")
        result = {
            "photos": given.photos,
            "seed": given.seed,
            "dataset": run.info["dataset"] | {"name": dataset.name, "source": dataset.source},
            "left_out": len(dataset.examples) - len(examples),
            "tlearn": {
                **accuracy(ours),
                **our_cost.as_dict(),
                "validation": run.info["validation"],
                "seconds": run.info["seconds"],
                "options": given.options,
            },
            "guide": {**accuracy(theirs), **their_cost.as_dict(), **guide},
            "tlearn_to_guide": measuring.ratios(our_cost, to=their_cost),
            "compared": compared(ours, theirs),
            **measuring.machine(),
            "versions": run.info["versions"],
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

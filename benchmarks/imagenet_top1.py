"""Top-1 and top-5 accuracy of pretrained heads on photos whose ImageNet class is known.

```
photos/                     or a table photos.csv
├── 281/a.jpg               path,label
├── tabby/b.jpg             photos/a.jpg,281
└── ...                     photos/b.jpg,tabby
```

A label is a class's index (0 to 999) or its name as `tlearn.backbones.imagenet_class_names` has it.

Command: python benchmarks/imagenet_top1.py photos/ efficientnet_lite0 resnet50
Prints one JSON object per backbone: photos, unreadable, top1, top5, seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import pandas as pd

from tlearn.backbones import imagenet_class_names, resolve
from tlearn.prediction.pretrained import classify


def labelled(source: Path) -> pd.Series:
    """The class names of the photos, by path."""
    if source.is_file():
        photos = pd.read_csv(source, dtype=str)
        paths = [str(source.parent / path) for path in photos["path"]]
        labels = list(photos["label"])
    else:
        files = sorted(path for path in source.glob("*/*") if path.is_file())
        paths, labels = [str(path) for path in files], [path.parent.name for path in files]
    names = imagenet_class_names()
    known = dict(zip(names, names, strict=True)) | {str(i): name for i, name in enumerate(names)}
    unknown = sorted({label for label in labels if label not in known})
    if unknown or not paths:
        sys.exit(f"Expected labelled photos of ImageNet's classes. Received: labels={unknown[:5]}")
    return pd.Series([known[label] for label in labels], index=paths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("backbones", nargs="*", default=["efficientnet_lite0"])
    parser.add_argument("--weights", default="imagenet", help="'imagenet' or a file")
    arguments = parser.parse_args()
    truth = labelled(arguments.photos)
    for backbone in arguments.backbones:
        started = time.perf_counter()
        answers = classify(list(truth.index), backbone=backbone, weights=arguments.weights)
        seconds = time.perf_counter() - started
        readable = answers[answers["error"].isna()].set_index("path")
        expected = truth.reindex(readable.index)
        hits = [readable[name] == expected for name in readable if name.startswith("label")]
        found = {
            "backbone": resolve(backbone).name,
            "photos": len(readable),
            "unreadable": len(answers) - len(readable),
            "top1": float(hits[0].mean()),
            "top5": float(pd.concat(hits, axis=1).any(axis=1).mean()),
            "seconds": round(seconds, 1),
        }
        print(json.dumps(found))


if __name__ == "__main__":
    main()

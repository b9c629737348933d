"""Which planted shortcuts `tlearn check` finds among real photos, and what it finds in them as they are.

    python benchmarks/shortcuts.py ../shared/data/clothing
    python benchmarks/shortcuts.py ../shared/data/clothing --classes hat,shoes --share 0.5

Into copies of the photos one shortcut is planted for one class, for each class in turn: its photos (or a
share of them) are saved as PNG; brightened by 30 %; or given another camera, or a day of their own, by EXIF.
All is written as files and looked at as `tlearn check` does. A shortcut that is found for another
class or by another property, and is not there without the planting, is a wrong alarm. "bytes per
pixel" goes with the format, and counts as neither.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import machine
from PIL import Image

from tlearn import datasets, inspection
from tlearn.checking import shortcuts

_MAKE, _MODEL, _EXIF, _TAKEN = 0x010F, 0x0110, 0x8769, 0x9003
_ALONG = {"format": {"bytes per pixel"}, "brightness": {"brightness of the border", "contrast"}}


def as_png(photo: Image.Image, folder: Path, name: str) -> Path:
    photo.convert("RGB").save(folder / f"{name}.png")
    return folder / f"{name}.png"


def brightened(photo: Image.Image, folder: Path, name: str) -> Path:
    values = np.asarray(photo.convert("RGB")).astype(float) * 1.3
    file = folder / f"{name}.jpg"
    Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(file, quality=90)
    return file


def with_camera(photo: Image.Image, folder: Path, name: str) -> Path:
    exif = Image.Exif()
    exif[_MAKE], exif[_MODEL] = "Planted", "Planted X100"
    file = folder / f"{name}.jpg"
    photo.convert("RGB").save(file, quality=90, exif=exif)
    return file


def on_a_day(photo: Image.Image, folder: Path, name: str) -> Path:
    exif = Image.Exif()
    exif.get_ifd(_EXIF)[_TAKEN] = f"2024:05:01 12:{int(name) // 60 % 60:02d}:{int(name) % 60:02d}"
    file = folder / f"{name}.jpg"
    photo.convert("RGB").save(file, quality=90, exif=exif)
    return file


PLANTS: dict[str, Callable[[Image.Image, Path, str], Path]] = {
    "format": as_png,
    "brightness": brightened,
    "camera": with_camera,
    "date": on_a_day,
}


def looked_at(examples: pd.DataFrame) -> pd.DataFrame:
    """Labels, and what the photos are like."""
    table = inspection.look(examples).table.reset_index(drop=True)
    return table.assign(label=examples["label"].to_numpy())


def told(photos: pd.DataFrame) -> set[tuple[str, str]]:
    found = shortcuts.find(photos, list(photos["digest"]))
    return set(zip(found["property"], found["class"], strict=True))


def planted(
    photos: pd.DataFrame, label: str, change: Callable[..., Path], share: float, folder: Path
) -> pd.DataFrame:
    """The photos, those of a class or a share of them changed."""
    rows = photos.index[photos["label"] == label]
    rows = rows[: round(share * len(rows))]
    paths = []
    for number, row in enumerate(rows):
        with Image.open(photos["path"][row]) as photo:
            paths.append(str(change(photo, folder, str(number))))
    # Their digests are made up: the register is asked for none of them.
    changed = pd.DataFrame(
        {"path": paths, "digest": [f"{folder.name}/{path}" for path in paths], "label": label}
    )
    return pd.concat([photos.drop(index=rows), looked_at(changed)], ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("--classes", default="")
    parser.add_argument("--share", type=float, default=1.0)
    options = parser.parse_args()
    data = datasets.load(options.photos)
    photos = looked_at(data.examples)
    started = time.process_time()
    before = told(photos)
    seconds = time.process_time() - started
    nearest = shortcuts.find(photos, list(photos["digest"]), least=0.6)
    answer: dict[str, object] = {
        "machine": machine(),
        "photos": len(photos),
        "share": options.share,
        "cpu_seconds": round(seconds, 2),
        "as_it_is": sorted(before),
        "strongest": [
            f"{row['property']} tells {row['class']}: AUC {row['auc']:.2f}"
            for row in nearest.sort_values("auc", ascending=False).head(5).to_dict("records")
        ],
    }
    names = options.classes.split(",") if options.classes else data.class_names
    for name, change in PLANTS.items():
        missed, wrong = [], set()
        for label in names:
            with tempfile.TemporaryDirectory() as folder:
                found = told(planted(photos, label, change, options.share, Path(folder)))
            if (name, label) not in found:
                missed.append(label)
            allowed = {(one, label) for one in {name, *_ALONG.get(name, set())}}
            wrong |= found - before - allowed
        answer[name] = {
            "planted": len(names),
            "found": len(names) - len(missed),
            "missed": missed,
            "wrong": sorted(wrong),
        }
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()

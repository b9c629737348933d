"""How time and memory grow with the number of photos. JSON out.

    python benchmarks/growth.py ../shared/data/trash
    python benchmarks/growth.py PHOTOS --real "" --synthetic 10000,30000,100000 --memory 1GiB

Real photos are a random part of the set, its classes in their shares; where the set is smaller than
the number, its photos come again, each time cut differently by a few percent and encoded anew, and
tied to their original so that all copies are on one side of the split. Synthetic ones are 64x64
JPEGs with a shape in noise, ten classes, written once, and trained at --image-size 64. Each number is
a first run: a fresh process with an empty cache. What follows `--` is given to `tlearn finetune`.
One JSON object per run; `more_photos` in it compares with the run before: CPU seconds for each
photo more, and megabytes of peak memory for each thousand more. Accuracy is given to show that
something was learnt, and is not what this is for.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fine_tuning
import measuring
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from tlearn import datasets

SHAPES = ("disc", "square", "triangle", "cross", "ring")
BACKGROUNDS = ((70, 90, 150), (150, 110, 70))
SIDE = 64
MOST_CUT = 0.06  # of a photo's side, at each edge


def real(photos: str, counts: tuple[int, ...], scratch: Path) -> pd.DataFrame:
    """As many photos as the largest number wants; the first of them serve the smaller ones."""
    examples = datasets.load(photos).examples.sample(frac=1, random_state=0)
    rounds = [examples.assign(group=examples["path"])]
    have = len(examples)
    while have < max(counts, default=0):
        again = rounds[0].head(max(counts) - have)
        folder = scratch / f"round{len(rounds)}"
        folder.mkdir()
        jobs = [
            (path, folder / f"{place}.jpg", len(rounds) * len(examples) + place)
            for place, path in enumerate(again["path"])
        ]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda job: cut(*job), jobs))
        rounds.append(again.assign(path=[str(copy) for _, copy, _ in jobs]))
        have += len(again)
    return pd.concat(rounds, ignore_index=True)[["path", "label", "group"]]


def cut(path: str, copy: Path, seed: int) -> None:
    with Image.open(path) as photo:
        pixels = photo.convert("RGB")
    width, height = pixels.size
    left, top, right, bottom = np.random.default_rng(seed).uniform(0, MOST_CUT, 4)
    edges = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    pixels.crop(tuple(round(edge) for edge in edges)).save(copy, quality=92)


def synthetic(counts: tuple[int, ...], scratch: Path) -> pd.DataFrame:
    """As many as the largest number wants, dealt to the classes in turn."""
    folder = scratch / "synthetic"
    folder.mkdir()
    numbers = range(max(counts, default=0))
    paths = [folder / f"{number}.jpg" for number in numbers]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        labels = list(pool.map(draw, paths, numbers))
    return pd.DataFrame({"path": [str(path) for path in paths], "label": labels})


def draw(path: Path, number: int) -> str:
    """A light shape somewhere on a dark ground, under noise; shape and ground are its class."""
    generator = np.random.default_rng(number)
    shape = SHAPES[number % len(SHAPES)]
    ground = number // len(SHAPES) % len(BACKGROUNDS)
    image = Image.new("RGB", (SIDE, SIDE), BACKGROUNDS[ground])
    size = int(generator.integers(SIDE // 4, SIDE // 2))
    left, top = (int(place) for place in generator.integers(0, SIDE - size, 2))
    right, bottom, middle = left + size, top + size, left + size // 2
    pen, light = ImageDraw.Draw(image), (220, 220, 200)
    if shape == "disc":
        pen.ellipse((left, top, right, bottom), fill=light)
    elif shape == "square":
        pen.rectangle((left, top, right, bottom), fill=light)
    elif shape == "triangle":
        pen.polygon([(left, bottom), (right, bottom), (middle, top)], fill=light)
    elif shape == "ring":
        pen.ellipse((left, top, right, bottom), outline=light, width=3)
    else:
        pen.line((left, top, right, bottom), fill=light, width=4)
        pen.line((left, bottom, right, top), fill=light, width=4)
    noise = generator.integers(-40, 41, (SIDE, SIDE, 3), dtype=np.int16)
    pixels = np.clip(np.asarray(image, np.int16) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=85)
    return f"{shape}-{ground}"


def measure(photos: pd.DataFrame, options: list[str]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch, "photos.csv")
        photos.to_csv(table, index=False)
        run, cost = fine_tuning.run(
            table, options, output=Path(scratch, "runs"), cache=Path(scratch, "cache")
        )
        return {
            **cost.as_dict(),
            "accuracy": run.info["metrics"]["accuracy"],
            "train": run.info["dataset"]["train"],
            "epochs": run.stages.set_index("stage")["epochs"].to_dict(),
            "seconds": run.info["seconds"],
            "features": run.info.get("features"),
            "options": options,
        }


def series(
    kind: str, photos: pd.DataFrame, counts: tuple[int, ...], options: list[str]
) -> Iterator[dict[str, object]]:
    before: dict[str, object] | None = None
    for count in sorted(counts):
        result = {"kind": kind, "photos": count, **measure(photos.head(count), options)}
        yield result | ({"more_photos": slope(before, result)} if before else {})
        before = result


def slope(before: dict[str, object], now: dict[str, object]) -> dict[str, float]:
    def gain(name: str) -> float:
        return float(now[name]) - float(before[name])  # type: ignore[arg-type]

    return {
        "cpu_seconds_each": round(gain("cpu_seconds") / gain("photos"), 4),
        "megabytes_per_thousand": round(gain("peak_memory_gb") * 1e6 / gain("photos"), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--real", type=measuring.whole_numbers, default=(500, 1000, 2000, 4000))
    parser.add_argument("--synthetic", type=measuring.whole_numbers, default=())
    parser.add_argument("--memory", help="given to tlearn finetune, such as 1GiB")
    given = measuring.parse(parser)
    options = [*(["--memory", given.memory] if given.memory else []), *given.options]
    small = ["--image-size", str(SIDE), *options]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        # All are written before the first is measured.
        sets = (
            ("real", real(given.photos, given.real, scratch), given.real, options),
            ("synthetic", synthetic(given.synthetic, scratch), given.synthetic, small),
        )
        for kind, photos, counts, of_kind in sets:
            for result in series(kind, photos, counts, of_kind):
                print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()

"""Answer a folder of photos with ONNX Runtime, and say how many answers were right.

    pip install onnxruntime numpy pillow
    python onnx_photos.py NAME/1/model.onnx photos/

The file makes a square of a photo of any size by itself, and says in its metadata which classes it
knows and below which probability it is unsure.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def load(model: Path) -> tuple[Callable[[Path], np.ndarray], list[str], float]:
    """A function from a photo to its probabilities, the class names, and the threshold."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    size = int(about["image_size"])

    def answer(path: Path) -> np.ndarray:
        pixels = np.asarray(opened(path, size), np.float32)[np.newaxis]  # (1, height, width, 3)
        return session.run(["probabilities"], {"pixels": pixels})[0][0]

    return answer, json.loads(about["class_names"]), float(about["threshold"])


def opened(path: Path, size: int) -> Image.Image:
    """A photo upright and RGB."""
    image = Image.open(path)
    # Large JPEGs are read at the size they need, as in training; nothing happens to others.
    image.draft("RGB", (2 * size, 2 * size))
    return ImageOps.exif_transpose(image).convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="model.onnx")
    parser.add_argument("photos", type=Path, help="a folder with a folder of photos for each class")
    parser.add_argument("--answers", type=Path, help="write each photo's answer to this CSV file")
    given = parser.parse_args()
    answer, class_names, threshold = load(given.model)

    rows, right, unsure = [], 0, 0
    for path in sorted(path for path in given.photos.glob("*/*") if path.is_file()):
        probabilities = answer(path)
        best = int(probabilities.argmax())
        right += class_names[best] == path.parent.name
        unsure += bool(probabilities[best] < threshold)
        rows.append((path.relative_to(given.photos), class_names[best], *map(float, probabilities)))
    print(f"{right} of {len(rows)} right: accuracy {right / len(rows):.4f}, {unsure} unsure")
    if given.answers:
        with given.answers.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("path", "answer", *class_names), *rows])


if __name__ == "__main__":
    main()

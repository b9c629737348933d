"""Answer a folder of photos with LiteRT, and say how many answers were right.

    pip install ai-edge-litert numpy pillow
    python litert_photos.py NAME/1/model.tflite photos/

The file takes squares. Which classes it knows, how a photo becomes a square, and below which
probability it is unsure, stands in `about.json`, which is packed behind the model as a zip archive.
"""

from __future__ import annotations

import argparse
import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps


def load(model: Path) -> tuple[Callable[[Path], np.ndarray], list[str], float]:
    """A function from a photo to its probabilities, the class names, and the threshold."""
    about = json.loads(zipfile.ZipFile(model).read("about.json"))
    interpreter = Interpreter(model_path=str(model))
    interpreter.allocate_tensors()
    (given,), (found,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answer(path: Path) -> np.ndarray:
        photo = np.asarray(opened(path, about["image_size"]), np.float32)
        pixels = square(photo, about["image_size"], about["resize_mode"])
        if given["dtype"] == np.uint8:  # of an int8 file, with the scale and zero point it has
            scale, zero = given["quantization"]
            pixels = np.clip(np.round(pixels / scale + zero), 0, 255).astype(np.uint8)
        interpreter.set_tensor(given["index"], pixels[np.newaxis])
        interpreter.invoke()
        probabilities = interpreter.get_tensor(found["index"])[0]
        if found["dtype"] == np.uint8:
            scale, zero = found["quantization"]
            probabilities = (probabilities.astype(np.float32) - zero) * scale
        return probabilities

    return answer, about["class_names"], about["threshold"]


def square(pixels: np.ndarray, size: int, mode: str) -> np.ndarray:
    """What the network looks at: float32 `(size, size, 3)`, bilinear with antialiasing.

    `image.resize((size, size), Image.Resampling.BILINEAR, box=...)` of Pillow is near to it, but rounds
    to whole levels twice.
    """
    height, width = pixels.shape[:2]
    shorter, longer = min(height, width), max(height, width)

    def matrix(length: int) -> np.ndarray:
        taken = shorter if mode == "crop" else length
        made = max(1, (2 * length * size + longer) // (2 * longer)) if mode == "pad" else size
        scale = np.float32(taken / made)
        wanted = np.arange(size, dtype=np.float32) - (size - made) // 2 + 0.5
        given = np.arange(length, dtype=np.float32) - (length - taken) // 2 + 0.5
        apart = np.abs(given - (wanted * scale)[:, np.newaxis]) / max(scale, 1)
        weights = np.maximum(0, 1 - apart) * ((given > 0) & (given < taken))
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-6)
        return weights * ((wanted > 0) & (wanted < made))[:, np.newaxis]

    rows, columns = matrix(height), matrix(width)  # (size, height), (size, width)
    resized = np.einsum("rh,hwc,sw->rsc", rows, pixels, columns, optimize=True)
    padding = 127 * (1 - np.outer(rows.sum(axis=1), columns.sum(axis=1)))
    return np.clip(resized + padding[..., np.newaxis], 0, 255).astype(np.float32)


def opened(path: Path, size: int) -> Image.Image:
    """A photo upright and RGB."""
    image = Image.open(path)
    # Large JPEGs are read at the size they need, as in training; nothing happens to others.
    image.draft("RGB", (2 * size, 2 * size))
    return ImageOps.exif_transpose(image).convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="model.tflite")
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

"""Answer a folder of photos with a SavedModel, and say how many answers were right.

    pip install tensorflow
    python savedmodel_photos.py NAME/1 photos/

It takes the bytes of the files: decoding and all that follows is inside, and so are the classes.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf


def load(model: Path) -> tuple[Callable[[Path], np.ndarray], list[str], float]:
    """A function from a photo to its probabilities, the class names, and the threshold."""
    loaded = tf.saved_model.load(str(model))
    about = loaded.signatures["about"]()
    classify = loaded.signatures["serving_default"]

    def answer(path: Path, keep: object = loaded) -> np.ndarray:  # the variables die with `loaded`
        return classify(images=tf.constant([path.read_bytes()]))["probabilities"].numpy()[0]

    class_names = [name.decode() for name in about["class_names"].numpy()]
    # One of before there were thresholds has none.
    return answer, class_names, float(about.get("threshold", 0.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the folder with saved_model.pb")
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

"""What MediaPipe makes of a LiteRT file, from its metadata alone. JSON out. Needs mediapipe, no tlearn.

    python benchmarks/formats_mediapipe.py NAME/1/model.tflite PHOTOS

PHOTOS holds a folder of photos for each class. Accuracy of MediaPipe's ImageClassifier on whole photos,
which it squeezes into a square, and on the largest centred square; `unsure` are the photos of which it
says nothing, since no class is above the file's threshold.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from PIL import Image, ImageOps


def answers(model: Path, photos: list[Path], *, square: bool) -> Iterator[str | None]:
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=str(model)), max_results=1
    )
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for path in photos:
            image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
            if square:
                side = min(image.size)
                image = ImageOps.fit(image, (side, side), Image.Resampling.NEAREST)
            pixels = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(image))
            found = classifier.classify(pixels).classifications[0].categories
            yield found[0].category_name if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path)
    given = parser.parse_args()
    photos = sorted(path for path in given.photos.glob("*/*") if path.is_file())
    for square in (False, True):
        said = list(answers(given.model, photos, square=square))
        known = [(one, path) for one, path in zip(said, photos, strict=True) if one is not None]
        right = sum(one == path.parent.name for one, path in known)
        found = {
            "square": square,
            "photos": len(photos),
            "unsure": len(photos) - len(known),
            "right": right,
            "accuracy_of_the_answered": right / max(1, len(known)),
        }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

"""A classifier that takes a second to make, exported as a run's is, and photos that it tells apart."""

from __future__ import annotations

import io
from pathlib import Path

import keras
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from tlearn.calibration import Limits
from tlearn.export import export

SIZE = 16
CLASSES = ("1", "10", "shirt")
THRESHOLD = 0.6


def export_to(directory: Path, class_names: tuple[str, ...] = CLASSES) -> Path:
    """Write the SavedModel."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1)(inputs)
    x = keras.layers.Flatten()(x)
    kernel = keras.initializers.RandomNormal(0, 0.1)
    x = keras.layers.Dense(len(class_names), kernel_initializer=kernel)(x)
    model = keras.Model(inputs, keras.layers.Softmax()(x))
    limits = Limits(threshold=THRESHOLD)
    export(model, class_names, directory, image_size=SIZE, resize_mode="stretch", limits=limits)
    return directory


def pixels(number: int, height: int = 40, width: int = 30) -> np.ndarray:
    """A part of a real photo, another one for each number."""
    photo = load_sample_image(["china.jpg", "flower.jpg"][number % 2])
    top, left = 37 * number % 380, 71 * number % 600
    return np.ascontiguousarray(photo[top : top + height, left : left + width])


def png(number: int) -> bytes:
    """The same as a file's bytes."""
    file = io.BytesIO()
    Image.fromarray(pixels(number)).save(file, "PNG")
    return file.getvalue()


def photos_in(folder: Path, count: int) -> Path:
    """So many photos in two sub-folders."""
    for number in range(count):
        file = folder / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(number))
    return folder

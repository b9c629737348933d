"""A finished run of a tiny network that has learned real photos, with its models, in a few seconds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import run_folders
from PIL import Image
from sklearn.datasets import load_sample_image

from tlearn import runs
from tlearn.calibration import Limits
from tlearn.evaluation import evaluate, make_predictions
from tlearn.export import export
from tlearn.photos import pipeline

SIZE = 32
CLASSES = ("china", "flower", "negative of a flower", "NA")
_SPLITS = ("train", "train", "train", "validation", "test")
_THRESHOLD = 0.6


def photos(folder: Path, each: int = 25) -> pd.DataFrame:
    """Crops of two real photos and of what is made of them, of many shapes and kinds of file."""
    china, flower = load_sample_image("china.jpg"), load_sample_image("flower.jpg")
    sources = dict(zip(CLASSES, (china, flower, 255 - flower, 255 - china), strict=True))
    generator = np.random.default_rng(0)
    rows = []
    for name, source in sources.items():
        for number in range(each):
            height, width = generator.integers(40, 200, 2)
            top = generator.integers(0, source.shape[0] - height)
            left = generator.integers(0, source.shape[1] - width)
            image = Image.fromarray(source[top : top + height, left : left + width])
            suffix = ("jpg", "png", "jpg", "bmp")[number % 4]
            path = folder / name / f"{number:03d}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            exif = Image.Exif()
            exif[0x0112] = 6 if number % 8 == 2 else 1  # lying on its side
            image.save(path, **({"quality": 95, "exif": exif} if suffix == "jpg" else {}))
            rows.append(
                {
                    "path": str(path),
                    "label": name,
                    "split": _SPLITS[number % 5],
                    "group": None,
                    "digest": hashlib.sha256(path.read_bytes()).hexdigest(),
                    "decoder": "pillow" if suffix == "bmp" else "graph",
                }
            )
    return pd.DataFrame(rows)


def network(classes: int) -> keras.Model:
    """A flat model from raw pixels, with the layers that converters stumble over."""
    layers = keras.layers
    x = inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Rescaling(1 / 127.5, -1)(x)
    x = layers.Normalization(mean=[0.1, 0.0, -0.1], variance=[0.3, 0.3, 0.3])(x)
    x = layers.Conv2D(12, 5, strides=2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("swish")(x)
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.ReLU(6.0)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Dense(classes, name="logits")(x)
    return keras.Model(inputs, layers.Activation("softmax", name="probabilities")(x))


def write(folder: Path, name: str = "small") -> runs.Run:
    """Train it and write the run; the photos lie in `folder/photos`."""
    table = photos(folder / "photos")
    keras.utils.set_random_seed(0)
    model = network(len(CLASSES))
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    train = table[table["split"] == "train"]
    batches = pipeline.batches(train, CLASSES, image_size=SIZE).cache()
    model.fit(batches, epochs=25, shuffle=False, verbose=0)
    held_out = table[table["split"] != "train"].reset_index(drop=True)
    said = np.asarray(
        model.predict(pipeline.batches(held_out, CLASSES, image_size=SIZE), verbose=0)
    )
    predictions = make_predictions(held_out, said, CLASSES)
    with runs.unfinished(folder / "saved_models", name) as run:
        run_folders.fill(
            run,
            class_names=CLASSES,
            table=predictions,
            splits=table,
            changes={
                "image_size": SIZE,
                "metrics": evaluate(predictions.query("split == 'test'"), CLASSES).metrics,
                "calibration": {"temperature": 1.0},
                "threshold": {"threshold": _THRESHOLD},
            },
        )
        model.save(run.model_path)
        export(
            model,
            CLASSES,
            run.saved_model_path,
            image_size=SIZE,
            limits=Limits(threshold=_THRESHOLD),
        )
    assert run.run is not None
    return run.run

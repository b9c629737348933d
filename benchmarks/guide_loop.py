"""The loop of Keras's guide "Transfer learning & fine-tuning" on photos in split folders. JSON out.

    python benchmarks/guide_loop.py PHOTOS        # PHOTOS has train/, validation/ and test/

As the guide has it (https://keras.io/guides/transfer_learning, F. Chollet): augmentation by mirror
and rotation, mapped on the data; a frozen base called with `training=False`, so that BatchNorm stays
as it is; pooling, dropout and one dense layer, trained with Adam at 1e-3; then all of the base
unfrozen and trained on with Adam at 1e-5, and the last epoch's weights are the result. The photos
are read by `image_dataset_from_directory`, which the guide names for photos of one's own.

What is not the guide's: the base is tlearn's EfficientNet-Lite0 in place of Xception, so that both
start from the same weights; the frozen base is trained for 10 epochs, where the guide takes 20; the
photos are kept in memory before they are augmented, so that each epoch varies them anew.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tlearn import backbones

HEAD_RATE, BASE_RATE = 1e-3, 1e-5


def read(folder: Path, image_size: int, seed: int, *, shuffle: bool) -> tf.data.Dataset:
    return keras.utils.image_dataset_from_directory(
        folder,
        label_mode="int",
        image_size=(image_size, image_size),
        shuffle=shuffle,
        seed=seed,
        verbose=False,
    )


def augmented(photos: tf.data.Dataset) -> tf.data.Dataset:
    layers = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1)]

    def augment(images: tf.Tensor) -> tf.Tensor:
        for layer in layers:
            images = layer(images)
        return images

    return photos.map(
        lambda images, labels: (augment(images), labels), num_parallel_calls=tf.data.AUTOTUNE
    )


def attach(base: keras.Model, num_classes: int) -> keras.Model:
    inputs = keras.Input(base.input_shape[1:])
    x = base(inputs, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(inputs, keras.layers.Dense(num_classes)(x))


def fit(
    model: keras.Model, rate: float, epochs: int, train: tf.data.Dataset, held_out: tf.data.Dataset
) -> dict[str, object]:
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    started = time.perf_counter()
    history = model.fit(train, epochs=epochs, validation_data=held_out, verbose=0).history
    return {
        "epochs": epochs,
        "seconds": round(time.perf_counter() - started, 1),
        "accuracy": history["accuracy"][-1],
        "validation_accuracy": history["val_accuracy"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="a folder with train/, validation/ and test/")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--head-epochs", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=10, help="after unfreezing")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    keras.utils.set_random_seed(given.seed)

    folders = [given.photos / split for split in ("train", "validation", "test")]
    train, held_out, test = (
        read(folder, given.image_size, given.seed, shuffle=folder is folders[0])
        for folder in folders
    )
    class_names, files = train.class_names, test.file_paths
    train = augmented(train.cache()).prefetch(tf.data.AUTOTUNE)
    held_out = held_out.cache().prefetch(tf.data.AUTOTUNE)

    base = backbones.build(given.backbone, image_size=given.image_size)
    base.trainable = False
    model = attach(base, len(class_names))
    frozen = fit(model, HEAD_RATE, given.head_epochs, train, held_out)
    base.trainable = True
    unfrozen = fit(model, BASE_RATE, given.epochs, train, held_out)

    guesses = np.argmax(model.predict(test, verbose=0), axis=1)
    answers = {
        "/".join(Path(file).parts[-2:]): class_names[guess]
        for file, guess in zip(files, guesses, strict=True)
    }
    right = [file.split("/")[0] == answer for file, answer in answers.items()]
    result = {
        "test_accuracy": float(np.mean(right)),
        "frozen": frozen,
        "unfrozen": unfrozen,
        "answers": answers,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

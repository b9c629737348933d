"""Small TFDS data sets, prepared for real: `python tests/tiny_tfds.py DATA_DIR`.

Run in a process of its own, so that the tests read what they wrote without knowing the classes.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from photo_files import pixels

NAMES = ["tulip", "10", "2", "unused"]


def encoded(key: object, format: str) -> io.BytesIO:
    stream = io.BytesIO()
    pixels(key, 24).save(stream, format)
    stream.seek(0)
    return stream


class _Tiny(tfds.core.GeneratorBasedBuilder):
    """Three classes and an unused one; JPEG and PNG in turn."""

    VERSION = tfds.core.Version("1.2.3")
    SPLITS: ClassVar[dict[str, int]] = {"train": 12}
    LABELS: ClassVar[dict[str, Any]] = {"label": tfds.features.ClassLabel(names=NAMES)}
    SUPERVISED: ClassVar[tuple[str, str] | None] = None

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(None, None, 3))
        features = tfds.features.FeaturesDict({"image": image, **self.LABELS})
        return tfds.core.DatasetInfo(
            builder=self, features=features, supervised_keys=self.SUPERVISED
        )

    def _split_generators(self, manager: object) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {split: self._examples(split, count) for split, count in self.SPLITS.items()}

    def _generate_examples(self) -> None:
        raise NotImplementedError

    def _examples(self, split: str, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for number in range(count):
            image = encoded((split, number), "JPEG" if number % 2 else "PNG")
            yield number, {"image": image, **self._labels(number)}

    def _labels(self, number: int) -> dict[str, Any]:
        return {"label": number % 3}


class TinyFlowers(_Tiny):
    """Only train."""


class TinySplits(_Tiny):
    """Given splits, and one that is none of ours."""

    SPLITS: ClassVar = {"train": 18, "validation": 6, "test": 9, "unlabeled": 3}


class TinyUnlabelledTest(_Tiny):
    """Its test photos have no labels, as where a competition keeps them."""

    SPLITS: ClassVar = {"train": 12, "test": 3}

    def _examples(self, split: str, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, example in super()._examples(split, count):
            yield number, example if split == "train" else {**example, "label": -1}


class TinyPairs(_Tiny):
    """Two labels, of which the data set itself names one."""

    LABELS: ClassVar = {
        "species": tfds.features.ClassLabel(num_classes=2),
        "kind": tfds.features.ClassLabel(names=NAMES[:3]),
        "mask": tfds.features.Image(shape=(2, 2, 1)),
    }
    SUPERVISED = ("image", "kind")

    def _labels(self, number: int) -> dict[str, Any]:
        mask = np.zeros((2, 2, 1), np.uint8)
        return {"species": number % 2, "kind": number % 3, "mask": mask}


class TinyTexts(_Tiny):
    """No label at all."""

    LABELS: ClassVar = {"caption": tfds.features.Text()}

    def _labels(self, number: int) -> dict[str, Any]:
        return {"caption": "a flower"}


class TinyFolds(_Tiny):
    """Splits of other names."""

    SPLITS: ClassVar = {"fold1": 6, "fold2": 6}


class TinyWhole(_Tiny):
    """One split of another name."""

    SPLITS: ClassVar = {"full": 12}


BUILDERS = (
    TinyFlowers, TinySplits, TinyUnlabelledTest, TinyPairs, TinyTexts, TinyFolds, TinyWhole
)  # fmt: skip


def main(data_dir: Path) -> None:
    tfds.disable_progress_bar()
    for builder in BUILDERS:
        builder(data_dir=data_dir).download_and_prepare()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A trained run that answers, for use in other programs: what `tlearn.load` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from tlearn import runs
from tlearn.calibration import Target
from tlearn.prediction import asked, pixels, reading
from tlearn.prediction.answering import said_of
from tlearn.prediction.answers import answers_table
from tlearn.prediction.finding import find_places
from tlearn.prediction.saved import Saved
from tlearn.prediction.wanted import Wanted

__all__ = ["Classifier", "load"]

_BATCH = 32

Photos = Any  # see `Classifier.predict`


@dataclass(frozen=True)
class _Said:
    names: list[str | None]
    probabilities: npt.NDArray[Any]
    distances: npt.NDArray[Any]
    errors: list[str | None]


class Classifier:
    """A trained classifier in memory, ready to answer photos; from `tlearn.load`.

    It answers what the run's SavedModel answers, and needs neither Keras nor the photos it was
    trained on. It may be called from several threads at the same time.

    Args:
        saved: The SavedModel.
        threshold: Below which probability an answer is unsure, 0..1; `None` for what it holds.

    Example:

    ```python
    classifier = tlearn.load("saved_models/clothing-efficientnet_lite0")
    classifier.predict("photo.jpg").answer[0]  # "dress", or "unsure"
    ```
    """

    def __init__(self, saved: Saved, threshold: float | None = None) -> None:
        self._saved = saved
        self._threshold = saved.threshold if threshold is None else threshold

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return self._saved.class_names

    @property
    def threshold(self) -> float:
        """Below which probability an answer is unsure, 0..1."""
        return self._threshold

    @property
    def image_size(self) -> int:
        """The side, in pixels, of the square that the network sees of a photo of any size."""
        return self._saved.image_size

    def predict(self, photos: Photos, *, top: int = 5) -> pd.DataFrame:
        """Name what is on photos.

        Args:
            photos: A path, a folder, a glob, a URL, `@photos.txt` with a path a line, a Pillow image, an
                array of RGB numbers in 0..255 of shape `(height, width, 3)` or
                `(photos, height, width, 3)`; or a list in which these may be mixed.
            top: How many classes to name per photo, at most as many as there are.

        Returns:
            A table as `tlearn.predict` gives it, one row per photo in the given order. `path` is
            missing for what is no file.

        Raises:
            DatasetError: A path stands for no file at all, or a glob matches nothing.
            DecodeError: A Pillow image cannot be read. A file that cannot be read is a row with its
                `error`.
            ValueError: An array is no photo.
        """
        wanted = Wanted(top=top)
        tables = [
            answers_table(
                said.names,
                said.probabilities,
                self.labels,
                said.errors,
                wanted.top,
                threshold=self._threshold,
                distances=said.distances,
            )
            for said in self._all(photos)
        ]
        return pd.concat(tables, ignore_index=True)

    def probabilities(self, photos: Photos) -> pd.DataFrame:
        """Give the probability of every class.

        Args:
            photos: As for `predict`.

        Returns:
            float32, one row per photo in the given order, one column per class in the order of
            `labels`. Rows of files that cannot be read are NaN; `predict` says why.

        Raises:
            DatasetError: As for `predict`.
            DecodeError: As for `predict`.
            ValueError: As for `predict`.

        Example:

        ```python
        classifier.probabilities(image).iloc[0].to_dict()  # {"dress": 0.91, "hat": 0.02, ...}
        ```
        """
        rows = []
        for said in self._all(photos):
            failed = np.array([error is not None for error in said.errors], bool)
            rows.append(np.where(failed[:, np.newaxis], np.float32(np.nan), said.probabilities))
        return pd.DataFrame(np.concatenate(rows), columns=pd.Index(self.labels, dtype=object))

    def __repr__(self) -> str:
        shown = ", ".join(self.labels[:5]) + (", ..." if len(self.labels) > 5 else "")
        return f"Classifier({len(self.labels)} classes: {shown}; threshold {self._threshold:.3g})"

    def _all(self, photos: Photos) -> Iterator[_Said]:
        """What is said of the photos, some at a time, in their order."""
        one = isinstance(photos, str | Path) or pixels.is_photo(photos)
        given = [photos] if one else list(photos)
        if not given:
            find_places([])
        at = 0
        while at < len(given):
            kind = _kind(given[at])
            end = at + 1
            while end < len(given) and _kind(given[end]) is kind:
                end += 1
            yield from kind(self, given[at:end])
            at = end

    def _of_files(self, given: Sequence[str | Path]) -> Iterator[_Said]:
        # A photo that is given twice has two rows.
        places = (place for one in given for place in find_places(one))
        for batch in reading.batches(places, _BATCH):
            probabilities, distances, errors = said_of(self._saved, batch)
            yield _Said([photo.place for photo in batch], probabilities, distances, errors)

    def _of_images(self, given: Sequence[Image.Image]) -> Iterator[_Said]:
        yield from self._of_arrays(map(pixels.of_image, given))

    def _of_arrays(self, given: Iterable[Any]) -> Iterator[_Said]:
        for one in given:
            array = pixels.of_array(one)
            for start in range(0, len(array), _BATCH):
                part = array[start : start + _BATCH]
                nothing: list[str | None] = [None] * len(part)
                yield _Said(nothing, *self._saved.of_pixels(part), nothing)


def _kind(photo: object) -> Callable[[Classifier, Any], Iterator[_Said]]:
    if isinstance(photo, Image.Image):
        return Classifier._of_images
    if isinstance(photo, str | Path):
        return Classifier._of_files
    if pixels.is_photo(photo):
        return Classifier._of_arrays
    raise ValueError(
        "This is no photo. Expected a path, a URL, a Pillow image or an array of RGB numbers in "
        f"0..255. Received: photos={type(photo).__name__}"
    )


def load(
    run: runs.Run | str | Path | None = None,
    *,
    root: str | Path = runs.ROOT,
    flip: bool = False,
    threshold: float | None = None,
    target_precision: float | None = None,
    target_coverage: float | None = None,
) -> Classifier:
    """Load a trained classifier, to be asked again and again.

    `tlearn.load_run` gives the same run's tables and plots, without TensorFlow.

    Args:
        run: A run, its folder, its name under `root`, or the folder of a bare SavedModel; by default
            the latest finished run under `root`. The folder may have been copied anywhere.
        root: The folder of run folders.
        flip: Answer with the mean of a photo and of its mirror image, for twice the time.
        threshold: Below which probability an answer is unsure, 0..1; by default what the SavedModel
            holds.
        target_precision: In its place, the share of the answers that is to be right, by the run's
            validation photos; see docs/calibration.md.
        target_coverage: In its place, the share of photos that is to be answered.

    Returns:
        A `Classifier`.

    Raises:
        RunError: There is no such run, its SavedModel is damaged, or its validation photos do not
            show that a target is reached.

    Example:

    ```python
    classifier = tlearn.load("saved_models/clothing-efficientnet_lite0")
    classifier.predict([Image.open("photo.jpg"), array, "more_photos/"])
    ```
    """
    wanted = Wanted(flip=flip, threshold=threshold)
    found = asked.which(run, root)
    if target_precision is not None or target_coverage is not None:
        wanted = asked.for_target(wanted, found, Target.of(target_precision, target_coverage))
    saved = Saved(asked.directory(found), flip=wanted.flip)
    return Classifier(saved, wanted.threshold)

"""Which photos train, which steer the training, and which judge it. No TensorFlow here.

Each photo's side is read off a hash of the seed and of its own content, so that it does not depend
on which other photos there are: photos that are added later move no old one from one side to
another. The price is that the split is stratified by chance and not by count: each class is
divided in the asked shares as a biased coin would divide it. At 15 %, a class of 100 photos gives
15 to the test, give or take 3.6 (one standard deviation); one of 1,000 gives 150, give or take 11.
Exact counts would have to depend on the other photos of the class, and each new one could move an
old one.
"""

from __future__ import annotations

import dataclasses
import numbers
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from tlearn.datasets.bundles import Bundle, of_examples
from tlearn.datasets.dataset import SPLITS, Dataset, short_list
from tlearn.errors import DatasetError
from tlearn.progress import SILENT, Progress

__all__ = ["make"]


def make(
    dataset: Dataset,
    *,
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Dataset:
    """Decide for every photo whether it is for training, validation or test.

    - A given split is kept. When all photos have one but a split is missing, it is taken out of
      train.
    - A photo without a given split goes where a hash of `seed` and its bytes says. Photos of one
      group, files with the same bytes, and photos of one `bundle` (see
      `tlearn.inspection.belonging`) go together; those tied to a photo with a given split follow it.
    - Every class must have a photo to train on, and neither validation nor test may be empty.
      Where chance left one without, the fewest photos that mend it are moved, and named.

    So photos that are added move no old one, but for two cases: a new photo that ties old ones to
    each other or to a group takes them along; and in a set so small that photos had to be moved,
    the new ones may make that needless.

    Args:
        dataset: The photos.
        validation: The share for validation, from 0 to below 1.
        test: The share for test, from 0 to below 1; both together below 1.
        seed: Another seed divides otherwise.
        progress: Warned of photos that were moved, of classes without a test photo, and of one
            photo in two given splits.

    Returns:
        The same data set, with `"train"`, `"validation"` or `"test"` in every row of `split`.

    Raises:
        ValueError: When the shares are no shares.
        DatasetError: When a class has no photo to train on, or the photos are too few, or tied
            together too much, for a validation split.

    Example:

    ```python
    dataset = splits.make(tlearn.datasets.load("my_photos/"), seed=1)
    dataset.examples["split"].value_counts()
    ```
    """
    _check_shares(validation, test)
    examples = dataset.examples
    given = [None if pd.isna(side) else str(side) for side in examples["split"]]
    _report_leaks(examples, given, progress)
    wanted = {side for side, share in (("validation", validation), ("test", test)) if share}
    rows: Sequence[int] = range(len(given))
    if None not in given:
        wanted -= set(given)
        # A copy of a given test photo may be in train, and does not follow it: both are given.
        rows = [row for row, side in enumerate(given) if side == "train"] if wanted else []
        given = [None if wanted and side == "train" else side for side in given]

    tied = of_examples(examples, rows, seed=seed)
    sides = _Sides(list(examples["label"]), given)
    free = []
    for bundle in tied:
        present = {given[row] for row in bundle.rows}
        follows = next((side for side in SPLITS if side in present), None)
        sides.put(bundle, follows or _side(bundle.place, validation, test, wanted))
        if follows is None:
            free.append(bundle)
    _mend(sides, free, wanted, list(examples["path"]), progress)
    _check_sides(dataset, sides, wanted, progress)
    column = pd.Series(sides.of_row, index=examples.index, dtype=object)
    return dataclasses.replace(dataset, examples=examples.assign(split=column))


class _Sides:
    """Where each photo is so far, and how many of each class are on each side."""

    def __init__(self, labels: list[str], given: list[str | None]) -> None:
        self.labels = labels
        self.of_row = list(given)
        self.counts = Counter(zip(given, labels, strict=True))
        self._given = given

    def put(self, bundle: Bundle, side: str) -> None:
        for row in bundle.rows:
            if self._given[row] is None:
                self.counts[self.of_row[row], self.labels[row]] -= 1
                self.counts[side, self.labels[row]] += 1
                self.of_row[row] = side

    def of(self, bundle: Bundle) -> str | None:
        return self.of_row[bundle.rows[0]]

    def photos(self, side: str) -> int:
        return sum(count for (of, _), count in self.counts.items() if of == side)

    def without(self, side: str) -> list[str]:
        labels = dict.fromkeys(self.labels)
        return [label for label in labels if not self.counts[side, label]]

    def can_leave_train(self, bundle: Bundle) -> bool:
        leaving = Counter(self.labels[row] for row in bundle.rows)
        return all(self.counts["train", label] > count for label, count in leaving.items())


def _side(place: float, validation: float, test: float, wanted: set[str]) -> str:
    # A split that is not wanted leaves its stretch to train, so that the other keeps its own.
    if place < test:
        return "test" if "test" in wanted else "train"
    if place < test + validation:
        return "validation" if "validation" in wanted else "train"
    return "train"


def _mend(
    sides: _Sides, free: list[Bundle], wanted: set[str], paths: list[str], progress: Progress
) -> None:
    """Move the fewest photos that leave no class without training and no split empty."""
    for label in sides.without("train"):
        having = [b for b in free if label in {sides.labels[row] for row in b.rows}]
        if having and not sides.counts["train", label]:
            # Of bundles of one size, the one that came nearest to train by itself.
            chosen = min(having, key=lambda bundle: (len(bundle.rows), -bundle.place))
            sides.put(chosen, "train")
            _report_move(chosen, "train", f"{label!r} had no photo to train on", paths, progress)
    for side in ("validation", "test"):
        if side not in wanted or sides.photos(side):
            continue
        spare = [b for b in free if sides.of(b) == "train" and sides.can_leave_train(b)]
        if not spare:
            # A result that nothing judges is poor; a training that nothing steers is none.
            other, least = ("test", 1) if side == "validation" else ("validation", 2)
            of_other = [bundle for bundle in free if sides.of(bundle) == other]
            spare = of_other if len(of_other) >= least else []
        if spare:
            chosen = min(spare, key=lambda bundle: (len(bundle.rows), bundle.place))
            sides.put(chosen, side)
            _report_move(chosen, side, f"{side} was empty", paths, progress)


def _report_move(bundle: Bundle, side: str, why: str, paths: list[str], progress: Progress) -> None:
    moved = short_list((paths[row] for row in bundle.rows), 3)
    progress.warn(f"Moved to {side}, because by chance {why}: {moved}")


def _check_sides(dataset: Dataset, sides: _Sides, wanted: set[str], progress: Progress) -> None:
    untrained = sides.without("train")
    if untrained:
        raise DatasetError(
            f"{_classes(untrained)} no photo to train on, because all of theirs have a given "
            "split or are tied to photos that have. Expected at least one training photo in every "
            "class. Put some into train, or remove the class. "
            f"Received: dataset={dataset.source!r}"
        )
    if "validation" in wanted and not sides.photos("validation"):
        raise DatasetError(
            f"No photo can be spared for validation: {len(sides.labels)} photos in "
            f"{len(dataset.class_names)} classes, each of which needs one to train on that is not "
            "tied to the others by its group. Expected one photo more. Add photos, or give a "
            f"validation split. Received: dataset={dataset.source!r}"
        )
    if "test" in wanted and not sides.photos("test"):
        progress.warn("No photo can be spared for test: nothing will judge the result. Add photos")
    elif sides.photos("test") and (untested := sides.without("test")):
        progress.warn(f"{_classes(untested)} no test photo, so nothing will judge how it is told")


def _classes(names: list[str]) -> str:
    return f"The class {names[0]!r} has" if len(names) == 1 else f"{short_list(names)} have"


def _report_leaks(examples: pd.DataFrame, given: list[str | None], progress: Progress) -> None:
    """Given splits are kept as they are; what makes their scores too good is said."""
    table = examples.assign(split=pd.Series(given, index=examples.index, dtype=object))
    table = table[table["split"].notna()]
    for column, one, many in (
        (
            "digest",
            "1 photo stands, byte for byte the same,",
            "photos stand, byte for byte the same,",
        ),
        ("group", "1 group stands", "groups stand"),
    ):
        if column == "digest" and "bundle" in table:
            continue  # copies are told of with all else that shows the same
        present = table[table[column].notna()]
        spans = present.groupby(column, sort=False)["split"].nunique()
        leaking = spans.index[spans > 1]
        if len(leaking):
            first = present[present[column] == leaking[0]]
            one_each = first.drop_duplicates("split")
            where = " = ".join(one_each["path"])
            progress.warn(
                f"{one if len(leaking) == 1 else f'{len(leaking)} {many}'} in more than one given split, which makes scores look "
                f"better than they are. The first: {where}"
            )


def _check_shares(validation: float, test: float) -> None:
    for name, share in (("validation", validation), ("test", test)):
        number = isinstance(share, numbers.Real) and not isinstance(share, bool)
        if not number or not 0 <= share < 1:
            raise ValueError(
                f"A split's share is a part of all photos. Expected a number from 0 to below 1, "
                f"such as 0.15. Received: {name}={share!r}"
            )
    if validation + test >= 1:
        raise ValueError(
            "Nothing would be left to train on. Expected validation and test to be below 1 "
            f"together. Received: validation={validation!r}, test={test!r}"
        )

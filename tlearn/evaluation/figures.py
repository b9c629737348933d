"""What a classifier got right and wrong: a table of predictions becomes tables of figures.

Two kinds of class need a rule, and the rule is scikit-learn's:

- A class with no photo in the split has no recall: NaN, shown as `-`, not 0. Balanced accuracy and
  macro F1 are means over the classes that have photos, as in `balanced_accuracy_score(labels,
  predicted)` and `f1_score(labels, predicted, labels=present, average="macro")`. Photos wrongly
  given to such a class still count, against the recall of the classes they belong to.
- A class that no photo was predicted as has no precision: NaN. When it has photos, its recall and
  its F1 are 0, and count as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlearn.errors import DatasetError
from tlearn.evaluation.cells import ratio
from tlearn.evaluation.intervals import wilson
from tlearn.evaluation.summary import summarise

__all__ = ["Evaluation", "evaluate", "make_predictions", "measured_split"]


@dataclass(frozen=True)
class Evaluation:
    """The figures of one split, as pandas tables.

    Attributes:
        summary: One row each for `accuracy`, `balanced_accuracy` and `macro_f1`; columns `metric`,
            `value`, `low`, `high`: fractions 0..1 with their 95 % interval, see
            `tlearn.evaluation.summary`.
        per_class: One row per class in class order; columns `class`, `precision`,
            `precision_low`, `precision_high`, `recall`, `recall_low`, `recall_high` (fractions
            with 95 % Wilson intervals), `f1`, `support` (photos of the class).
        confusion: Counts of photos, int64: index `true`, columns `predicted`, in class order.
        confused_pairs: One row per kind of mistake, the most frequent first; columns `true`,
            `predicted`, `count`, `share` (of the true class's photos).
    """

    summary: pd.DataFrame
    per_class: pd.DataFrame
    confusion: pd.DataFrame
    confused_pairs: pd.DataFrame

    @property
    def metrics(self) -> dict[str, float]:
        """The three figures of `summary` by name, without their intervals."""
        return {str(row.metric): float(row.value) for row in self.summary.itertuples()}


def make_predictions(
    examples: pd.DataFrame, probabilities: NDArray[np.floating], class_names: Sequence[str]
) -> pd.DataFrame:
    """Put a model's probabilities beside the truth.

    Args:
        examples: Columns `path`, `split` and `label`, one row per photo.
        probabilities: `(photos, classes)` in the order of `examples` and `class_names`, each row
            adding up to 1.
        class_names: The classes, in the model's order.

    Returns:
        Columns `path`, `split`, `label`, `predicted`, `correct` (bool), `probability` (of the
        predicted class, float32 0..1), then `p[NAME]` for each class in order (float32 0..1).

    Raises:
        ValueError: When the shapes or labels do not fit together, or a row is not probabilities.
    """
    names = _checked_names(class_names)
    values = np.asarray(probabilities, dtype=np.float32)
    if values.shape != (len(examples), len(names)):
        raise ValueError(
            "The probabilities must have a row per photo and a column per class, "
            f"{(len(examples), len(names))}. Received: probabilities of shape {values.shape}"
        )
    _check_probabilities(values)
    _codes(examples["label"], names, "label")
    best = values.argmax(axis=1) if len(values) else np.zeros(0, dtype=np.int64)
    predicted = np.asarray(names, dtype=object)[best]
    left = examples[["path", "split", "label"]].reset_index(drop=True)
    left["predicted"] = pd.Series(predicted, dtype=left["label"].dtype)
    left["correct"] = left["label"].to_numpy(dtype=object) == predicted
    left["probability"] = values[np.arange(len(values)), best]
    right = pd.DataFrame(values, columns=[f"p[{name}]" for name in names])
    return pd.concat([left, right], axis=1)


def measured_split(predictions: pd.DataFrame) -> str:
    """The split whose figures are reported: `"test"`, or `"validation"` when there is no test."""
    return "test" if (predictions["split"] == "test").any() else "validation"


def evaluate(
    predictions: pd.DataFrame, class_names: Sequence[str], *, seed: int = 0, resamples: int = 500
) -> Evaluation:
    """Compute the figures of a split.

    Args:
        predictions: Columns `label` and `predicted`, one row per photo of that split.
        class_names: All classes, in order, also those without a photo here.
        seed: For the bootstrap of `summary`; the same seed gives the same intervals.
        resamples: How often the bootstrap draws.

    Returns:
        An `Evaluation`. Its numbers equal scikit-learn's on the same predictions.

    Raises:
        DatasetError: When there is no prediction at all.
        ValueError: When a label is none of the classes.

    Example:

    ```python
    test = predictions[predictions["split"] == "test"]
    print(evaluate(test, class_names).summary)
    ```
    """
    names = _checked_names(class_names)
    if predictions.empty:
        raise DatasetError(
            "There is no photo to measure on. An evaluation needs at least one prediction: give "
            "the data set a test or a validation split. Received: predictions with 0 rows"
        )
    size = len(names)
    true = _codes(predictions["label"], names, "label")
    predicted = _codes(predictions["predicted"], names, "predicted")
    counts = np.bincount(true * size + predicted, minlength=size * size).reshape(size, size)
    return Evaluation(
        summary=summarise(counts, seed=seed, resamples=resamples),
        per_class=_per_class(counts, names),
        confusion=pd.DataFrame(
            counts,
            index=pd.Index(names, name="true"),
            columns=pd.Index(names, name="predicted"),
        ),
        confused_pairs=_confused_pairs(counts, names),
    )


def _per_class(counts: NDArray[np.int64], names: list[str]) -> pd.DataFrame:
    hits, support, given = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    precision_low, precision_high = wilson(hits, given)
    recall_low, recall_high = wilson(hits, support)
    return pd.DataFrame(
        {
            "class": names,
            "precision": ratio(hits, given),
            "precision_low": precision_low,
            "precision_high": precision_high,
            "recall": ratio(hits, support),
            "recall_low": recall_low,
            "recall_high": recall_high,
            "f1": ratio(2 * hits, support + given),
            "support": support,
        }
    )


def _confused_pairs(counts: NDArray[np.int64], names: list[str]) -> pd.DataFrame:
    wrong = counts - np.diag(np.diag(counts))
    true, predicted = np.nonzero(wrong)
    count = wrong[true, predicted]
    share = count / counts.sum(axis=1)[true]
    order = np.lexsort((predicted, true, -share, -count))
    labels = np.asarray(names, dtype=object)
    return pd.DataFrame(
        {
            "true": labels[true[order]],
            "predicted": labels[predicted[order]],
            "count": count[order],
            "share": share[order],
        }
    )


def _codes(labels: pd.Series, names: list[str], column: str) -> NDArray[np.int64]:
    codes = pd.Index(names, dtype=object).get_indexer(pd.Index(labels.astype(object)))
    if (codes < 0).any():
        stray = sorted({str(label) for label in labels[codes < 0]})
        raise ValueError(
            f"Every {column} must be one of the classes; these are not: {stray[:5]}. Received: "
            f"class_names={names[:5]}{'...' if len(names) > 5 else ''}"
        )
    return codes.astype(np.int64)


def _checked_names(class_names: Sequence[str]) -> list[str]:
    names = list(class_names)
    if not names or len(set(names)) < len(names):
        raise ValueError(
            "The class names must be there and differ from each other. "
            f"Received: class_names={names[:5]}{'...' if len(names) > 5 else ''}"
        )
    return names


def _check_probabilities(values: NDArray[np.float32]) -> None:
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).any(axis=1).sum())
        raise ValueError(
            f"The probabilities of {bad} of {len(values)} photos are not finite numbers: the "
            "training has diverged. Lower the learning rate or train in float32. "
            f"Received: {values[~np.isfinite(values)][0]}"
        )
    sums = values.sum(axis=1, dtype=np.float64)
    bad = (np.abs(sums - 1) > 1e-3) | (values < 0).any(axis=1)
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            "The probabilities of each photo must be 0 or more and add up to 1; give the model's "
            f"softmax, not its logits. Received: row {first} with the smallest at "
            f"{values[first].min():.4f} and the sum {sums[first]:.4f}"
        )

"""Metrics that count photos, not rows."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["EachPhotoOnce", "PhotosSeen"]


@keras.saving.register_keras_serializable("tlearn")
class PhotosSeen(keras.metrics.Metric):
    """Counts the photos of an epoch, whatever the batches' sizes; rows that pad do not count."""

    def __init__(self, name: str = "photos", **settings: Any) -> None:
        super().__init__(name=name, **settings)
        self.seen = self.add_variable(
            (), initializer="zeros", dtype=keras.backend.standardize_dtype(int), name="seen"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count one batch."""
        rows = keras.ops.shape(y_true)[0]
        if sample_weight is not None:
            rows = keras.ops.count_nonzero(sample_weight)
        self.seen.assign_add(keras.ops.cast(rows, self.seen.dtype))

    def result(self) -> Any:
        """The number of photos since the last reset."""
        # A number of its own: Keras keeps it while validation counts on in the same variable.
        return self.seen + 0


@keras.saving.register_keras_serializable("tlearn")
class EachPhotoOnce(keras.metrics.MeanMetricWrapper):
    """The mean over photos: whatever weighs more than nothing counts the same.

    Args:
        fn: From labels and answers to a number for each photo.
        name: The metric's name.
        **settings: Passed on to `fn`.
    """

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Count one batch."""
        if sample_weight is not None:
            sample_weight = keras.ops.cast(keras.ops.not_equal(sample_weight, 0), self.dtype)
        return super().update_state(y_true, y_pred, sample_weight)

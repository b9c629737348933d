"""The list of what to do next, put together from the numbers of a run."""

from __future__ import annotations

import itertools

from tlearn.advice import of_metrics, of_mistakes, of_model, of_photos
from tlearn.advice.advice import Advice, Numbers
from tlearn.runs import Run

__all__ = ["of_run"]


def of_run(run: Run) -> tuple[Advice, ...]:
    """What to do next, the most promising first.

    Args:
        run: The run.

    Returns:
        A sentence with its evidence for whatever the numbers give reason to; see docs/advice.md.

    Raises:
        RunError: The run is damaged.

    Example:

    ```python
    for one in of_run(tlearn.report().run):
        print(one.kind, one.sentence)
    ```
    """
    numbers = Numbers(run)
    parts = (
        of_mistakes.labels,
        of_photos.of_all,
        of_photos.of_classes,
        of_mistakes.pairs,
        of_model.fit,
        of_model.resolution,
        of_model.backbone,
        of_metrics.watch,
        of_metrics.certainty,
    )
    return tuple(itertools.chain.from_iterable(part(numbers) for part in parts))

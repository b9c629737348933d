"""The list of what to do next, put together from the numbers of a run."""

from __future__ import annotations

import itertools

from tlearn.advice import of_metrics, of_mistakes, of_model, of_photos
from tlearn.advice.advice import Advice, Numbers
from tlearn.evaluation import Evaluation, evaluate, measured_split
from tlearn.runs import Run

__all__ = ["of_run"]


def of_run(run: Run, evaluation: Evaluation | None = None) -> tuple[Advice, ...]:
    """What to do next, the most promising first.

    Args:
        run: The run.
        evaluation: Its figures, where they have been worked out already.

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
    predictions = run.read_predictions(["path", "split", "label", "predicted"])
    split = measured_split(predictions)
    measured = predictions[predictions["split"] == split]
    if evaluation is None:
        try:
            evaluation = evaluate(measured, run.class_names, seed=int(run.info.get("seed") or 0))
        except (TypeError, ValueError) as error:
            raise run.damaged(str(error)) from error
    numbers = Numbers(run=run, split=split, predictions=measured, evaluation=evaluation)
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

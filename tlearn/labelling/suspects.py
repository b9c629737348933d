"""Which labels look wrong, and which photos belong to no class: from frozen features alone."""

from __future__ import annotations

import pandas as pd

from tlearn import backbones, jobs, recipes
from tlearn import precision as precisions
from tlearn.datasets import Dataset
from tlearn.errors import BackboneError, CacheError
from tlearn.labelling.judging import Suspects, of_features
from tlearn.memory import budget as memory_budget
from tlearn.photos import decoding
from tlearn.progress import SILENT, Progress

__all__ = ["find", "of_job"]


def find(
    data: Dataset,
    backbone: str = "efficientnet",
    *,
    weights: str = "imagenet",
    image_size: int | None = None,
    resize_mode: str = decoding.DEFAULT_RESIZE,
    precision: str = "auto",
    seed: int = 0,
    memory: str | int | None = None,
    progress: Progress = SILENT,
) -> Suspects:
    """Find suspect labels of a data set, without training a network.

    All photos are looked at, those for the test as well: a wrong label is as bad there. Nothing of
    it steers a training.

    Args:
        data: The photos, divided.
        backbone: A name or alias from `tlearn backbones`. Its frozen features are computed once
            and kept where `finetune` finds them.
        weights: `"imagenet"`, or the path of a weights file.
        image_size: Pixels along each side of what the network sees; by default its own.
        resize_mode: `"crop"`, `"pad"` or `"stretch"`.
        precision: As for `finetune`.
        seed: Decides the folds.
        memory: How much memory kept features may take, such as `"1GiB"`.
        progress: Who watches.

    Returns:
        Suspect labels and outliers.

    Raises:
        BackboneError: There is no such backbone, or its features cannot be kept.

    Example:

    ```python
    data = tlearn.splits.make(tlearn.datasets.load("my_photos/"))
    found = suspects.find(data)
    found.table[found.table["suspect"]]
    ```
    """
    policy = precisions.choose(precision)
    chosen = backbones.resolve(backbone)
    with precisions.policy(policy):
        network = backbones.build(chosen.name, weights=weights, image_size=image_size)
    job = jobs.Job(
        network,
        data,
        recipes.linear_probe(data.count("train")),
        policy=policy,
        budget=memory_budget(memory),
        resize_mode=resize_mode,
        seed=seed,
        progress=progress,
    )
    found = of_job(job, seed=seed, progress=progress)
    if found is None:
        raise BackboneError(
            f"The features of {chosen.name} cannot be kept, so that no label can be judged by them."
            " Expected a network that can be cut before its head, and room in the cache folder. "
            f"Take another backbone, or make room. Received: backbone={backbone!r}"
        )
    return found


def of_job(job: jobs.Job, *, seed: int, progress: Progress = SILENT) -> Suspects | None:
    """Find suspect labels from the features that a job keeps, before it is run.

    What training computes anyway is found kept; only the test photos take a pass of their own.

    Args:
        job: The job. Its network must not have been trained yet.
        seed: Decides the folds.
        progress: Who watches.

    Returns:
        Suspect labels and outliers; `None`, and a warning, where the features cannot be kept.
    """
    data = job.data
    held_out = data.examples[data.examples["split"] != "train"].reset_index(drop=True)
    try:
        features = job.plain_features(held_out)
        if features is not None:
            examples = pd.concat([job.train, held_out], ignore_index=True)
            return of_features(examples, features, data.class_names, seed=seed)
        why = "its network cannot be cut before the head"
    except (CacheError, ValueError) as error:
        why = str(error)
    progress.warn(f"No label was checked, since there are no kept features to judge by: {why}")
    return None

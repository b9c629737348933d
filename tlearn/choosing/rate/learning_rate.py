"""Which learning rate: a range test of the stage that will be trained, on the user's own photos."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import numpy as np

from tlearn import backbones, jobs, provenance, recipes
from tlearn import precision as precisions
from tlearn.choosing.automatic import AUTO
from tlearn.choosing.rate.rate_finding import RateFinding, suggestion, valley, written
from tlearn.errors import RecipeError
from tlearn.features import planning
from tlearn.memory import budget as memory_budget
from tlearn.photos import decoding
from tlearn.progress import SILENT, Progress
from tlearn.recipes import FUNCTIONS, Recipe
from tlearn.stages.range_test import range_test, unchanged

__all__ = ["lr_find", "settled"]


def lr_find(
    dataset: str | Path,
    *,
    backbone: str = "efficientnet",
    recipe: str | Path = "freeze_then_unfreeze",
    recipe_options: Mapping[str, Any] | None = None,
    weights: str = "imagenet",
    image_size: int | None = None,
    resize_mode: str = decoding.DEFAULT_RESIZE,
    batch_size: int | None = None,
    precision: str = "auto",
    seed: int = 0,
    validation: float = 0.15,
    test: float = 0.15,
    data_dir: str | Path | None = None,
    strict: bool = False,
    corrections: str | Path | None = None,
    group: bool = True,
    memory: str | int | None = None,
    progress: Progress = SILENT,
) -> RateFinding:
    """Find a learning rate for a fine-tuning, without making it.

    The stages before the first that unfreezes are trained as `finetune` would train them; then that
    stage makes at most 100 steps at rates that rise from 1e-6 to 1 (the range test of Smith 2017,
    arXiv:1506.01186), and a rate is read off the curve, see `rate_finding.suggestion`. A `finetune`
    with the same arguments finds its frozen features kept.

    Args:
        dataset: As for `finetune`, and so are all the others.
        backbone: A name or alias from `tlearn backbones`.
        recipe: A recipe function's name, a saved recipe's name, or a TOML file.
        recipe_options: Arguments of the recipe that win over its own.
        weights: `"imagenet"`, `"random"`, or the path of a weights file.
        image_size: Pixels along each side of what the model sees; by default the backbone's own.
        resize_mode: `"crop"`, `"pad"` or `"stretch"`.
        batch_size: Photos per step; by default by the data set's size.
        precision: `"auto"`, `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`.
        seed: Decides the split, the order, the augmentation and the head's start.
        validation: The share held out for validation where the data set gives no such split.
        test: The share held out for the test, likewise. These photos are not looked at.
        data_dir: Where TFDS keeps its data sets.
        strict: Make a file that cannot be read an error, instead of leaving it out.
        corrections: Labels that a person has mended.
        group: Keep photos that show the same on one side of the split.
        memory: How much memory kept features may take, such as `"1GiB"`.
        progress: Who watches.

    Returns:
        The curve, the suggested rate, and the one that `finetune` would take by rule.

    Raises:
        RecipeError: The recipe trains by no rate, since its head is solved.
        TlearnError: The data set, the backbone or the recipe cannot be used.

    Example:

    ```python
    found = tlearn.lr_find("my_photos/")
    found.plot("curve.png")
    tlearn.finetune("my_photos/", recipe_options={"learning_rate": found.suggested})
    ```
    """
    chosen = backbones.resolve(backbone)
    plan = recipes.load(recipe).with_arguments(recipe_options or {})
    policy = precisions.choose(precision)
    keras.utils.set_random_seed(seed)
    with precisions.policy(policy):
        network = backbones.build(chosen.name, weights=weights, image_size=image_size)
    data = jobs.read(
        dataset,
        validation=validation,
        test=test,
        seed=seed,
        data_dir=data_dir,
        strict=strict,
        corrections=corrections,
        group=group,
        progress=progress,
    )
    progress.say(provenance.in_words(data, backbone, chosen.name, plan.name, policy))
    job = jobs.Job(
        network,
        data,
        jobs.stages_for(_by_rule(plan), data),
        policy=policy,
        budget=memory_budget(memory),
        resize_mode=resize_mode,
        batch_size=batch_size,
        seed=seed,
        progress=progress,
    )
    return _found(job, plan, progress)


def settled(
    plan: Recipe, job_of: Callable[[Recipe], jobs.Job], progress: Progress
) -> dict[str, dict[str, Any]]:
    """The learning rate to train by, found where it was `"auto"`.

    What trains afterwards draws the random numbers that it would have drawn without a search.

    Args:
        plan: The recipe, as it was asked for.
        job_of: Makes the job of a recipe whose learning rate is a number. Whatever network it
            trains has its weights back afterwards.
        progress: Who watches; hears which rate was found.

    Returns:
        `arguments` for the recipe and `info` for the run's record, both empty where there was nothing
        to find.

    Raises:
        RecipeError: The rate is another word, or the recipe trains by no rate, since its head is
            solved.
    """
    asked = plan.arguments.get("learning_rate")
    if isinstance(asked, str) and asked != AUTO:
        raise RecipeError(
            f"A learning rate is a number above 0, or {AUTO!r}. Received: learning_rate={asked!r}"
        )
    if asked != AUTO:
        return {"arguments": {}, "info": {}}
    with _no_dice_thrown():
        found = _found(job_of(_by_rule(plan)), plan, progress)
    progress.say(
        f"Learning rate {written(found.suggested)}, found by a range test of the stage "
        f"{found.stage!r}; by rule it would be {written(found.by_rule)}."
    )
    return {"arguments": {"learning_rate": found.suggested}, "info": dict(found.info)}


def _by_rule(plan: Recipe) -> Recipe:
    """The same recipe with its function's own rate in the place of `"auto"`.

    Who asks for a rate asks for something to be unfrozen, however few the photos of each class.
    """
    kept = {name: value for name, value in plan.arguments.items() if value != AUTO}
    counts = "num_classes" in inspect.signature(FUNCTIONS[plan.function]).parameters
    return replace(plan, arguments=kept | ({"num_classes": None} if counts else {}))


def _found(job: jobs.Job, plan: Recipe, progress: Progress) -> RateFinding:
    """Train up to the stage in question, and test its rates."""
    place = _tested(job, plan)
    stage = job.stages[place]
    with unchanged(job.model):
        if place:
            job.run(job.stages[:place])
        material = job.material(stage)
        started = perf_counter()
        table = range_test(job.model, stage, material, progress=progress)
        seconds = perf_counter() - started
    suggested, how = suggestion(table, len(job.data.class_names))
    return RateFinding(
        table=table,
        suggested=suggested,
        how=how,
        valley=valley(table),
        by_rule=stage.learning_rate,
        stage=stage.name,
        seconds=seconds,
        about=provenance.run_name(job.data.name, job.model.name),
    )


def _tested(job: jobs.Job, plan: Recipe) -> int:
    """The place of the first stage that unfreezes, else of the first that AdamW trains."""
    by_rate = [
        place for place, stage in enumerate(job.stages) if not planning.is_solved(job.model, stage)
    ]
    if not by_rate:
        raise RecipeError(
            f"The recipe {plan.name!r} has no learning rate to find: its head is fitted to "
            "convergence by L-BFGS, which takes none. Choose a recipe that unfreezes, such as "
            "freeze_then_unfreeze, or give --epochs, so that AdamW trains the head. "
            f"Received: recipe={plan.name!r}"
        )
    unfreezing = [place for place in by_rate if job.stages[place].unfreeze > 0]
    return (unfreezing or by_rate)[0]


@contextmanager
def _no_dice_thrown() -> Iterator[None]:
    """Python's and numpy's generators, from which Keras seeds its layers, stay where they were."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)

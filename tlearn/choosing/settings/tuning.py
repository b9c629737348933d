"""A search over a recipe's settings: each trial a short fine-tuning on kept features."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlearn import backbones, jobs, provenance, recipes, runs
from tlearn import precision as precisions
from tlearn.choosing import durations
from tlearn.choosing.settings import search_space, studies
from tlearn.choosing.settings.searching import Search
from tlearn.choosing.settings.trying import Workbench
from tlearn.choosing.settings.tuning_results import Tuning
from tlearn.errors import TuningError
from tlearn.memory import budget as memory_budget
from tlearn.photos import decoding
from tlearn.progress import SILENT, Progress

__all__ = ["Tuning", "tune"]


def tune(
    dataset: str | Path,
    *,
    backbone: str = "efficientnet",
    recipe: str | Path = "freeze_then_unfreeze",
    recipe_options: Mapping[str, Any] | None = None,
    trials: int = 20,
    budget: str | float | None = None,
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
    output: str | Path = "saved_models",
    name: str | None = None,
    progress: Progress = SILENT,
) -> Tuning:
    """Search the settings of a recipe that serve these photos best.

    Each trial is a fine-tuning from the same pretrained weights on kept features, judged by the
    log loss of the validation photos after temperature scaling, a steadier figure than accuracy; the
    test photos are never looked at. The first trial is the recipe itself, so that the best is never
    worse. Settings are proposed by the tree-structured Parzen estimator (Bergstra et al. 2011) of
    Optuna (Akiba et al. 2019). A trial whose best epoch so far is worse than the median of the
    others at the same epoch is stopped early. What is killed goes on when it is called again, with the same proposals.
    Between trials Keras's session is cleared, so that memory does not grow.

    Args:
        dataset: As for `finetune`.
        backbone: A name or alias from `tlearn backbones`.
        recipe: The recipe to begin with: a function's name, a saved recipe's name, or a TOML file.
        recipe_options: Arguments of the recipe that are fixed, and not searched.
        trials: Trials in all, those of earlier calls included; at least 1.
        budget: How long this call may take, such as `"30m"` or a number of seconds: no trial is
            begun that would, by the mean of those before, end later. The first is always made.
        weights: As for `finetune`, as are all below.
        image_size: Pixels along each side of what the model sees.
        resize_mode: `"crop"`, `"pad"` or `"stretch"`.
        batch_size: Photos per step.
        precision: `"auto"`, `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`.
        seed: Decides the split, the training of each trial, and what is proposed.
        validation: The share held out for validation where the data set gives no such split.
        test: The share held out for the test, likewise.
        data_dir: Where TFDS keeps its data sets.
        strict: Make a file that cannot be read an error.
        corrections: Labels that a person has mended.
        group: Keep photos that show the same on one side of the split.
        memory: How much memory kept features may take.
        output: The folder that holds the search's own; see `tlearn.choosing.settings.studies` for its files.
        name: The search's name; by default the data set's and the backbone's, and `-tune`.
        progress: Who watches.

    Returns:
        The trials, the best recipe, and what it gained. After Ctrl-C those that had ended, with
        `ended` `"interrupted"`.

    Raises:
        MissingExtra: Optuna is not installed.
        TuningError: The folder is in use or holds another search, nothing is left to search, or
            no trial reached a finite loss.
        TlearnError: The data set, the backbone, the recipe or the folder cannot be used.

    Example:

    ```python
    found = tlearn.tune("my_photos/", trials=20, budget="30m")
    run = tlearn.finetune("my_photos/", recipe=found.best_path)
    ```
    """
    began = time.monotonic()
    search_space.check_installed()
    seconds = None if budget is None else durations.parse(budget)
    if trials < 1:
        raise TuningError(f"There must be at least one trial. Received: trials={trials}")
    fixed = dict(recipe_options or {})
    start = recipes.load(recipe).with_arguments(fixed)
    chosen = backbones.resolve(backbone)
    runs.check_writable(output)
    if name is not None:
        runs.check_name(name)
    policy = precisions.choose(precision)
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
    bench = Workbench(
        data=data,
        backbone=chosen.name,
        weights=weights,
        image_size=image_size,
        policy=policy,
        budget=memory_budget(memory),
        resize_mode=resize_mode,
        batch_size=batch_size,
        seed=seed,
    )
    # A value that is refused is told now.
    space = search_space.of(start, fixed, num_examples=data.count("train"))
    progress.say(provenance.in_words(data, backbone, chosen.name, start.name, policy))
    folder = Path(output) / (name or f"{provenance.run_name(data.name, chosen.name)}-tune")
    about = _about(bench, space, fixed)
    shared = {
        "--backbone": (backbone, "efficientnet"),
        "--weights": (weights, "imagenet"),
        "--image-size": (image_size, None),
        "--resize": (resize_mode, decoding.DEFAULT_RESIZE),
        "--batch-size": (batch_size, None),
        "--precision": (precision, "auto"),
        "--seed": (seed, 0),
        "--validation": (validation, 0.15),
        "--test": (test, 0.15),
        "--data-dir": (data_dir, None),
        "--corrections": (corrections, None),
    }
    command = ["tlearn", "finetune", "--dataset", str(dataset)]
    for option, (value, default) in shared.items():
        command += [option, str(value)] if value != default else []
    with studies.opened(folder, about) as study:
        search = Search(study, space, bench, command)
        ended = search.run(trials, None if seconds is None else began + seconds, progress)
        return search.result(ended)


def _about(bench: Workbench, space: search_space.Space, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """All that trials must share to be compared."""
    return {
        "photos": f"{len(bench.data.examples):,} photos of {bench.data.name}",
        "data": studies.digest(bench.data),
        "backbone": bench.backbone,
        "weights": str(bench.weights),
        "image_size": bench.image_size,
        "resize_mode": bench.resize_mode,
        "batch_size": bench.batch_size,
        "precision": bench.policy,
        "recipe": space.start.function,
        "arguments": dict(space.start.arguments),
        "fixed": sorted(fixed),
        "seed": bench.seed,
        "search": [search_space.VERSION, {name: repr(d) for name, d in space.dimensions.items()}],
    }

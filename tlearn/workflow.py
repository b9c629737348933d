"""The main job, end to end: from photos to a trained, evaluated, exported classifier."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from tlearn import (
    backbones,
    determinism,
    evaluation,
    export,
    heads,
    jobs,
    outcome,
    prospects,
    provenance,
    recipes,
    runs,
)
from tlearn import precision as precisions
from tlearn.calibration import Target
from tlearn.choosing import automatic
from tlearn.choosing.rate import learning_rate
from tlearn.datasets import Dataset
from tlearn.devices import opening
from tlearn.devices.asking import Asked
from tlearn.explaining import overlays, small_photos
from tlearn.labelling import suspects as labelling
from tlearn.memory import budget as memory_budget
from tlearn.photos import decoding
from tlearn.progress import SILENT, Progress
from tlearn.reporting.run import Run
from tlearn.stages.watching import AfterEpoch

__all__ = ["finetune"]


def finetune(
    dataset: str | Path,
    *,
    backbone: str = "efficientnet",
    recipe: str | Path = "freeze_then_unfreeze",
    recipe_options: Mapping[str, Any] | None = None,
    weights: str = "imagenet",
    image_size: int | None = None,
    resize_mode: str = decoding.DEFAULT_RESIZE,
    head: str = "last",
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
    target_precision: float | None = None,
    target_coverage: float | None = None,
    deterministic: bool = False,
    devices: str | int | Asked = "auto",
    output: str | Path = "saved_models",
    name: str | None = None,
    resume: bool | None = None,
    after_epoch: AfterEpoch | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: Progress = SILENT,
) -> Run:
    """Fine-tune a pretrained backbone on a folder of photos, and keep all that explains it.

    Args:
        dataset: A folder with a folder per class, split folders, a CSV or Parquet table, an
            archive of these, or the name of a TFDS data set; see docs/datasets.md.
        backbone: A name or alias from `tlearn backbones`, or `"auto"` for the one that
            `tlearn shortlist` recommends of those whose weights are on this machine.
        recipe: A recipe function's name, a saved recipe's name, or a TOML file.
        recipe_options: Arguments of the recipe that win over its own. A `learning_rate` of
            `"auto"` is found by a range test before training, see `lr_find`.
        weights: `"imagenet"`, `"random"`, or the path of a weights file.
        image_size: Pixels along each side of what the model sees; by default the backbone's own.
        resize_mode: `"crop"`, `"pad"` or `"stretch"`.
        head: What the head looks at: `"last"`, the last feature map, or `"depths"`, the means of the
            last half of the blocks as well, which helps where texture tells classes apart.
        batch_size: Photos per step; by default by the data set's size.
        precision: `"auto"`, `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`.
        seed: Decides the split, the order, the augmentation and the head's start.
        validation: The share held out for validation where the data set gives no such split.
        test: The share held out for the test, likewise.
        data_dir: Where TFDS keeps its data sets.
        strict: Make a file that cannot be read an error, instead of leaving it out.
        corrections: A table of labels that a person has mended, with the columns `path`, `label`
            and, if wanted, `digest` and `action`; see docs/labels.md. No file of yours is touched.
        group: Keep photos that show the same, and bursts, on one side of the split; see
            docs/check.md. Given splits are kept as they are, and what leaks is reported.
        memory: How much memory kept features may take, such as `"1GiB"`; what is more is read from
            the cache folder. By default a quarter of what is free.
        target_precision: The share of the answers that is to be right, above 0 and below 1; less
            probable answers are unsure. By default 0.95; see docs/calibration.md.
        target_coverage: In its place, the share of photos that is to be answered, at most 1.
        deterministic: Let TensorFlow, in this process from here on, use only operations that give the
            same to the last bit each time; slower on a GPU. Two runs with the same seed on the same
            machine then make the same predictions.
        devices: `"auto"`, `"all"` or how many of this machine train together, or with workers what
            `devices.asking.asked` gives; see docs/scale.md. All workers return the run.
        output: The folder of run folders.
        name: The run's name; by default the data set's and the backbone's.
        resume: `True` goes on with the unfinished run of the same arguments in `output` and refuses to
            begin another, `False` begins another; by default it goes on where there is one.
        after_epoch: Called with the stage and each epoch's row of history.
        callbacks: More Keras callbacks, called in each stage that is trained by steps.
        progress: Who watches.

    Returns:
        The finished run. The test split was looked at once, by the model that is exported.

    Raises:
        TlearnError: The data set, the backbone, the recipe or the output folder cannot be used,
            or the exported model does not answer as the trained one did.

    Example:

    ```python
    run = tlearn.finetune("my_photos/", backbone="efficientnet")
    print(run.summary)
    ```
    """
    asked = provenance.asked(locals())
    clock = provenance.Clock()
    budget = memory_budget(memory)
    heads.check(head)
    target = Target.of(target_precision, target_coverage)
    plan = recipes.load(recipe).with_arguments(recipe_options or {})
    policy = precisions.choose(precision)
    automatic.check_backbone(backbone)
    together, policy = opening.open_for(devices, precision, policy)

    @functools.cache
    def read() -> Dataset:
        return jobs.read(
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

    def choose() -> dict[str, str | None]:
        choice = automatic.backbone(
            backbone,
            read,
            weights=weights,
            image_size=image_size,
            resize_mode=resize_mode,
            policy=policy,
            seed=seed,
            memory=budget,
            progress=progress,
        )
        return {"name": choice.backbone.name, "reason": choice.reason}

    with runs.unfinished(
        output,
        name or provenance.run_name(Path(dataset).stem, backbone),
        call=asked,
        resume=resume,
        group=together,
        progress=progress,
    ) as folder:
        choice = folder.work.decided("backbone", choose)
        chosen = backbones.resolve(choice["name"])
        runs.check_writable(output, room=2 * 4 * (chosen.parameters or 0))  # weights, kept twice
        determinism.begin(seed, required=deterministic)
        # Before the photos are read, so that weights that cannot be had are said at once.
        with precisions.policy(policy):
            network = backbones.build(chosen.name, weights=weights, image_size=image_size)
        clock.lap("backbone")
        data = read()
        progress.say(provenance.in_words(data, backbone, chosen.name, plan.name, policy))
        clock.lap("data")
        folder.name = name or provenance.run_name(data.name, chosen.name)

        def job_of(plan: recipes.Recipe) -> jobs.Job:
            return jobs.Job(
                network,
                data,
                jobs.stages_for(plan, data),
                policy=policy,
                budget=budget,
                resize_mode=resize_mode,
                head=head,
                batch_size=batch_size,
                seed=seed,
                group=together,
                progress=progress,
            )

        rate = folder.work.decided(
            "learning_rate", lambda: learning_rate.settled(plan, job_of, progress)
        )
        plan = plan.with_arguments(rate["arguments"])
        clock.lap("learning_rate")
        job = job_of(plan)
        folder.write_class_names(data.class_names)
        folder.write_recipe(plan.dump(job.stages))
        folder.write_table("splits", data.examples)
        folder.write_table("skipped", data.skipped)
        job.kept.plain(job.stages[0])  # in one pass for all stages, and for the labels
        clock.lap("features")
        # Before training, which changes the network that the features are of.
        suspects = labelling.of_job(job, seed=seed, progress=progress)
        if suspects is not None:
            folder.write_table("suspects", suspects.table)
            folder.write_table("outliers", suspects.outliers)
        clock.lap("labels")
        photo_sizes = prospects.measure(job, folder, seed=seed)
        clock.lap("learning_curve")
        training = job.run(
            after_epoch=after_epoch, callbacks=callbacks, checkpoints=folder.work.checkpoints
        )
        if not together.is_chief:
            return Run(runs.awaited(folder))
        folder.write_table("history", training.history)
        folder.write_table("stages", training.stages)
        clock.lap("training")

        found = outcome.of_job(job, target, seed=seed, progress=progress)
        predictions = found.predictions[found.measured]
        measured = evaluation.evaluate(predictions, data.class_names, seed=seed)
        folder.write_table("predictions", found.predictions)
        folder.write_table("leaks", data.leaks)
        folder.write_table("thumbnails", small_photos.thumbnails(predictions))
        shown = (found.model, found.photos, predictions, data.class_names, job.in_order)
        folder.write_table("overlays", overlays.of_mistakes(*shown))
        folder.write_evaluation(measured)
        clock.lap("evaluation")

        found.model.save(folder.model_path)
        export.export(
            found.model,
            data.class_names,
            folder.saved_model_path,
            image_size=job.image_size,
            resize_mode=resize_mode,
            limits=found.limits,
        )
        difference = export.verify(
            folder.saved_model_path,
            found.photos[found.measured],
            found.probabilities[found.measured],
            data.class_names,
            doubts=predictions,
            progress=progress,
        )
        clock.lap("export")

        folder.write_info(
            {
                "dataset": provenance.of_dataset(data),
                "corrections": dict(data.corrections),
                "leaks": evaluation.without(
                    predictions, data.leaks["path"], data.class_names, seed=seed
                ),
                "backbone": chosen.name,
                "weights": str(weights),
                "image_size": job.image_size,
                "photo_sizes": photo_sizes,
                "resize_mode": resize_mode,
                "head": head,
                "precision": policy,
                "devices": together.info,
                "recipe": plan.name,
                "recipe_options": dict(plan.arguments),
                "learning_rate": rate["info"],
                "rollbacks": provenance.rows(training.rollbacks),
                "seed": seed,
                "batch_size": job.batch_size,
                "metrics": measured.metrics,
                "validation": provenance.of_stages(training.stages),
                **found.info,
                "export": {"max_difference": difference, "photos": len(predictions)},
                "features": job.kept.info,
                "chosen": choice["reason"],
                "seconds": clock.laps,
                "versions": provenance.versions(),
                "arguments": asked,
            }
        )
    assert folder.run is not None
    return Run(folder.run.path)

"""Trials proposed by Optuna, made one after another, and recorded."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tlearn.choosing.settings import gains, studies, tuning_results
from tlearn.choosing.settings.search_space import Space
from tlearn.choosing.settings.studies import Study, Trial
from tlearn.choosing.settings.trying import Inside, Workbench
from tlearn.choosing.settings.tuning_results import Tuning
from tlearn.errors import TuningError
from tlearn.progress import Progress, Task
from tlearn.recipes import Recipe

__all__ = ["Search"]

# Drawn at random before the sampler learns from what was tried, the recipe itself included.
_AT_RANDOM = 6
# Nothing is stopped early before so many have ended, and in the first third of the epochs.
_TO_COMPARE = 4
_UNSTOPPED = 3
_ANOTHER_SEED = 7919


class Search:
    """Trial after trial, each proposed by those before it.

    Args:
        study: The record, held open.
        space: What is searched.
        bench: What the trials share.
        command: `tlearn finetune` as words, with all that the trials share.
    """

    def __init__(self, study: Study, space: Space, bench: Workbench, command: list[str]) -> None:
        self._study = study
        self._space = space
        self._bench = bench
        self._command = (*command, "--recipe", str(study.folder / studies.BEST))
        stages = space.start.stages(num_examples=bench.data.count("train"))
        compared = [stage for stage in stages if stage.unfreeze > 0] or stages
        self._epochs = sum(stage.epochs for stage in compared)

    def run(self, trials: int, until: float | None, progress: Progress) -> str:
        """Make trials until there are enough.

        Args:
            trials: Trials in all, those recorded before included.
            until: The moment of `time.monotonic` by which to end, or `None`.
            progress: Who watches.

        Returns:
            Why it ended: `"trials"`, `"budget"` or `"interrupted"`.
        """
        before = len(self._study.trials)
        if before:
            progress.say(f"Going on after {before:,} trials of an earlier call in {self._folder}.")
        with progress.task("Trials", total=trials, unit="trials") as task:
            task.advance(min(before, trials))
            inside = Inside(progress, task)
            try:
                while len(self._study.trials) < trials:
                    if self._is_over(until):
                        return "budget"
                    self._try(inside)
                    progress.say(self._line(trials))
                    task.advance()
            except KeyboardInterrupt:
                if not self._study.trials:
                    raise
                return "interrupted"
            finally:
                self._note(task)
        return "trials"

    def result(self, ended: str) -> Tuning:
        """Put together what was found, and write it down.

        Args:
            ended: Why the search ended.

        Returns:
            The whole.

        Raises:
            TuningError: No trial reached a finite loss.
        """
        study, best = self._study, self._best()
        default, found = study.trials[0], study.best
        if found is None:
            raise TuningError(
                "No trial reached a finite validation loss. Begin with a recipe of a lower learning "
                f"rate, or train in float32. Received: precision={self._bench.policy!r}"
            )
        others = sum(trial.state == "finished" for trial in study.trials) - 1
        losses = (default.by_photo, found.by_photo)
        if default.state != "finished":
            losses = ((), ())
        gain = replace(
            gains.between(*losses, others=max(1, others)),
            photos=self._bench.data.count("validation"),
            others=others,
        )
        tuning_results.write(study, best, self._command, self._bench.data.count("validation"))
        tuning_results.plot(study)
        said = tuning_results.sentence(study, gain)
        table = tuning_results.table(study)
        return Tuning(table, best, self._folder, gain, said, ended, self._command)

    @property
    def _folder(self) -> Path:
        return self._study.folder

    def _best(self) -> Recipe:
        found = self._study.best
        return self._recipe(found.number, found.settings) if found else self._space.start

    def _recipe(self, number: int, settings: Mapping[str, Any]) -> Recipe:
        """The first trial's is the recipe itself, to the last digit."""
        if number == 1:
            return self._space.start
        given = {name: value for name, value in settings.items() if value is not None}
        return self._space.start.with_arguments(given)

    def _try(self, inside: Progress) -> None:
        """One trial, recorded when it has ended."""
        number = len(self._study.trials) + 1
        with _quiet():
            sampler = _sampler(self._bench.seed, number)
            optuna_study = _optuna_study(self._study.trials, self._space, sampler, self._epochs)
            if number == 1:
                optuna_study.enqueue_trial(self._space.default_parameters())
            trial = optuna_study.ask()
            self._space.suggest(trial)
        parameters = dict(trial.params)
        settings = dict(self._space.defaults) if number == 1 else self._space.settings(parameters)

        def report(log_loss: float, epoch: int) -> bool:
            if number == 1 or not math.isfinite(log_loss):
                return False  # stages.run has an error of its own for what never becomes finite
            trial.report(log_loss, epoch)
            return bool(trial.should_prune())

        outcome = self._bench.run(self._recipe(number, settings), report, inside)
        self._study.add(
            Trial(number=number, parameters=parameters, settings=settings, **asdict(outcome))
        )
        tuning_results.write(
            self._study, self._best(), self._command, self._bench.data.count("validation")
        )

    def _is_over(self, until: float | None) -> bool:
        if until is None or not self._study.trials:
            return False
        # Those that were stopped early count as well: the next one may be one of them.
        mean = sum(one.seconds for one in self._study.trials) / len(self._study.trials)
        return time.monotonic() + mean > until

    def _line(self, trials: int) -> str:
        last = self._study.trials[-1]
        words = f"Trial {last.number} of {trials}: "
        if last.state == "failed":
            words += "its loss was not finite"
        elif last.state == "pruned":
            words += (
                f"stopped after {last.epochs} epochs at log loss {last.validation_log_loss:.3f}"
            )
        else:
            best = ", the best so far" if last is self._study.best and last.number > 1 else ""
            words += (
                f"log loss {last.validation_log_loss:.3f}{best}, accuracy "
                f"{100 * last.validation_accuracy:.1f} %"
            )
        if last.computed:
            words += f"; features of {last.computed:,} photos computed"
        return f"{words}; {last.seconds:.0f} s. {tuning_results.in_words(last.settings)}"

    def _note(self, task: Task) -> None:
        if best := self._study.best:
            task.note(f"best log loss {best.validation_log_loss:.3f}, by trial {best.number}")


def _sampler(seed: int, number: int) -> Any:
    """Anew for each trial, so that what it proposes depends on the trials before it alone.

    Otherwise a search that was killed would propose after it what it had at its beginning.
    """
    import optuna

    return optuna.samplers.TPESampler(
        seed=seed + _ANOTHER_SEED * number, n_startup_trials=_AT_RANDOM, multivariate=True
    )


def _optuna_study(trials: list[Trial], space: Space, sampler: Any, epochs: int) -> Any:
    """The trials as Optuna has them, in memory."""
    import optuna

    states = optuna.trial.TrialState
    known = {"finished": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}
    study = optuna.create_study(
        direction="minimize",
        sampler=sampler,
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=_TO_COMPARE, n_warmup_steps=math.ceil(epochs / _UNSTOPPED)
        ),
    )
    for trial in trials:
        study.add_trial(
            optuna.trial.create_trial(
                state=known[trial.state],
                value=trial.validation_log_loss if trial.state == "finished" else None,
                params=dict(trial.parameters),
                distributions=space.distributions(),
                intermediate_values={
                    epoch: log_loss
                    for epoch, log_loss in enumerate(trial.log_losses, start=1)
                    if math.isfinite(log_loss)
                },
            )
        )
    return study


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back Optuna's lines on the making of studies; the library never prints."""
    logger = logging.getLogger("optuna")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)

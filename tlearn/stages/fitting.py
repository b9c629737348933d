"""Fit one stage by AdamW: from where it stands, guarded, and never ending worse than its best."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras

from tlearn import interrupts
from tlearn.stages import compiling, evening, optimizer, step_memory
from tlearn.stages.attempt import Around, Attempt
from tlearn.stages.best import Average, Best, KeepBest
from tlearn.stages.checkpoints import Part, Saved, Variables
from tlearn.stages.epochs import Epochs
from tlearn.stages.guarding import Guard
from tlearn.stages.keeping import Beginning, Keeping
from tlearn.stages.material import Material
from tlearn.stages.stage import Stage
from tlearn.stages.watching import History

__all__ = ["Fitting"]

# How often a stage goes back to its best and on at a lower rate, and how much lower.
_ROLLBACKS = 2
_LOWER = 0.1


class Fitting:
    """The fitting of one stage.

    Args:
        model: The whole classifier, `trainable` set.
        stage: The stage.
        material: What it is fitted on.
        around: What goes on around it.
        before: The best model of the stages before.
        number: Which stage it is, from 0.
        others: What a checkpoint holds besides, by name.

    Attributes:
        best: What it reached; `None` where validation was never finite.
        rows: One of history for each epoch.
        events: One for each time that it went back to its best: epoch, why, learning_rate.
    """

    def __init__(
        self,
        model: keras.Model,
        stage: Stage,
        material: Material,
        around: Around,
        *,
        before: Best | None,
        number: int = 0,
        others: Mapping[str, Part] | None = None,
    ) -> None:
        self._model, self._stage, self._around = model, stage, around
        self._fitted = material.model
        train = material.train
        self._epochs = train if isinstance(train, Epochs) else None
        self._train = train.batches if isinstance(train, Epochs) else compiling.counted(train)
        self._held_out = compiling.counted(material.validation)
        self._size = train.batch_size if isinstance(train, Epochs) else None
        self._before = before
        self._number = number
        self._others = dict(others or {})
        self._start = model.get_weights()
        self._attempt = Attempt()
        self._guard = Guard(int(model.output_shape[-1]), before)
        self._begin()

    def _begin(self) -> None:
        """From the first epoch."""
        stage = self._stage
        self._guard.forget()
        self._keeper = KeepBest(stage.patience, of=self._model)
        self._mean = Average(round(stage.epochs * (1 - stage.average)), of=self._model)
        self._history = History(stage, self._around.progress, self._around.after_epoch)

    @property
    def best(self) -> Best | None:
        """What it reached."""
        return self._keeper.best

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One of history for each epoch."""
        return self._history.rows

    @property
    def events(self) -> list[dict[str, Any]]:
        """One for each time that it went back to its best."""
        return self._attempt.events

    def run(self, saved: Saved | None = None) -> None:
        """Fit it.

        Args:
            saved: The checkpoint within this stage to go on from.
        """
        _, epoch, batch = saved.position if saved else (0, 0, 0)
        if saved:
            saved.restore({"attempt": self._attempt})
        elif self._size and self._around.group.replicas == 1:
            self._attempt.parts = step_memory.parts_that_fit(self._fitted, self._size)
            self._tell_parts()
        while True:
            self._compile()
            if saved:
                saved.restore(self._parts())
            try:
                self._fit_from(epoch, batch, saved)
            except BaseException as error:
                self._history.close(error)
                if not (_is_out_of_memory(error) and self._can_halve()):
                    raise
                self._halve()
                epoch = batch = 0
            else:
                if self._guard.why is None:
                    break
                epoch, batch = len(self.rows), 0
                if not self._go_back(epoch):
                    break
            saved = None
        self._average()

    def _fit_from(self, epoch: int, batch: int, saved: Saved | None) -> None:
        if self._guard.why is not None:
            return  # astray already when it was kept
        if batch and self._epochs:
            self._fit(self._epochs.rest(batch), epoch, epoch + 1, batch, saved)
            epoch += 1
        ended = self._guard.why is not None or self._keeper.is_enough(epoch)
        if epoch < self._stage.epochs and not ended:
            self._fit(self._train, epoch, self._stage.epochs)

    def _fit(
        self, batches: Any, first: int, last: int, done: int = 0, saved: Saved | None = None
    ) -> None:
        parts = self._attempt.parts
        self._history.expect(self._steps * parts, done * parts)
        clock = self._epochs.clock if self._epochs else None
        alone = self._around.group.workers == 1
        held_out = self._prepared(self._held_out)
        if saved and done:  # makes the sums of the metrics, which are put back as the epoch begins
            self._fitted.evaluate(held_out.take(1), verbose=0)
        with interrupts.held() as held:
            self._fitted.fit(
                self._divided(batches),
                validation_data=held_out,
                initial_epoch=first,
                epochs=last,
                callbacks=[
                    Beginning(clock, saved if done else None),
                    self._keeper,
                    self._history,
                    self._mean,
                    self._guard,
                    *self._around.callbacks,
                    Keeping(
                        self._around.checkpoints,
                        held,
                        self._parts,
                        stage=self._number,
                        # Several workers would have to agree on the moment.
                        batches=self._steps if clock and alone else 0,
                        done=done,
                        parts_of_batch=parts,
                    ),
                ],
                shuffle=False,
                verbose=0,
            )

    def _compile(self) -> None:
        """A new optimizer, whose schedule covers what is left of the stage."""
        attempt, stage = self._attempt, self._stage
        self._steps = len(self._train)
        lower = dataclasses.replace(stage, learning_rate=attempt.factor * stage.learning_rate)
        steps = self._steps * (stage.epochs - attempt.first)
        made = optimizer.make(self._model, lower, steps, parts=attempt.parts)
        compiling.compile_for(self._fitted, self._model, stage, made)
        # Now, so that a checkpoint's slots find their places.
        self._fitted.optimizer.build(self._fitted.trainable_variables)

    def _parts(self, metrics: bool = False) -> dict[str, Part]:
        """What a checkpoint within the stage holds."""
        fitted = self._fitted
        found: dict[str, Part] = {
            **self._others,
            "attempt": self._attempt,
            "weights": Variables([*self._model.variables, *fitted.variables]),
            "optimizer": Variables(fitted.optimizer.variables),
            "best": self._keeper,
            "history": self._history,
            "mean": self._mean,
            "guard": self._guard,
        }
        return found | ({"metrics": Variables(fitted.metrics_variables)} if metrics else {})

    def _go_back(self, epoch: int) -> bool:
        """To the best there was; whether training goes on from there, at a lower rate."""
        attempt, stage = self._attempt, self._stage
        best = self._keeper.best or self._before
        self._model.set_weights(best.weights if best else self._start)
        self._mean.forget()
        self._keeper.be_patient(epoch)
        why = self._guard.why
        self._guard.forget()
        goes_on = len(self.events) < _ROLLBACKS and epoch < stage.epochs
        rate = attempt.factor * stage.learning_rate * _LOWER
        self.events.append(
            {
                "stage": stage.name,
                "epoch": epoch,
                "why": why,
                "learning_rate": rate if goes_on else float("nan"),
            }
        )
        told = f"Stage {stage.name!r}, epoch {epoch}: {why}, so it went back to the best "
        told += f"and on at a rate of {rate:.1e}." if goes_on else "and ends there."
        self._around.progress.warn(told)
        if goes_on:
            attempt.factor, attempt.first = attempt.factor * _LOWER, epoch
        return goes_on

    def _can_halve(self) -> bool:
        if self._around.group.replicas > 1:
            return False  # tf.distribute refuses what accumulates gradients
        self._size = self._size or evening.size_of(self._train)
        return 2 * self._attempt.parts <= self._size

    def _halve(self) -> None:
        """Begin the stage anew with batches taken in smaller parts, to the same effect."""
        self._attempt = Attempt(parts=2 * self._attempt.parts, events=self.events)
        self._model.set_weights(self._start)
        self._begin()
        self._tell_parts()

    def _tell_parts(self) -> None:
        if self._attempt.parts == 1 or self._size is None:
            return
        part = -(-self._size // self._attempt.parts)
        self._around.progress.warn(
            f"The memory does not suffice for stage {self._stage.name!r}, so each batch of "
            f"{self._size} photos is taken in {self._attempt.parts} parts of {part}: the same steps, "
            "more slowly."
        )

    def _divided(self, batches: Any) -> Any:
        prepared = self._prepared(batches)
        parts = self._attempt.parts
        return prepared if parts == 1 else evening.in_parts(prepared, self._even_size(), parts)

    def _prepared(self, batches: Any) -> Any:
        """One-hot, and of one size where that is needed, or spares compiling twice."""
        batches = compiling.one_hot(batches, int(self._model.output_shape[-1]))
        even = self._attempt.parts > 1 or self._around.group.replicas > 1
        if even or (self._size and keras.backend.backend() == "jax"):
            batches = evening.evened(batches, self._even_size())
        return batches

    def _even_size(self) -> int:
        self._size = self._size or evening.size_of(self._train)
        unit = self._attempt.parts * self._around.group.replicas
        return -(-self._size // unit) * unit

    def _average(self) -> None:
        if not self._mean.weights:
            return
        self._model.set_weights(self._mean.weights)
        scores = self._fitted.evaluate(self._prepared(self._held_out), verbose=0, return_dict=True)
        self._keeper.consider(
            len(self.rows), {f"val_{name}": value for name, value in scores.items()}
        )


def _is_out_of_memory(error: BaseException) -> bool:
    kind = type(error).__name__
    return (
        isinstance(error, MemoryError)
        or (kind == "ResourceExhaustedError" and "space left" not in str(error))
        or (kind in ("JaxRuntimeError", "XlaRuntimeError") and "RESOURCE_EXHAUSTED" in str(error))
    )

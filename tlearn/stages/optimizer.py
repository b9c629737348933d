"""AdamW with a rate of its own for each variable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from tlearn.devices.summing import SumsFirst
from tlearn.stages import freezing
from tlearn.stages.stage import Stage

__all__ = ["DiscriminativeAdamW", "make", "rate_factors", "rising"]

_NO_DECAY = ["bias", "gamma", "beta"]


@keras.saving.register_keras_serializable("tlearn")
class DiscriminativeAdamW(SumsFirst, keras.optimizers.AdamW):
    """AdamW (Loshchilov and Hutter 2019) whose rate is multiplied by a factor for each variable.

    Gradients are not scaled, because Adam divides by their size and would undo it.

    Args:
        learning_rate: The rate, or a schedule, for a variable whose factor is 1.
        weight_decay: Decoupled weight decay, at the rate of factor 1.
        factors: From a variable's path to its factor; 1 for those not named.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        weight_decay: float = 1e-4,
        factors: Mapping[str, float] | None = None,
        name: str = "discriminative_adamw",
        **settings: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate, weight_decay=weight_decay, name=name, **settings
        )
        self.factors = dict(factors or {})
        self._factor_of: list[float] = []

    def build(self, variables: list[Any]) -> None:
        """Make the slots of the variables, and look up their factors."""
        super().build(variables)
        self._factor_of = [self.factors.get(variable.path, 1.0) for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable at its own rate."""
        factor = self._factor_of[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this optimizer again."""
        return {**super().get_config(), "factors": self.factors}


def make(
    model: keras.Model, stage: Stage, steps: int, *, parts: int = 1
) -> keras.optimizers.Optimizer:
    """The optimizer of a stage: a rise over `stage.warmup`, then a cosine down to zero.

    Args:
        model: The model, with `trainable` already set as the stage wants it.
        stage: Rates, decays and warm-up.
        steps: Steps of the whole stage, at least 1.
        parts: In how many parts each batch is taken; their gradients make one step.

    Returns:
        An optimizer that is not yet built.
    """
    rising = min(round(stage.warmup * steps), steps - 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=stage.learning_rate / 25 if rising else stage.learning_rate,
        decay_steps=max(1, steps - rising),
        warmup_target=stage.learning_rate if rising else None,
        warmup_steps=rising,
    )
    return _scheduled(model, stage, schedule, parts)


def rising(
    model: keras.Model, stage: Stage, *, lowest: float, highest: float, steps: int
) -> keras.optimizers.Optimizer:
    """The optimizer of a stage, but for its rate: that rises by the same factor with each step.

    Args:
        model: The model, with `trainable` already set as the stage wants it.
        stage: Decays; its rate and warm-up are not used.
        lowest: The rate of the first step, above 0.
        highest: The rate of the last step.
        steps: Steps from the first to the last, at least 2.

    Returns:
        An optimizer that is not yet built.
    """
    schedule = keras.optimizers.schedules.ExponentialDecay(
        initial_learning_rate=lowest, decay_steps=steps - 1, decay_rate=highest / lowest
    )
    return _scheduled(model, stage, schedule)


def _scheduled(
    model: keras.Model, stage: Stage, schedule: Any, parts: int = 1
) -> keras.optimizers.Optimizer:
    optimizer = DiscriminativeAdamW(
        learning_rate=_ByStep(schedule, parts) if parts > 1 else schedule,
        weight_decay=stage.weight_decay,
        factors=rate_factors(model, stage.layer_decay),
        global_clipnorm=1.0,
        gradient_accumulation_steps=parts if parts > 1 else None,
    )
    optimizer.exclude_from_weight_decay(var_names=_NO_DECAY)
    return optimizer


class _ByStep(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule for gradients that are accumulated: Keras counts each part as a step.

    Args:
        schedule: By steps.
        parts: Parts of a step.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, parts: int):
        super().__init__()
        self._schedule = schedule
        self._parts = parts

    def __call__(self, step: Any) -> Any:
        """The rate of the step that a part belongs to."""
        return self._schedule(keras.ops.floor_divide(step, self._parts))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this schedule again."""
        return {"schedule": self._schedule, "parts": self._parts}


def rate_factors(model: keras.Model, layer_decay: float) -> dict[str, float]:
    """What each variable's rate is multiplied by: 1 in the head and in the last block, then less.

    Args:
        model: Any Keras model.
        layer_decay: Above 0, up to 1; the factor from each block to the one before it.

    Returns:
        From a variable's path to its factor.
    """
    backbone, _ = freezing.split_head(model)
    return {
        variable.path: layer_decay**distance
        for distance, block in enumerate(reversed(backbone))
        for layer in block
        for variable in layer.variables
    }

"""Which settings of a recipe are searched, and between which values."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlearn.choosing.automatic import AUTO
from tlearn.errors import MissingExtra, TuningError
from tlearn.recipes import FUNCTIONS, Recipe

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

__all__ = ["Choice", "Range", "Space", "VERSION", "check_installed", "of"]

# Counts up when the same study would be given other settings, so that two are never mixed.
VERSION = 1

# Each further share is another cut, whose features are computed once; so there are few.
_SHARES = (0.2, 0.35, 0.6)
_AUGMENTATIONS = ("none", "light", "strong")
_MIXUPS = (0.0, 0.2)
# A head alone is fitted to convergence, unless it is given a rate.
_HEAD_RATES = (None, 1e-3, 3e-3, 1e-2)
_DIGITS = 2


@dataclass(frozen=True)
class Range:
    """A number between two others.

    Args:
        low: The least.
        high: The most.
        log: Whether its order of magnitude is what is searched.
    """

    low: float
    high: float
    log: bool = False

    def suggest(self, trial: Trial, name: str) -> float:
        """The value that an Optuna trial is to try."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def distribution(self) -> BaseDistribution:
        """The same for Optuna."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)

    def nearest(self, value: Any) -> float:
        """The value of the range that is next to `value`."""
        return min(max(float(value), self.low), self.high)

    def rounded(self, value: float) -> float:
        """The number as it is written into a recipe: more digits would mean nothing."""
        return float(f"{value:.{_DIGITS}g}")


@dataclass(frozen=True)
class Choice:
    """One of a few values.

    Args:
        values: All of them.
    """

    values: tuple[Any, ...]

    def suggest(self, trial: Trial, name: str) -> Any:
        """The value that an Optuna trial is to try."""
        return trial.suggest_categorical(name, self.values)

    def distribution(self) -> BaseDistribution:
        """The same for Optuna."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def nearest(self, value: Any) -> Any:
        """The recipe's own value, which is always among them."""
        return value

    def rounded(self, value: Any) -> Any:
        """The value as it is written into a recipe."""
        return value


@dataclass(frozen=True)
class Space:
    """What is searched.

    Args:
        start: The recipe itself, as it is tried first.
        dimensions: From a setting's name to its values.
        defaults: The recipe's own value of each.
    """

    start: Recipe
    dimensions: Mapping[str, Range | Choice]
    defaults: Mapping[str, Any]

    def suggest(self, trial: Trial) -> None:
        """Have an Optuna trial choose a value for each setting."""
        for name, dimension in self.dimensions.items():
            dimension.suggest(trial, name)

    def distributions(self) -> dict[str, BaseDistribution]:
        """The whole for Optuna."""
        return {name: one.distribution() for name, one in self.dimensions.items()}

    def default_parameters(self) -> dict[str, Any]:
        """What stands for the recipe itself in the search: the nearest values of each range."""
        return {name: one.nearest(self.defaults[name]) for name, one in self.dimensions.items()}

    def settings(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """What a recipe is given for the values that Optuna chose."""
        return {name: one.rounded(parameters[name]) for name, one in self.dimensions.items()}


def check_installed() -> None:
    """Raise an error now if Optuna is not there.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        importlib.import_module("optuna")
    except ImportError as error:
        raise MissingExtra("optuna", "tune", "Searching settings") from error


def of(recipe: Recipe, fixed: Collection[str], num_examples: int) -> Space:
    """The settings around a recipe: its own numbers are where the search begins.

    Epochs and views are not searched: more of them only take longer, and trials whose schedules
    differ could not be compared epoch by epoch.

    Args:
        recipe: The recipe, what the user has fixed included.
        fixed: The names of arguments that are to stay as they are.
        num_examples: Photos in the training split, for the recipe's rules of size.

    Returns:
        The search space.

    Raises:
        RecipeError: A value is refused.
        TuningError: Nothing is left to be searched, or the learning rate is `"auto"`.
    """
    signature = inspect.signature(FUNCTIONS[recipe.function]).parameters
    own = {name: one.default for name, one in signature.items()} | dict(recipe.arguments)
    if own["learning_rate"] == AUTO:
        raise TuningError(
            "A search finds the learning rate itself. Leave it out, or give a number. "
            f"Received: learning_rate={AUTO!r}"
        )
    last = recipe.stages(num_examples)[-1]
    if "unfreeze" in own:  # what is left to the rules is what they say
        for name in ("learning_rate", "unfreeze"):
            own[name] = getattr(last, name) if own[name] is None else own[name]
    possible: dict[str, Range | Choice] = {}
    if own["learning_rate"] is None or recipe.function == "linear_probe":
        possible["learning_rate"] = _choice(_HEAD_RATES, own["learning_rate"])
    else:
        rate = float(own["learning_rate"])
        possible["learning_rate"] = Range(rate / 5, rate * 5, log=True)
    if "unfreeze" in own:
        possible["unfreeze"] = _choice(_SHARES, own["unfreeze"])
        possible["layer_decay"] = Range(min(0.7, own["layer_decay"]), 1.0)
    possible |= {
        "augmentation": _choice(_AUGMENTATIONS, own["augmentation"]),
        # Decay counts times the rate, so that the least of these does nothing.
        "weight_decay": Range(1e-4, 0.3, log=True),
        "label_smoothing": Range(0.0, max(0.2, own["label_smoothing"])),
        "mixup": _choice(_MIXUPS, own["mixup"]),
    }
    dimensions = {name: one for name, one in possible.items() if name not in fixed}
    if not dimensions:
        raise TuningError(
            "There is nothing left to search: every setting is given. Leave out some of "
            f"{', '.join(possible)}. Received: {', '.join(sorted(fixed))}"
        )
    return Space(recipe, dimensions, {name: own[name] for name in dimensions})


def _choice(values: tuple[Any, ...], own: Any) -> Choice:
    """The values and the recipe's own, in ascending order where they are numbers."""
    if own in values:
        return Choice(values)
    if isinstance(own, str) or None in values:
        return Choice((*values, own))
    return Choice(tuple(sorted((*values, own))))

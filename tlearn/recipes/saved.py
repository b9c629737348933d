"""Recipes with their numbers: a function's name and arguments, kept as TOML.

```toml
# Situation: fewer than 20 photos in each class.
# Command:   tlearn finetune --dataset my_photos/ --recipe few-photos
# Expected:  what it gave, on which photos, in what time.
recipe = "freeze_then_unfreeze"

[arguments]
epochs = 12
```

The arguments are those of the function, so its signature is what checks them.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tlearn.errors import RecipeError
from tlearn.recipes.head_only import linear_probe
from tlearn.recipes.step_by_step import gradual_unfreeze
from tlearn.recipes.two_stages import freeze_then_unfreeze
from tlearn.stages.stage import Stage

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["FUNCTIONS", "Recipe", "load", "saved"]

FUNCTIONS: Mapping[str, Callable[..., tuple[Stage, ...]]] = {
    "freeze_then_unfreeze": freeze_then_unfreeze,
    "gradual_unfreeze": gradual_unfreeze,
    "linear_probe": linear_probe,
}


@dataclass(frozen=True)
class Recipe:
    """A call of a recipe function that has not been made yet.

    Args:
        name: The function's name, or the file's without its suffix.
        function: One of `FUNCTIONS`.
        arguments: Keyword arguments of the function.
        situation: When to use it, in a sentence.
        text: The file's text, or an empty string.

    Raises:
        RecipeError: There is no such function, or it does not take these arguments.
    """

    name: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    situation: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise RecipeError(
                f"There is no recipe function of that name. Use one of {', '.join(FUNCTIONS)}. "
                f"Received: recipe={self.function!r}"
            )
        allowed = tuple(inspect.signature(FUNCTIONS[self.function]).parameters)
        for argument in self.arguments:
            if argument not in allowed:
                close = difflib.get_close_matches(argument, allowed, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise RecipeError(
                    f"The recipe {self.function} does not take {argument!r}.{hint} It takes "
                    f"{', '.join(allowed)}. Received: {argument}={self.arguments[argument]!r}"
                )

    def with_arguments(self, arguments: Mapping[str, Any]) -> Recipe:
        """The same recipe with some arguments set anew.

        Args:
            arguments: Keyword arguments of the function; they win over those already set.

        Returns:
            A new recipe.

        Raises:
            RecipeError: The function does not take one of them.
        """
        return replace(self, arguments={**self.arguments, **arguments})

    def stages(self, num_examples: int, num_classes: int | None = None) -> tuple[Stage, ...]:
        """Make the call.

        Args:
            num_examples: Photos in the training split; the recipe's own `num_examples` wins.
            num_classes: Number of classes, for functions whose rules count photos of each class;
                likewise.

        Returns:
            Stages for `stages.run`.

        Raises:
            RecipeError: An argument's type or value is refused.
        """
        function = FUNCTIONS[self.function]
        sizes = {"num_examples": num_examples, "num_classes": num_classes}
        known = inspect.signature(function).parameters
        sizes = {name: size for name, size in sizes.items() if name in known}
        try:
            return function(**{**sizes, **self.arguments})
        except (TypeError, ValueError) as error:
            raise RecipeError(f"The recipe {self.name!r} cannot be used: {error}") from error

    def dump(self, stages: tuple[Stage, ...] = ()) -> str:
        """The recipe as TOML that `load` reads back.

        Args:
            stages: What came of it, to be told in comments: every number, defaults included.

        Returns:
            TOML text, with situation and stages as comments.
        """
        lines = [f"# Situation: {self.situation}"] if self.situation else []
        for stage in stages:
            values = (f"{name}={value}" for name, value in asdict(stage).items() if name != "name")
            lines.append(f"# Stage {stage.name}: {', '.join(values)}")
        lines += [f"recipe = {_toml(self.function)}", "", "[arguments]"]
        lines += [f"{name} = {_toml(value)}" for name, value in self.arguments.items()]
        return "\n".join(lines) + "\n"


def load(recipe: str | Path) -> Recipe:
    """Find a recipe by its function's name, its saved name, or its file.

    Args:
        recipe: Such as `"freeze_then_unfreeze"`, `"few-photos"` or `"my_recipe.toml"`.

    Returns:
        The recipe, its arguments checked against the function's signature.

    Raises:
        RecipeError: There is no such recipe, or the file does not hold one.
    """
    name = str(recipe)
    if name.replace("-", "_") in FUNCTIONS:
        function = name.replace("-", "_")
        summary = (inspect.getdoc(FUNCTIONS[function]) or "").split("\n")[0]
        return Recipe(name=function, function=function, situation=summary)
    if Path(name).suffix == ".toml" and Path(name).is_file():
        return _read(Path(name))
    by_name = {path.stem: path for path in _files()}
    if Path(name).stem in by_name and Path(name).parent == Path():
        return _read(by_name[Path(name).stem])
    known = [*FUNCTIONS, *by_name]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise RecipeError(
        f"There is no such recipe.{hint} Use one of {', '.join(known)}, or the path of a TOML "
        f"file. Received: recipe={name!r}"
    )


def saved() -> tuple[Recipe, ...]:
    """The recipes that come with tlearn as TOML files.

    Returns:
        Recipes, sorted by name.
    """
    return tuple(_read(path) for path in _files())


def _files() -> list[Path]:
    """The TOML files: beside the package in a checkout, under share/tlearn where installed."""
    checkout = Path(__file__).resolve().parents[2] / "recipes"
    if (checkout.parent / "setup.cfg").is_file():
        return sorted(checkout.glob("*.toml"))
    installed = importlib.metadata.files("tlearn") or []
    return sorted(
        Path(str(entry.locate())).resolve()
        for entry in installed
        if entry.suffix == ".toml" and entry.parts[-3:-1] == ("tlearn", "recipes")
    )


def _read(path: Path) -> Recipe:
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"The recipe cannot be read: {error}. Received: {path}") from error
    unknown = sorted(set(content) - {"recipe", "arguments"})
    arguments = content.get("arguments", {})
    if unknown or "recipe" not in content or not isinstance(arguments, dict):
        raise RecipeError(
            'A recipe file has `recipe = "FUNCTION"` and, if wanted, a table `[arguments]`, and '
            f"nothing else. Received: {path} with {', '.join(content) or 'nothing'}"
        )
    situation = next(
        (
            line.split("Situation:", 1)[1].strip()
            for line in text.splitlines()
            if line.startswith("#") and "Situation:" in line
        ),
        "",
    )
    return Recipe(path.stem, str(content["recipe"]), arguments, situation, text)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)

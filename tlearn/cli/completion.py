"""What the shell offers when the user presses Tab. None of it loads TensorFlow.

A completion that fails offers nothing: there is no place to show an error in the middle of a
command line that is still being typed.
"""

from __future__ import annotations

import contextlib

import typer

__all__ = [
    "backbone_lists",
    "backbone_names",
    "finding_lists",
    "rates",
    "recipe_names",
    "run_names",
]


def backbone_names(incomplete: str) -> list[tuple[str, str]]:
    """Names of backbones, with where their weights come from."""
    with contextlib.suppress(Exception):
        from tlearn import backbones
        from tlearn.backbones.table import ALIASES

        rows = [(row.name, row.weights_from) for row in backbones.table()]
        rows.append(("auto", "the best of those on this machine, found by the shortlist"))
        rows += [(alias, f"alias of {name}") for alias, name in ALIASES.items()]
        return [row for row in sorted(rows) if row[0].startswith(incomplete)]
    return []


def backbone_lists(incomplete: str) -> list[tuple[str, str]]:
    """Names of backbones after a comma, with what stands before it."""
    before, comma, last = incomplete.rpartition(",")
    return [(f"{before}{comma}{name}", about) for name, about in backbone_names(last)]


def finding_lists(incomplete: str) -> list[tuple[str, str]]:
    """Findings after a comma, with what stands before it."""
    with contextlib.suppress(Exception):
        from tlearn.checking.kinds import KINDS, SEVERITIES

        before, comma, last = incomplete.rpartition(",")
        known = [(name, kind.title) for name, kind in KINDS.items()]
        known += [(severity, "all that are as bad") for severity in SEVERITIES]
        return [(f"{before}{comma}{name}", about) for name, about in known if name.startswith(last)]
    return []


def recipe_names(incomplete: str) -> list[tuple[str, str]]:
    """Names of recipe functions and saved recipes, with their situation."""
    with contextlib.suppress(Exception):
        from tlearn import recipes

        known = [*(recipes.load(name) for name in recipes.FUNCTIONS), *recipes.saved()]
        return [(one.name, one.situation) for one in known if one.name.startswith(incomplete)]
    return []


def rates(incomplete: str) -> list[tuple[str, str]]:
    """The one learning rate that is a word."""
    return [("auto", "found by a range test")] if "auto".startswith(incomplete) else []


def run_names(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the runs under `--root`."""
    with contextlib.suppress(Exception):
        from tlearn import runs

        names = runs.table(context.params.get("root") or "saved_models")["name"]
        return [name for name in names if name.startswith(incomplete)]
    return []

"""The options of `finetune` by which a run is gone on with, or made once more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlearn.cli import completion

if TYPE_CHECKING:
    from tlearn.runs import Run

__all__ = ["DeterministicOption", "LikeOption", "ResumeOption", "arguments", "compared"]

_PANEL = "Run"

ResumeOption = Annotated[
    bool | None,
    typer.Option(
        "--resume/--no-resume",
        help="Only go on with the unfinished run of this command, or only begin a new one. "
        "Default: go on where there is one.",
        rich_help_panel=_PANEL,
    ),
]
DeterministicOption = Annotated[
    bool,
    typer.Option(
        "--deterministic",
        help="The same predictions to the last bit each time, on the same machine; slower on a GPU.",
        rich_help_panel=_PANEL,
    ),
]
LikeOption = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        help="Make this run once more; options that are given win over its own.",
        autocompletion=completion.run_names,
        rich_help_panel=_PANEL,
    ),
]


def arguments(like: str, output: Path) -> dict[str, Any]:
    """What a run was asked for, with what was measured and decided on the way in its place.

    Args:
        like: Its name or folder.
        output: Where run folders are kept.

    Returns:
        Arguments of `tlearn.finetune`.

    Raises:
        RunError: There is no such run, or it does not say how it was made.
    """
    from tlearn import runs
    from tlearn.errors import RunError

    run = runs.load(like, output)
    asked = dict(run.info.get("arguments", {}))
    if "recipe_options" not in asked:
        raise RunError(
            f"{run.path} was made by a version of tlearn that did not keep all it was asked for, so it "
            f"cannot be repeated by itself. Give its options. Received: like={like!r}"
        )
    if Path(asked["recipe"]).suffix == ".toml":  # the file may say something else by now
        asked["recipe"] = str(run.path / "recipe.toml")
    return asked | {
        "backbone": run.info["backbone"],
        "recipe_options": run.info["recipe_options"],
    }


def compared(run: Run, like: str, output: Path) -> str:
    """Whether a run came out as the one that it repeats, in a sentence.

    Args:
        run: The new run.
        like: The name or folder of the other one.
        output: Where run folders are kept.
    """
    from tlearn import runs

    other = runs.load(like, output)
    if run.predictions.equals(other.predictions):
        return f"The predictions are those of {other.name}, to the last bit."
    reasons = []
    if list(run.splits["digest"]) != list(other.splits["digest"]):
        reasons.append("the photos are others")
    if newer := [name for name, now in run.versions.items() if other.versions.get(name) != now]:
        reasons.append(f"the versions of {', '.join(newer)} are others")
    exact = [one.info["arguments"].get("deterministic") for one in (other, run)]
    if not all(exact):
        which = "neither run was" if not any(exact) else "only one run was"
        reasons.append(f"{which} made with --deterministic")
    why = " and ".join(reasons)
    return f"The predictions differ from those of {other.name}{f': {why}' if why else ''}."

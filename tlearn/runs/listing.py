"""Find run folders: by name, the latest, all of them."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from tlearn.errors import RunError
from tlearn.runs import layout
from tlearn.runs.reading import Run, is_run
from tlearn.runs.work import is_over

__all__ = ["latest", "load", "table"]

ROOT = "saved_models"
_COLUMNS = {
    "name": "object",
    "created": "datetime64[ns, UTC]",
    "dataset": "object",
    "backbone": "object",
    "recipe": "object",
    "photos": "Int64",
    "classes": "Int64",
    "accuracy": "float64",
    "macro_f1": "float64",
    "state": "object",
    "path": "object",
}


def load(run: str | Path | Run | None, root: str | Path = ROOT) -> Run:
    """Find one finished run.

    Args:
        run: The name of a run in `root`, or a path of its folder, or a `Run`. A name that is
            both a run in `root` and a folder here means the run in `root`. `None` takes the
            latest run in `root`.
        root: The folder that holds the run folders.

    Returns:
        The `Run`, after a look whether it is whole.

    Raises:
        RunError: When there is no such run, or it is unfinished or damaged.

    Example:

    ```python
    runs.load("clothing-efficientnet_lite0").class_names
    ```
    """
    if run is None:
        return latest(root)
    if isinstance(run, Run):
        return run.check()
    given = Path(run)
    places = [given] if given.is_absolute() else [Path(root) / given, given]
    folders = [place for place in places if _is_folder(place)]
    if not str(run) or not folders:
        raise RunError(
            f"There is no run {str(run)!r}. Give the name of a run in {root}, or the path of its "
            f"folder; {_there_is(Path(root))}. Received: run={str(run)!r}"
        )
    return Run(next(filter(is_run, folders), folders[0])).check()


def latest(root: str | Path = ROOT) -> Run:
    """The finished run of `root` that was made last.

    Args:
        root: The folder that holds the run folders.

    Returns:
        The `Run` whose `created` is the newest.

    Raises:
        RunError: When `root` has no finished run.
    """
    rows = table(root)
    finished = rows[rows["state"] == "finished"]
    if finished.empty:
        raise RunError(
            f"There is no finished run in {root}; {_there_is(Path(root))}. Make one with "
            "`tlearn finetune --dataset FOLDER`, or say where the runs are. "
            f"Received: root={str(root)!r}"
        )
    return Run(Path(finished["path"].iloc[-1])).check()


def table(root: str | Path = ROOT) -> pd.DataFrame:
    """List the runs in a folder, the newest last.

    Args:
        root: The folder that holds the run folders. Folders that are no runs are passed over.

    Returns:
        Columns `name`, `created` (UTC), `dataset`, `backbone`, `recipe`, `photos`, `classes`,
        `accuracy` and `macro_f1` (fractions 0..1), `state` and `path`. The `state` is
        `"finished"`, `"unfinished"` (still being written, or killed while it was) or
        `"damaged"`; of the latter two only `name`, `created` (when the folder last changed),
        `state` and `path` are known.
    """
    root = Path(root)
    try:
        folders = [entry for entry in root.iterdir() if entry.is_dir()] if root.exists() else []
    except OSError as error:
        raise RunError(
            f"Cannot list the runs in {root}: {error.strerror}. Give the folder that holds the "
            f"run folders. Received: root={str(root)!r}"
        ) from error
    rows = [row for folder in sorted(folders) if (row := _row(folder)) is not None]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object)
    frame["created"] = pd.to_datetime(frame["created"], utc=True)
    frame = frame.astype(_COLUMNS)
    # A stable sort, so that runs of the same moment stand in the order of their names.
    return frame.sort_values("created", kind="stable", ignore_index=True)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file system takes, or a parent that may not be entered
        return False


def _row(folder: Path) -> dict[str, Any] | None:
    unfinished = layout.unfinished_name(folder)
    if unfinished is None and (folder.name.startswith(".") or not is_run(folder)):
        return None
    if unfinished is not None and is_over(folder, folder.parent):
        return None
    try:
        changed = datetime.fromtimestamp(folder.stat().st_mtime, tz=timezone.utc)
    except FileNotFoundError:  # it was finished or removed while this looked
        return None
    row = dict.fromkeys(_COLUMNS) | {
        "name": unfinished or folder.name,
        "created": changed,
        "state": "damaged" if unfinished is None else "unfinished",
        "path": str(folder),
    }
    if unfinished is not None:
        return row
    try:
        info = Run(folder).check().info
        return row | {
            "created": _moment(info["created"]),
            "dataset": info["dataset"].get("name"),
            "backbone": info["backbone"],
            "recipe": info["recipe"],
            "photos": _number(info["dataset"].get("photos")),
            "classes": _number(info["dataset"].get("classes")),
            "accuracy": _number(info["metrics"].get("accuracy")),
            "macro_f1": _number(info["metrics"].get("macro_f1")),
            "state": "finished",
        }
    except (RunError, ValueError, TypeError, AttributeError):
        return row


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _number(value: object) -> int | float | None:
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    raise TypeError(f"not a number: {value!r}")


def _there_is(root: Path) -> str:
    rows = table(root) if root.is_dir() else pd.DataFrame({"name": [], "state": []})
    if rows.empty:
        return f"{root} holds no run yet" if root.is_dir() else f"{root} does not exist"
    names = [
        row.name if row.state == "finished" else f"{row.name} ({row.state})"
        for row in rows.tail(5).itertuples(index=False)
    ]
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"{root} holds {', '.join(names)}{more}"

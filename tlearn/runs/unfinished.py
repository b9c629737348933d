"""A run folder that appears under its name only when it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tlearn.devices.group import ONE, Group
from tlearn.errors import RunError
from tlearn.files import atomic
from tlearn.progress import SILENT, Progress
from tlearn.runs import following, layout
from tlearn.runs.work import Work, left
from tlearn.runs.writing import RunFolder

__all__ = ["unfinished"]


@contextmanager
def unfinished(
    output: str | Path,
    name: str,
    *,
    call: Mapping[str, Any] | None = None,
    resume: bool | None = None,
    group: Group = ONE,
    progress: Progress = SILENT,
) -> Iterator[RunFolder]:
    """Write a run folder that appears under its name only when it is whole.

    ```
    output/
    ├── .NAME.unfinished-1234/    while the block runs, and for good if the process is killed
    └── NAME/                     after the block, by one rename
    ```

    Args:
        output: The folder that holds the run folders; made when it is not there.
        name: The run's name, a plain folder name. When it is taken, `-2`, `-3`... is added. It can
            be changed until the block ends.
        call: What was asked for, as JSON can hold it. What it has left unfinished is gone on with,
            and what it leaves unfinished is kept as soon as there is a checkpoint.
        resume: `True` refuses to begin a new run, `False` to go on with one; by default it goes on
            where it can, and says so.
        group: Who trains together: the chief writes, and what other workers write is thrown away.
        progress: Who watches.

    Returns:
        A context manager that gives a `RunFolder`. When the block ends well, everything is
        synced to the disk, `run.json` last, and the folder renamed. When it raises, the hidden
        folder is removed, unless there is something to go on from.

    Raises:
        RunError: When the name is not plain, the disk is full or the place not writable; when there is
            nothing to go on with, though that was asked for, or another process is at it.

    Example:

    ```python
    with runs.unfinished("saved_models", "clothing-efficientnet_lite0") as folder:
        folder.write_class_names(dataset.class_names)
        model.save(folder.model_path)
        ...
        folder.write_info({"dataset": {...}, "backbone": "efficientnet_lite0", ...})
    print(folder.run.path)
    ```
    """
    layout.check_name(name)
    output = Path(output)
    if not group.is_chief:
        with following.aside() as aside, following.together(group):
            yield RunFolder(following.Following(aside, group, output), name)
        return
    work = left(output, call) if call is not None and resume is not False else None
    if work is None and resume:
        raise RunError(
            f"There is no unfinished run of this command in {output}. Leave --resume out to begin one; "
            f"`tlearn runs` lists what is there. Received: output={str(output)!r}"
        )
    if work is not None:
        progress.say(
            f"Going on with the unfinished run in {work.folder}; --no-resume begins a new one."
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
        work = work or Work(atomic.hidden_sibling(output / name), call)
        work.begin()
        if group.workers > 1:
            work = following.Leading(work, group, output)
    except OSError as error:
        raise atomic.in_clear_words(error, output / name) from error
    folder = RunFolder(work, name)
    try:
        with following.together(group):
            yield folder
        folder.finish(output)
        following.finished(work, folder.run.path.name if folder.run else "")
        work.end(keep=False)
    except BaseException as error:
        keep = work.can_go_on
        gone = work.end(keep=keep)
        if keep:
            progress.say(
                f"What was trained is kept in {work.folder}. The same command goes on from there."
            )
        if isinstance(error, RunError) or not atomic.is_about(error, output):
            raise
        told = str(atomic.in_clear_words(error, output / name))
        left_over = f" A part that could not be removed is in {work.folder}."
        told = f"The run was not saved.{'' if gone or keep else left_over} {told}"
        raise RunError(told) from error

"""`tlearn cache`: what is kept to be used again, and making room."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlearn.cli import display
from tlearn.cli.display import ListFormat

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Clear", "EXAMPLE", "cache"]

EXAMPLE = "tlearn cache --clear features"

# Only these are tlearn's own. TLEARN_CACHE may name a folder in which other things lie too.
_OWN = {
    "archives": "unpacked archives",
    "register": "what is known of photos",
    "tfds": "photos of TFDS data sets",
}
_FEATURES = "features"
_COLUMNS = ("kind", "photos", "bytes", "last_used", "folder")


class Clear(str, Enum):
    """What is removed."""

    features = "features"
    all = "all"


def cache(
    clear: Annotated[
        Clear | None,
        typer.Option(
            "--clear",
            help="Remove the features, or all that tlearn keeps; it is made again when wanted.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    form: Annotated[ListFormat, typer.Option("--format", help="How to print.")] = ListFormat.text,
) -> None:
    """Show what is kept to be used again, such as features, and how large it is; or remove it."""
    if clear is not None:
        _clear(clear, yes=yes)
        return
    found = _table()
    if form is not ListFormat.text:
        display.write_frame(found, form)
        return
    _show(found)


def _table() -> pd.DataFrame:
    """A row for each kind of thing in the cache folder; each shelf of features is one."""
    import pandas as pd

    from tlearn.features import store
    from tlearn.files import cache as library
    from tlearn.files import disk_use

    rows: list[dict[str, Any]] = []
    for path in _children(library.directory()):
        if path.name != _FEATURES:
            kind = _OWN.get(path.name, f"not tlearn's: {path.name}")
            rows.append({"kind": kind, "bytes": disk_use.size_of(path), "folder": str(path)})
    rows.sort(key=lambda row: Path(row["folder"]).name not in _OWN)
    for shelf in store.shelves().to_dict("records"):
        folder = store.directory() / shelf.pop("key")
        shelf["kind"] = f"features: {shelf['kind'] or folder.name}"
        rows.append({**shelf, "folder": str(folder)})
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    return table.astype({"photos": "Int64", "bytes": "int64"})


def _show(found: pd.DataFrame) -> None:
    from tlearn.features import store
    from tlearn.files import cache as library

    console = display.stdout_console()
    features = found[found["kind"].str.startswith("features: ")]["bytes"].sum()
    console.print(f"Cache folder (TLEARN_CACHE): {display.cell(library.directory())}")
    console.print(f"In it: {_size(found['bytes'].sum())}")
    console.print(
        f"Features: {_size(features)} of at most {_size(store.limit())} (TLEARN_CACHE_SIZE)"
    )
    if found.empty:
        return
    rows = [_row(row) for row in found.to_dict("records")]
    console.print(display.table(("kept", "last used", "photos", "size"), rows, numbers=2))
    console.print("Make room: tlearn cache --clear features, or --clear all")


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    import pandas as pd

    used = "-" if pd.isna(row["last_used"]) else f"{row['last_used']:%Y-%m-%d %H:%M} UTC"
    photos = "-" if pd.isna(row["photos"]) else f"{row['photos']:,}"
    return row["kind"], used, photos, _size(row["bytes"])


def _clear(what: Clear, *, yes: bool) -> None:
    from tlearn.errors import CacheError
    from tlearn.files import cache as library
    from tlearn.files import disk_use

    root = library.directory()
    names = [_FEATURES] if what is Clear.features else [*_OWN, _FEATURES]
    folders = [root / name for name in names if (root / name).is_dir()]
    console = display.stdout_console()
    if not any(_children(folder) for folder in folders):
        console.print(f"There is nothing to remove in {display.cell(root)}", soft_wrap=True)
        return
    size = _size(sum(map(disk_use.size_of, folders)))
    if not yes:
        question = f"Remove {', '.join(folder.name for folder in folders)} ({size}) from {root}?"
        typer.confirm(display.cell(question), abort=True, err=True)
    freed = sum(map(disk_use.empty, folders))
    console.print(f"Freed {_size(freed)}")
    if left := [folder for folder in folders if _children(folder)]:
        raise CacheError(
            "Some of it cannot be removed. Give yourself permission, or end the programs that use "
            f"it. Received: folder={str(left[0])!r}"
        )


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _size(count: float) -> str:
    """Such as `1.2 GB`, of 10^9 bytes each."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"

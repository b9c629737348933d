"""The names of the files in a run folder, their columns, and what `labels.txt` and `run.json` say.

Nothing outside `tlearn.runs` spells one of these names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tlearn.errors import RunError

__all__ = [
    "CONFUSION",
    "EXPORTS",
    "FORMAT",
    "INFO",
    "LABELS",
    "MODEL",
    "PARQUET",
    "PREDICTIONS",
    "RECIPE",
    "REQUIRED",
    "REQUIRED_INFO",
    "SAVED_MODEL",
    "TABLES",
    "TABLE_NAMES",
    "check_info",
    "check_name",
    "table_file",
    "unfinished_name",
]

INFO = "run.json"
LABELS = "labels.txt"
RECIPE = "recipe.toml"
PREDICTIONS = "predictions.parquet"
MODEL = "model.keras"
SAVED_MODEL = "saved_model"
EXPORTS = "exports"
FORMAT = 1  # of run.json; a reader refuses a higher one

_FRACTIONS = dict.fromkeys(
    ["precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high", "f1"],
    "number",
)
TABLES: dict[str, dict[str, str]] = {  # NAME of NAME.csv -> column -> kind, see tables.from_csv
    "splits": {
        "path": "text",
        "label": "text",
        "split": "text",
        "group": "optional",
        "digest": "text",
        "decoder": "text",
    },
    "skipped": {"path": "text", "reason": "text"},
    "history": {
        "stage": "text",
        "epoch": "whole",
        "loss": "number",
        "accuracy": "number",
        "val_loss": "number",
        "val_accuracy": "number",
        "val_log_loss": "number",
        "learning_rate": "number",
        "seconds": "number",
        "photos_per_second": "number",
    },
    "stages": {
        "stage": "text",
        "epochs": "whole",
        "learning_rate": "number",
        "trainable_parameters": "whole",
        "validation_accuracy": "number",
        "validation_log_loss": "number",
        "seconds": "number",
        "kept": "flag",
    },
    "summary": {"metric": "text", "value": "number", "low": "number", "high": "number"},
    "per_class": {"class": "text", **_FRACTIONS, "support": "whole"},
    "confused_pairs": {"true": "text", "predicted": "text", "count": "whole", "share": "number"},
}
CONFUSION = "confusion"
# NAME of NAME.parquet. Only the first is in every run: labels are judged by kept features, if any.
# Pictures are in those that were made where the photos were, so that a report needs no photo.
PARQUET = (
    "predictions",
    "suspects",
    "outliers",
    "leaks",
    "learning_curve",
    "thumbnails",
    "overlays",
)
TABLE_NAMES = (*TABLES, CONFUSION, *PARQUET)

# Without these a folder is damaged; a model may be removed to save space and the run still read.
REQUIRED = (INFO, LABELS, RECIPE, PREDICTIONS, *(f"{name}.csv" for name in (*TABLES, CONFUSION)))
REQUIRED_INFO = ("name", "created", "dataset", "backbone", "recipe", "metrics")

_UNFINISHED = re.compile(r"\.(?P<name>.+)\.unfinished-\d+(-\d+)?", re.DOTALL)


def table_file(name: str) -> str:
    """The file that holds the table `name`, one of `TABLE_NAMES`."""
    return f"{name}.parquet" if name in PARQUET else f"{name}.csv"


def unfinished_name(folder: Path) -> str | None:
    """The name that an unfinished folder would have got, or `None` for any other folder."""
    match = _UNFINISHED.fullmatch(folder.name)
    return match["name"] if match else None


def check_name(name: str) -> None:
    """Raise `RunError` unless `name` can be the name of a run folder.

    Args:
        name: The name, of at most 200 bytes, without slashes and control characters, that does
            not begin with a dot (such folders are hidden) or a dash (which reads as an option).
    """
    length = len(name.encode("utf-8", "surrogatepass"))
    plain = name.isprintable() and not set(name) & set("/\\") and name == name.strip()
    if not plain or not 0 < length <= 200 or name[0] in ".-":
        raise RunError(
            "A run's name must be a plain folder name: 1 to 200 bytes, no slash, no line break, "
            "no dot or dash in front. Choose another with --name. "
            f"Received: name={name!r}"
        )


def check_info(info: Any) -> dict[str, Any]:
    """Raise `ValueError` unless `info` is what `run.json` holds; give it back."""
    if not isinstance(info, dict):
        raise ValueError(f"{INFO} is not a JSON object")
    if missing := [key for key in REQUIRED_INFO if key not in info]:
        raise ValueError(f"{INFO} lacks {', '.join(missing)}")
    if not isinstance(info.get("format"), int) or info["format"] > FORMAT:
        raise ValueError(f"{INFO} has the format {info.get('format')!r}, not {FORMAT} or less")
    for key in ("dataset", "metrics"):
        if not isinstance(info[key], dict):
            raise ValueError(f"the {key} in {INFO} is not a JSON object")
    return info

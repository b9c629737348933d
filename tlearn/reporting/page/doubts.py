"""What is doubtful in the photos: suspect labels, outliers, leaks, and files that were left out."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from tlearn.reporting.wording import percent

if TYPE_CHECKING:
    import pandas as pd

    from tlearn.reporting import Report

__all__ = ["MOST_ROWS", "name_of", "of"]

MOST_ROWS = 20  # of each list; the tables of the run have all


def of(report: Report) -> dict[str, Any]:
    """Lists of at most `MOST_ROWS` rows, each with how many there are."""
    run = report.run
    suspects = None if run.suspects is None else run.suspects[run.suspects["suspect"]]
    return {
        "most": MOST_ROWS,
        "checked": run.suspects is not None,
        "suspects": _rows(report, suspects, {"probability": "confidence"}),
        "outliers": _rows(report, run.outliers, {}),
        "leaks": _rows(report, run.leaks, {}),
        "leaks_known": run.leaks is not None,
        "skipped": {
            "total": len(report.skipped),
            "rows": [
                {"name": name_of(report, row["path"]), "reason": row["reason"]}
                for row in report.skipped.head(MOST_ROWS).to_dict("records")
            ],
        },
    }


def name_of(report: Report, path: str) -> str:
    """A photo's path below the data set's folder; one that lies elsewhere by its last three parts.

    A page is mailed: where a person keeps their photos is nobody's business.
    """
    source = report.run.info["dataset"].get("source")
    whole = PurePath(path)
    if source and whole.is_relative_to(str(source)):
        return str(whole.relative_to(str(source)))
    return str(PurePath(*whole.parts[-3:])) if len(whole.parts) > 3 else str(whole)


def _rows(report: Report, table: pd.DataFrame | None, percents: dict[str, str]) -> dict[str, Any]:
    if table is None:
        return {"total": 0, "rows": []}
    rows = []
    for row in table.head(MOST_ROWS).to_dict("records"):
        told = {str(key): value for key, value in row.items()}
        told["name"] = name_of(report, row["path"])
        if isinstance(row.get("known_as"), str):
            told["known_as"] = name_of(report, row["known_as"])
        told |= {name: percent(row[column]) for name, column in percents.items()}
        rows.append(told)
    return {"total": len(table), "rows": rows}

"""The same two plots by three libraries: how many bytes each puts into a page.

    pip install altair vl-convert-python plotly
    python benchmarks/plot_libraries.py [--keep FOLDER]

A reliability diagram of 15 bins and learning curves of 30 epochs, as SVG and as what draws itself in the
browser. Bytes are before and after gzip. Prints JSON.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bins, and epochs."""
    confidence = (np.arange(15) + 0.5) / 15
    bins = pd.DataFrame({"confidence": confidence, "accuracy": confidence**1.2})
    epoch = np.arange(1, 31)
    epochs = pd.DataFrame(
        {"epoch": epoch, "training": 1 / epoch**0.5, "validation": 0.2 + 1 / epoch**0.5}
    )
    return bins, epochs


def by_matplotlib(bins: pd.DataFrame, epochs: pd.DataFrame) -> dict[str, list[str]]:
    from tlearn.plotting import canvas
    from tlearn.plotting.svg import svg

    first, axes = canvas.make("Reliability", "confidence", "accuracy")
    axes.plot([0, 1], [0, 1], color=canvas.QUIET, linestyle="--")
    axes.plot(bins["confidence"], bins["accuracy"], marker="o", color=canvas.PLAIN)
    second, axes = canvas.make("Loss", "epoch", "loss")
    for name, colour in (("training", canvas.QUIET), ("validation", canvas.PLAIN)):
        axes.plot(epochs["epoch"], epochs[name], label=name, color=colour)
    axes.legend()
    return {
        "matplotlib SVG": [svg(one, f"plot{n}", "", "") for n, one in enumerate((first, second))]
    }


def by_vega(bins: pd.DataFrame, epochs: pd.DataFrame) -> dict[str, list[str]]:
    import altair
    import vl_convert

    line = (
        altair.Chart(pd.DataFrame({"x": [0, 1]})).mark_line(strokeDash=[4, 4]).encode(x="x", y="x")
    )
    points = altair.Chart(bins).mark_line(point=True).encode(x="confidence", y="accuracy")
    long = epochs.melt("epoch", var_name="of", value_name="loss")
    curves = altair.Chart(long).mark_line().encode(x="epoch", y="loss", color="of")
    charts = [line + points, curves]
    drawn = [vl_convert.vegalite_to_svg(chart.to_dict()) for chart in charts]
    script = vl_convert.javascript_bundle()
    return {
        "Vega-Lite SVG": drawn,
        "Vega-Lite in the browser": [script, *(chart.to_json(indent=None) for chart in charts)],
    }


def by_plotly(bins: pd.DataFrame, epochs: pd.DataFrame) -> dict[str, list[str]]:
    from plotly import graph_objects, offline

    first = graph_objects.Figure()
    first.add_scatter(x=[0, 1], y=[0, 1], line={"dash": "dash"})
    first.add_scatter(x=bins["confidence"], y=bins["accuracy"], mode="lines+markers")
    second = graph_objects.Figure()
    for name in ("training", "validation"):
        second.add_scatter(x=epochs["epoch"], y=epochs[name], name=name)
    script = offline.get_plotlyjs()
    plots = [one.to_html(full_html=False, include_plotlyjs=False) for one in (first, second)]
    return {"Plotly in the browser": [script, *plots]}


MAKERS: dict[str, Callable[[pd.DataFrame, pd.DataFrame], dict[str, list[str]]]] = {
    "matplotlib": by_matplotlib,
    "altair": by_vega,
    "plotly": by_plotly,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="write what each made into this folder")
    given = parser.parse_args()
    told = {}
    for library, make in MAKERS.items():
        if importlib.util.find_spec(library) is None:
            told[library] = "not installed"
            continue
        for name, parts in make(*tables()).items():
            whole = "\n".join(parts).encode()
            told[name] = {"bytes": len(whole), "gzip": len(gzip.compress(whole, mtime=0))}
            if given.keep:
                for number, part in enumerate(parts):
                    suffix = "svg" if "<svg" in part[:400] else "txt"
                    (given.keep / f"{name} {number}.{suffix}").write_text(part, encoding="utf-8")
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()

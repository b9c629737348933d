"""A figure as SVG inside a page: its text is text, its colours are the page's."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from tlearn.plotting import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["VARIABLES", "svg"]

# From the colours of `canvas`, and matplotlib's black, to what a page calls them.
VARIABLES = {
    "#000000": "currentColor",
    canvas.PLAIN: "var(--plot-1)",
    canvas.HIGHLIGHT: "var(--plot-2)",
    **{colour: f"var(--plot-{place})" for place, colour in enumerate(canvas.COLOURS[2:], 3)},
    canvas.QUIET: "var(--quiet)",
    canvas.GRID: "var(--line)",
}
_XLINK = "{http://www.w3.org/1999/xlink}href"
_LONG = re.compile(r"(\.\d)\d+")  # a tenth of a point cannot be seen
_FONT = re.compile(r"(?:(bold|\d+) )?([\d.]+)px")


def svg(drawn: Figure, name: str, title: str, description: str) -> str:
    """Write a figure as an `<svg>` element.

    It has no style attribute and no style sheet, which the policy of a page forbids, no name of a
    colour but those of `VARIABLES`, and no identifier that another figure of the page has.

    Args:
        drawn: The figure; its texts stay texts, in the page's own font.
        name: A short word that no other figure of the page has, for its identifiers.
        title: What it shows, for those who cannot see it.
        description: What can be read from it, likewise.

    Returns:
        Markup.
    """
    from matplotlib import rc_context

    written = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        drawn.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(written.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in {"metadata", "style"}:
                parent.remove(child)
    used = set(re.findall(r"#([\w-]+)", ElementTree.tostring(root, encoding="unicode")))
    for one in root.iter():
        one.tag = _local(one.tag)
        _plainly(one, name, used)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-text",
        "stroke-linejoin": "round",
        "class": "plot",
    }
    for place, (kind, text) in enumerate((("title", title), ("desc", description))):
        told = ElementTree.Element(kind, id=f"{name}-{'text' if place else 'title'}")
        told.text = text
        root.insert(place, told)
    return re.sub(r"\n\s*", "\n", ElementTree.tostring(root, encoding="unicode"))


def _plainly(one: ElementTree.Element, name: str, used: set[str]) -> None:
    """Style as attributes, colours as variables, identifiers of this figure alone."""
    for part in one.attrib.pop("style", "").split(";"):
        key, _, value = (piece.strip() for piece in part.partition(":"))
        if key == "font":
            if match := _FONT.search(value):
                one.set("font-size", match[2])
        elif key and not key.startswith("font-family"):
            one.set(key, value)
    for key in ("fill", "stroke"):
        if key in one.attrib:
            one.set(key, VARIABLES.get(one.attrib[key].lower(), one.attrib[key]))
    for key in ("d", "x", "y", "transform"):
        if key in one.attrib:
            one.set(key, _LONG.sub(r"\1", re.sub(r"  +", " ", one.attrib[key])))
    if one.tag == "text":
        one.attrib.setdefault("fill", "currentColor")
    if (identifier := one.attrib.pop("id", None)) in used:
        one.set("id", f"{name}-{identifier}")
    if target := one.attrib.pop(_XLINK, None):
        one.set("href", f"#{name}-{target.removeprefix('#')}")
    if "clip-path" in one.attrib:
        one.set("clip-path", one.attrib["clip-path"].replace("#", f"#{name}-"))


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]

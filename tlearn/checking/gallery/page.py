"""The page itself: HTML in which every name is escaped, and that can load and run nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from tlearn.checking.finding import Finding, in_order, name_of
from tlearn.checking.gallery.thumbnails import SIDE, data_uri
from tlearn.checking.kinds import KINDS, SEVERITIES
from tlearn.files.tables import printable

__all__ = ["MOST_PHOTOS", "MOST_SUSPECTS", "html"]

# Of one finding; the page says how many more there are. A photo takes about 8 KB.
MOST_PHOTOS = 60
MOST_SUSPECTS = 300


def html(
    name: str,
    found: Sequence[Finding],
    *,
    root: str,
    photos: Mapping[str, Mapping[str, Any]],
    suspects: pd.DataFrame,
    class_names: Sequence[str],
) -> str:
    """Write the gallery.

    Args:
        name: The data set's name.
        found: The findings.
        root: The folder that paths are shown relative to.
        photos: By its path, what is known of a photo: `label`, `split`, `width`, `height`.
        suspects: The suspect labels, as `labelling.judging.Suspects.table` has them, which a
            person is to accept or reject.
        class_names: All classes.

    Returns:
        A whole HTML document. At most `MOST_PHOTOS` photos of a finding are shown, and
        `MOST_SUSPECTS` suspect labels.
    """
    page = _Page(root, photos)
    parts = [page.section(one, number) for number, one in enumerate(in_order(found))]
    if len(suspects):
        # A suspect label is decided on, and so stands in a form of its own.
        kinds = [one.kind for one in in_order(found)]
        parts[kinds.index("suspect-label")] = page.suspects(suspects, kinds.index("suspect-label"))
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    options = "".join(f'<option value="{_text(one)}">' for one in class_names)
    counted = ", ".join(
        f"{count} {severity}{'s' if count != 1 else ''}"
        for severity in SEVERITIES
        if (count := sum(KINDS[one.kind].severity == severity for one in found))
    )
    body = "".join(parts)
    identity = hashlib.sha256(body.encode()).hexdigest()[:16]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(name)}: what tlearn check found</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body data-page="{identity}">
<a class="skip" href="#findings">To the findings</a>
<header>
<div class="top"><h1>{_text(name)}</h1><button id="theme" type="button" hidden>Light or dark</button></div>
<p class="quiet">{len(photos):,} photos in {len(class_names):,} classes. {counted or "Nothing was found"}.</p>
</header>
<main id="findings">
{_overview(found)}
{body}
</main>
<datalist id="classes">{options}</datalist>
<div class="bar" id="bar" role="region" aria-label="Corrections" hidden>
<span id="said" role="status" aria-live="polite"></span>
<button id="save" type="button">Save corrections.csv</button>
<span class="quiet">then: tlearn finetune --dataset ... --corrections corrections.csv</span>
</div>
<script>{script}</script>
</body>
</html>
"""


class _Page:
    """What every figure needs to know."""

    def __init__(self, root: str, photos: Mapping[str, Mapping[str, Any]]) -> None:
        self.root = root
        self.photos = photos
        self.small: dict[str, str | None] = {}

    def section(self, one: Finding, number: int) -> str:
        shown, left = _fitting(one.groups)
        items = "".join(
            self.group(group, one.notes[place] if one.notes else "")
            for place, group in enumerate(shown)
        )
        more = f'<p class="quiet">And {left:,} more photos.</p>' if left else ""
        listed = f'<ul class="groups">{items}</ul>' if items else ""
        return f"{_opened(one, number)}{listed}{more}</section>\n"

    def group(self, group: Sequence[str], note: str) -> str:
        figures = "".join(self.figure(path) for path in group)
        told = f'<div class="remark">{_text(note)}</div>' if note else ""
        return f'<li class="group">{told}<div class="side">{figures}</div></li>'

    def suspects(self, suspects: pd.DataFrame, number: int) -> str:
        rows = suspects.head(MOST_SUSPECTS).to_dict("records")
        one = Finding("suspect-label", (), f"{len(suspects):,} of them, the surest first")
        how = (
            "<p><kbd>←</kbd> <kbd>→</kbd> go from one to the next. <kbd>a</kbd> accept, "
            "<kbd>r</kbd> reject, <kbd>x</kbd> take the photo out, <kbd>u</kbd> undo. "
            "Nothing is changed but the table that you save.</p>"
        )
        items = "".join(self.suspect(row) for row in rows)
        left = len(suspects) - len(rows)
        more = f'<p class="quiet">And {left:,} more, in suspects.csv.</p>' if left else ""
        return f'{_opened(one, number)}{how}<ul class="groups">{items}</ul>{more}</section>\n'

    def suspect(self, row: Mapping[str, Any]) -> str:
        name, given, suggested = self.name(row["path"]), row["given"], row["suggested"]
        options = "".join(
            f'<option value="{_text(one)}"{" selected" if one == suggested else ""}>{_text(one)}</option>'
            for one in (suggested, given)
        )
        same = f"<br>the same bytes as {_text(self.name(row['same_as']))}" if row["same_as"] else ""
        asked = f"{name}: {given}, or {suggested}?"
        return (
            f'<li class="group suspect" role="group" aria-label="{_text(asked)}" tabindex="0" '
            f'data-path="{_text(row["path"])}" data-name="{_text(name)}" '
            f'data-given="{_text(given)}" data-digest="{_text(row["digest"])}">'
            f"{self.figure(row['path'])}"
            f'<div class="remark">suggested: <b>{_text(suggested)}</b>, {100 * row["confidence"]:.0f} %{same}</div>'
            '<div class="choices">'
            f"<label>Right class <select>{options}</select></label>"
            '<button type="button" value="relabel" aria-pressed="false">Accept</button>'
            '<button type="button" value="keep" aria-pressed="false">Reject</button>'
            '<button type="button" value="remove" aria-pressed="false">Take out</button>'
            "</div></li>"
        )

    def figure(self, path: str) -> str:
        if path not in self.small:
            self.small[path] = data_uri(path)
        name, uri = self.name(path), self.small[path]
        known = self.photos.get(path, {})
        facts = [known.get("label"), known.get("split")]
        if known.get("width") and known.get("height"):
            facts.append(f"{int(known['width'])} x {int(known['height'])}")
        told = ", ".join(_text(fact) for fact in facts if isinstance(fact, str) and fact)
        shown = (
            f'<img src="{uri}" alt="{_text(name)}" loading="lazy" width="{SIDE}" height="{SIDE}">'
            if uri
            else '<div class="none">cannot be shown</div>'
        )
        link = f'<a href="{_text(_uri(path))}">{_text(name)}</a>' if uri else _text(name)
        quiet = f'<br><span class="quiet">{told}</span>' if told else ""
        return f"<figure>{shown}<figcaption>{link}{quiet}</figcaption></figure>"

    def name(self, path: str) -> str:
        return name_of(path, self.root)


def _overview(found: Sequence[Finding]) -> str:
    if not found:
        return ""
    rows = "".join(
        f'<tr><td class="severity {KINDS[one.kind].severity}">{KINDS[one.kind].severity}</td>'
        f'<td><a href="#finding-{number}">{_text(KINDS[one.kind].title)}</a></td>'
        f'<td class="count">{one.total:,}</td><td>{_text(one.about)}</td></tr>'
        for number, one in enumerate(in_order(found))
    )
    head = '<tr><th scope="col">Severity</th><th scope="col">Finding</th>'
    head += '<th scope="col" class="count">Count</th><th scope="col">What</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _opened(one: Finding, number: int) -> str:
    kind = KINDS[one.kind]
    # What to do about suspect labels is done here.
    advised = one.kind != "suspect-label"
    advice = f'<p class="quiet">{_text(kind.advice)}</p>' if advised else ""
    return (
        f'<section id="finding-{number}" aria-labelledby="title-{number}">'
        f'<h2 id="title-{number}">{_text(kind.title)} '
        f'<span class="severity {kind.severity}">({kind.severity}, {_text(one.kind)})</span></h2>'
        f"<p>{_text(one.about)}.</p>{advice}"
    )


def _fitting(groups: Iterable[Sequence[str]]) -> tuple[list[Sequence[str]], int]:
    """The groups that are shown, none beyond `MOST_PHOTOS`, and how many photos are not."""
    shown: list[Sequence[str]] = []
    room, left = MOST_PHOTOS, 0
    for group in groups:
        part = group[:room]
        left += len(group) - len(part)
        room -= len(part)
        if part:
            shown.append(part)
    return shown, left


def _text(value: object) -> str:
    """Text for HTML, also inside double quotes; what no page can hold is written as an escape."""
    return escape(printable(str(value)), quote=True)


def _uri(path: str) -> str:
    return Path(path).absolute().as_uri()


def _asset(name: str) -> str:
    return (resources.files("tlearn.checking.gallery") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

"""A whole HTML document from a template: every name escaped, and a policy that lets nothing in."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from tlearn.files.tables import printable

__all__ = ["fragment", "rendered"]

_HOME = "tlearn.pages"


def rendered(
    package: str,
    template: str,
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    connects: bool = False,
    **values: Any,
) -> str:
    """Fill a template that extends `pages/document.html`.

    Values are escaped wherever they stand, unless they are `markupsafe.Markup`; what no page can
    hold, such as a file's name that is not UTF-8, is written as an escape. What the document may
    load is `data:` images, its own style and its own script, named by their digests: nothing
    that slipped into the page as markup would run.

    Args:
        package: The package whose folder `templates` has the template.
        template: Its file name.
        styles: Style sheets of the package, put behind the theme that all pages share.
        scripts: Scripts of the package, put behind that of the theme.
        connects: Whether its script may talk to the server that the document comes from.
        values: What the template names. No name may be missing.

    Returns:
        The document.
    """
    style = "\n".join([_asset(_HOME, "theme.css"), *(_asset(package, name) for name in styles)])
    script = "\n".join([_asset(_HOME, "theme.js"), *(_asset(package, name) for name in scripts)])
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
        + ("; connect-src 'self'" if connects else "")
    )
    return (
        _environment(package)
        .get_template(f"own/{template}")
        .render(style=Markup(style), script=Markup(script), policy=Markup(policy), **values)
    )


def fragment(package: str, template: str, **values: Any) -> str:
    """Fill a template that is a piece of someone else's page, such as a notebook's.

    Args:
        package: The package whose folder `templates` has the template.
        template: Its file name.
        values: What the template names, escaped as by `rendered`.

    Returns:
        Markup.
    """
    return _environment(package).get_template(f"own/{template}").render(**values)


@functools.cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=PrefixLoader(
            {
                "own": PackageLoader(package, "templates"),
                "pages": PackageLoader(_HOME, "templates"),
            }
        ),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_holdable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _holdable(value: object) -> object:
    # Not of Markup, which is a kind of str that is already as it should be.
    return printable(value) if type(value) is str else value


def _asset(package: str, name: str) -> str:
    return (resources.files(package) / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

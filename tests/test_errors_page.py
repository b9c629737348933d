"""`docs/errors.md` lists every message that tlearn has for a user."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tlearn import errors

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "errors.md"


def literal(node: ast.expr) -> str:
    """A message's text with a line break for whatever is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(literal, node.values))
    if isinstance(node, ast.BinOp):
        return literal(node.left) + literal(node.right)
    return "\n"


def key(message: str) -> str:
    """The longest piece of a message's first sentence that is the same each time, up to a length."""
    sentence = re.split(r"\. |Received:", message)[0]
    piece = max((piece.strip(" ,)") for piece in sentence.split("\n")), key=len)
    return piece if len(piece) <= 60 else piece[:60].rpartition(" ")[0]


def messages() -> Iterator[tuple[str, str]]:
    """Where each error is raised and each warning given, and the key of its message."""
    for path in sorted((ROOT / "tlearn").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name == "warn" or (name in errors.__all__ and name != "MissingExtra"):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", key(literal(node.args[0]))


MESSAGES = [(place, text) for place, text in messages() if len(text) >= 12]


def test_there_are_messages_to_look_for() -> None:
    assert len(MESSAGES) > 50


@pytest.mark.parametrize("name", sorted(errors.__all__))
def test_every_kind_of_error_is_explained(name: str) -> None:
    assert re.search(rf"^#+ .*`{name}`", PAGE.read_text(encoding="utf-8"), re.M)


def test_every_message_is_listed() -> None:
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    missing = [f"{place}: {text}" for place, text in MESSAGES if text not in page]
    assert missing == [], f"{PAGE.name} must list each message, with ... for what is filled in"

"""`tlearn cache`, as a user meets it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tlearn.cli import app
from tlearn.features import store

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder with all that tlearn keeps, and a file that is none of it."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TLEARN_CACHE", str(folder))
    monkeypatch.setenv("TLEARN_CACHE_SIZE", "50 MB")
    for name in ("archives/photos-1/a.jpg", "tfds/mnist/0/b.png"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(bytes(2000))
    (folder / "letter.txt").write_text("mine")
    digests = [hashlib.sha256(bytes([one])).hexdigest() for one in range(30)]
    about = {"backbone": "efficientnet_lite0", "cut": "block 12", "size": 224, "views": 3}
    store.Shelf("ab" * 32, (1000,), "float16", about).write(
        digests, np.zeros((30, 1000), "float16")
    )
    return folder


def call(*words: str, width: int = 100, typed: str | None = None) -> Result:
    runner = CliRunner(env={"COLUMNS": str(width), "NO_COLOR": "1"})
    return runner.invoke(app, ["cache", *words], input=typed)


def test_it_shows_place_size_limit_and_a_line_for_each_thing(folder: Path) -> None:
    result = call(width=200)
    assert (result.exit_code, result.stderr) == (0, "")
    shown = result.stdout
    assert f"Cache folder (TLEARN_CACHE): {folder}\n" in shown
    assert "In it: 65.6 kB\n" in shown
    assert "Features: 61.5 kB of at most 50.0 MB (TLEARN_CACHE_SIZE)\n" in shown
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "unpacked archives - - 2.0 kB" in lines
    assert "photos of TFDS data sets - - 2.0 kB" in lines
    assert "not tlearn's: letter.txt - - 4 bytes" in lines
    kind = "features: backbone efficientnet_lite0, cut block 12, size 224, views 3"
    [features] = [line for line in lines if line.startswith(kind)]
    assert features.endswith(" UTC 30 61.5 kB")


@pytest.mark.parametrize("width", [60, 80])
def test_it_fits_the_terminal_and_keeps_every_letter(folder: Path, width: int) -> None:
    shown = call(width=width).stdout
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown


def test_csv_and_json_hold_the_same_rows(folder: Path) -> None:
    rows = json.loads(call("--format", "json").stdout)
    assert [row["bytes"] for row in rows[:3]] == [2000, 2000, 4]
    assert rows[3]["photos"] == 30
    assert rows[0]["photos"] is None
    assert Path(rows[3]["folder"]).is_dir()
    lines = call("--format", "csv").stdout.splitlines()
    assert lines[0] == '"kind","photos","bytes","last_used","folder"'
    assert len(lines) == 1 + len(rows)


def test_an_empty_cache_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLEARN_CACHE", str(tmp_path / "nothing"))
    assert "In it: 0 bytes" in call().stdout
    assert call("--format", "json").stdout == "[]\n"
    assert "nothing to remove" in call("--clear", "all").stdout
    assert not (tmp_path / "nothing").exists()


def test_clearing_features_leaves_the_rest(folder: Path) -> None:
    result = call("--clear", "features", "--yes")
    assert (result.exit_code, result.stdout) == (0, "Freed 61.5 kB\n")
    assert store.shelves().empty
    assert (folder / "archives/photos-1/a.jpg").is_file()


def test_clearing_all_leaves_what_is_not_tlearns(folder: Path) -> None:
    assert call("--clear", "all", "--yes").stdout == "Freed 65.5 kB\n"
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["letter.txt"]


@pytest.mark.parametrize(("typed", "gone"), [("y\n", True), ("n\n", False), ("", False)])
def test_it_asks_before_it_removes(folder: Path, typed: str, gone: bool) -> None:
    result = call("--clear", "all", typed=typed)
    assert "Remove archives, tfds, features (65.5 kB)" in result.stderr
    assert result.exit_code == (0 if gone else 1)
    assert (folder / "tfds/mnist").exists() is not gone


def test_a_limit_that_is_no_size_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLEARN_CACHE_SIZE", "plenty")
    result = call()
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The environment variable TLEARN_CACHE_SIZE must be")
    assert call("--clear", "all", "--yes").exit_code == 0


def test_it_loads_nothing_slow(folder: Path) -> None:
    slow = ("tensorflow", "keras", "sklearn", "keras_hub", "tensorflow_datasets")
    program = (
        "import sys\n"
        "from tlearn.cli import main\n"
        "sys.argv = ['tlearn', 'cache']\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        f"sys.exit(str([one for one in {slow!r} if one in sys.modules]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ran.stderr.splitlines()[-1] == "[]"

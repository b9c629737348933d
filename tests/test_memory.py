"""Sizes as people write them, and how much memory there is to spare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest

from tlearn import memory
from tlearn.errors import SizeError


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("1GiB", 2**30),
        ("1 GB", 10**9),
        ("500 MB", 500 * 10**6),
        ("2g", 2 * 10**9),
        ("1.5 gib", 3 * 2**29),
        (".5k", 500),
        ("0.1TB", 10**11),
        (" 12 ", 12),
        ("7b", 7),
        ("0", 0),
        (2**40, 2**40),
        (np.int64(5), 5),
    ],
)
def test_a_size_is_read_as_it_is_meant(written: str | int, size: int) -> None:
    assert memory.parse_size(written) == size
    assert memory.budget(written) == size


@pytest.mark.parametrize(
    "written", ["", "GB", "-1", "1,5 GB", "1e9", "inf", "nan", "2 gigs", "1ib", "٣", -1, True]
)
def test_what_is_no_size_is_told_with_examples(written: str | int) -> None:
    with pytest.raises(SizeError, match="'20GB'.*Received: size="):
        memory.parse_size(written)


def test_a_quarter_of_what_is_free_is_taken() -> None:
    before = psutil.virtual_memory().available
    taken = memory.budget()
    after = psutil.virtual_memory().available
    assert 0 < taken <= max(before, after) / 4 * 1.1


@pytest.mark.parametrize("version", [1, 2])
def test_the_limit_of_a_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setattr(memory, "_CONTROL_GROUP", tmp_path)
    names = memory._LIMITS[2 - version]
    (tmp_path / "memory").mkdir()
    (tmp_path / names[0]).write_text("4000000\n")
    (tmp_path / names[1]).write_text("3000000\n")
    assert memory.budget() == 250_000
    (tmp_path / names[2]).write_text(f"anon 5\n{names[3]} 2000000\nfile 7\n")
    assert memory.budget() == 750_000
    (tmp_path / names[1]).write_text("9000000\n")
    assert memory.budget() == 0


def test_a_container_without_a_limit_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_CONTROL_GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("3000000\n")
    assert memory.budget() > 1_000_000

"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photo sets (`clothing/`, `trash/`), beside the checkout.

    `TLEARN_PHOTO_SETS` names another place.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TLEARN_PHOTO_SETS", beside))
    if not (folder / "clothing").is_dir():
        pytest.skip(f"the real photo sets are not at {folder}; set TLEARN_PHOTO_SETS")
    return folder


@pytest.fixture(autouse=True)
def private_cache(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No test reads or fills the user's own cache."""
    monkeypatch.setenv("TLEARN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))

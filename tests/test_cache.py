"""The cache folder, and folders that are whole or not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from photo_files import tree_of

from tlearn.errors import DatasetError
from tlearn.files import cache


def fill(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")


def test_the_place_is_the_one_that_was_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TLEARN_CACHE", str(tmp_path / "here"))
    assert cache.directory() == tmp_path / "here"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TLEARN_CACHE", "~/there")
    assert cache.directory() == tmp_path / "there"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other places")
def test_the_place_is_the_systems_own_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TLEARN_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.directory() == tmp_path / ".cache" / "tlearn"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.directory() == tmp_path / "xdg" / "tlearn"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.directory() == tmp_path / ".cache" / "tlearn"


def test_a_folder_is_filled_once(tmp_path):
    calls = []
    for _ in range(3):
        folder = cache.filled(tmp_path / "x" / "y", lambda path: (calls.append(1), fill(path)))
    assert len(calls) == 1
    assert folder == tmp_path / "x" / "y"
    assert {"inner/a.txt", "b.txt"} <= tree_of(folder)


@pytest.mark.parametrize("damage", ["inner", "b.txt", ".tlearn-files"])
def test_a_folder_that_lost_something_is_filled_again(tmp_path, damage):
    folder = cache.filled(tmp_path / "x", fill)
    before = tree_of(folder)
    lost = folder / damage
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    assert tree_of(cache.filled(tmp_path / "x", fill)) == before
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_error_while_filling_leaves_nothing(tmp_path):
    def fail(folder: Path) -> None:
        fill(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.filled(tmp_path / "x", fail)
    assert list(tmp_path.iterdir()) == []


def test_many_threads_at_once_get_one_whole_folder(tmp_path):
    seen: list[set[str]] = []

    def slowly(folder: Path) -> None:
        fill(folder)
        time.sleep(0.05)

    def work() -> None:
        seen.append(tree_of(cache.filled(tmp_path / "x", slowly)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert all(tree == seen[0] for tree in seen)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_killed_process_leaves_nothing_under_the_name(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from tlearn.files import cache\n"
        "def fill(folder):\n"
        "    (folder / 'a').write_text('a'); print('writing', flush=True); time.sleep(60)\n"
        f"cache.filled(Path({str(tmp_path / 'x')!r}), fill)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    assert not (tmp_path / "x").exists()
    [left] = tmp_path.iterdir()
    assert left.name.startswith(".x.unfinished-")
    cache.filled(tmp_path / "x", fill)
    assert (tmp_path / "x" / "b.txt").is_file()


def test_a_whole_folder_replaces_nothing(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine").touch()
    with pytest.raises(DatasetError), cache.whole_folder(tmp_path / "x") as partial:
        fill(partial)
    assert tree_of(tmp_path) == {"x", "x/mine"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said_in_clear_words(tmp_path):
    def too_much(folder: Path) -> None:
        fill(folder)
        Path("/dev/full").write_text("x" * 10_000)

    with pytest.raises(DatasetError, match="the disk is full.*TLEARN_CACHE"):
        cache.filled(tmp_path / "x", too_much)
    assert list(tmp_path.iterdir()) == []


def test_permissions_are_the_users_usual_ones(tmp_path):
    usual = tmp_path / "usual"
    usual.mkdir()
    folder = cache.filled(tmp_path / "x", fill)
    assert os.stat(folder).st_mode == usual.stat().st_mode  # noqa: PTH116

"""Any number of photos are answered in parts; whatever happens, each photo has exactly one row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import run_folders
import small_classifier
from fsspec.implementations.memory import MemoryFileSystem
from typer.testing import CliRunner, Result

from tlearn.bulk.parts import LOCK, Parts
from tlearn.bulk.predicting import Workers, predict_into
from tlearn.cli import app
from tlearn.errors import DatasetError, DecodeError, PartsError, RunError
from tlearn.files import locking
from tlearn.prediction.finding import find_places
from tlearn.prediction.trained import predict
from tlearn.prediction.wanted import Wanted
from tlearn.progress import Progress, Task

COUNT = 23


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_classifier.export_to(tmp_path_factory.mktemp("exported") / "saved_model")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """23 files, two of them no photos."""
    folder = small_classifier.photos_in(tmp_path_factory.mktemp("photos"), COUNT - 2)
    (folder / "a" / "empty.jpg").touch()
    (folder / "b" / "notes.jpg").write_text("no photo")
    return folder


@pytest.fixture(scope="module")
def known(saved: Path, photos: Path) -> pd.DataFrame:
    """What `predict` says, as the parts are sorted."""
    table = predict(photos, run=saved)
    return table.sort_values("path", ignore_index=True, key=lambda paths: paths.map(os.fsencode))


def same(folder: Path, known: pd.DataFrame) -> None:
    read = pd.read_parquet(folder)
    assert list(read.columns) == list(known.columns)
    assert read["path"].tolist() == known["path"].tolist(), "exactly one row per photo"
    for column in known.columns:
        there = known[column].notna()
        assert (read[column].notna() == there).all()
        left, right = read.loc[there, column].tolist(), known.loc[there, column].tolist()
        assert left == (pytest.approx(right, abs=1e-6) if "prob" in column else right)


class Watcher(Progress):
    def __init__(self, stop_after: int | None = None) -> None:
        self.said: list[str] = []
        self.photos = 0
        self.stop_after = stop_after

    def say(self, message: str) -> None:
        self.said.append(message)

    warn = say

    def task(self, description: str, total: int | None = None, unit: str = "photos") -> Task:
        watcher = self

        class Counting(Task):
            def advance(self, steps: int = 1) -> None:
                if description == "Predicting":
                    watcher.photos += steps
                    if watcher.stop_after is not None and watcher.photos >= watcher.stop_after:
                        raise KeyboardInterrupt

        return Counting()


def test_the_parts_hold_what_predict_says(
    saved: Path, photos: Path, known: pd.DataFrame, tmp_path: Path
) -> None:
    watcher = Watcher()
    given = [photos, f"{photos}/a/*", photos / "a" / "0.png"]  # some of them twice and thrice
    tally = predict_into(
        given,
        tmp_path / "out",
        run=saved,
        part_size=5,
        workers=Workers(batch_size=4),
        progress=watcher,
    )
    same(tmp_path / "out", known)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [
        *["_lock", "_manifest.json", "_photos.parquet"],
        *[f"part-{number:06d}.parquet" for number in range(5)],
    ]
    assert (tally.photos, tally.parts, tally.unread, watcher.photos) == (COUNT, 5, 2, COUNT)
    assert tally.unsure == known["unsure"].sum()
    assert dict(tally.labels) == known["label"].value_counts().to_dict()
    (warning,) = watcher.said
    assert "2 of 23 files could not be read" in warning
    assert "empty.jpg: the file is empty" in warning
    tables = list(Parts(tmp_path / "out").tables())
    assert [len(table) for table in tables] == [5, 5, 5, 5, 3]


def test_it_goes_on_where_it_was_stopped(
    saved: Path, photos: Path, known: pd.DataFrame, tmp_path: Path
) -> None:
    def go(watcher: Watcher) -> None:
        predict_into(
            photos,
            tmp_path,
            run=saved,
            part_size=4,
            workers=Workers(batch_size=4),
            progress=watcher,
        )

    with pytest.raises(KeyboardInterrupt):
        go(Watcher(stop_after=14))
    done = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("part-*")}
    assert 0 < len(done) < 6
    with pytest.raises(PartsError, match=rf"not finished.*missing={6 - len(done)}"):
        next(Parts(tmp_path).tables())
    (tmp_path / ".part-000005.parquet.unfinished-123").write_text("half a part")
    watcher = Watcher()
    go(watcher)
    assert f"{len(done)} of 6 parts are there already." in watcher.said
    assert watcher.photos == COUNT - 4 * len(done)
    same(tmp_path, known)
    for name, at in done.items():
        assert (tmp_path / name).stat().st_mtime_ns == at, "a part that is there is not made again"
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_mixed_with_something_else(
    saved: Path, photos: Path, known: pd.DataFrame, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    predict_into(photos, folder, run=saved, part_size=8)
    predict_into(photos, folder, run=saved)  # the size of then
    other = small_classifier.export_to(tmp_path / "other", ("x", "y", "z"))
    for change, message in (
        ({"paths": photos / "a"}, r"other photos \(23 then, 12 now"),
        ({"run": other}, "another model"),
        ({"wanted": Wanted(top=1)}, r"other options .*top=5.*top=1"),
        ({"part_size": 9}, r"another part size \(8 then, 9 now"),
    ):
        arguments = {"paths": photos, "folder": folder, "run": saved, **change}
        with pytest.raises(PartsError, match=message):
            predict_into(**arguments)
    same(folder, known)
    predict_into(f"@{folder / '_photos.parquet'}", folder, run=saved)  # the list of then
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(PartsError, match=r"holds something else.*thesis\.txt"):
        predict_into(photos, tmp_path / "full", run=saved)
    with (
        locking.locked(folder / LOCK),
        pytest.raises(PartsError, match="Another process is writing"),
    ):
        predict_into(photos, folder, run=saved)
    (folder / "_manifest.json").write_text('{"format": 99}')
    with pytest.raises(PartsError, match="its format is 99, not 1"):
        predict_into(photos, folder, run=saved)
    with pytest.raises(RunError, match="SavedModel cannot be read"):
        predict_into(photos, tmp_path / "new", run=run_folders.write_run(tmp_path / "runs"))


def test_answers_and_sorted_photos_among_the_photos_are_no_photos(
    saved: Path, tmp_path: Path
) -> None:
    small_classifier.photos_in(tmp_path, 3)
    (tmp_path / "sorted").mkdir()
    (tmp_path / "sorted" / "0.png").write_bytes(small_classifier.png(0))
    for given in (tmp_path, f"{tmp_path}/**/*"):
        for _ in range(2):
            folder = tmp_path / f"out{isinstance(given, str)}"
            outside = [tmp_path / "sorted", tmp_path / "outFalse"]
            assert predict_into(given, folder, run=saved, leaving_out=outside).photos == 3


def test_a_list_may_be_a_text_or_a_table(saved: Path, photos: Path, tmp_path: Path) -> None:
    paths = [str(photos / "a" / "0.png"), str(photos / "a" / "2.png"), "gone, or not.png"]
    odd = photos.parent / os.fsdecode(b"caf\xe9.png")
    odd.write_bytes(small_classifier.png(5))
    (tmp_path / "list.txt").write_bytes(
        b"\xef\xbb\xbf" + b"\n\n".join(os.fsencode(path) for path in [*paths, odd]) + b"\n"
    )
    frame = pd.DataFrame({"n": range(3), "path": paths})
    frame.to_csv(tmp_path / "list.csv", index=False)
    frame.to_parquet(tmp_path / "list.parquet")
    tally = predict_into(f"@{tmp_path / 'list.txt'}", tmp_path / "out-list.txt", run=saved)
    assert (tally.photos, tally.unread) == (4, 1)
    assert tally.errors == [("gone, or not.png", "there is no such file")]
    for name, count in (("list.txt", 4), ("list.csv", 3), ("list.parquet", 3)):
        assert len(find_places(f"@{tmp_path / name}")) == count
    (table,) = Parts(tmp_path / "out-list.txt").tables()
    assert str(odd) in table["path"].tolist()
    assert any(
        path.endswith(r"caf\udce9.png")
        for path in pd.read_parquet(tmp_path / "out-list.txt")["path"]
    )
    frame.rename(columns={"path": "file"}).to_csv(tmp_path / "wrong.csv")
    for name, reason in (("none.txt", "No such file"), ("wrong.csv", "columns.*'n', 'file'")):
        with pytest.raises(DatasetError, match=f"list of photos cannot be read.*{reason}"):
            predict_into(f"@{tmp_path / name}", tmp_path / "wrong", run=saved)


def test_photos_at_urls_are_listed_and_read_by_fsspec(saved: Path, tmp_path: Path) -> None:
    memory = MemoryFileSystem()
    for number in range(4):
        memory.pipe(f"/bucket/{'ab'[number % 2]}/{number}.png", small_classifier.png(number))
    memory.pipe("/bucket/.hidden.png", b"")
    memory.pipe("/bucket/b/broken.png", b"no photo")
    folder = small_classifier.photos_in(tmp_path / "photos", 4)
    local = predict(folder, run=saved)
    wanted = sorted(f"memory://bucket/{Path(path).relative_to(folder)}" for path in local["path"])
    tally = predict_into("memory://bucket/", tmp_path / "out", run=saved, part_size=3)
    assert (tally.photos, tally.unread) == (5, 1)
    read = pd.read_parquet(tmp_path / "out")
    assert [path.replace(":///", "://") for path in read["path"]] == sorted(
        [*wanted, "memory://bucket/b/broken.png"]
    )
    by_name = dict(
        zip(local["path"].map(lambda path: Path(path).name), local["label"], strict=True)
    )
    for path, label in read[read["error"].isna()][["path", "label"]].itertuples(index=False):
        assert by_name[Path(path).name] == label
    assert len(find_places("memory://bucket/*/*.png")) == 5
    table = predict(["memory://bucket/a/0.png", "memory://bucket/a/gone.png"], run=saved)
    assert table["error"].tolist() == [None, "there is no such file"]
    assert len(find_places(f"file://{folder}/")) == 4
    for url, message in (
        ("s3://bucket/photos/", "pip install s3fs"),
        ("gs://bucket/photos/", "pip install gcsfs"),
        ("nonsense://bucket/", "no way to read photos at nonsense://"),
        ("memory://bucket/*.gif", "glob matches nothing"),
    ):
        with pytest.raises(DatasetError, match=message):
            predict_into(url, tmp_path / "wrong", run=saved)


def test_a_url_that_fails_for_a_moment_is_asked_again(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlearn.prediction.urls._PAUSES", (0.01, 0.01))
    opened = MemoryFileSystem.open
    failures = {"/twice.png": 2, "/always.png": 9}

    def moody(self: MemoryFileSystem, path: str, *rest: object, **more: object) -> object:
        if failures.get(path, 0):
            failures[path] -= 1
            raise ConnectionResetError(104, "connection reset")
        return opened(self, path, *rest, **more)

    for name in failures:
        MemoryFileSystem().pipe(name, small_classifier.png(1))
    monkeypatch.setattr(MemoryFileSystem, "open", moody)
    table = predict(["memory://twice.png", "memory://always.png"], run=saved)
    assert table["error"].isna().tolist() == [True, False]
    assert "cannot be fetched (ConnectionResetError" in table["error"][1]


def test_nothing_readable_is_an_error_and_yet_a_row_each(saved: Path, tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"{number}.jpg").touch()
    with pytest.raises(DecodeError, match=r"Not one of 7 files[\s\S]*and 2 more"):
        predict_into(tmp_path, tmp_path / "out", run=saved, part_size=2)
    assert pd.read_parquet(tmp_path / "out")["error"].tolist() == ["the file is empty"] * 7


def call(*words: object) -> Result:
    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1"})
    return runner.invoke(app, ["predict", *map(str, words)])


def test_the_command_counts_and_sorts(saved: Path, photos: Path, tmp_path: Path) -> None:
    words = [photos, "--run", saved, "--output-dir", tmp_path / "out", "--part-size", 8]
    words += ["--sort-into", tmp_path / "sorted"]
    dry = call(*words, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "23 rows in 3 parts" in dry.stdout
    assert "21 photos would be in" in dry.stdout
    assert not (tmp_path / "sorted").exists()
    done = call(*words)
    assert "3 of 3 parts are there already" in done.stderr
    assert "21 photos are in" in done.stdout
    assert "2 files could not be read and stay where they are" in done.stdout
    assert len(list((tmp_path / "sorted").rglob("*.png"))) == 21


def test_options_that_do_not_go_together_are_refused(photos: Path) -> None:
    for words, message in (
        ([photos, "--output", "a.csv", "--output-dir", "b"], "one of --output"),
        ([photos, "--engine", "ray"], "--output-dir as well"),
        ([photos, "--output-dir", "b", "--workers", "2"], "--engine ray as well"),
        ([photos, "--link"], "--sort-into as well"),
        ([], "--from-list FILE"),
    ):
        result = call(*words)
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.replace("│", " ").split())


def start(*words: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "tlearn", "predict", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(something: Callable[[], object], process: subprocess.Popen) -> None:
    while process.poll() is None and not something():
        time.sleep(0.005)
    assert process.returncode is None, "it was done before it could be killed"


@pytest.mark.slow
def test_a_killed_process_loses_nothing(saved: Path, photos: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    files = sorted(photos.rglob("*.*"))
    for number in range(4000):
        (many / f"{number:05d}{files[number % COUNT].suffix}").hardlink_to(files[number % COUNT])
    words = [many, "--run", saved, "--output-dir", tmp_path / "out", "--part-size", 100]
    process = start(*words)
    wait_for(lambda: len(list((tmp_path / "out").glob("part-*"))) > 5, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    last = start(*words)
    _, told = last.communicate()
    assert last.returncode == 0, told
    assert "of 40 parts are there already" in told
    read = pd.read_parquet(tmp_path / "out")
    assert read["path"].tolist() == sorted(str(path) for path in many.iterdir())
    again = start(*words)
    _, told = again.communicate()
    assert again.returncode == 0
    assert "40 of 40 parts" in told
    assert "Predicting" not in told, "nothing is left to do"

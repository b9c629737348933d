"""A run folder is whole or not there, whatever happens, and gives back what was put in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import run_folders

from tlearn import runs
from tlearn.errors import RunError
from tlearn.evaluation import evaluate
from tlearn.files.labels import labels_from_text, labels_to_text

TESTS = Path(__file__).parent
WEIRD = (
    "NA",
    "None",
    "nan",
    "",
    "007",
    "1e3",
    "a,b",
    'say "hello"',
    '"quoted"',
    "two\nlines",
    "windows\r\nlines",
    "return\ralone",
    "paragraph\u2029",
    "tulip 🌷 日本語",
    "[bold]not bold[/bold]",
    " padded ",
    "true",
    "True",
    "path",
    "| pipe",
    "\\n",
)


def python(code: str, *arguments: object) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def hidden(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.name.startswith(".")]


# --- what comes back -------------------------------------------------------------------------


def test_a_run_gives_back_what_was_put_in(tmp_path):
    run = run_folders.write_run(tmp_path)
    predictions = run_folders.predictions()
    evaluation = evaluate(predictions.query("split == 'test'"), run_folders.CLASSES)
    assert run.name == "flowers-efficientnet_lite0"
    assert run.class_names == run_folders.CLASSES
    assert run.recipe_text == run_folders.RECIPE
    assert run.versions["tlearn"] == "0.1.0"
    for found, expected in [
        (run.splits, run_folders.examples()),
        (run.skipped, run_folders.skipped()),
        (run.stages, run_folders.stages()),
        (run.history, run_folders.history()),
        (run.predictions, predictions),
        (run.summary, evaluation.summary),
        (run.per_class, evaluation.per_class),
        (run.confusion, evaluation.confusion),
        (run.confused_pairs, evaluation.confused_pairs),
    ]:
        pd.testing.assert_frame_equal(
            found, expected, check_exact=True, check_dtype=False, check_column_type=False
        )
    assert run.stages["kept"].dtype == bool
    assert run.history["epoch"].dtype == "int64"
    info = run.info
    assert info["format"] == 1
    assert info["name"] == run.name
    assert info["metrics"] == evaluation.metrics
    assert pd.Timestamp(info["created"]).tzinfo is not None


def test_class_names_that_no_format_expects_come_back(tmp_path):
    photos = len(WEIRD) * 40
    run = run_folders.write_run(tmp_path, class_names=WEIRD, photos=photos)
    again = runs.load(run.path)
    assert again.class_names == WEIRD
    assert list(again.per_class["class"]) == list(WEIRD)
    assert list(again.confusion.index) == list(again.confusion.columns) == list(WEIRD)
    expected = run_folders.examples(WEIRD, photos)
    for column in ("path", "label"):
        assert list(again.splits[column]) == list(expected[column])
    predictions = run_folders.predictions(WEIRD, photos)
    assert list(again.predictions["predicted"]) == list(predictions["predicted"])
    assert list(again.predictions.columns[6:]) == [f"p[{name}]" for name in WEIRD]
    evaluation = evaluate(predictions.query("split == 'test'"), WEIRD)
    assert again.confused_pairs.to_dict("list") == evaluation.confused_pairs.to_dict("list")


def test_pandas_reads_the_tables_in_the_way_the_documentation_says(tmp_path):
    names = ("NA", "007", "a,b")
    run = run_folders.write_run(tmp_path, class_names=names)
    per_class = pd.read_csv(run.path / "per_class.csv", dtype={"class": str}, keep_default_na=False)
    assert list(per_class["class"]) == list(names)
    assert per_class["recall"].dtype == "float64"
    predictions = pd.read_parquet(run.path / "predictions.parquet")
    assert set(predictions["label"]) == set(names)


def test_a_path_that_is_not_utf8_is_written_as_an_escape(tmp_path):
    path = os.fsdecode(b"/photos/caf\xe9.jpg")
    skipped = pd.DataFrame({"path": pd.Series([path], dtype=object), "reason": ["empty file"]})
    predictions = run_folders.predictions()
    predictions["path"] = predictions["path"].astype(object)
    predictions.loc[0, "path"] = path
    with runs.unfinished(tmp_path, "latin") as folder:
        run_folders.fill(folder, changes={"arguments": {"dataset": path}})
        folder.write_table("skipped", skipped)
        folder.write_table("predictions", predictions)
    assert folder.run.skipped["path"][0] == "/photos/caf\\udce9.jpg"
    assert folder.run.predictions["path"][0] == "/photos/caf\\udce9.jpg"
    assert folder.run.info["arguments"]["dataset"] == "/photos/caf\\udce9.jpg"


def test_labels_are_a_plain_line_each_wherever_that_can_be():
    assert labels_to_text(["daisy", "10", "a,b", "tulip 🌷"]) == "daisy\n10\na,b\ntulip 🌷\n"
    assert labels_to_text(["two\nlines"]) == '"two\\nlines"\n'
    assert labels_from_text(labels_to_text(WEIRD)) == WEIRD
    assert len(labels_to_text(WEIRD).splitlines()) == len(WEIRD)


def test_an_empty_table_and_a_group_come_back(tmp_path):
    examples = run_folders.examples()
    examples["group"] = pd.Series([None, "NA", "7"] * 40, dtype=object)
    with runs.unfinished(tmp_path, "groups") as folder:
        run_folders.fill(folder)
        folder.write_table("splits", examples)
        folder.write_table("skipped", pd.DataFrame({"path": [], "reason": []}))
    run = folder.run
    assert run.skipped.empty
    assert list(run.skipped.columns) == ["path", "reason"]
    assert list(run.splits["group"]) == [None, "NA", "7"] * 40


def test_numbers_that_json_has_no_word_for_become_null(tmp_path):
    changes = {"validation": {"head": float("nan"), "final": np.float32(0.5)}, "seed": np.int64(3)}
    info = run_folders.write_run(tmp_path, changes=changes).info
    assert info["validation"] == {"head": None, "final": 0.5}
    assert info["seed"] == 3


# --- whole or not there ----------------------------------------------------------------------


def test_nothing_shows_before_the_end_and_nothing_is_left_beside_it(tmp_path):
    with runs.unfinished(tmp_path, "flowers") as folder:
        run_folders.fill(folder)
        (hidden,) = tmp_path.iterdir()
        assert hidden == folder.path.parent
        assert hidden.name.startswith(".flowers.unfinished-")
        assert not (folder.path / "run.json").exists()
        assert folder.run is None
    assert [path.name for path in tmp_path.iterdir()] == ["flowers"]
    assert folder.run == runs.load(tmp_path / "flowers")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_on_the_way_removes_what_was_written(tmp_path, error):
    def cut_short() -> None:
        with runs.unfinished(tmp_path, "flowers") as folder:
            run_folders.fill(folder)
            raise error

    with pytest.raises(error):
        cut_short()
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_all_its_tables_is_not_finished(tmp_path):
    with (
        pytest.raises(ValueError, match=r"labels\.txt"),
        runs.unfinished(tmp_path, "flowers") as folder,
    ):
        folder.write_recipe("")
    with (
        pytest.raises(ValueError, match=r"missing=\['kept'\]"),
        runs.unfinished(tmp_path, "flowers") as folder,
    ):
        folder.write_table("stages", run_folders.stages().drop(columns="kept"))
    assert list(tmp_path.iterdir()) == []


def test_a_taken_name_gets_a_number(tmp_path):
    (tmp_path / "flowers-3").mkdir()  # somebody's own empty folder
    (tmp_path / "flowers-4").write_text("somebody's own file")
    names = [run_folders.write_run(tmp_path, name="flowers").name for _ in range(3)]
    assert names == ["flowers", "flowers-2", "flowers-5"]
    assert runs.load("flowers-5", tmp_path).info["name"] == "flowers-5"
    assert list((tmp_path / "flowers-3").iterdir()) == []


def test_two_writers_of_one_name_both_get_their_run(tmp_path):
    code = """
import sys, run_folders
for seed in range(6):
    print(run_folders.write_run(sys.argv[1], name="same", seed=seed).name)
"""
    writers = [python(code, tmp_path) for _ in range(3)]
    names = [name for writer in writers for name in writer.communicate(timeout=120)[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert sorted(names) == sorted(["same", *(f"same-{number}" for number in range(2, 19))])
    rows = runs.table(tmp_path)
    assert len(rows) == 18
    assert set(rows["state"]) == {"finished"}


KILLED = """
import os, signal, sys
from pathlib import Path
import pyarrow.parquet  # once, not in every child
import run_folders

root, steps = Path(sys.argv[1]), int(sys.argv[2])
left = None

def counted(operation):
    def step(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return operation(*arguments, **options)
    return step

# Each of these is a moment at which the disk differs from what it was before.
for module, name in [(os, "fsync"), (Path, "rename"), (Path, "write_text"), (Path, "mkdir")]:
    setattr(module, name, counted(getattr(module, name)))
for left in range(steps):
    at = left
    child = os.fork()
    if child == 0:
        run_folders.write_run(root / str(at), name="flowers", call=CALL)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print("killed" if os.WIFSIGNALED(status) else "finished", flush=True)
    if os.WIFEXITED(status):
        break
"""
WITHOUT_A_CALL, WITH_A_CALL = (
    KILLED.replace("CALL", call) for call in ("None", '{"dataset": "flowers"}')
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writer is killed in forked processes")
def test_a_writer_killed_at_any_moment_leaves_nothing_that_looks_finished(tmp_path):
    steps = 100
    for number in range(steps):
        (tmp_path / str(number)).mkdir()
    writer = python(WITHOUT_A_CALL, tmp_path, steps)
    outcomes = writer.communicate(timeout=300)[0].split()
    assert outcomes == ["killed"] * (len(outcomes) - 1) + ["finished"]
    assert 20 < len(outcomes) < steps
    killed_with_a_run = 0
    for number, outcome in enumerate(outcomes):
        root = tmp_path / str(number)
        states = list(runs.table(root)["state"])
        if "finished" in states:
            run = runs.latest(root)
            # What shows must be all there, even when the writer died just after the rename.
            assert len(run.predictions) == len(run_folders.predictions())
            assert run.confusion.to_numpy().sum() == 18
            assert states == ["finished"]
            killed_with_a_run += outcome == "killed"
        else:
            assert outcome == "killed"
            assert states in ([], ["unfinished"])
            with pytest.raises(RunError, match="no finished run"):
                runs.latest(root)
    assert killed_with_a_run == 1  # between the rename and the sync of the folder above


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writer is killed in forked processes")
def test_the_same_call_after_a_kill_at_any_moment_leaves_nothing_but_its_run(tmp_path):
    writer = python(WITH_A_CALL, tmp_path, 100)
    outcomes = writer.communicate(timeout=300)[0].split()
    assert outcomes == ["killed"] * (len(outcomes) - 1) + ["finished"]
    begun = 0
    for number in range(len(outcomes) - 1):
        root = tmp_path / str(number)
        begun += bool(root.exists() and hidden(root))
        before = list(runs.table(root)["state"])
        run_folders.write_run(root, name="flowers", call={"dataset": "flowers"})
        assert list(runs.table(root)["state"]) == ["finished"] * (1 + ("finished" in before))
        assert hidden(root) == []
    assert begun > 20


@pytest.mark.skipif(os.name != "posix", reason="a lock that another process holds")
def test_a_run_that_another_process_has_only_just_begun_is_left_to_it(tmp_path):
    code = """
import sys
from pathlib import Path
from tlearn.files.locking import locked
folder = Path(sys.argv[1])
folder.mkdir()
with locked(folder / "lock"):
    print("held", flush=True)
    sys.stdin.read()
"""
    folder = tmp_path / ".flowers.unfinished-1"
    other = subprocess.Popen(
        [sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"held\n"
    run_folders.write_run(tmp_path, name="flowers", call={"dataset": "flowers"})
    assert hidden(tmp_path) == [folder]
    other.communicate(timeout=60)
    run_folders.write_run(tmp_path, name="flowers", call={"dataset": "flowers"})
    assert hidden(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("moment", [0.0, 0.01, 0.04, 0.12])
def test_a_writer_killed_from_outside_leaves_only_whole_runs(tmp_path, moment):
    code = """
import sys, run_folders
print("ready", flush=True)
while True:
    run_folders.write_run(sys.argv[1], name="flowers")
"""
    writer = python(code, tmp_path)
    assert writer.stdout.readline() == "ready\n"
    time.sleep(moment)
    writer.send_signal(signal.SIGKILL)
    assert writer.wait(timeout=60) == -signal.SIGKILL
    writer.stdout.close()
    rows = runs.table(tmp_path)
    assert set(rows["state"]) <= {"finished", "unfinished"}
    assert list(rows["state"]).count("unfinished") == len(hidden(tmp_path)) <= 1
    for name in rows.loc[rows["state"] == "finished", "name"]:
        run = runs.load(name, tmp_path)
        assert len(run.predictions) == len(run_folders.predictions())


def test_what_a_killed_run_left_is_named_and_does_not_stand_in_the_way(tmp_path):
    left = tmp_path / f".flowers.unfinished-{os.getpid()}"
    left.mkdir()
    (left / "labels.txt").write_text("daisy\n")
    rows = runs.table(tmp_path)
    assert rows[["name", "state", "path"]].values.tolist() == [["flowers", "unfinished", str(left)]]
    with pytest.raises(RunError, match="killed left behind; it holds labels.txt"):
        runs.load(left)
    assert run_folders.write_run(tmp_path, name="flowers").name == "flowers"
    assert (left / "labels.txt").exists()


# --- places that cannot be written to --------------------------------------------------------


@pytest.mark.parametrize("kilobytes", [16, 40, 64, 80])
def test_a_full_disk_is_told_and_leaves_nothing(small_disk, kilobytes):
    disk = small_disk(kilobytes)
    with pytest.raises(RunError, match=r"disk is full\. Free some space .*output=") as caught:
        run_folders.write_run(disk / "runs", photos=4000)
    assert str(disk / "runs") in str(caught.value)
    assert list((disk / "runs").iterdir()) == []


def test_a_disk_filled_by_somebody_elses_writing_is_told_too(small_disk):
    disk = small_disk(64)

    def save_a_model() -> None:
        with runs.unfinished(disk, "flowers") as folder:
            try:
                folder.model_path.write_bytes(bytes(200_000))
            except OSError as error:  # as TensorFlow does: its own error, the system's words
                raise RuntimeError(f"write failed: {error.strerror}") from None

    with pytest.raises(RunError, match="The run was not saved.*disk is full"):
        save_a_model()
    assert list(disk.iterdir()) == []


def test_a_read_only_place_is_told_before_anything_is_done(small_disk):
    disk = small_disk(64)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for output in (disk, disk / "runs"):
        with pytest.raises(RunError, match="read-only. Choose a place that can be written"):
            runs.check_writable(output)
        with pytest.raises(RunError, match="read-only"):
            run_folders.write_run(output)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind root"
)
def test_a_place_without_permission_is_told(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunError, match="you may not write there"):
            runs.check_writable(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_file_where_the_folder_should_be_is_told(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunError, match="a file stands where a folder is needed"):
        runs.check_writable(tmp_path / "runs")


def test_a_place_that_can_be_written_to_is_left_as_it_was(tmp_path):
    runs.check_writable(tmp_path)
    runs.check_writable(tmp_path / "new" / "place", room=1000)
    assert list((tmp_path / "new" / "place").iterdir()) == []
    with pytest.raises(RunError, match="MB free, and this run needs 1000000000000 MB"):
        runs.check_writable(tmp_path, room=10**18)


def test_an_unrelated_error_stays_what_it_was(tmp_path):
    with pytest.raises(FileNotFoundError), runs.unfinished(tmp_path, "flowers"):
        (tmp_path.parent / "no such photo.jpg").read_bytes()


@pytest.mark.parametrize(
    "name", ["", ".hidden", "a/b", "a\\b", "-x", "two\nlines", " padded", "x" * 201, "..", "a\0b"]
)
def test_a_name_that_is_no_plain_folder_name_is_refused(tmp_path, name):
    with pytest.raises(RunError, match="plain folder name"), runs.unfinished(tmp_path, name):
        pass
    assert list(tmp_path.iterdir()) == []


# --- finding ---------------------------------------------------------------------------------


def test_a_run_is_found_by_name_by_path_and_as_itself(tmp_path, monkeypatch):
    root = tmp_path / "saved_models"
    run = run_folders.write_run(root, name="flowers")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers").mkdir()  # the photos, as it happens
    for given in ("flowers", "saved_models/flowers", run.path, run):
        assert runs.load(given).path.resolve() == run.path.resolve()
    assert runs.is_run(run.path)
    assert not runs.is_run(tmp_path / "flowers")


def test_a_run_that_is_not_there_is_told_with_those_that_are(tmp_path):
    run_folders.write_run(tmp_path, name="flowers")
    with pytest.raises(RunError, match=r"no run 'flower'.*holds flowers\. .*run='flower'"):
        runs.load("flower", tmp_path)
    with pytest.raises(RunError, match="does not exist"):
        runs.load("flower", tmp_path / "nowhere")
    with pytest.raises(RunError, match="no run"):
        runs.load("x" * 5000, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"no finished run.*holds no run yet.*tlearn finetune"):
        runs.latest(tmp_path / "empty")
    (tmp_path / "photos" / "daisy").mkdir(parents=True)
    with pytest.raises(RunError, match=r"no run folder: it has no run\.json; it holds daisy"):
        runs.load(tmp_path / "photos")


def damage_json(path: Path) -> None:
    (path / "run.json").write_text('{"name": ')


def damage_keys(path: Path) -> None:
    (path / "run.json").write_text(json.dumps({"format": 1, "name": "x"}))


def damage_format(path: Path) -> None:
    info = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(info | {"format": 2}))


def damage_missing(path: Path) -> None:
    (path / "predictions.parquet").unlink()


@pytest.mark.parametrize("damage", [damage_json, damage_keys, damage_format, damage_missing])
def test_a_damaged_run_is_listed_as_such_and_not_taken(tmp_path, damage):
    good = run_folders.write_run(tmp_path, name="good", changes={"created": "2024-01-01T00:00:00Z"})
    bad = run_folders.write_run(tmp_path, name="bad")
    damage(bad.path)
    rows = runs.table(tmp_path).set_index("name")
    assert rows["state"].to_dict() == {"good": "finished", "bad": "damaged"}
    assert runs.latest(tmp_path) == good
    with pytest.raises(RunError, match=r"is damaged: .* It holds .*labels\.txt.*Received: run="):
        runs.load("bad", tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "read"),
    [
        ("stages.csv", "stage,epochs\nhead,3\n", "stages"),
        ("splits.csv", 'path,label\n"/photos', "splits"),
        ("per_class.csv", b"\xff\xfe", "per_class"),
        ("predictions.parquet", "PAR1", "predictions"),
        ("labels.txt", '"half\n', "class_names"),
        ("confusion.csv", '"true/predicted","daisy"\n"daisy",4\n', "confusion"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, file, content, read):
    run = run_folders.write_run(tmp_path)
    (run.path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RunError, match=rf"is damaged: {file}"):
        getattr(runs.load(run), read)


def test_the_latest_is_the_one_created_last_whatever_its_name_or_zone(tmp_path):
    for name, created in [
        ("b", "2024-05-01T12:00:00+00:00"),
        ("c", "2024-05-01T14:30:00+02:00"),  # half past twelve in UTC
        ("a", "2024-05-01T12:10:00Z"),
    ]:
        run_folders.write_run(tmp_path, name=name, changes={"created": created})
    assert runs.latest(tmp_path).name == "c"
    assert list(runs.table(tmp_path)["name"]) == ["b", "a", "c"]


def test_hundreds_of_runs_are_listed_among_other_things(tmp_path):
    first = run_folders.write_run(tmp_path, name="run")
    text = (first.path / "run.json").read_text()
    for number in range(400):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(first.path, copy)
        created = f"2024-01-01T00:{number // 60:02}:{number % 60:02}+00:00"
        info = json.loads(text) | {"created": created}
        (copy / "run.json").write_text(json.dumps(info))
    (tmp_path / "README.md").write_text("not a run")
    (tmp_path / "photos").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".cut-short.unfinished-99").mkdir()
    rows = runs.table(tmp_path)
    assert len(rows) == 402
    assert rows["state"].value_counts().to_dict() == {"finished": 401, "unfinished": 1}
    assert list(rows["name"][:400]) == [f"copy-{number}" for number in range(400)]
    row = rows.iloc[0]
    assert (row["dataset"], row["photos"], row["classes"]) == ("flowers", 120, 3)
    assert row["accuracy"] == first.info["metrics"]["accuracy"]
    assert row["created"] == pd.Timestamp("2024-01-01", tz="UTC")
    assert runs.latest(tmp_path).name == "run"


def test_no_runs_give_an_empty_table(tmp_path):
    for root in (tmp_path, tmp_path / "nowhere"):
        rows = runs.table(root)
        assert rows.empty
        assert "macro_f1" in rows
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="Cannot list the runs"):
        runs.table(tmp_path / "file")

"""The verbs on real run folders and real photos, as a user meets them."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import run_folders
import typer
from typer.testing import CliRunner, Result

from tlearn import recipes, version
from tlearn.cli import app, choices, completion

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
SLOW_TO_LOAD = ("tensorflow", "keras", "sklearn", "keras_hub", "tensorflow_datasets")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two runs in `saved_models/`, as a user has it."""
    monkeypatch.chdir(tmp_path)
    run_folders.write_run("saved_models", name="old", changes={"created": "2024-01-01T00:00:00Z"})
    run_folders.write_run("saved_models", name="new")
    return tmp_path


def call(*words: str, width: int = 100) -> Result:
    return CliRunner(env={"COLUMNS": str(width), "NO_COLOR": "1"}).invoke(app, list(words))


def mistake(*words: str) -> str:
    """What a command says that must fail as a user's mistake does."""
    result = call(*words)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
    assert "bug" not in result.stderr
    return result.stderr


def in_a_fresh_process(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tlearn", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environment},
    )


# Help and documentation


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_every_verbs_help_ends_with_an_example_that_names_it(verb: str) -> None:
    last = call(verb, "--help").stdout.strip().splitlines()[-1].strip()
    assert last.startswith(f"Example: tlearn {verb}")


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_every_example_is_understood(verb: str) -> None:
    words = call(verb, "--help").stdout.split("Example: tlearn ")[1].split(">")[0].split()
    context = COMMANDS[verb].make_context(verb, words[1:])
    assert context.params


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_every_verb_and_option_is_documented_with_an_example(verb: str) -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `tlearn ([\w-]+)`\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert verb in sections, "docs/cli.md has no section of this name"
    assert f"```\ntlearn {verb}" in sections[verb], "the section has no example"
    named = set(re.findall(r"`(-{1,2}[\w-]+)", sections[verb]))
    real = {name for one in COMMANDS[verb].params for name in one.opts + one.secondary_opts} - {
        "--help"
    }
    assert {name for name in real if name.startswith("--")} - named == set(), "not documented"
    assert named - real == set(), "documented, yet not there"


def test_the_main_help_names_every_verb_and_ends_with_an_example() -> None:
    shown = call("--help").stdout
    assert all(re.search(rf"^│ {verb} ", shown, re.M) for verb in COMMANDS)
    assert shown.strip().splitlines()[-1].strip().startswith("Example: tlearn finetune")


def test_version() -> None:
    assert call("--version").stdout == f"tlearn {version.__version__}\n"


def test_defaults_in_the_help_are_the_librarys_own() -> None:
    from tlearn import workflow

    defaults = inspect.signature(workflow.finetune).parameters
    renamed = {"resize": "resize_mode"}
    quoted = {
        one.name: re.search(r"Default: ([\w.]*\w)", one.help)
        for one in COMMANDS["finetune"].params
        # The others are the recipe's.
        if one.help and renamed.get(one.name, one.name) in defaults
    }
    told = {
        name: (found[1], str(defaults[renamed.get(name, name)].default))
        for name, found in quoted.items()
        if found and defaults[renamed.get(name, name)].default is not None
    }
    assert set(told) == {
        "validation", "test", "weights", "resize", "head", "recipe", "precision", "seed",
    }  # fmt: skip
    assert all(ours == theirs for ours, theirs in told.values()), told
    for name in ("output", "strict"):
        ours = next(one.default for one in COMMANDS["finetune"].params if one.name == name)
        assert str(ours) == str(defaults[name].default)


def test_choices_are_those_of_the_library() -> None:
    from tlearn import heads, precision
    from tlearn.cli.results import ReportFormat
    from tlearn.photos.resize_modes import RESIZE_MODES
    from tlearn.reporting.files import FORMS

    assert {one.value for one in choices.Resize} == set(RESIZE_MODES)
    assert {one.value for one in choices.Head} == set(heads.HEADS)
    assert {one.value for one in ReportFormat} == set(FORMS)
    for kind in choices.Precision:
        precision.choose(kind.value)
    for name in ("augmentation", "balance"):
        for choice in getattr(choices, name.capitalize()):
            recipes.load("linear_probe").with_arguments({name: choice.value}).stages(100)


# Quick starts


def test_a_quick_verb_loads_nothing_slow(here: Path) -> None:
    # One process for all, that asks after each, so that the first that fails is named.
    commands = [
        "--help",
        "--version",
        "finetune --help",
        "report",
        "report --format json",
        "runs",
        "recipes",
        "recipes linear_probe",
        "backbones",
        "predict photo.jpg --run nothing",
        "classify *.nothing",
        "finetune --dataset x --backbone nothing",
    ]
    program = (
        "import sys\n"
        "from tlearn.cli import main\n"
        f"for words in {commands!r}:\n"
        "    sys.argv = ['tlearn', *words.split()]\n"
        "    try: main()\n"
        "    except SystemExit as end: assert end.code in (0, 1), words\n"
        f"    slow = [one for one in {SLOW_TO_LOAD!r} if one in sys.modules]\n"
        "    if slow: sys.exit(f'{words!r} loads {slow}')\n"
        "sys.exit('none is slow')"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ran.stderr.splitlines()[-1] == "none is slow"


def test_help_does_not_even_load_pandas() -> None:
    program = "import sys, tlearn.cli; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


# runs and report


def test_runs_lists_the_newest_last_with_accuracy(here: Path) -> None:
    shown = call("runs").stdout
    assert shown.index("old") < shown.index("new")
    assert re.search(r"old +flowers: 120 photos, 3 classes +94\.4 % +94\.4 %", shown)
    assert "2024-01-01 00:00 UTC" in shown


def test_runs_names_what_was_never_finished(here: Path) -> None:
    (here / "saved_models" / ".half.unfinished-17").mkdir()
    assert re.search(r"half +unfinished, 20\d\d", call("runs").stdout)


def test_runs_as_csv_and_json_hold_the_same_rows(here: Path) -> None:
    rows = json.loads(call("runs", "--format", "json").stdout)
    (here / "runs.csv").write_text(call("runs", "--format", "csv").stdout, encoding="utf-8")
    table = pd.read_csv(here / "runs.csv")
    assert [row["name"] for row in rows] == list(table["name"]) == ["old", "new"]
    assert rows[0]["accuracy"] == pytest.approx(table["accuracy"][0])


def test_no_runs_yet_says_how_to_make_one(tmp_path: Path) -> None:
    result = call("runs", "--root", str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "tlearn finetune --dataset" in result.stderr


def test_report_takes_the_latest_run_or_the_named_one(here: Path) -> None:
    assert call("report").stdout.startswith("new\n")
    assert call("report", "old").stdout.startswith("old\n")
    assert call("report", "saved_models/old").stdout.startswith("old\n")


def test_report_as_csv_is_clean(here: Path) -> None:
    result = call("report", "--format", "csv")
    assert result.stderr == ""
    assert result.stdout.startswith('"class","precision"')
    assert len(result.stdout.splitlines()) == 1 + len(run_folders.CLASSES)


def test_report_writes_one_table_to_a_file(here: Path) -> None:
    result = call("report", "--format", "parquet", "--table", "summary", "--output", "s.parquet")
    assert (result.stdout, result.stderr) == ("", "Wrote s.parquet\n")
    assert list(pd.read_parquet("s.parquet")["metric"]) == [
        "accuracy", "balanced_accuracy", "macro_f1",
    ]  # fmt: skip


def test_report_fits_a_terminal_of_80_letters(here: Path) -> None:
    assert max(map(len, call("report", width=80).stdout.splitlines())) <= 80


@pytest.mark.parametrize("verb", ["runs", "recipes", "backbones"])
@pytest.mark.parametrize("width", [60, 80])
def test_lists_fit_the_terminal_and_keep_every_letter(here: Path, verb: str, width: int) -> None:
    shown = call(verb, width=width).stdout
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown


def test_a_name_with_markup_and_escapes_is_shown_as_it_is(here: Path) -> None:
    changes = {"dataset": {"name": "[red]\x1b[2Jcats", "photos": 3, "classes": 2}}
    run_folders.write_run("saved_models", name="we [bold]are", changes=changes)
    shown = call("runs").stdout
    assert "we [bold]are" in shown
    assert "[red]\\x1b[2Jcats" in shown


# recipes and backbones


def test_recipes_lists_functions_and_saved_ones_with_their_situation() -> None:
    shown = call("recipes", width=200).stdout
    for name in recipes.FUNCTIONS:
        assert name in shown
    assert recipes.saved(), "there are no saved recipes"
    for recipe in recipes.saved():
        assert recipe.situation
        assert re.search(rf"{recipe.name} +{re.escape(recipe.situation)}", shown)


def test_a_saved_recipe_is_printed_as_it_is() -> None:
    recipe = recipes.saved()[0]
    assert call("recipes", recipe.name).stdout == recipe.text


@pytest.mark.parametrize("name", sorted(recipes.FUNCTIONS))
def test_a_printed_recipe_function_is_a_file_that_loads(tmp_path: Path, name: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(call("recipes", name).stdout, encoding="utf-8")
    mine = recipes.load(file)
    assert mine.function == name
    assert mine.stages(1000) == recipes.FUNCTIONS[name](1000)


def test_backbones_tells_what_is_on_this_machine() -> None:
    rows = {row["name"]: row for row in json.loads(call("backbones", "--format", "json").stdout)}
    assert rows["efficientnet_lite0"]["here"] is True
    assert "efficientnet" in rows["efficientnet_lite0"]["aliases"].split()
    assert len(rows) > 30
    local = json.loads(call("backbones", "--local", "--format", "json").stdout)
    assert [row["name"] for row in local] == [name for name, row in rows.items() if row["here"]]


def test_backbones_shows_accuracy_with_its_source() -> None:
    shown = call("backbones").stdout
    assert re.search(r"efficientnet_lite0 +yes +4\.7 M +224 +75\.1 % \(1\)", shown)
    assert re.search(r"\(1\) EfficientNet-Lite README", shown)
    assert "efficientnet = efficientnet_lite0" in shown
    assert re.search(r"alexnet +no +61\.1 M +224 +56\.5 % \(2\)", shown)
    assert "a file that you give with --weights FILE" in shown


# Completion


def test_completion_offers_backbones_recipes_and_runs(here: Path) -> None:
    assert ("efficientnet", "alias of efficientnet_lite0") in completion.backbone_names("effi")
    assert [name for name, _ in completion.recipe_names("linear")] == ["linear_probe"]
    context = typer.Context(COMMANDS["report"])
    assert completion.run_names(context, "n") == ["new"]


def test_the_shell_gets_completions_without_tensorflow(here: Path) -> None:
    result = in_a_fresh_process(
        _TLEARN_COMPLETE="complete_bash",
        COMP_WORDS="tlearn finetune --backbone lite",
        COMP_CWORD="3",
    )
    assert result.stdout.split() == ["lite0", "lite1", "lite2", "lite3", "lite4"]
    assert result.stderr == ""


# A user's mistakes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["report", "nothing"], "There is no run 'nothing'.*old, new"),
        (["report", "--root", "nowhere"], "There is no finished run in nowhere"),
        (["report", "--table", "nothing"], "There is no report table 'nothing'.*per_class"),
        (["report", "--format", "parquet"], "cannot be shown on the screen.*--output"),
        (["report", "saved_models"], "is no run folder"),
        (["recipes", "nothing"], "There is no such recipe"),
        (["recipes", "linear-prob"], "Did you mean 'linear_probe'"),
        (["predict", "x.jpg", "--run", "nothing"], "There is no run 'nothing'"),
        (["predict", "x.jpg", "--output", "x.txt"], r"suffix \.csv, \.json, \.parquet"),
        (["predict", "*.jpg"], "The glob matches nothing"),
        (["predict", "x.jpg", "--target-precision", "0.999"], "The target cannot be reached"),
        (["predict", "empty"], "There is no file to look at"),
        (["classify", "*.jpg"], "The glob matches nothing"),
        (["classify", "x.jpg", "--backbone", "resnet51"], "Did you mean .*resnet50"),
        (["finetune", "-d", "x", "-b", "efficientnet_lite9"], "There is no such backbone"),
        (["finetune", "-d", "x", "--recipe", "probe"], "There is no such recipe"),
        (["finetune", "-d", "x", "--recipe", "new.toml"], "There is no such recipe"),
        (
            ["finetune", "-d", "x", "--recipe", "linear_probe", "--unfreeze", "0.5"],
            "linear_probe does not take 'unfreeze'",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_told_in_one_line(here: Path, words: list[str], expected: str) -> None:
    (here / "empty").mkdir()
    said = mistake(*words)
    assert re.search(expected, said), said
    assert said.count("\n") == 1


def test_an_unfinished_run_is_refused(here: Path) -> None:
    (here / "saved_models" / ".half.unfinished-17").mkdir()
    assert "what a run that was killed left behind" in mistake(
        "report", "saved_models/.half.unfinished-17"
    )


def test_a_damaged_run_is_named_and_the_list_still_comes(here: Path) -> None:
    (here / "saved_models" / "old" / "predictions.parquet").unlink()
    assert "is damaged" in mistake("report", "old")
    assert re.search(r"old +damaged", call("runs").stdout)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nothing"],
        ["finetune"],
        ["finetune", "-d", "x", "--epochs", "0"],
        ["finetune", "-d", "x", "--epochs", "many"],
        ["finetune", "-d", "x", "--resize", "shrink"],
        ["finetune", "-d", "x", "--unfreeze", "2"],
        ["report", "--format", "xml"],
        ["runs", "--format", "parquet"],
        ["predict"],
        ["predict", "x.jpg", "--threshold", "1.5"],
        ["predict", "x.jpg", "--threshold", "0.5", "--target-coverage", "0.5"],
        ["finetune", "-d", "x", "--target-precision", "1"],
        ["finetune", "-d", "x", "--target-precision", "0.9", "--target-coverage", "0.9"],
        ["classify", "x.jpg", "--top", "0"],
        ["sample"],
    ],
    ids=" ".join,
)
def test_a_command_that_is_not_understood_keeps_exit_code_2(here: Path, words: list[str]) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert not (here / "saved_models" / "x").exists()


def test_a_mistake_in_a_real_process_has_no_traceback_unless_debug(here: Path) -> None:
    quiet = in_a_fresh_process("report", "nothing")
    assert (quiet.returncode, quiet.stdout) == (1, "")
    assert quiet.stderr.startswith("Error: There is no run 'nothing'.")
    loud = in_a_fresh_process("report", "nothing", "--debug")
    assert loud.returncode == 1
    assert loud.stderr.startswith("Traceback")
    assert "tlearn.errors.RunError: There is no run 'nothing'." in loud.stderr


def test_a_reader_that_goes_away_is_no_error(here: Path) -> None:
    ran = subprocess.run(
        f"'{sys.executable}' -m tlearn backbones --format json | head -1",
        shell=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (ran.stdout, ran.stderr) == ("[\n", "")

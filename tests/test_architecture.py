"""The house rules that a reader cannot see in one file, each held by a test."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tlearn"

# Each room may import from the rows above its own, and from itself. A room is a module or a
# package directly under tlearn/; docs/architecture.md draws the same order.
LAYERS = (
    {"errors", "hushing", "interrupts", "processors", "progress", "version"},
    {"determinism", "devices", "files", "heads", "memory", "networks", "precision"},
    {"launching", "pages", "plotting", "stages"},
    {"backbones", "evaluation", "photos", "recipes"},
    {"calibration", "logs"},
    {"datasets", "export", "features", "runs"},
    {"advice"},
    {
        "crossing",
        "explaining",
        "inspection",
        "prediction",
        "provenance",
        "reporting",
        "splits",
        "training_data",
    },
    {"bulk", "comparing", "formats", "jobs", "serving"},
    {"labelling", "outcome"},
    {"checking", "prospects"},
    {"choosing"},
    {"workflow"},
    {"cli"},
    {"__main__"},
)

# What must load neither TensorFlow nor Keras nor scikit-learn, because it must start at once.
QUICK = (
    "tlearn",
    "tlearn.backbones",
    "tlearn.bulk.predicting",
    "tlearn.bulk.sorting",
    "tlearn.calibration",
    "tlearn.checking",
    "tlearn.checking.checker",
    "tlearn.choosing",
    "tlearn.choosing.settings.search_space",
    "tlearn.cli",
    "tlearn.comparing",
    "tlearn.datasets",
    "tlearn.devices.asking",
    "tlearn.devices.group",
    "tlearn.errors",
    "tlearn.evaluation",
    "tlearn.formats.kinds",
    "tlearn.formats.versions",
    "tlearn.progress",
    "tlearn.recipes",
    "tlearn.reporting",
    "tlearn.runs",
    "tlearn.recipes.schedules",
    "tlearn.serving",
    "tlearn.serving.finding",
    "tlearn.serving.listening",
    "tlearn.serving.settings",
    "tlearn.splits",
    "tlearn.stages.stage",
)
SLOW_TO_LOAD = ("tensorflow", "keras", "sklearn", "keras_hub", "tensorflow_datasets")


def modules() -> dict[str, Path]:
    """Every module of tlearn by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def statements(node: ast.AST, *, inside_functions: bool) -> Iterator[ast.AST]:
    """All statements that run, but for those under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if for_types_only(child):
            continue
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and not inside_functions:
            continue
        yield child
        yield from statements(child, inside_functions=inside_functions)


def imported(name: str, *, inside_functions: bool) -> set[str]:
    """The modules of tlearn that a module imports; `from tlearn import x` is `tlearn.x`."""
    found = set()
    for node in statements(tree(name), inside_functions=inside_functions):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import; write it in full"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module or "")
    return {one for one in found if one.split(".")[0] == "tlearn"}


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else "tlearn"


def test_every_room_has_a_layer_and_every_layer_has_its_rooms() -> None:
    listed = [one for layer in LAYERS for one in layer]
    assert sorted(listed) == sorted({room(name) for name in MODULES if name != "tlearn"}), (
        "LAYERS in this file must name each room of tlearn/ once; put a new one below all that "
        "use it"
    )


def test_imports_follow_the_arrows() -> None:
    level = {one: number for number, layer in enumerate(LAYERS) for one in layer}
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        if name != "tlearn"
        for other in imported(name, inside_functions=True)
        if other != "tlearn"
        and room(other) != room(name)
        and level[room(other)] >= level[room(name)]
    ]
    assert wrong == []


def test_imports_have_no_cycles() -> None:
    graph = {name: imported(name, inside_functions=False) - {name} for name in MODULES}
    while leaves := {name for name, others in graph.items() if not others & set(graph)}:
        graph = {name: others for name, others in graph.items() if name not in leaves}
    assert graph == {}, "these modules import each other in a circle, or use one that does"


def defined(name: str) -> tuple[set[str], set[str]]:
    """The public functions and classes of a module, and every name that it has at all."""
    public, known = set(), set()
    module = tree(name)
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            known.add(node.name)
            if not node.name.startswith("_"):
                public.add(node.name)
        elif isinstance(node, ast.Assign):
            known |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            known.add(node.target.id)
    for node in ast.walk(module):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            known |= {alias.asname or alias.name for alias in node.names}
    return public, known


def exported(name: str) -> list[str] | None:
    for node in tree(name).body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return None


@pytest.mark.parametrize("name", sorted(MODULES))
def test_all_is_complete_and_sorted(name: str) -> None:
    names = exported(name)
    assert names is not None, f"{name} has no __all__"
    assert names == sorted(set(names))
    public, known = defined(name)
    assert public - set(names) == set(), "public, yet not in __all__"
    assert set(names) - known == set(), "in __all__, yet not there"


def test_a_package_lists_what_it_gathers() -> None:
    missing = []
    for name, path in MODULES.items():
        if path.name != "__init__.py":
            continue
        for node in tree(name).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{name}."):
                missing += [
                    f"{name}: {alias.name}"
                    for alias in node.names
                    if alias.name not in (exported(name) or ())
                    and f"{node.module}.{alias.name}" not in MODULES
                    # The command line's package gathers verbs for typer, not for importers.
                    and name != "tlearn.cli"
                ]
    assert missing == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_stays_short_enough_to_read(name: str) -> None:
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= 300


def test_the_library_never_prints() -> None:
    calls = [
        f"{name}:{node.lineno}"
        for name in MODULES
        if room(name) != "cli"
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id == "print"
    ]
    assert calls == []


def test_quick_modules_load_nothing_slow() -> None:
    # One process for all: each is asked for in turn, so that the first that fails is named.
    program = (
        "import importlib, sys\n"
        f"for name in {QUICK!r}:\n"
        "    importlib.import_module(name)\n"
        f"    slow = [one for one in {SLOW_TO_LOAD!r} if one in sys.modules]\n"
        "    if slow: sys.exit(f'{name} loads {slow}')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert (ran.returncode, ran.stderr) == (0, "")


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT)
    if listed.returncode != 0:
        pytest.skip("this is not a git checkout, so that there are no tracked files to look at")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_tracked_file_knows_the_machine_it_was_written_on() -> None:
    # In pieces, so that this file does not find itself.
    places = ("/wo" + "rk/", "/tmp/" + "venvs", "/ro" + "ot/", r"/ho" + r"me/\w", "/Us" + "ers/")
    pattern = re.compile("|".join(places).encode())
    guilty = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.is_file() and pattern.search(path.read_bytes())
    ]
    assert guilty == []


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_imports_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    missing = []
    for line in lines:
        if match := re.fullmatch(r"from (tlearn[\w.]*) import ([\w, ]+)", line.strip()):
            module, names = match[1], match[2].split(", ")
            known = exported(module) or ()
            missing += [
                line for name in names if name not in known and f"{module}.{name}" not in MODULES
            ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_to_is_there(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    files = re.findall(r"`((?:tlearn|tests|benchmarks|scripts|recipes)/[\w./-]+)`", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [file for file in files if not (ROOT / file).exists()]
    assert missing == []

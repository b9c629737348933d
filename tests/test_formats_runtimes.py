"""Each format in each quantization, and the scripts of examples/ where only the runtime is installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import small_run

import tlearn
from tlearn import runs
from tlearn.formats import exporting, kinds

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NEVER = {"keras", "tlearn"}
INSTALLED = {  # what the heads of the scripts say
    "litert": ("ai-edge-litert", "numpy", "pillow"),
    "onnx": ("onnxruntime", "numpy", "pillow"),
    "openvino": ("openvino", "numpy", "pillow"),
    "savedmodel": ("tensorflow",),
}
OTHERS = ("keras", "tlearn", "tensorflow", "onnxruntime", "openvino", "ai_edge_litert")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    return small_run.write(tmp_path_factory.mktemp("runtimes"))


@pytest.fixture(scope="module")
def exported(run: runs.Run) -> dict[str, exporting.Exported]:
    """Every format in every quantization that it has."""
    return {
        row.name: tlearn.export_run(run, [row.name], quantize=row.quantizations, max_drop=50)
        for row in kinds.FORMATS.values()
    }


@pytest.fixture(scope="module")
def test_photos(run: runs.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's test photos, but for those that only Pillow decodes, which a SavedModel does not."""
    folder = tmp_path_factory.mktemp("test photos")
    chosen = run.splits[(run.splits["split"] == "test") & (run.splits["decoder"] == "graph")]
    for path in map(Path, chosen["path"]):
        (folder / path.parent.name).mkdir(exist_ok=True)
        (folder / path.parent.name / path.name).symlink_to(path)
    return folder


def bare() -> dict[str, str]:
    """The environment, but for what would lend another one's packages."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def needed(packages: tuple[str, ...]) -> Iterator[str]:
    """These packages and all that they ask for, but for what must not be there."""
    waiting, seen = [*packages], set()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen or name in NEVER:
            continue
        seen.add(name)
        try:
            asked = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another system than this
            continue
        yield name
        waiting += [re.split(r"[\s;<>=!~\[(]", one)[0] for one in asked if "extra ==" not in one]


@pytest.fixture(params=sorted(INSTALLED))
def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A format, and the Python of a new virtual environment with its runtime and nothing else.

    What is installed here is linked into it, so that no network is needed.
    """
    venv.create(tmp_path / "venv", symlinks=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    for name in needed(INSTALLED[request.param]):
        files = metadata.files(name) or []
        for top in {Path(file.parts[0]) for file in files if file.parts[0] != ".."}:
            source = metadata.distribution(name).locate_file(top)
            if Path(str(source)).exists() and not (site / top).exists():
                (site / top).symlink_to(str(source))
    python = tmp_path / "venv" / "bin" / "python"
    program = f"import importlib.util as u; print([n for n in {OTHERS!r} if u.find_spec(n)])"
    said = subprocess.run(
        [python, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=bare()
    )
    own = {"litert": "ai_edge_litert", "onnx": "onnxruntime", "savedmodel": "tensorflow"}
    assert said.stdout.strip() == f"[{own.get(request.param, request.param)!r}]"
    return request.param, python


def test_with_only_its_runtime_a_file_is_as_accurate_as_the_run(
    runtime: tuple[str, Path],
    run: runs.Run,
    exported: dict[str, exporting.Exported],
    test_photos: Path,
    tmp_path: Path,
) -> None:
    name, python = runtime
    done = exported[name]
    file = done.folder / kinds.wanted([name])[0].file
    answers = tmp_path / "answers.csv"
    ran = subprocess.run(
        [python, EXAMPLES / f"{name}_photos.py", file, test_photos, "--answers", answers],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**bare(), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
    )
    assert ran.returncode == 0, ran.stderr
    told = run.predictions[run.predictions["split"] == "test"]
    told = told[[not path.endswith(".bmp") for path in told["path"]]]
    assert f"{told['correct'].sum()} of {len(told)} right" in ran.stdout
    lines = answers.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(told) + 1


def test_every_quantization_keeps_what_it_promises(exported: dict[str, exporting.Exported]) -> None:
    for name, done in exported.items():
        table = done.table.set_index("quantization")
        assert list(table.index) == list(kinds.FORMATS[name].quantizations)
        assert table.loc["none", "max_difference"] < 1e-4
        if "float16" in table.index:
            assert table.loc["float16", "max_difference"] < 0.02
        if "int8" in table.index:
            assert 1e-4 < table.loc["int8", "max_difference"] < 0.5


def test_an_int8_litert_file_is_whole_numbers_throughout(
    exported: dict[str, exporting.Exported],
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    file = exported["litert"].folder / "model-int8.tflite"
    interpreter = Interpreter(model_path=str(file))
    kinds_of = {str(one["dtype"]) for one in interpreter.get_tensor_details()}
    assert not any("float" in one for one in kinds_of), kinds_of


def test_openvino_says_what_it_knows(exported: dict[str, exporting.Exported]) -> None:
    import openvino

    model = openvino.Core().read_model(str(exported["openvino"].folder / "model-int8.xml"))
    said = json.loads(model.get_rt_info(["tlearn", "class_names"]).value)
    assert said == list(small_run.CLASSES)
    assert float(model.get_rt_info(["tlearn", "threshold"]).value) == 0.6
    assert model.get_rt_info(["model_info", "labels"]).value.split() == [
        name.replace(" ", "_") for name in small_run.CLASSES
    ]


def test_a_file_answers_many_photos_at_once(exported: dict[str, exporting.Exported]) -> None:
    """In a process of its own, since two of these runtimes beside TensorFlow are none to rely on."""
    program = (
        "import sys, numpy as np, onnxruntime, openvino\n"
        "from ai_edge_litert.interpreter import Interpreter\n"
        "lite, onnx, vino = sys.argv[1:]\n"
        "pixels = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)\n"
        "said = [onnxruntime.InferenceSession(onnx).run(None, {'pixels': pixels})[0]]\n"
        "hint = {'EXECUTION_MODE_HINT': 'ACCURACY'}\n"
        "said.append(openvino.Core().compile_model(vino, 'CPU', hint)([pixels])[0])\n"
        "lite = Interpreter(model_path=lite)\n"
        "lite.resize_tensor_input(lite.get_input_details()[0]['index'], pixels.shape)\n"
        "lite.allocate_tensors()\n"
        "said.append(lite.get_signature_runner()(pixels=pixels)['probabilities'])\n"
        "assert all(one.shape == (3, 4) for one in said)\n"
        "assert max(np.abs(one - said[0]).max() for one in said) < 1e-4\n"
    )
    files = [
        str(exported[name].folder / kinds.wanted([name])[0].file)
        for name in ("litert", "onnx", "openvino")
    ]
    ran = subprocess.run([sys.executable, "-c", program, *files], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr

"""What each export format costs and changes: every format in every quantization. JSON out.

    python benchmarks/formats.py saved_models/clothing saved_models/trash

For each run `tlearn.export_run` as a user calls it, however much accuracy is lost. One JSON object per
file: what the table of the export holds, and as `example` what the script of `examples/` makes of the
test photos with the runtime and Pillow alone: accuracy, changed answers, and the largest difference
between two probabilities from the run's. `by_pillow` is LiteRT with squares that Pillow has resized. `by_default` is OpenVINO without its hint of accuracy. Exits with
1 unless SavedModel and ONNX, unquantized, answer every test photo as the report does.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import measuring
import numpy as np

from tlearn import processors, runs
from tlearn.formats import exporting, kinds, samples

EXAMPLES = Path(__file__).parents[1] / "examples"


def linked(run: runs.Run, folder: Path) -> list[Path]:
    """The test photos as a folder of links, a folder for each class, in the order of the run."""
    names = []
    for row in run.predictions[run.predictions["split"] == "test"].itertuples():
        name = Path(row.label, f"{row.Index:06d}{Path(row.path).suffix}")
        (folder / row.label).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(row.path)
        names.append(name)
    return names


def told(run: runs.Run) -> np.ndarray:
    rows = run.predictions[run.predictions["split"] == "test"]
    return rows[[f"p[{name}]" for name in run.class_names]].to_numpy()


def beside(run: runs.Run, said: np.ndarray) -> dict[str, Any]:
    """Accuracy, changed answers and the largest difference from the run's."""
    expected = told(run)
    true = run.predictions[run.predictions["split"] == "test"]["label"]
    index = np.array([run.class_names.index(name) for name in true])
    return {
        "accuracy": float((said.argmax(1) == index).mean()),
        "changed": int((said.argmax(1) != expected.argmax(1)).sum()),
        "max_difference": float(np.abs(said - expected).max()),
    }


def by_example(run: runs.Run, format: str, file: Path, photos: Path, names: list[Path]) -> Any:
    with tempfile.TemporaryDirectory() as scratch:
        answers = Path(scratch, "answers.csv")
        script = EXAMPLES / f"{format}_photos.py"
        command = [sys.executable, str(script), str(file), str(photos), "--answers", str(answers)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with answers.open(encoding="utf-8", newline="") as opened:
            rows = {Path(row[0]): row[2:] for row in list(csv.reader(opened))[1:]}
    return beside(run, np.array([rows[name] for name in names], np.float64))


def without_hint(run: runs.Run, file: Path) -> Any:
    """What OpenVINO says where nobody asks for accuracy, and in what it computes then."""
    import openvino

    compiled = openvino.Core().compile_model(str(file), "CPU")
    photos = samples.photos_of(run, "test").set_index("path", drop=False)
    expected = run.predictions[run.predictions["split"] == "test"]
    photos = photos.loc[list(expected["path"])]
    pixels = samples.decoded(photos, int(run.info["image_size"]))
    said = [compiled([one[np.newaxis].astype(np.float32)])[0][0] for one in pixels]
    computes = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    return {"computes": computes, **beside(run, np.array(said))}


def by_pillow(run: runs.Run, file: Path, photos: Path, names: list[Path]) -> Any:
    """LiteRT's answers where Pillow crops and resizes, which rounds to whole levels."""
    from ai_edge_litert.interpreter import Interpreter
    from PIL import Image, ImageOps

    if run.info["resize_mode"] != "crop":
        return None
    interpreter = Interpreter(model_path=str(file), num_threads=processors.count())
    size, said = int(run.info["image_size"]), []
    classify = interpreter.get_signature_runner()
    for name in names:
        image = ImageOps.exif_transpose(Image.open(photos / name)).convert("RGB")
        width, height = image.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        box = (left, top, left + side, top + side)
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
        pixels = np.asarray(image, np.float32)[np.newaxis]
        said.append(classify(pixels=pixels)["probabilities"][0])
    return beside(run, np.array(said))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "runs", nargs="+", type=Path, help="run folders; their photos must be there"
    )
    given = parser.parse_args()
    first: dict[str, Any] = measuring.machine()
    unequal = []
    for path in given.runs:
        run = runs.load(path.absolute())
        with tempfile.TemporaryDirectory() as scratch:
            photos = Path(scratch, "photos")
            names = linked(run, photos)
            for row in kinds.FORMATS.values():
                for quantization in row.quantizations:
                    done = exporting.export_run(
                        run, [row.name], quantize=[quantization], max_drop=100, output=scratch
                    )
                    found = done.table.to_dict("records")[0]
                    file = done.folder / ("" if row.name == "savedmodel" else found["file"])
                    result = {
                        **first,
                        "run": run.name,
                        **found,
                        "example": by_example(run, row.name, file, photos, names),
                    }
                    if row.name == "openvino":
                        result["by_default"] = without_hint(run, file)
                    if row.name == "litert" and quantization == kinds.PLAIN:
                        result["by_pillow"] = by_pillow(run, file, photos, names)
                    print(json.dumps(result), flush=True)
                    first = {}
                    whole = row.name in ("savedmodel", "onnx") and quantization == kinds.PLAIN
                    if whole and found["changed"]:
                        unequal.append(f"{run.name}: {row.name}")
    if unequal:
        sys.exit(f"These do not answer as the report does: {', '.join(unequal)}")


if __name__ == "__main__":
    main()

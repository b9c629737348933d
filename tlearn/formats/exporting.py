"""A run becomes files for other runtimes, each proven on the run's test photos, or none at all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from tlearn import runs
from tlearn.errors import AccuracyDropError, ExportError
from tlearn.files.labels import labels_to_text
from tlearn.files.tables import printable, to_csv, to_json
from tlearn.formats import about, kinds, samples, versions
from tlearn.formats.kinds import PLAIN, Wanted
from tlearn.formats.proving import Proof, prove
from tlearn.progress import SILENT, Progress

__all__ = ["Exported", "export_run"]

DEFAULT_DROP = 1.0


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: The folder of this version.
        table: A row per file, see `versions.COLUMNS`.
    """

    folder: Path
    table: pd.DataFrame


def export_run(
    run: runs.Run | str | Path | None = None,
    formats: str | Sequence[str] = ("savedmodel",),
    *,
    quantize: str | Sequence[str] = (PLAIN,),
    max_drop: float = DEFAULT_DROP,
    output: str | Path | None = None,
    name: str | None = None,
    root: str | Path = runs.ROOT,
    progress: Progress = SILENT,
) -> Exported:
    """Export a run to other formats, and prove each file on the run's test photos.

    Each file is asked every test photo in its own runtime, in a fresh process that can import
    neither tlearn nor Keras nor (but for a SavedModel) TensorFlow. The photos must be where they were.

    ```
    RUN/exports/             or `output`
    └── NAME/
        └── 1/               the version, one more each time; whole or not there
            ├── saved_model.pb  variables/  assets/     savedmodel
            ├── model.tflite  model-int8.tflite         litert
            ├── model.onnx                              onnx
            ├── model.xml  model.bin                    openvino
            ├── labels.txt   the classes, one a line
            ├── about.json   classes, threshold, how a photo is prepared, the table
            └── export.csv   the table
    ```

    TensorFlow Serving, Triton and OpenVINO Model Server look for NAME/VERSION/ as well.

    Args:
        run: A run, its folder or its name under `root`; by default the latest.
        formats: Of `"savedmodel"`, `"litert"`, `"onnx"`, `"openvino"`.
        quantize: Of `"none"`, `"float16"`, `"int8"`, `"dynamic"`; each format is made in each. The
            ranges of int8 are set by training photos.
        max_drop: By how many percentage points the accuracy on the test photos may be lower.
        output: Where the folder NAME goes; by default `exports/` in the run folder.
        name: NAME; by default the run's.
        root: The folder of run folders.
        progress: Who watches.

    Returns:
        The folder and the table.

    Raises:
        ExportError: There is no such format, one cannot be quantized so, the run lacks its models
            or its photos, or a file does not answer as it should.
        AccuracyDropError: A file's accuracy is lower by more than `max_drop`.
        MissingExtra: A package is missing.
        RunError: There is no such run, or the place cannot be written to.

    Example:

    ```python
    exported = tlearn.export_run("clothing", ["litert", "onnx"], quantize="int8")
    print(exported.table[["format", "accuracy", "changed", "milliseconds"]])
    ```
    """
    if not 0 <= max_drop <= 100:
        raise ValueError(f"Expected percentage points from 0 to 100. Received: max_drop={max_drop}")
    wanted = kinds.wanted(_texts(formats), _texts(quantize))
    found = runs.load(run, root)
    runs.check_name(name := found.name if name is None else name)
    place = Path(found.exports_path if output is None else output) / name
    samples.photos_of(found, found.measured.split)
    with versions.next_one(place) as version:
        folder = version.folder
        proofs = _made(found, wanted, folder, progress)
        _hold(found, proofs, max_drop)
        table = versions.table(proofs, folder)
        said = about.of_run(found)
        (folder / versions.LABELS).write_text(labels_to_text(said.class_names), encoding="utf-8")
        (folder / versions.ABOUT).write_text(
            to_json({**said.as_dict(), "max_drop": max_drop, "files": table}), encoding="utf-8"
        )
        (folder / versions.TABLE).write_text(to_csv(table), encoding="utf-8")
    assert version.final is not None
    return Exported(version.final, table)


def _made(run: runs.Run, wanted: Sequence[Wanted], folder: Path, progress: Progress) -> list[Proof]:
    """Write each file and ask it."""
    from tlearn.formats import converting

    said = about.of_run(run)
    converted = any(one.format.suffix for one in wanted)
    network = converting.of_run(run) if converted else None
    calibration = cache(lambda: samples.calibration(run))
    proofs = []
    for one in wanted:
        progress.say(f"Writing {one.words}")
        file = folder / one.file
        if network is None or not one.format.suffix:
            _copy_saved_model(run, folder)
        else:
            converting.WRITERS[one.format.name](network, said, one.quantization, file, calibration)
        proofs.append(prove(run, one, file, progress))
    return proofs


def _copy_saved_model(run: runs.Run, folder: Path) -> None:
    if not (run.saved_model_path / "saved_model.pb").is_file():
        raise ExportError(
            "The run's SavedModel is not there; it may have been removed to save space. Expected it "
            "where the run has put it. Other formats are made of model.keras and can be exported. "
            f"Received: run={str(run.path)!r}"
        )
    shutil.copytree(run.saved_model_path, folder, dirs_exist_ok=True)


def _hold(run: runs.Run, proofs: Sequence[Proof], max_drop: float) -> None:
    """Raise unless all files are accurate enough."""
    failed = [proof for proof in proofs if proof.drop > max_drop + 1e-9]
    if not failed:
        return
    told = ""
    for proof in failed:
        told += (
            f"\n  {proof.wanted.words}: accuracy {proof.reference:.4f} -> {proof.accuracy:.4f}, "
            f"{proof.changed:,} of {proof.photos:,} predictions changed"
        )
        # Those that fell most stand first.
        by_fall = sorted(proof.fallen.items(), key=lambda one: one[1][1] - one[1][0])
        for name, (before, after) in by_fall:
            told += f"\n    {printable(name)}: recall {before:.3f} -> {after:.3f}"
    raise AccuracyDropError(
        f"An exported file recognises fewer test photos than is allowed, so that nothing is kept. "
        f"Expected a drop of at most {max_drop:g} percentage points; another quantization may do, or "
        f"allow more with max_drop. Received: run={run.name!r}{told}"
    )


def _texts(given: str | Sequence[str]) -> list[str]:
    parts = given.split(",") if isinstance(given, str) else given
    return [part.strip() for part in parts if part.strip()]

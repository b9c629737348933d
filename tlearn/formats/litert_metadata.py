"""LiteRT's metadata: what MediaPipe, the Task Library and Android Studio read in a `.tflite` file.

The schema is `metadata_schema.fbs` of LiteRT (identifier `M001`): a flatbuffer inside the model's
own. No package that installs here writes it, so that its few tables are written by hand; the numbers
below are the places of fields in it. Files that belong to the model are a zip archive that follows
the model's bytes, so that `unzip model.tflite labels.txt` works.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers

from tlearn.files.labels import labels_to_text
from tlearn.files.tables import to_json
from tlearn.formats.about import About

__all__ = ["ABOUT", "LABELS", "added", "append_files"]

LABELS = "labels.txt"
ABOUT = "about.json"

_BUFFER_NAME = b"TFLITE_METADATA"
_MODEL_IDENTIFIER, _IDENTIFIER = b"TFL3", b"M001"
_MINIMAL_PARSER = "1.0.0"
# Members of enumerations and unions.
_IMAGE, _RGB, _NORMALIZATION, _THRESHOLD, _DESCRIPTIONS, _AXIS_LABELS = 2, 1, 1, 3, 1, 2
# The epoch of zip archives, so that the same model gives the same bytes.
_WHEN = (1980, 1, 1, 0, 0, 0)


def added(model: bytes, about: About) -> bytes:
    """A model with the metadata in it.

    Args:
        model: The bytes of a `.tflite` file.
        about: What it is to say.

    Returns:
        The bytes of another one.
    """
    from ai_edge_litert import schema_py_generated as schema

    opened = schema.ModelT.InitFromPackedBuf(model, 0)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(_metadata(about))
    entry.name, entry.buffer = _BUFFER_NAME, len(opened.buffers)
    opened.buffers.append(buffer)
    opened.metadata = [
        *(one for one in opened.metadata or () if one.name != _BUFFER_NAME),
        entry,
    ]
    builder = flatbuffers.Builder(len(model) + 4096)
    builder.Finish(opened.Pack(builder), file_identifier=_MODEL_IDENTIFIER)
    return bytes(builder.Output())


def append_files(file: Path, about: About) -> None:
    """Put the labels and what else is to be known behind the model, as a zip archive."""
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        for name, text in (
            (LABELS, labels_to_text(about.class_names)),
            (ABOUT, to_json(about.as_dict())),
        ):
            archive.writestr(zipfile.ZipInfo(name, _WHEN), text.encode())


def _metadata(about: About) -> bytes:
    tables = _Tables()
    whole = [0.0], [1.0]  # nothing is subtracted, nothing divided by: scaling is in the model
    normal = tables.table(2, {0: tables.floats(whole[0]), 1: tables.floats(whole[1])})
    side = tables.table(2, {}, whole={0: about.image_size, 1: about.image_size})
    image = tables.table(2, {1: side}, bytes_={0: _RGB})
    pixels = tables.table(
        7,
        {
            0: tables.text("pixels"),
            1: tables.text(about.preparation),
            3: tables.table(3, {1: image}, bytes_={0: _IMAGE}),
            4: tables.list([tables.table(2, {1: normal}, bytes_={0: _NORMALIZATION})]),
            5: tables.table(2, {0: tables.floats([255.0]), 1: tables.floats([0.0])}),
        },
    )
    labels = tables.table(
        5,
        {0: tables.text(LABELS), 1: tables.text("The classes, one a line.")},
        bytes_={2: _AXIS_LABELS},
    )
    answers = {
        0: tables.text("probabilities"),
        1: tables.text("One for each class, calibrated; they add up to 1."),
        5: tables.table(2, {0: tables.floats([1.0]), 1: tables.floats([0.0])}),
        6: tables.list([labels]),
    }
    if about.threshold > 0:
        limit = tables.table(1, {}, floats={0: about.threshold})
        answers[4] = tables.list([tables.table(2, {1: limit}, bytes_={0: _THRESHOLD})])
    graph = tables.table(10, {2: tables.list([pixels]), 3: tables.list([tables.table(7, answers)])})
    file = tables.table(5, {0: tables.text(ABOUT)}, bytes_={2: _DESCRIPTIONS})
    model = tables.table(
        8,
        {
            0: tables.text(about.name),
            1: tables.text(f"Photos of {len(about.class_names)} classes, see {ABOUT}."),
            3: tables.list([graph]),
            6: tables.list([file]),
            7: tables.text(_MINIMAL_PARSER),
        },
    )
    return tables.finish(model)


class _Tables:
    """Writes tables of a flatbuffer; each method gives the place of what it wrote."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1024)

    def text(self, value: str) -> int:
        return int(self._builder.CreateString(value))

    def floats(self, values: Sequence[float]) -> int:
        self._builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._builder.PrependFloat32(value)
        return int(self._builder.EndVector())

    def list(self, places: Sequence[int]) -> int:
        self._builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            self._builder.PrependUOffsetTRelative(place)
        return int(self._builder.EndVector())

    def table(
        self,
        fields: int,
        places: dict[int, int],
        *,
        bytes_: dict[int, int] | None = None,
        whole: dict[int, int] | None = None,
        floats: dict[int, float] | None = None,
    ) -> int:
        builder: Any = self._builder
        builder.StartObject(fields)
        for field, place in places.items():
            builder.PrependUOffsetTRelativeSlot(field, place, 0)
        for field, value in (bytes_ or {}).items():
            builder.PrependUint8Slot(field, value, 0)
        for field, value in (whole or {}).items():
            builder.PrependUint32Slot(field, value, 0)
        for field, number in (floats or {}).items():
            builder.PrependFloat32Slot(field, number, 0.0)
        return int(builder.EndObject())

    def finish(self, root: int) -> bytes:
        self._builder.Finish(root, file_identifier=_IDENTIFIER)
        return bytes(self._builder.Output())

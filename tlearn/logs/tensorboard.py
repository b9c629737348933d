"""Scalars as TensorBoard reads them, written by TensorFlow alone.

`tf.summary.scalar` needs the package tensorboard, which TensorFlow no longer installs; whoever looks at
the curves has it, whoever trains need not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

__all__ = ["events"]

_KIND = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"),
    data_class=1,  # DATA_CLASS_SCALAR
)


@contextmanager
def events(folder: Path) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Write event files.

    Args:
        folder: The folder of the run's event files; one for each stage is made in it.

    Returns:
        A context manager that gives what writes an epoch's row of history.
    """
    writers: dict[str, Any] = {}

    def write(row: Mapping[str, Any]) -> None:
        stage = str(row["stage"])
        if stage not in writers:
            writers[stage] = tf.summary.create_file_writer(str(folder / stage))
        with writers[stage].as_default(step=int(row["epoch"])):
            for name, value in row.items():
                if isinstance(value, float):
                    tf.summary.write(f"epoch_{name}", tf.constant(value), metadata=_KIND)
            writers[stage].flush()

    try:
        yield write
    finally:
        for writer in writers.values():
            writer.close()

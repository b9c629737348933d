"""What is logged while a run trains can be read by what reads such logs."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import tensorflow as tf

from tlearn import logs, stages
from tlearn.errors import MissingExtra, RunError

STAGE = stages.Stage("head", epochs=2, learning_rate=1e-3)


def rows(count: int) -> list[dict[str, object]]:
    return [
        {"stage": "head", "epoch": number, "loss": 1 / number, "learning_rate": float("nan")}
        for number in range(1, count + 1)
    ]


def test_csv_grows_by_a_row_an_epoch_and_goes_on_after_an_interruption(tmp_path: Path) -> None:
    for part in (rows(3)[:2], rows(3)[2:]):
        with logs.opened(["csv"], folder=tmp_path, name="cats") as told:
            for row in part:
                told.after_epoch(STAGE, row)
                assert len(pd.read_csv(tmp_path / "cats.csv")) == row["epoch"]
    table = pd.read_csv(tmp_path / "cats.csv")
    assert table["loss"].tolist() == pytest.approx([1, 1 / 2, 1 / 3])


def test_each_epoch_is_one_line_of_json(tmp_path: Path) -> None:
    file = tmp_path / "new" / "epochs.jsonl"
    with logs.opened(lines=file, name="cats") as told:
        for row in rows(2):
            told.after_epoch(STAGE, row)
            last = json.loads(file.read_text().splitlines()[-1])
            assert last == {**row, "run": "cats", "learning_rate": None}


def test_tensorboards_files_hold_the_scalars(tmp_path: Path) -> None:
    with logs.opened(["tensorboard"], folder=tmp_path, name="cats") as told:
        for row in rows(2):
            told.after_epoch(STAGE, row)
    (file,) = (tmp_path / "cats" / "head").iterdir()
    found = {}
    for record in tf.data.TFRecordDataset(str(file)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    assert found["epoch_loss", 1] == 1
    assert found["epoch_loss", 2] == 0.5


@pytest.mark.parametrize("kind", ["mlflow", "wandb"])
def test_a_package_that_is_not_there_is_told_with_the_line_that_installs_it(kind: str) -> None:
    with pytest.raises(MissingExtra, match=f"pip install 'tlearn\\[{kind}\\]'"):
        logs.check([kind])


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(RunError, match="a file stands where a folder is needed"),
        logs.opened(["csv"], folder=tmp_path / "file" / "logs"),
    ):
        pass

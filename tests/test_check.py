"""Findings, shortcuts and `tlearn check` on photos made for it."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter
from test_check_dirt import picture
from typer.testing import CliRunner, Result

import tlearn
from tlearn.checking import kinds, of_classes, of_photos, shortcuts
from tlearn.checking.verdict import TABLES, Check
from tlearn.cli import app, completion

ROOT = Path(__file__).resolve().parents[1]


def call(*words: str, width: int = 110) -> Result:
    return CliRunner(env={"COLUMNS": str(width), "NO_COLOR": "1"}).invoke(app, list(words))


def detailed(key: int) -> Image.Image:
    """As sharp as a photo: fine noise over a smooth picture."""
    noise = np.random.default_rng(key).normal(0, 12, (160, 160, 1))
    return Image.fromarray((np.asarray(picture(key)) + noise).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Given splits with everything in them that photos by themselves can have."""
    root = tmp_path_factory.mktemp("planted")
    for number in range(30):
        for place, name in enumerate(("cat", "dog")):
            split = "test" if number >= 24 else "train"
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            detailed(1000 * place + number).save(folder / f"{number}.jpg", quality=92)
    cat, dog = root / "train" / "cat", root / "train" / "dog"
    shutil.copy(cat / "0.jpg", cat / "copy.jpg")
    shutil.copy(cat / "1.jpg", dog / "conflict.jpg")
    shutil.copy(cat / "2.jpg", root / "test" / "cat" / "leak.jpg")
    detailed(3).resize((120, 120)).save(root / "test" / "cat" / "small leak.jpg", quality=85)
    detailed(4).save(cat / "again.jpg", quality=60)
    detailed(5).save(dog / "near conflict.jpg", quality=60)
    dark = np.asarray(detailed(2001)) // 6
    Image.fromarray(dark).save(cat / "dark.jpg", quality=95)
    Image.fromarray(255 - dark).save(cat / "light.jpg", quality=95)
    Image.new("RGB", (160, 160), (90, 120, 90)).save(dog / "blank.jpg")
    detailed(2002).filter(ImageFilter.GaussianBlur(9)).save(dog / "blurred.jpg", quality=92)
    detailed(2003).resize((40, 50)).save(dog / "tiny.jpg", quality=92)
    detailed(2004).resize((480, 120)).save(dog / "wide.jpg", quality=92)
    return root


@pytest.fixture(scope="module")
def checked(planted: Path) -> Check:
    return tlearn.check(planted)


def groups(checked: Check, kind: str) -> set[frozenset[str]]:
    rows = checked.files[checked.files["finding"] == kind]
    return {frozenset(Path(path).name for path in one["path"]) for _, one in rows.groupby("group")}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("exact-duplicates", {frozenset({"0.jpg", "copy.jpg"})}),
        ("label-conflict", {frozenset({"1.jpg", "conflict.jpg"})}),
        ("leak", {frozenset({"2.jpg", "leak.jpg"}), frozenset({"3.jpg", "small leak.jpg"})}),
        ("near-duplicates", {frozenset({"4.jpg", "again.jpg"})}),
        ("near-label-conflict", {frozenset({"5.jpg", "near conflict.jpg"})}),
        ("too-dark", {frozenset({"dark.jpg"})}),
        ("too-light", {frozenset({"light.jpg"})}),
        ("nearly-blank", {frozenset({"blank.jpg"})}),
        ("blurred", {frozenset({"blurred.jpg"})}),
        ("too-small", {frozenset({"tiny.jpg"})}),
        ("odd-aspect-ratio", {frozenset({"wide.jpg"})}),
    ],
)
def test_what_was_planted_is_found_and_nothing_else_of_its_kind(
    checked: Check, kind: str, expected: set[frozenset[str]]
) -> None:
    assert groups(checked, kind) == expected


def test_no_finding_that_was_not_planted(checked: Check) -> None:
    assert set(checked.findings["finding"]) == {
        "exact-duplicates", "label-conflict", "leak", "near-duplicates", "near-label-conflict",
        "too-dark", "too-light", "nearly-blank", "blurred", "too-small", "odd-aspect-ratio",
    }  # fmt: skip


def test_the_worst_comes_first_and_each_says_what_to_do(checked: Check) -> None:
    found = checked.findings
    order = [kinds.SEVERITIES.index(severity) for severity in found["severity"]]
    assert order == sorted(order)
    assert found["advice"].str.len().min() > 20
    assert found["count"].dtype == np.int64


def test_a_leak_says_between_which_splits(checked: Check) -> None:
    notes = checked.files[checked.files["finding"] == "leak"]["note"]
    assert all("in train and test" in note for note in notes)
    assert set(checked.leaks["split"]) == {"test"}


def test_photos_hold_what_each_is_like(checked: Check) -> None:
    rows = checked.photos.set_index(checked.photos["path"].map(lambda path: Path(path).name))
    assert (rows.loc["tiny.jpg", "width"], rows.loc["tiny.jpg", "height"]) == (40, 50)
    assert rows.loc["dark.jpg", "brightness"] < 0.1 < 0.9 < rows.loc["light.jpg", "brightness"]


# Classes


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"a": 30, "b": 30}, set()),
        ({"a": 30, "b": 19}, {"small-class"}),
        ({"a": 300, "b": 30}, {"imbalance"}),
        ({"a": 30, "b": 0}, {"empty-class"}),
        ({"a": 30}, {"one-class"}),
        ({"a": 0}, {"no-photos"}),
        ({"a": 30, "b\nc": 30}, {"class-name"}),
    ],
)
def test_classes_are_judged_by_their_size(counts: dict[str, int], expected: set[str]) -> None:
    labels = [name for name, count in counts.items() for _ in range(count)]
    assert {one.kind for one in of_classes.of_classes(labels, list(counts))} == expected


def test_few_photos_are_not_called_blurred_beside_each_other() -> None:
    photos = pd.DataFrame(
        {
            "path": ["a", "b"], "format": "jpeg", "suffix_fits": True, "width": 100, "height": 100,
            "brightness": 0.5, "contrast": 0.2, "sharpness": [1.0, 5000.0],
        }
    )  # fmt: skip
    assert of_photos.find(photos) == []


# Shortcuts


def looks(seed: int, count: int = 300) -> pd.DataFrame:
    """Photos of three classes that differ in nothing."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "path": [f"{number}.jpg" for number in range(count)],
            "label": [("cat", "dog", "owl")[number % 3] for number in range(count)],
            "format": "jpeg",
            "camera": pd.Series(random.choice(["A", "B", None], count), dtype=object),
            "orientation": random.choice([1, 6], count),
            "taken": pd.Timestamp("2024-05-01") + pd.to_timedelta(random.integers(0, 400, count), "D"),
            "width": random.choice([400, 640], count),
            "height": 480,
            "bytes": random.normal(60_000, 9000, count),
            "brightness": random.normal(0.5, 0.1, count),
            "contrast": random.normal(0.2, 0.05, count),
            "sharpness": random.lognormal(6, 0.6, count),
            "colourfulness": random.normal(30, 9, count),
            "border": random.random(count),
        }
    )  # fmt: skip


def found_in(photos: pd.DataFrame) -> set[tuple[str, str]]:
    rows = shortcuts.find(photos, list(range(len(photos))))
    return set(zip(rows["property"], rows["class"], strict=True))


@pytest.mark.parametrize("seed", range(8))
def test_chance_is_no_shortcut(seed: int) -> None:
    assert found_in(looks(seed)) == set()


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("format", "png", ("format", "dog")),
        ("camera", "Phone X", ("camera", "dog")),
        ("orientation", 8, ("orientation", "dog")),
        ("width", 1000, ("size", "dog")),
        ("taken", pd.Timestamp("2021-01-01"), ("date", "dog")),
        ("brightness", 0.8, ("brightness", "dog")),
        ("colourfulness", 90.0, ("colourfulness", "dog")),
    ],
)
def test_a_property_that_one_class_has_is_found(
    column: str, values: object, expected: tuple[str, str]
) -> None:
    photos = looks(0)
    photos.loc[photos["label"] == "dog", column] = values
    assert expected in found_in(photos)
    assert {name for _, name in found_in(photos)} == {"dog"}


def test_a_third_of_a_class_from_a_camera_of_its_own_is_found() -> None:
    photos = looks(1)
    dogs = photos.index[photos["label"] == "dog"]
    photos.loc[dogs[: len(dogs) // 3], "camera"] = "Phone X"
    (row,) = shortcuts.find(photos, list(range(len(photos)))).to_dict("records")
    assert (row["property"], row["class"], row["of_the_file"]) == ("camera", "dog", True)
    assert row["typical"] == "Phone X: 33 % of dog, 0 % of the others"


def test_copies_of_one_photo_are_no_proof() -> None:
    photos = looks(2, 60)
    photos["brightness"] = np.where(photos["label"] == "dog", 0.9, photos["brightness"])
    assert ("brightness", "dog") in found_in(photos)
    one_dog = [0 if label == "dog" else place for place, label in enumerate(photos["label"], 1)]
    assert shortcuts.find(photos, one_dog).empty


# The command


def test_the_table_names_findings_with_their_first_files(planted: Path) -> None:
    result = call("check", str(planted))
    assert result.exit_code == 0, result.output
    assert "train/cat/1.jpg = train/dog/conflict.jpg" in result.stdout
    assert re.search(r"too-small +a side of less than 64 pixels +1", result.stdout)
    assert "label-conflict: Decide which class is right" in result.stdout
    assert "--html check.html" in result.stdout


def test_the_data_set_is_taken_either_way_and_once(planted: Path) -> None:
    first = call("check", "--dataset", str(planted), "--format", "csv")
    assert first.stdout == call("check", str(planted), "--format", "csv").stdout
    for words in ([], [str(planted), "--dataset", str(planted)]):
        refused = call("check", *words)
        assert refused.exit_code == 2
        assert "give the photos once" in refused.stderr


def test_csv_json_and_markdown_say_the_same(planted: Path) -> None:
    table = pd.read_csv(io.StringIO(call("check", str(planted), "--format", "csv").stdout))
    told = json.loads(call("check", str(planted), "--format", "json").stdout)
    lines = call("check", str(planted), "--format", "markdown").stdout.splitlines()
    assert [row["finding"] for row in told["findings"]] == list(table["finding"])
    assert [line.split(" | ")[0].lstrip("| ") for line in lines[2:]] == list(table["finding"])
    assert json.loads(table["files"][0]) == told["findings"][0]["files"]


def test_fail_on_ends_with_3_only_when_it_is_found(planted: Path) -> None:
    assert call("check", str(planted), "--fail-on", "leak,unreadable").exit_code == 3
    assert call("check", str(planted), "--fail-on", "unreadable,burst").exit_code == 0
    assert call("check", str(planted), "--fail-on", "error").exit_code == 3


def test_fail_on_refuses_what_it_does_not_know() -> None:
    refused = call("check", "photos", "--fail-on", "leek", width=300)
    assert refused.exit_code == 2
    assert "there is no finding 'leek'" in refused.stderr
    assert "near-duplicates" in refused.stderr


def test_all_tables_are_written_as_files(planted: Path, tmp_path: Path) -> None:
    result = call("check", str(planted), "--output", str(tmp_path / "out"), "--format", "json")
    assert result.exit_code == 0, result.output
    names = {path.stem for path in (tmp_path / "out").iterdir()}
    assert names <= set(TABLES)
    assert {"findings", "files", "photos", "pairs", "leaks"} <= names
    assert "Wrote" in result.stderr


def test_no_such_data_set_is_a_mistake() -> None:
    result = call("check", "nowhere/at/all")
    assert result.exit_code == 1
    assert "There is no file or folder" in result.stderr


def test_findings_are_completed_after_a_comma() -> None:
    offered = [name for name, _ in completion.finding_lists("leak,un")]
    assert offered == ["leak,unreadable"]


def test_every_finding_is_explained_in_the_docs() -> None:
    page = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (\w+) \|", page, re.M))
    assert rows == {name: kind.severity for name, kind in kinds.KINDS.items()}


# With a backbone


@pytest.mark.slow
def test_suspect_labels_are_named_on_real_photos(shared_data: Path, tmp_path: Path) -> None:
    found = tlearn.check(shared_data / "trash", labels=True)
    suspects = {Path(path).name for path in found.suspects["path"]}
    assert {"metal91.jpg", "glass115.jpg", "plastic332.jpg", "plastic152.jpg"} <= suspects
    assert {"label-conflict", "suspect-label", "outlier"} <= set(found.findings["finding"])
    assert found.gallery(tmp_path / "page.html").stat().st_size < 5_000_000


@pytest.mark.slow
def test_planted_shortcuts_are_found_on_real_photos(shared_data: Path, tmp_path: Path) -> None:
    for folder in (shared_data / "clothing" / "train").iterdir():
        (tmp_path / folder.name).mkdir()
        for path in sorted(folder.iterdir())[:60]:
            if folder.name == "hat":
                Image.open(path).save(tmp_path / folder.name / f"{path.stem}.png")
            else:
                shutil.copy(path, tmp_path / folder.name)
    found = tlearn.check(tmp_path)
    assert ("format", "hat") in set(
        zip(found.shortcuts["property"], found.shortcuts["class"], strict=True)
    )
    assert set(found.shortcuts["class"]) == {"hat"}

"""Photos looked at without training: what shows the same is found, and stays on one side of a split."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photo_files import Heard
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from tlearn import datasets, inspection, jobs, splits
from tlearn.files import register


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TLEARN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def scene(number: int) -> Image.Image:
    """A picture with light, shapes and texture of its own, 320 x 240."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 255, (4, 5, 3)).astype(np.uint8)
    image = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(25):
        x, y = random.integers(0, 320), random.integers(0, 240)
        wide, high = random.integers(5, 60, 2)
        colour = tuple(int(one) for one in random.integers(0, 255, 3))
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape((x, y, x + wide, y + high), fill=colour)
    return image.filter(ImageFilter.GaussianBlur(0.7))


def write(image: Image.Image, path: Path, quality: int = 92, **more: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=quality, **more)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty scenes in two classes."""
    for number in range(40):
        write(scene(number), tmp_path / "photos" / "ab"[number % 2] / f"{number:02d}.jpg")
    return tmp_path / "photos"


COPIES = {
    "re-encoded": lambda image: (image, {"quality": 50}),
    "resized": lambda image: (image.resize((224, 168), Image.Resampling.LANCZOS), {}),
    "mirrored": lambda image: (ImageOps.mirror(image), {}),
    "cropped": lambda image: (image.crop((26, 0, 320, 221)), {}),
    "cropped around": lambda image: (image.crop((26, 19, 294, 221)), {}),
    "brightened": lambda image: (ImageEnhance.Brightness(image).enhance(1.2), {}),
    "without colour": lambda image: (image.convert("L"), {}),
    "lying, with a word of it": lambda image: (image.rotate(90, expand=True), {"exif": turned(6)}),
}


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def taken(moment: datetime.datetime, camera: str = "Acme One") -> Image.Exif:
    exif = Image.Exif()
    exif[272] = camera
    exif.get_ifd(0x8769)[0x9003] = f"{moment:%Y:%m:%d %H:%M:%S}"
    return exif


def ties(folder: Path) -> dict[frozenset[str], str]:
    found = inspection.belonging(datasets.load(folder))
    names = [Path(path).name for path in found.dataset.examples["path"]]
    return {
        frozenset((names[row.first], names[row.second])): row.kind
        for row in found.ties.itertuples()
    }


def test_every_kind_of_copy_is_found_and_nothing_else(folder):
    expected = {}
    for number, (kind, make) in enumerate(COPIES.items()):
        image, how = make(scene(number))
        write(image, folder / "a" / f"copy{number}.jpg", **how)
        told = "mirrored" if kind == "mirrored" else "near"
        expected[frozenset((f"copy{number}.jpg", f"{number:02d}.jpg"))] = told
    (folder / "b" / "same.jpg").write_bytes((folder / "a" / "20.jpg").read_bytes())
    expected[frozenset(("same.jpg", "20.jpg"))] = "exact"
    assert ties(folder) == expected


def test_blank_photos_are_not_alike(folder):
    for number in range(6):
        blank = Image.new("RGB", (320, 240), (200 + number, 200, 200))
        write(blank, folder / "a" / f"blank{number}.png")
    assert ties(folder) == {}


def test_a_row_of_its_own_says_what_a_photo_is_like(folder):
    moment = datetime.datetime(2024, 5, 1, 12, 0, 3)
    write(scene(50), folder / "a" / "taken.jpg", exif=taken(moment))
    write(scene(51).filter(ImageFilter.GaussianBlur(6)), folder / "a" / "soft.jpg")
    write(
        scene(52).convert("L").rotate(90, expand=True), folder / "b" / "lying.jpg", exif=turned(6)
    )
    scene(53).save(folder / "b" / "wrong.jpg", format="PNG")
    table = inspection.look(datasets.load(folder).examples).table
    by_name = table.set_index(table["path"].map(lambda path: Path(path).name))
    assert by_name.loc["taken.jpg", "taken"] == moment
    assert by_name.loc["taken.jpg", "camera"] == "Acme One"
    assert pd.isna(by_name.loc["00.jpg", "taken"])
    assert by_name.loc["soft.jpg", "sharpness"] < 0.2 * by_name["sharpness"].median()
    assert tuple(by_name.loc["lying.jpg", ["width", "height", "orientation"]]) == (320, 240, 6)
    assert by_name.loc["lying.jpg", "colourfulness"] < 1 < by_name.loc["00.jpg", "colourfulness"]
    assert by_name.loc["wrong.jpg", "format"] == "png"
    assert list(by_name.index[~by_name["suffix_fits"].astype(bool)]) == ["wrong.jpg"]
    assert by_name["brightness"].between(0, 1).all()


def test_photos_of_one_moment_are_tied(folder):
    begin = datetime.datetime(2024, 5, 1, 12, 0, 0)
    for number, seconds in enumerate((0, 2, 4, 60)):
        panned = (1, 0, 3 * seconds, 0, 1, 0)
        image = scene(60).transform((320, 240), Image.Transform.AFFINE, panned)
        moment = begin + datetime.timedelta(seconds=seconds)
        write(image, folder / "a" / f"IMG_{number}.jpg", exif=taken(moment))
    for number in range(3):
        panned = (1, 0, 6 * number, 0, 1, 0)
        image = scene(61).transform((320, 240), Image.Transform.AFFINE, panned)
        write(image, folder / "b" / f"clip_frame_{number:04d}.jpg")
    found = ties(folder)
    assert found[frozenset(("IMG_0.jpg", "IMG_1.jpg"))] == "burst"
    assert frozenset(("IMG_2.jpg", "IMG_3.jpg")) not in found
    assert frozenset(("clip_frame_0000.jpg", "clip_frame_0001.jpg")) in found
    # Numbers of a camera, and of whoever named the files, are no series.
    assert not any("00.jpg" in pair for pair in found)


def sides(folder: Path, **options: object) -> dict[str, str]:
    data = jobs.read(
        folder,
        validation=0.25,
        test=0.25,
        seed=0,
        data_dir=None,
        strict=False,
        progress=Heard(),
        **options,
    )
    names = (Path(path).name for path in data.examples["path"])
    return dict(zip(names, data.examples["split"], strict=True))


def test_copies_stand_on_one_side_and_move_no_old_photo(folder):
    before = sides(folder)
    for number in range(30):
        image = ImageEnhance.Brightness(scene(number)).enhance(1.1)
        # Larger than the old one, so that only when it was seen speaks for the old one.
        write(image.resize((640, 480)), folder / "ab"[number % 2] / f"new{number:02d}.jpg")
    after = sides(folder)
    assert {name: after[name] for name in before} == before
    assert all(after[f"new{number:02d}.jpg"] == after[f"{number:02d}.jpg"] for number in range(30))
    apart = sides(folder, group=False)
    assert any(apart[f"new{number:02d}.jpg"] != apart[f"{number:02d}.jpg"] for number in range(30))


def test_what_ties_two_old_photos_moves_one_of_them_at_most(folder):
    write(scene(70).crop((0, 0, 285, 240)), folder / "a" / "left.jpg")
    write(scene(70).crop((35, 0, 320, 240)), folder / "a" / "right.jpg")
    before = sides(folder)
    write(scene(70), folder / "a" / "whole.jpg")
    after = sides(folder)
    moved = [name for name in before if after[name] != before[name]]
    assert len(moved) <= 1
    assert set(moved) <= {"left.jpg", "right.jpg"}


def test_leaks_between_given_splits_are_named_and_left_where_they_are(tmp_path):
    for number in range(36):
        side = ("train", "validation", "test")[number % 3]
        write(scene(number), tmp_path / "set" / side / "ab"[number % 2] / f"{number:02d}.jpg")
    copy = write(scene(0), tmp_path / "set" / "test" / "a" / "copy.jpg", quality=60)
    heard = Heard()
    data = jobs.read(
        tmp_path / "set",
        validation=0.15,
        test=0.15,
        seed=0,
        data_dir=None,
        strict=False,
        progress=heard,
    )
    assert list(data.leaks["path"]) == [str(copy)]
    assert data.leaks.loc[0, "known_as"].endswith("train/a/00.jpg")
    assert tuple(data.leaks.loc[0, ["split", "known_from", "kind"]]) == ("test", "train", "near")
    assert data.examples.set_index("path").loc[str(copy), "split"] == "test"
    assert any("1 photo of the given test split can be known" in one for one in heard.warned)


@pytest.mark.parametrize("harm", ["damaged", "not writable"])
def test_without_a_register_photos_are_looked_at_all_the_same(folder, own_cache, harm):
    examples = datasets.load(folder).examples
    whole = inspection.look(examples).table
    path = register.directory() / "register.sqlite"
    if harm == "damaged":
        path.write_bytes(b"no database" * 1000)
    else:
        path.unlink()
        register.directory().rmdir()
        register.directory().write_text("in the way")
    again = inspection.look(examples).table
    pd.testing.assert_frame_equal(
        whole.drop(columns="first_seen"), again.drop(columns="first_seen")
    )


def test_a_second_look_decodes_nothing(folder):
    examples = datasets.load(folder).examples
    first = inspection.look(examples)
    for path in examples["path"]:
        Path(path).write_bytes(b"gone")
    second = inspection.look(examples)
    pd.testing.assert_frame_equal(first.table, second.table)
    np.testing.assert_array_equal(first.grey, second.grey)


def test_photos_that_were_compared_are_not_compared_again(folder):
    write(scene(3), folder / "a" / "copy.jpg", quality=60)
    data = datasets.load(folder)
    first = inspection.belonging(data).ties
    assert len(first) == 1
    for path in data.examples["path"]:
        Path(path).write_bytes(b"gone")
    pd.testing.assert_frame_equal(first, inspection.belonging(data).ties)


def test_forms_that_are_all_alike_are_not_tied(tmp_path):
    form = scene(1)
    for number in range(60):
        image = form.copy()
        ImageDraw.Draw(image).text((140, 110), f"{number}", fill="black")
        write(image, tmp_path / "forms" / "ab"[number % 2] / f"{number}.png")
    heard = Heard()
    found = inspection.belonging(datasets.load(tmp_path / "forms"), progress=heard)
    assert found.ties.empty
    assert any("likeness" in one for one in heard.warned)
    assert splits.make(found.dataset).count("validation") > 1

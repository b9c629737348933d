"""Folders as people have them: every arrangement that is taken, and the traps of each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from photo_files import Heard, classes, photo, pixels
from PIL import Image

from tlearn.datasets import archives, load, tables
from tlearn.datasets.split_names import SPELLINGS
from tlearn.errors import DatasetError
from tlearn.files import names as hidden
from tlearn.files.names import natural_sorted


def labels(dataset) -> dict[str, int]:
    return dataset.examples["label"].value_counts().to_dict()


def test_a_folder_per_class_is_a_data_set(tmp_path):
    root = classes(tmp_path / "pets", cat=6, dog=5)
    photo(root / "cat" / "indoors" / "sofa" / "nested.jpg")

    dataset = load(root)

    assert dataset.name == "pets"
    assert dataset.source == str(root)
    assert dataset.class_names == ("cat", "dog")
    assert labels(dataset) == {"cat": 7, "dog": 5}
    assert list(dataset.examples.columns) == [
        "path", "label", "split", "group", "digest", "decoder"
    ]  # fmt: skip
    assert list(dataset.examples.index) == list(range(12))
    assert all(Path(path).is_absolute() for path in dataset.examples["path"])
    assert all(split is None for split in dataset.examples["split"])
    assert all(group is None for group in dataset.examples["group"])
    assert dataset.examples["digest"].str.fullmatch("[0-9a-f]{64}").all()
    assert set(dataset.examples["decoder"]) == {"graph"}
    assert dataset.skipped.empty
    assert list(dataset.skipped.columns) == ["path", "reason"]


def test_examples_and_classes_are_natural_sorted_whatever_the_disk_says(tmp_path):
    for name in ("10", "9", "2", "1"):
        for number in (10, 9, 1):
            photo(tmp_path / name / f"img{number}.png")

    dataset = load(tmp_path)

    assert dataset.class_names == ("1", "2", "9", "10")
    assert list(dict.fromkeys(dataset.examples["label"])) == ["1", "2", "9", "10"]
    first = [Path(path).name for path in dataset.examples["path"][:3]]
    assert first == ["img1.png", "img9.png", "img10.png"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["10", "2", "1"], ["1", "2", "10"]),
        (["b", "A", "a", "B"], ["A", "a", "B", "b"]),
        (["class10", "class9", "Class1"], ["Class1", "class9", "class10"]),
        (["7", "007", "07"], ["007", "07", "7"]),
        (["1a", "a1", "1", "a", ""], ["", "1", "1a", "a", "a1"]),
        (["x²", "x2", "x٣"], ["x2", "x²", "x٣"]),
    ],
)
def test_natural_order(texts, expected):
    assert natural_sorted(texts) == expected
    assert natural_sorted(texts[::-1]) == expected


@pytest.mark.parametrize(
    "names",
    [
        ("train", "validation", "test"),
        ("train", "val", "test"),
        ("Train", "Valid", "TEST"),
        ("train_data", "validation_data", "test_data"),
        ("training", "validation-set", "testing"),
        ("train images", "val.images", "test_split"),
    ],
)
def test_split_folders_are_kept_under_every_usual_name(tmp_path, names):
    for name, count in zip(names, (5, 2, 3), strict=True):
        for label in ("cat", "dog"):
            for number in range(count):
                photo(tmp_path / name / label / f"{number}.png")

    dataset = load(tmp_path)

    assert dataset.class_names == ("cat", "dog")
    assert dataset.examples["split"].value_counts().to_dict() == {
        "train": 10,
        "test": 6,
        "validation": 4,
    }


def test_a_class_that_a_split_lacks_changes_no_label(tmp_path):
    classes(tmp_path / "train", a=5, b=5, c=5)
    classes(tmp_path / "validation", a=5, c=5)
    classes(tmp_path / "test", c=5, d=5)

    dataset = load(tmp_path)

    assert dataset.class_names == ("a", "b", "c", "d")
    of_c = dataset.examples[dataset.examples["label"] == "c"]
    assert {Path(path).parent.name for path in of_c["path"]} == {"c"}
    assert of_c["split"].value_counts().to_dict() == {"train": 5, "validation": 5, "test": 5}


def test_a_train_folder_alone_is_a_given_split(tmp_path):
    classes(tmp_path / "train", a=5, b=5)
    assert set(load(tmp_path).examples["split"]) == {"train"}


def test_a_class_may_be_called_train(tmp_path):
    dataset = load(classes(tmp_path, train=5, bus=5, test=5))
    assert dataset.class_names == ("bus", "test", "train")
    assert all(split is None for split in dataset.examples["split"])


def test_an_arrangement_with_two_meanings_is_an_error(tmp_path):
    classes(tmp_path / "train", steam=5, diesel=5)
    classes(tmp_path, bus=5)
    with pytest.raises(DatasetError, match=r"stands beside 'bus'.*only split folders or only cl"):
        load(tmp_path)


def test_two_folders_for_one_split_are_an_error(tmp_path):
    for name in ("train", "val", "valid"):
        classes(tmp_path / name, a=2, b=2)
    with pytest.raises(DatasetError, match="'val' and 'valid' both name the validation split"):
        load(tmp_path)


def test_splits_without_train_are_an_error(tmp_path):
    classes(tmp_path / "val", a=2, b=2)
    classes(tmp_path / "test", a=2, b=2)
    with pytest.raises(DatasetError, match=r"test/ and val/ but no train/"):
        load(tmp_path)


def test_flat_split_folders_are_an_error_and_no_classes(tmp_path):
    classes(tmp_path, train=3, test=3)
    with pytest.raises(DatasetError, match=r"test/ and train/ hold no class folders"):
        load(tmp_path)


def test_an_unlabelled_test_folder_is_named_and_not_lost(tmp_path):
    classes(tmp_path / "train", a=5, b=5)
    classes(tmp_path / "val", a=1, b=1)
    classes(tmp_path, test=3)
    photo(tmp_path / "cover.jpg")
    photo(tmp_path / "extra" / "deep" / "1.jpg")
    heard = Heard()

    dataset = load(tmp_path, progress=heard)

    reasons = {Path(path).name: why for path, why in dataset.skipped.itertuples(index=False)}
    assert len(dataset.examples) == 12
    assert reasons["0.png"] == "test/ has no class folders, so that nothing says what it shows"
    assert reasons["cover.jpg"] == reasons["1.jpg"]
    assert reasons["1.jpg"] == "it stands beside the split folders, in no split"
    assert any(line.startswith("5 files left out: ") for line in heard.warned)


def test_hidden_folders_and_files_are_neither_classes_nor_photos_nor_skipped(tmp_path):
    root = classes(tmp_path / "pets", cat=5, dog=5)
    for name in (".ipynb_checkpoints", "__MACOSX", ".git", "@eaDir", "$RECYCLE.BIN"):
        photo(root / name / "1.png")
        photo(root / "cat" / name / "1.png")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png", "THUMBS.DB"):
        (root / name).write_bytes(b"x")
        (root / "dog" / name).write_bytes(b"x")
    photo(root / "dog" / ".hidden.jpg")

    dataset = load(root, strict=True)

    assert dataset.class_names == ("cat", "dog")
    assert labels(dataset) == {"cat": 5, "dog": 5}
    assert dataset.skipped.empty


def test_every_format_counts_whatever_its_name(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    folder = tmp_path / "cat"
    image = pixels("cat", 64)
    saved = {
        "upper.JPG": ("JPEG", image),
        "cmyk.jpeg": ("JPEG", image.convert("CMYK")),
        "grey.jpg": ("JPEG", image.convert("L")),
        "png.jpg": ("PNG", image),
        "gif.jpg": ("GIF", image),
        "alpha.png": ("PNG", image.convert("RGBA")),
        "palette.png": ("PNG", image.quantize(8)),
        "deep.png": ("PNG", Image.new("I;16", (9, 9), 40_000)),
        "shot.WEBP": ("WEBP", image),
        "scan.tif": ("TIFF", image),
        "paint.bmp": ("BMP", image.quantize(8)),
        "phone.HEIC": ("HEIF", image),
        "no_suffix": ("JPEG", image),
        "wrong.txt": ("PNG", image),
    }
    folder.mkdir()
    for name, (format, picture) in saved.items():
        picture.save(folder / name, format)
    classes(tmp_path, dog=5)

    dataset = load(tmp_path, strict=True)

    cats = dataset.examples[dataset.examples["label"] == "cat"].copy()
    assert {Path(path).name for path in cats["path"]} == set(saved)
    decoders = {Path(row.path).name: row.decoder for row in cats.itertuples()}
    assert {name for name, decoder in decoders.items() if decoder == "pillow"} >= {
        "scan.tif",
        "paint.bmp",
        "phone.HEIC",
    }
    assert decoders["png.jpg"] == decoders["upper.JPG"] == decoders["cmyk.jpeg"] == "graph"


@pytest.fixture
def damaged(tmp_path) -> Path:
    root = classes(tmp_path / "damaged", cat=6, dog=6)
    whole = photo(tmp_path / "whole.jpg").read_bytes()
    (root / "cat" / "empty.jpg").touch()
    (root / "cat" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "cat" / "notes.txt").write_text("not a photo")
    (root / "dog" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(root / "dog" / "pipe.jpg")
    return root


def test_files_that_cannot_be_read_are_skipped_with_a_reason_in_plain_words(damaged):
    heard = Heard()

    dataset = load(damaged, progress=heard)

    reasons = {Path(path).name: why for path, why in dataset.skipped.itertuples(index=False)}
    assert reasons == {
        "empty.jpg": "the file is empty",
        "truncated.jpg": "the file is truncated",
        "notes.txt": "not an image",
        "gone.jpg": "it is a link to a file that is not there",
        "pipe.jpg": "it is no ordinary file",
    }
    assert labels(dataset) == {"cat": 6, "dog": 6}
    [warning] = [line for line in heard.warned if "left out" in line]
    assert warning.startswith("5 files left out: ")
    assert "empty.jpg (the file is empty)" in warning


def test_strict_makes_them_an_error_with_their_number_and_the_first_few(damaged):
    for number in range(4):
        (damaged / "dog" / f"more{number}.jpg").touch()
    with pytest.raises(DatasetError, match=r"^9 files cannot be used: .*empty\.jpg.* and 4 more"):
        load(damaged, strict=True)


def test_a_decompression_bomb_is_skipped(tmp_path):
    classes(tmp_path, a=5, b=5)
    header = pixels("bomb").convert("1").resize((20_000, 10_000))
    header.save(tmp_path / "a" / "bomb.png")
    dataset = load(tmp_path)
    assert len(dataset.examples) == 10
    assert dataset.skipped["reason"].str.contains("decompression bomb").tolist() == [True]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file"
)
def test_a_file_without_permission_is_skipped(tmp_path):
    classes(tmp_path, a=5, b=5)
    (tmp_path / "a" / "0.png").chmod(0)
    assert load(tmp_path).skipped["reason"].tolist() == ["there is no permission to read it"]


def test_hundreds_of_bad_files_leave_the_good_ones(tmp_path):
    classes(tmp_path, a=20, b=20)
    for number in range(400):
        (tmp_path / "a" / f"bad{number}.jpg").write_bytes(b"\xff\xd8\xff" * (number % 3))
    heard = Heard()

    dataset = load(tmp_path, progress=heard)

    assert labels(dataset) == {"a": 20, "b": 20}
    assert len(dataset.skipped) == 400
    [warning] = heard.warned
    assert warning.startswith("400 files left out")
    assert len(warning) < 1000


def test_names_with_spaces_quotes_emoji_and_line_breaks_are_names(tmp_path):
    root = tmp_path / "my photos"
    names = ["a b.png", 'it\'s "so".png', "🐈.png", "x\ny.png", "ñ.png", "comma,.png", "%20#?.png"]
    for name in names:
        photo(root / "a cat's 🐈" / name)
        photo(root / 'dogs, "big"' / name)

    dataset = load(root, strict=True)

    assert dataset.class_names == ("a cat's 🐈", 'dogs, "big"')
    assert {Path(path).name for path in dataset.examples["path"]} == set(names)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")
def test_a_name_that_is_no_text_is_skipped_and_can_be_printed(tmp_path):
    classes(tmp_path, a=5, b=5)
    shutil.copy(tmp_path / "a" / "0.png", os.fsencode(tmp_path / "a") + b"/caf\xe9.png")
    dataset = load(tmp_path)
    assert len(dataset.examples) == 10
    [(path, reason)] = dataset.skipped.itertuples(index=False)
    assert path.endswith(r"caf\udce9.png")
    assert reason == "its name is not in UTF-8; rename it"
    path.encode("utf-8")


def test_one_accent_written_in_two_ways_is_one_class(tmp_path):
    photo(tmp_path / "train" / unicodedata.normalize("NFC", "café") / "1.png")
    photo(tmp_path / "train" / "tea" / "1.png")
    photo(tmp_path / "test" / unicodedata.normalize("NFD", "café") / "2.png")
    assert load(tmp_path).class_names == (unicodedata.normalize("NFC", "café"), "tea")


def test_links_are_followed_and_their_loops_survived(tmp_path):
    elsewhere = classes(tmp_path / "elsewhere", more=3)
    root = classes(tmp_path / "pets", cat=5, dog=5)
    (root / "cat" / "linked.png").symlink_to(elsewhere / "more" / "0.png")
    (root / "dog" / "linked").symlink_to(elsewhere / "more", target_is_directory=True)
    (root / "cat" / "up").symlink_to(root, target_is_directory=True)
    (root / "cat" / "self").symlink_to(root / "cat" / "self")
    (root / "again").symlink_to(root, target_is_directory=True)

    dataset = load(root)

    assert dataset.class_names == ("cat", "dog")
    assert labels(dataset) == {"cat": 6, "dog": 8}
    assert {Path(path).name for path in dataset.skipped["path"]} == {"up", "self", "again"}


def test_folders_that_link_to_each_other_do_not_multiply(tmp_path):
    classes(tmp_path, other=5)
    rooms = [tmp_path / "cat" / str(number) for number in range(9)]
    for room in rooms:
        photo(room / "1.png")
    for room in rooms:
        for other in rooms:
            (room / f"to{other.name}").symlink_to(other, target_is_directory=True)
    assert labels(load(tmp_path)) == {"other": 5, "cat": 9}


def test_loose_photos_beside_class_folders_are_named(tmp_path):
    classes(tmp_path, cat=5, dog=5)
    photo(tmp_path / "loose.jpg")
    photo(tmp_path / "unnamed", format="PNG")
    (tmp_path / "README.md").write_text("About these photos.")

    dataset = load(tmp_path)

    assert {Path(path).name for path in dataset.skipped["path"]} == {"loose.jpg", "unnamed"}
    assert set(dataset.skipped["reason"]) == {"it stands beside the class folders, in no class"}


def test_photos_without_class_folders_are_an_error_that_says_how_to_arrange_them(tmp_path):
    for number in range(3):
        photo(tmp_path / f"{number}.jpg")
    with pytest.raises(DatasetError, match=r"nothing says which class.*one sub-folder per class"):
        load(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match="no class folders.*Expected one sub-folder per class"):
        load(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(DatasetError, match="There are no photos in it"):
        load(tmp_path)


def test_one_class_is_an_error_and_says_where_the_classes_are(tmp_path):
    classes(tmp_path / "pets", cat=3)
    with pytest.raises(DatasetError, match="only one class, 'cat'"):
        load(tmp_path / "pets")
    classes(tmp_path / "pets", dog=3)
    with pytest.raises(DatasetError, match=r"'pets' holds the folders 'cat', 'dog'.*pets' instead"):
        load(tmp_path)


def test_a_class_without_a_readable_photo_is_an_error_with_the_first_reason(tmp_path):
    classes(tmp_path, a=5, b=5)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "1.jpg").touch()
    with pytest.raises(DatasetError, match=r"class 'c' has no photo.*c/1\.jpg: the file is empty"):
        load(tmp_path)


def test_no_readable_photo_at_all_is_an_error(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_text("no")
    with pytest.raises(DatasetError, match="No photo can be read"):
        load(tmp_path)


def test_a_class_with_few_photos_is_a_named_warning(tmp_path):
    heard = Heard()
    load(classes(tmp_path, a=5, b=4, c=1), progress=heard)
    [warning] = heard.warned
    assert "b (4), c (1)" in warning
    assert "a (5)" not in warning


def test_one_photo_in_two_classes_is_a_warning(tmp_path):
    classes(tmp_path, a=5, b=5)
    shutil.copy(tmp_path / "a" / "3.png", tmp_path / "b" / "copy.png")
    heard = Heard()
    assert len(load(tmp_path, progress=heard).examples) == 11
    [warning] = heard.warned
    assert warning.startswith("1 photo stands under more than one class")
    assert "3.png = " in warning


def test_a_class_name_with_a_line_break_is_an_error(tmp_path):
    photo(tmp_path / "two\nlines" / "1.png")
    photo(tmp_path / "b" / "1.png")
    with pytest.raises(DatasetError, match="line break"):
        load(tmp_path)


@pytest.mark.parametrize("source", ["no/such/folder", "./photos", "photos.zip", "", "a:b:c", "-"])
def test_what_does_not_exist_is_an_error_that_lists_what_is_taken(source):
    with pytest.raises(DatasetError) as caught:
        load(source)
    message = str(caught.value)
    assert "There is no file or folder" in message
    for taken in ("sub-folder per class", "train/", ".csv", ".zip", "TFDS"):
        assert taken in message
    assert message.endswith(f"Received: dataset={source!r}")


def test_a_single_photo_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match="is a single photo"):
        load(photo(tmp_path / "cat.jpg"))


def test_a_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(classes(tmp_path, a=2, b=2).parent))
    assert load(f"~/{tmp_path.name}").class_names == ("a", "b")


def test_the_current_folder_has_its_own_name(tmp_path, monkeypatch):
    monkeypatch.chdir(classes(tmp_path / "pets", a=2, b=2))
    assert load(".").name == "pets"


def test_importing_data_sets_and_splits_loads_no_tensorflow():
    code = (
        "import sys, tlearn.datasets, tlearn.splits, tlearn.datasets.sample; "
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'tensorflow_datasets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_documentation_names_all_that_is_taken():
    text = (Path(__file__).parents[1] / "docs" / "datasets.md").read_text(encoding="utf-8")
    spellings = [spelling for spellings in SPELLINGS.values() for spelling in spellings]
    for name in (*spellings, *archives.SUFFIXES, *tables.SUFFIXES, "TLEARN_CACHE"):
        assert f"`{name}`" in text, name
    for name in hidden.NAMES:
        assert f"`{name.strip()}`" in text.lower(), name


@pytest.mark.slow
def test_real_photos_with_given_splits(shared_data):
    dataset = load(shared_data / "clothing", strict=True)
    assert dataset.examples["split"].value_counts().to_dict() == {
        "train": 3068,
        "test": 372,
        "validation": 341,
    }
    assert len(dataset.class_names) == 10


@pytest.mark.slow
def test_real_label_noise_is_named(shared_data):
    heard = Heard()
    assert len(load(shared_data / "trash", progress=heard).examples) == 2527
    [warning] = heard.warned
    assert "metal91.jpg" in warning
    assert "3 photos stand under more than one class" in warning

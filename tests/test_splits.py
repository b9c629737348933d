"""Splits: every photo on one side, the same one whatever else is added."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photo_files import Heard, classes, photo

from tlearn import splits
from tlearn.datasets import Dataset, load
from tlearn.datasets.bundles import bundles
from tlearn.datasets.dataset import SPLITS, table_of
from tlearn.errors import DatasetError
from tlearn.files.names import natural_sorted

COLUMNS = ("path", "label", "split", "group", "digest", "decoder")


def dataset_of(rows: list[tuple[str, str | None, str | None, str]]) -> Dataset:
    """A data set of `(label, split, group, digest)` rows; each photo's path is its number."""
    full = [
        (f"/photos/{number}.jpg", label, split, group, digest, "graph")
        for number, (label, split, group, digest) in enumerate(rows)
    ]
    columns = zip(*full, strict=True) if full else ([],) * len(COLUMNS)
    examples = table_of(dict(zip(COLUMNS, columns, strict=True)))
    class_names = tuple(natural_sorted({row[0] for row in rows}))
    return Dataset("photos", "photos/", examples, class_names, table_of({"path": [], "reason": []}))


def plain(*counts: int) -> Dataset:
    """Classes "0", "1"... with so many different photos each."""
    return dataset_of(
        [
            (str(label), None, None, f"{label}-{n}")
            for label, c in enumerate(counts)
            for n in range(c)
        ]
    )


def sides(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.examples["path"], dataset.examples["split"], strict=True))


def test_every_photo_gets_one_side_in_about_the_asked_shares():
    made = splits.make(plain(2000, 1000, 400))
    assert made.examples["split"].isin(SPLITS).all()
    for label, count in (("0", 2000), ("1", 1000), ("2", 400)):
        of_class = made.examples[made.examples["label"] == label]["split"].value_counts()
        for side, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
            spread = (share * (1 - share) * count) ** 0.5
            assert abs(of_class[side] - share * count) < 4 * spread, (label, side)


def test_all_else_stays_as_it_was():
    before = plain(20, 20)
    copy = before.examples.copy()
    made = splits.make(before)
    pd.testing.assert_frame_equal(before.examples, copy)
    pd.testing.assert_frame_equal(
        made.examples.drop(columns="split"), before.examples.drop(columns="split")
    )
    assert (made.name, made.source, made.class_names) == ("photos", "photos/", ("0", "1"))


def test_a_seed_gives_the_same_split_each_time_and_another_another():
    first = splits.make(plain(200, 200), seed=3).examples["split"]
    assert first.equals(splits.make(plain(200, 200), seed=3).examples["split"])
    assert not first.equals(splits.make(plain(200, 200), seed=4).examples["split"])


def test_the_hash_is_the_same_on_every_machine():
    made = splits.make(plain(12, 12), seed=0).examples["split"]
    letters = {"train": ".", "validation": "v", "test": "t"}
    assert "".join(letters[side] for side in made) == "......v...vt.v..v..v...."


def test_added_photos_move_no_old_one(tmp_path):
    root = classes(tmp_path / "pets", cat=40, dog=40)
    before = sides(splits.make(load(root)))
    for number in range(60):
        photo(root / "cat" / f"new{number}.png")
        photo(root / "bird" / "deep" / f"{number}.png")
    shutil.move(root / "dog" / "3.png", root / "dog" / "renamed.png")

    after = sides(splits.make(load(root)))

    old = str(root / "dog" / "3.png")
    assert after[str(root / "dog" / "renamed.png")] == before.pop(old)
    assert len(after) == 200
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("seed", range(30))
def test_ties_hold_and_old_photos_stay_in_random_sets(seed):
    """Groups and copies never part, and what is added moves nothing it is not tied to."""
    chance = random.Random(seed)
    groups = [None] * chance.choice([0, 1, 6]) + [
        f"g{n}" for n in range(chance.choice([0, 1, 9, 60]))
    ]
    digests = [f"d{n}" for n in range(chance.choice([30, 90, 400]))]
    rows = [
        (chance.choice("abc"), None, chance.choice(groups or [None]), chance.choice(digests))
        for _ in range(chance.choice([60, 200, 400]))
    ]
    rows += [(label, None, None, f"own-{label}-{n}") for label in "abc" for n in range(40)]
    after = splits.make(dataset_of(rows), seed=seed).examples
    for column in ("digest", "group"):
        assert (after.dropna(subset=column).groupby(column)["split"].nunique() == 1).all()

    # The same set before some of its photos came.
    old = sorted(chance.sample(range(len(rows)), len(rows) * 2 // 3))
    before = splits.make(dataset_of([rows[row] for row in old]), seed=seed).examples
    was = dict(zip(old, before["split"], strict=True))
    now = dict(enumerate(after["split"]))
    all_digests, all_groups = [row[3] for row in rows], [row[2] for row in rows]
    bundle_of = {
        row: (set(bundle.rows), {all_groups[other] for other in bundle.rows} - {None})
        for bundle in bundles(all_digests, all_groups, range(len(rows)), seed=seed)
        for row in bundle.rows
    }
    for bundle in bundles(all_digests, all_groups, old, seed=seed):
        rows_now, groups_now = bundle_of[bundle.rows[0]]
        tied_to_no_other = rows_now & set(old) == set(bundle.rows)
        in_the_same_groups = groups_now == {all_groups[row] for row in bundle.rows} - {None}
        if tied_to_no_other and in_the_same_groups:
            assert {now[row] for row in bundle.rows} == {was[row] for row in bundle.rows}


def reference_bundles(digests: list[str], groups: list[str | None]) -> set[frozenset[int]]:
    """The slow and obvious way: merge sets until nothing changes."""
    parts = [{row} for row in range(len(digests))]
    for row, digest in enumerate(digests):
        for other in range(row):
            if digest == digests[other] or (
                groups[row] is not None and groups[row] == groups[other]
            ):
                first = next(part for part in parts if row in part)
                second = next(part for part in parts if other in part)
                if first is not second:
                    parts.remove(second)
                    first |= second
    return {frozenset(part) for part in parts}


@pytest.mark.parametrize("seed", range(40))
def test_bundles_are_what_the_obvious_way_gives(seed):
    chance = random.Random(seed)
    count = chance.randrange(1, 60)
    digests = [f"d{chance.randrange(count)}" for _ in range(count)]
    groups = [chance.choice([None, *"abcdef"[: chance.randrange(1, 7)]]) for _ in range(count)]
    found = bundles(digests, groups, range(count), seed=seed)
    assert {frozenset(bundle.rows) for bundle in found} == reference_bundles(digests, groups)
    assert sorted(row for bundle in found for row in bundle.rows) == list(range(count))
    assert all(0 <= bundle.place < 1 for bundle in found)


def test_a_copy_of_a_grouped_photo_moves_no_group():
    before = {b.rows[0]: b.place for b in bundles(["x", "y"], ["g", "h"], [0, 1], seed=0)}
    after = bundles(["x", "y", "x", "x"], ["g", "h", None, "g"], [0, 1, 2, 3], seed=0)
    assert {b.rows[0]: b.place for b in after} == before


def test_places_are_evenly_spread():
    found = bundles([str(n) for n in range(4000)], [None] * 4000, range(4000), seed=1)
    counts, _ = np.histogram([bundle.place for bundle in found], bins=10, range=(0, 1))
    assert counts.min() > 330
    assert counts.max() < 470


def test_copies_in_two_classes_stay_on_one_side(tmp_path):
    root = classes(tmp_path, a=30, b=30)
    for number in range(30):
        shutil.copy(root / "a" / f"{number}.png", root / "b" / f"copy{number}.png")
    made = splits.make(load(root)).examples
    assert made.groupby("digest")["split"].nunique().max() == 1
    assert set(made["split"]) == set(SPLITS)


def test_given_splits_are_kept_whatever_is_asked():
    rows = [("ab"[n % 2], SPLITS[n % 3], None, str(n)) for n in range(30)]
    made = splits.make(dataset_of(rows), validation=0.5, test=0.4, seed=9)
    assert made.examples["split"].tolist() == [row[1] for row in rows]


@pytest.mark.parametrize("given", [("train",), ("train", "test"), ("train", "validation")])
def test_missing_splits_are_taken_out_of_train(given):
    rows = [("ab"[n // 2 % 2], given[n % len(given)], None, str(n)) for n in range(1200)]
    made = splits.make(dataset_of(rows)).examples["split"].tolist()
    changed = [(row[1], side) for row, side in zip(rows, made, strict=True) if row[1] != side]
    assert {old for old, _ in changed} == {"train"}
    assert {new for _, new in changed} == set(SPLITS) - set(given)
    moved = Counter(new for _, new in changed)
    in_train = 1200 // len(given)
    assert all(0.1 * in_train < count < 0.2 * in_train for count in moved.values())


def test_a_train_folder_is_divided_as_a_folder_without_splits_is():
    given = dataset_of([("ab"[n % 2], "train", None, str(n)) for n in range(300)])
    free = dataset_of([("ab"[n % 2], None, None, str(n)) for n in range(300)])
    assert sides(splits.make(given)) == sides(splits.make(free))


def test_the_rows_of_a_table_without_a_split_are_decided_and_follow_what_they_are_tied_to():
    rows = [("ab"[n % 2], None, None, str(n)) for n in range(200)]
    rows += [("a", "test", "g", "t1"), ("a", None, "g", "t2"), ("b", None, None, "t1")]
    rows += [("a", "train", None, f"given{n}") for n in range(50)]
    made = splits.make(dataset_of(rows)).examples["split"].tolist()
    assert set(made[:200]) == set(SPLITS)
    assert made[200:203] == ["test"] * 3
    assert made[203:] == ["train"] * 50


def test_copies_across_given_splits_are_kept_and_warned_of():
    rows = [("a", "train", None, "x"), ("a", "test", None, "x"), ("b", "train", "g", "y")]
    rows += [
        ("b", "test", "g", "z"),
        ("a", "validation", None, "v"),
        ("b", "validation", None, "w"),
    ]
    heard = Heard()
    made = splits.make(dataset_of(rows), progress=heard)
    assert made.examples["split"].tolist() == [row[1] for row in rows]
    copies, groups = heard.warned
    assert copies.startswith("1 photo stands, byte for byte the same, in more than one given split")
    assert "/photos/0.jpg = /photos/1.jpg" in copies
    assert groups.startswith("1 group stands in more than one given split")


def test_two_real_calls_cannot_leak():
    """The trap of asking twice, once for training and once for validation, with other seeds."""
    made = splits.make(plain(50, 50)).examples
    train = set(made[made["split"] == "train"]["digest"])
    assert not train & set(made[made["split"] != "train"]["digest"])
    assert len(made) == 100


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize(
    "counts", [(3, 1), (2, 2), (1, 1, 2, 1), (4, 4), (1, 9), (1, 30), (2, 1, 1)]
)
def test_tiny_sets_can_train_and_validate(counts, seed):
    made = splits.make(plain(*counts), seed=seed).examples
    train = Counter(made[made["split"] == "train"]["label"])
    assert set(train) == {str(label) for label in range(len(counts))}
    assert (made["split"] == "validation").any()
    if sum(counts) >= len(counts) + 2:
        assert (made["split"] == "test").any()


def test_moves_are_named_and_no_more_than_needed():
    for seed in range(200):
        heard = Heard()
        dataset = plain(8, 1)
        made = splits.make(dataset, seed=seed, progress=heard)
        free = bundles(list(dataset.examples["digest"]), [None] * 9, range(9), seed=seed)
        by_chance = [
            "test" if b.place < 0.15 else "validation" if b.place < 0.3 else "train" for b in free
        ]
        moved = [
            number
            for number, (was, side) in enumerate(
                zip(by_chance, made.examples["split"], strict=True)
            )
            if was != side
        ]
        told = [line for line in heard.warned if line.startswith("Moved to ")]
        assert len(moved) <= len(told) <= 3
        for number in moved:
            assert any(f"/photos/{number}.jpg" in line for line in told)
        if by_chance[8] == "train" and {"test", "validation"} <= set(by_chance):
            assert not told


def test_a_class_with_one_photo_trains(tmp_path):
    root = classes(tmp_path, many=30, one=1)
    for seed in range(10):
        made = splits.make(load(root), seed=seed).examples
        assert made[made["label"] == "one"]["split"].tolist() == ["train"]


def test_groups_are_moved_whole():
    rows = [("a", None, f"g{n % 2}", f"a{n}") for n in range(10)]
    rows += [("b", None, f"h{n % 2}", f"b{n}") for n in range(10)]
    for seed in range(30):
        made = splits.make(dataset_of(rows), seed=seed).examples
        assert made.groupby("group")["split"].nunique().max() == 1
        assert set(made[made["split"] == "train"]["label"]) == {"a", "b"}
        assert (made["split"] == "validation").any()


def test_too_few_photos_for_validation_are_an_error():
    with pytest.raises(DatasetError, match="No photo can be spared for validation: 2 photos in 2"):
        splits.make(plain(1, 1))
    one_group = dataset_of([("ab"[n % 2], None, "all", str(n)) for n in range(20)])
    with pytest.raises(DatasetError, match="No photo can be spared for validation"):
        splits.make(one_group)
    assert set(splits.make(plain(1, 1), validation=0, test=0).examples["split"]) == {"train"}


def test_too_few_photos_for_a_test_are_a_warning():
    heard = Heard()
    made = splits.make(plain(2, 1), progress=heard)
    assert sorted(made.examples["split"]) == ["train", "train", "validation"]
    assert any("No photo can be spared for test" in line for line in heard.warned)


def test_a_class_that_a_given_train_lacks_is_an_error():
    rows = [("a", "train", None, "1"), ("a", "test", None, "2"), ("b", "test", None, "3")]
    rows += [("a", "train", None, "4"), ("a", "validation", None, "5")]
    with pytest.raises(DatasetError, match="The class 'b' has no photo to train on"):
        splits.make(dataset_of(rows))


def test_classes_without_a_test_photo_are_named():
    rows = [(label, side, None, f"{label}{side}") for label in "abc" for side in SPLITS]
    heard = Heard()
    splits.make(dataset_of(rows), progress=heard)
    assert heard.warned == []
    splits.make(dataset_of([row for row in rows if row[:2] != ("b", "test")]), progress=heard)
    [warning] = heard.warned
    assert warning.startswith("The class 'b' has no test photo")


def test_a_share_of_nothing_leaves_a_split_empty_and_moves_no_other():
    both = splits.make(plain(100, 100)).examples["split"]
    no_test = splits.make(plain(100, 100), test=0).examples["split"]
    no_validation = splits.make(plain(100, 100), validation=0).examples["split"]
    assert "test" not in set(no_test)
    assert "validation" not in set(no_validation)
    assert (no_validation[both == "test"] == "test").all()


@pytest.mark.parametrize(
    "shares",
    [
        {"validation": -0.1},
        {"test": 1.0},
        {"validation": float("nan")},
        {"test": float("inf")},
        {"validation": 0.5, "test": 0.5},
        {"validation": "0.2"},
        {"validation": True},
        {"test": None},
    ],
)
def test_shares_that_are_none_are_an_error(shares):
    with pytest.raises(ValueError, match="Received: "):
        splits.make(plain(10, 10), **shares)


@pytest.mark.slow
def test_real_photos_without_splits(shared_data: Path):
    made = splits.make(load(shared_data / "trash")).examples
    assert made.groupby("digest")["split"].nunique().max() == 1
    shares = made["split"].value_counts(normalize=True)
    assert abs(shares["test"] - 0.15) < 0.03
    assert abs(shares["validation"] - 0.15) < 0.03

"""What a run is told to do next follows from its numbers, and is no more certain than they are."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import run_folders
from scipy.optimize import curve_fit

from tlearn import advice
from tlearn.advice import power_law
from tlearn.evaluation import make_predictions
from tlearn.prospects import learning_curve, photo_sizes
from tlearn.reporting import report

NAMES = run_folders.CLASSES
SIZES = np.array([50, 71, 100, 141, 200, 283, 400])


def curve_table(wrong: dict[str, list[float]], photos: int = 400, held_out: int = 500):
    """A learning curve with such shares of wrong answers, the same in five draws but for chance."""
    generator = np.random.default_rng(0)
    rows = []
    for draw in range(5):
        for name, shares in wrong.items():
            for step, share in enumerate(shares):
                part = 2 ** (-(len(shares) - 1 - step) / 2)
                missed = int(generator.binomial(held_out, share)) if 0 < share < 1 else 0
                rows.append((draw, part, name, round(photos * part), held_out, missed))
    return pd.DataFrame(rows, columns=["draw", "share", "class", "photos", "held_out", "wrong"])


def falling(start: float, exponent: float, floor: float = 0.0) -> list[float]:
    return list(floor + start * (SIZES / SIZES[0]) ** -exponent)


def told(root, *, curve=None, changes=None, table=None, splits=None, suspects=None, photos=2000):
    """The advice on a run, by kind."""
    run = run_folders.write_run(
        root, photos=photos, changes=changes, table=table, splits=splits, seed=1
    )
    if curve is not None:
        curve.to_parquet(run.path / "learning_curve.parquet", index=False)
    if suspects is not None:
        suspects(run).to_parquet(run.path / "suspects.parquet", index=False)
    found: dict[str, list[advice.Advice]] = {}
    for one in advice.of_run(run):
        found.setdefault(one.kind, []).append(one)
    return found


# --- more photos -----------------------------------------------------------------------------


def test_a_steep_curve_says_how_many_photos_and_between_which_numbers(tmp_path):
    curve = curve_table({name: falling(0.4, 0.5) for name in NAMES})
    whole, *classes = told(tmp_path, curve=curve)["photos"]
    # Half the power of two: twice the photos leave 71 % of the mistakes.
    gain = whole.evidence["mistakes_fewer_by_twice"]
    assert gain["low"] < 1 - 2**-0.5 < gain["high"] + 0.02
    assert "Twice the photos of every class" in whole.sentence
    weak = [one.evidence["class"] for one in classes]
    run_recall = report(root=tmp_path).per_class.set_index("class")["recall"]
    assert weak[0] == run_recall.idxmin()
    more = classes[0].evidence["more_photos"]
    photos = classes[0].evidence["training_photos"]
    # A quarter fewer takes (3/4) ** -2 = 1.78 times the photos.
    assert more["low"] <= 0.9 * photos
    assert more["high"] is None or more["high"] >= 0.6 * photos


def test_a_flat_curve_says_that_more_photos_will_hardly_help(tmp_path):
    curve = curve_table({name: [0.2] * 7 for name in NAMES}, held_out=20_000)
    whole, *classes = told(tmp_path, curve=curve)["photos"]
    assert "will hardly help" in whole.sentence
    for one in classes:
        assert "even 4 times the photos" in one.sentence
        assert one.evidence["more_photos"]["low"] is None or (
            one.evidence["more_photos"]["low"] > 3 * one.evidence["training_photos"]
        )


def test_nothing_is_promised_beyond_a_few_times_the_photos_at_hand(tmp_path):
    curve = curve_table({name: falling(0.4, 0.15) for name in NAMES}, held_out=200)
    for one in told(tmp_path, curve=curve)["photos"][1:]:
        assert "roughly" not in one.sentence
        assert "at least" in one.sentence or "even 4 times" in one.sentence


def test_a_class_with_few_photos_is_not_foreseen(tmp_path):
    curve = curve_table({name: falling(0.4, 0.5) for name in NAMES}, held_out=2, photos=8)
    for one in told(tmp_path, curve=curve, photos=80)["photos"][1:]:
        assert "too few photos to foresee" in one.sentence


def test_a_run_without_a_curve_says_so(tmp_path):
    (one,) = told(tmp_path)["photos"]
    assert "is not known" in one.sentence


def test_the_fitted_curve_is_the_one_scipy_finds():
    true = 0.03 + 1.2 * SIZES**-0.4
    noisy = true + np.random.default_rng(0).normal(0, 0.002, len(SIZES))
    found = power_law.fit(SIZES, noisy[None])
    (floor, slope, exponent), _ = curve_fit(
        lambda n, a, b, c: a + b * n**-c,
        SIZES,
        noisy,
        p0=(0.05, 1, 0.5),
        bounds=([0, 0, 0.05], [1, 10, 1]),
    )
    assert found(800)[0] == pytest.approx(floor + slope * 800**-exponent, abs=5e-4)
    assert found(400)[0] == pytest.approx(true[-1], abs=0.004)


def test_the_factor_is_where_the_curve_has_lost_that_share():
    curve = power_law.fit(SIZES, np.array([0.02 + 1.2 * SIZES**-0.5, np.full(7, 0.3)]))
    factor = curve.factor(400, 0.25)
    assert curve.reduction(400, factor[0])[0] == pytest.approx(0.25)
    assert np.isinf(factor[1])


# --- the curve itself ------------------------------------------------------------------------


def blobs(count: int, spread: float = 1.6, seed: int = 0):
    """Photos of three classes, whose features are clouds that overlap."""
    generator = np.random.default_rng(seed)
    examples = run_folders.examples(photos=count).assign(split="train")
    labels = np.array([NAMES.index(label) for label in examples["label"]])
    centres = generator.normal(size=(3, 24))
    return examples, centres[labels] + spread * generator.normal(size=(count, 24))


def test_the_learning_curve_counts_every_photo_once_in_each_part_and_falls():
    examples, features = blobs(600)
    curve = learning_curve(examples, features, NAMES)
    assert curve is not None
    per_share = curve.groupby("share")[["held_out", "wrong"]].sum()
    assert set(per_share["held_out"]) == {600}
    assert per_share["wrong"].iloc[0] > per_share["wrong"].iloc[-1]
    parts = curve[curve["draw"] == 0].pivot(index="share", columns="class", values="photos")
    assert (parts.diff().dropna() > 0).all().all()
    # Each class in its share.
    np.testing.assert_allclose(parts.to_numpy(), np.outer(parts.index, [160] * 3), atol=2)
    pd.testing.assert_frame_equal(curve, learning_curve(examples, features, NAMES))


def test_copies_come_together_so_that_they_make_no_curve_look_better():
    examples, features = blobs(300)
    twice = pd.concat([examples, examples], ignore_index=True)
    both = np.concatenate([features, features])
    curve = learning_curve(twice, both, NAMES)
    single = learning_curve(examples, features, NAMES)
    assert curve is not None
    assert single is not None
    last = [one[one["share"] == 1] for one in (curve, single)]
    errors = [one["wrong"].sum() / one["held_out"].sum() for one in last]
    assert errors[0] == pytest.approx(errors[1], abs=0.05)


def test_too_few_photos_or_far_too_many_classes_have_no_curve():
    examples, features = blobs(15)
    assert learning_curve(examples, features, NAMES) is None
    many = tuple(f"class {number}" for number in range(4_000))
    examples = run_folders.examples(many, 8_000)
    assert learning_curve(examples, np.ones((8_000, 4), np.float32), many) is None


def test_the_sizes_of_photos_are_told_from_their_heads(tmp_path):
    from PIL import Image

    for number, size in enumerate([(40, 30), (50, 80), (200, 60)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.jpg")
    (tmp_path / "3.jpg").write_bytes(b"no photo")
    paths = pd.DataFrame({"path": [str(path) for path in sorted(tmp_path.iterdir())]})
    assert photo_sizes(paths) == {"photos": 3, "low": 34, "median": 50, "high": 58}
    assert photo_sizes(paths.tail(1)) == {}


# --- mistakes, model, metric -----------------------------------------------------------------


def answering(confusion: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits and predictions with such counts of test photos."""
    true, given = (np.repeat(axis.ravel(), confusion.ravel()) for axis in np.indices((3, 3)))
    examples = pd.DataFrame(
        {
            "path": [f"/photos/{number}.jpg" for number in range(len(true))],
            "label": [NAMES[one] for one in true],
            "split": "test",
            "group": None,
            "digest": [f"{number:064x}" for number in range(len(true))],
            "decoder": "graph",
        }
    )
    values = np.full((len(true), 3), 0.05)
    values[np.arange(len(true)), given] = 0.9
    train = examples.assign(
        split="train", path=examples["path"] + "t", digest=[f"t{n}" for n in range(len(true))]
    )
    splits = pd.concat([examples, train], ignore_index=True)
    return splits, make_predictions(examples, values, NAMES)


def test_the_pair_that_is_confused_most_both_ways_is_named(tmp_path):
    splits, table = answering(np.array([[90, 6, 1], [7, 90, 0], [1, 1, 90]]))
    (one,) = told(tmp_path, splits=splits, table=table)["pairs"]
    assert one.sentence.startswith("Look at daisy and rose: 13 of the 16 mistakes")
    assert (one.evidence["first_for_second"], one.evidence["second_for_first"]) == (6, 7)


def test_a_mistake_or_two_are_no_pair(tmp_path):
    splits, table = answering(np.array([[90, 1, 0], [1, 90, 0], [0, 1, 90]]))
    assert "pairs" not in told(tmp_path, splits=splits, table=table)


def test_labels_to_check_are_counted_and_those_among_the_mistakes(tmp_path):
    def suspects(run):
        test = run.predictions.query("split == 'test'")
        wrong = test[~test["correct"]]["path"].head(2)
        right = test[test["correct"]]["path"].head(1)
        return pd.DataFrame({"path": [*wrong, *right], "suspect": True})

    (one,) = told(tmp_path, suspects=suspects)["labels"]
    assert one.evidence["both"] == 2
    assert one.sentence.startswith("Check labels: 3 labels look wrong, among them 2 of the")


@pytest.mark.parametrize(
    ("train", "validation", "verdict"),
    [(0.999, 0.90, "overfit"), (0.85, 0.88, "underfit"), (0.95, 0.92, None)],
)
def test_training_against_validation_accuracy_tells_what_is_missing(
    tmp_path, train, validation, verdict
):
    run = run_folders.write_run(tmp_path)
    history = run_folders.history().assign(accuracy=train, val_accuracy=validation)
    history.to_csv(run.path / "history.csv", index=False)
    found = [one.evidence["verdict"] for one in advice.of_run(run) if one.kind == "fit"]
    assert found == ([verdict] if verdict else [])


@pytest.mark.parametrize(
    ("low", "median", "words"),
    [
        (100, 150, "adds no detail"),
        (400, 600, "--image-size 288 may pay"),
        (230, 260, None),
    ],
)
def test_photos_are_held_against_what_the_model_sees(tmp_path, low, median, words):
    sizes = {"photos": 200, "low": low, "median": median, "high": 2 * median}
    found = told(tmp_path, changes={"photo_sizes": sizes}).get("resolution", [])
    assert [words in one.sentence for one in found] == ([True] if words else [])


def test_what_the_shortlist_said_is_quoted(tmp_path):
    found = told(tmp_path / "a", changes={"chosen": "efficientnet_lite0 is as good as the best."})
    assert "efficientnet_lite0 is as good as the best." in found["backbone"][0].sentence
    assert "tlearn shortlist" in told(tmp_path / "b")["backbone"][0].sentence


def test_uneven_classes_are_watched_by_macro_f1_and_even_ones_by_accuracy(tmp_path):
    assert told(tmp_path / "even")["metric"][0].evidence["watch"] == "accuracy"
    splits, table = answering(np.array([[180, 2, 0], [7, 90, 0], [5, 5, 10]]))
    (one,) = told(tmp_path / "uneven", splits=splits, table=table)["metric"]
    assert one.evidence["watch"] == "macro_f1"
    assert "a model that never answers tulip could still reach 93.3 % accuracy" in one.sentence


def test_few_test_photos_are_said_to_tell_little(tmp_path):
    (one,) = told(tmp_path / "few", photos=120)["certainty"]
    assert "18 test photos tell accuracy to about 9 points only" in one.sentence
    assert "about 90 would tell it to 4" in one.sentence
    assert "certainty" not in told(tmp_path / "many", photos=4000)


# --- in the report ---------------------------------------------------------------------------


def test_the_report_ends_with_the_list_and_other_forms_hold_it(tmp_path, capsys):
    found = report(run_folders.write_run(tmp_path, photos=600))
    assert str(found).split("What to do next")[1].count(".") >= 3
    found.write("json")
    steps = json.loads(capsys.readouterr().out)["advice"]
    assert [one["sentence"] for one in steps] == [one.sentence for one in found.advice]
    found.write("markdown")
    assert "## What to do next\n\n1. " in capsys.readouterr().out
    assert max(map(len, str(found).splitlines())) <= 80


def test_names_of_classes_cannot_steer_the_terminal_by_the_advice(tmp_path):
    names = ("\x1b[31mred", "[bold]x[/bold]", "plain")
    assert "\x1b" not in str(report(run_folders.write_run(tmp_path, class_names=names)))

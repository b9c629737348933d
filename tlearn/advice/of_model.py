"""Whether a larger backbone or more pixels are likely to pay, and what says so."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tlearn.advice.advice import Advice, Numbers, percent

__all__ = ["backbone", "fit", "resolution"]

_LEARNT = 0.98  # of the training photos right: as good as all
_GAP = 0.03  # between training and validation accuracy
_LARGER = 1.4  # times the model's input, beyond which photos hold detail that it does not see


def fit(numbers: Numbers) -> Iterator[Advice]:
    """Whether the model has learnt its training photos, and whether that carries over."""
    history, kept = numbers.run.history, numbers.run.stages.query("kept")["stage"]
    rows = history[history["stage"].isin(set(kept))] if len(kept) else history
    rows = rows[rows["accuracy"].notna() & rows["val_accuracy"].notna()]
    if rows.empty:
        return  # the head was solved: no epoch says how the training photos are answered
    last = rows.iloc[-1]
    train, validation = float(last["accuracy"]), float(last["val_accuracy"])
    evidence = {"training_accuracy": train, "validation_accuracy": validation}
    seen = f"{percent(train)} of the training photos are right, as training sees them, and "
    seen += f"{percent(validation)} of the validation photos"
    if train >= _LEARNT and train - validation >= _GAP:
        yield Advice(
            "fit",
            f"{seen}: the model has room enough and lacks photos. More or more varied ones, or "
            "--augmentation strong, are likelier to pay than more epochs or more unfrozen blocks.",
            evidence | {"verdict": "overfit"},
        )
    elif train < _LEARNT and train <= validation:
        yield Advice(
            "fit",
            f"{seen}: it has not learnt its training photos yet. More --epochs, more --unfreeze, less "
            "augmentation or a larger backbone may pay.",
            evidence | {"verdict": "underfit"},
        )


def resolution(numbers: Numbers) -> Iterator[Advice]:
    """Photos against the square that the model sees."""
    sizes, side = numbers.run.info.get("photo_sizes") or {}, numbers.run.info.get("image_size")
    if not sizes or not side:
        return
    evidence = {"photo_sizes": sizes, "image_size": side}
    if sizes["median"] <= side:
        yield Advice(
            "resolution",
            f"A larger --image-size adds no detail: half of the photos have no more than "
            f"{sizes['median']:,} pixels on the shorter side, and the model sees {side:,}.",
            evidence,
        )
    elif sizes["low"] >= _LARGER * side:
        larger = min(32 * math.floor(1.4 * side / 32), 32 * math.floor(sizes["low"] / 32))
        yield Advice(
            "resolution",
            f"The photos hold more detail than the model sees ({sizes['median']:,} pixels on the "
            f"shorter side, {side:,} seen): --image-size {larger} may pay where classes differ in small "
            f"things, at {(larger / side) ** 2:.1f} times the cost. tlearn shortlist --image-size "
            f"{larger} measures it before.",
            evidence | {"suggested": larger},
        )


def backbone(numbers: Numbers) -> Iterator[Advice]:
    """What the shortlist has said; and where there was none, that it would say."""
    chosen = numbers.run.info.get("chosen")
    if chosen:
        yield Advice("backbone", f"The backbone was measured: {chosen}", {"chosen": chosen})
    elif numbers.mistakes:
        yield Advice(
            "backbone",
            "Whether another backbone would pay was not measured. tlearn shortlist does so on these "
            "photos, without training one.",
        )

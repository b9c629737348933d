"""The kinds of findings: what each is called, how bad it is, and what to do about it.

Nothing is imported here, so that the command line can name them at once.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "Kind", "SEVERITIES", "matching"]

# The worst first.
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Kind:
    """One kind of finding.

    Args:
        severity: `"error"`: training fails, or its test accuracy cannot be believed; `"warning"`:
            costs accuracy, or may; `"note"`: worth knowing.
        title: What it is, for a heading.
        advice: What to do about it.
    """

    severity: str
    title: str
    advice: str


KINDS = {
    "no-photos": Kind(
        "error",
        "There is no photo",
        "Put the photos of each class into a folder of its own; docs/datasets.md has the forms.",
    ),
    "one-class": Kind(
        "error",
        "There is only one class",
        "Add a second one, such as photos of everything else: there is nothing to tell apart.",
    ),
    "empty-class": Kind(
        "error",
        "Classes without a photo that can be read",
        "Add photos, or remove what is no class: training refuses such a data set.",
    ),
    "class-name": Kind(
        "error",
        "Classes whose names cannot stand in a list",
        "Rename the folders: training refuses names with line breaks, or that are not in UTF-8.",
    ),
    "unreadable": Kind(
        "error",
        "Photos that cannot be read",
        "Fetch them again, or remove them. Training names them and leaves them out.",
    ),
    "leak": Kind(
        "error",
        "The same photo on both sides of the split",
        "Remove one of the two, or leave the split to tlearn, which keeps them together: the "
        "test accuracy is too good as it is.",
    ),
    "label-conflict": Kind(
        "error",
        "The same photo under two classes",
        "Decide which class is right, and remove the other copy.",
    ),
    "suspect-label": Kind(
        "warning",
        "Labels that look wrong",
        "Look at them in the gallery (--html), accept or reject each, and give the table that it "
        "saves to finetune --corrections.",
    ),
    "near-label-conflict": Kind(
        "warning",
        "Nearly the same photo under two classes",
        "Look at each pair: if both show the same thing, one label is wrong.",
    ),
    "shortcut": Kind(
        "warning",
        "What has nothing to do with the content tells the class",
        "Take the photos of all classes with the same cameras, at the same times, and pass them "
        "through the same programs; or else test on photos from elsewhere, since the accuracy on "
        "these may come from this alone.",
    ),
    "nearly-blank": Kind(
        "warning", "Photos with nearly nothing on them", "Remove those that show nothing."
    ),
    "too-dark": Kind(
        "warning", "Photos that are too dark", "Remove those on which nothing is to be seen."
    ),
    "too-light": Kind(
        "warning", "Photos that are too light", "Remove those on which nothing is to be seen."
    ),
    "blurred": Kind(
        "warning",
        "Photos that are blurred",
        "Remove those on which the thing cannot be told; keep the others if photos will be like "
        "them later.",
    ),
    "too-small": Kind(
        "warning",
        "Photos that are too small",
        "Use the originals, should these be thumbnails: a network sees about 224 pixels a side.",
    ),
    "exact-duplicates": Kind(
        "warning",
        "The same photo several times in one class",
        "Remove the copies: they teach nothing and count several times.",
    ),
    "small-class": Kind(
        "warning", "Classes with few photos", "Add photos: nothing sure can be said of so few."
    ),
    "imbalance": Kind(
        "warning",
        "Classes of very different size",
        "Add photos of the small ones, or train with --balance weights; go by macro F1.",
    ),
    "left-out": Kind(
        "warning",
        "Photos and folders that belong to no class",
        "Move them into the folder of their class, or out of the data set.",
    ),
    "not-a-photo": Kind(
        "note",
        "Files that are no photos",
        "Move them out of the data set. Training names them and leaves them out.",
    ),
    "wrong-suffix": Kind(
        "note",
        "Files whose suffix is not that of their format",
        "Rename them for other programs' sake; tlearn goes by the content.",
    ),
    "near-duplicates": Kind(
        "note",
        "Photos that are nearly the same",
        "Keep the best of each, or leave them: the split keeps them on one side.",
    ),
    "burst": Kind(
        "note",
        "Series of photos taken within seconds",
        "Leave them: the split keeps them on one side. They count as little more than one photo.",
    ),
    "odd-aspect-ratio": Kind(
        "note",
        "Photos that are much longer or wider than the others",
        "Crop them to the thing, or train with --resize pad, which cuts nothing off.",
    ),
    "possible-shortcut": Kind(
        "note",
        "The look of the whole photo tells the class",
        "Look whether it is the thing itself (a black shoe) or the place and the light (all cats "
        "at night); for the latter take photos elsewhere.",
    ),
    "outlier": Kind(
        "note",
        "Photos that are like no other",
        "Look whether they belong to the data set at all.",
    ),
}


def matching(names: str) -> frozenset[str]:
    """The kinds that a list of names means.

    Args:
        names: Ids of `KINDS` or severities, separated by commas; a severity means all kinds of it
            and of what is worse.

    Returns:
        Ids of `KINDS`.

    Raises:
        ValueError: A name is neither.

    Example:

    ```python
    matching("leak,unreadable")  # {"leak", "unreadable"}
    ```
    """
    found: set[str] = set()
    for name in (part.strip() for part in names.split(",")):
        if name in KINDS:
            found.add(name)
        elif name in SEVERITIES:
            worse = SEVERITIES[: SEVERITIES.index(name) + 1]
            found |= {one for one, kind in KINDS.items() if kind.severity in worse}
        elif name:
            raise ValueError(
                f"there is no finding {name!r}. Expected some of {', '.join(KINDS)}; or "
                f"{', '.join(SEVERITIES)}, for all that are as bad or worse"
            )
    if not found:
        raise ValueError("no finding is named. Name some, such as leak,unreadable, or error")
    return frozenset(found)

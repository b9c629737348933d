"""The page as a whole: its parts in order, and what it shows of many photos and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlearn import pages
from tlearn.reporting import sentences
from tlearn.reporting.page import classes, doubts, figures, making, matrix
from tlearn.reporting.page.photos import Photos

if TYPE_CHECKING:
    from tlearn.reporting import Report

__all__ = ["html"]


def html(report: Report) -> str:
    """Write the page.

    Args:
        report: The report. Neither the photos nor TensorFlow is needed for it.

    Returns:
        A whole HTML document, under 5 MB for 100 classes and 10,000 test photos: how many photos,
        and of how many classes, are shown is limited and said.
    """
    photos = Photos(report)
    return pages.rendered(
        __package__,
        "report.html",
        styles=["page.css"],
        scripts=["page.js"],
        name=report.run.name,
        headline=sentences.headline(report),
        split=report.split,
        figures=classes.headline(report),
        gain=sentences.gain(report),
        remarks=[*sentences.leaks(report), *sentences.caveats(report), *sentences.proof(report)],
        hardest=classes.hardest(report),
        advice=[one.sentence for one in report.advice],
        classes=classes.rows(report),
        pairs=photos.pairs(),
        mistakes=photos.mistakes(),
        matrix=matrix.of(report),
        trust=figures.trust(report),
        ranked=figures.ranked(report),
        training=figures.training(report),
        doubts=doubts.of(report),
        making=making.of(report),
        # The last, since it keeps what the parts above have not shown already.
        store=photos.store(matrix.shown(report)),
        told=photos.told,
    )

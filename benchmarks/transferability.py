"""Scores that rank backbones by their frozen features and the labels, without fitting a head."""

from __future__ import annotations

import numpy as np
from sklearn.covariance import LedoitWolf


def logme(features: np.ndarray, labels: np.ndarray) -> float:
    """The evidence of a linear model on the features, the mean over classes; more is better.

    Source: You et al. 2021, "LogME: practical assessment of pre-trained models for transfer
    learning", with the fixed-point iteration of You et al. 2022, algorithm 3.

    Args:
        features: `(photos, features)`.
        labels: Class numbers, `(photos,)`.
    """
    values = features.astype(np.float64)
    photos, width = values.shape
    left, strengths, _ = np.linalg.svd(values, full_matrices=False)
    squared = strengths**2
    evidences = []
    for label in np.unique(labels):
        target = (labels == label).astype(np.float64)
        along = (left.T @ target) ** 2
        beyond = max(float(target @ target - along.sum()), 0.0)
        prior, noise = 1.0, 1.0
        for _ in range(100):
            ratio = prior / noise
            used = float((squared / (squared + ratio)).sum())
            weights = float((squared * along / (squared + ratio) ** 2).sum())
            misfit = float((along / (1 + squared / ratio) ** 2).sum()) + beyond
            prior, noise = used / (weights + 1e-5), (photos - used) / (misfit + 1e-5)
            if abs(prior / noise - ratio) <= 1e-3 * ratio:
                break
        evidence = (
            width * np.log(prior)
            + photos * np.log(noise)
            - noise * misfit
            - prior * weights
            - np.log(noise * squared + prior).sum()
            - (width - len(squared)) * np.log(prior)
            - photos * np.log(2 * np.pi)
        )
        evidences.append(evidence / (2 * photos))
    return float(np.mean(evidences))


def h_score(features: np.ndarray, labels: np.ndarray) -> float:
    """How much of the features' spread lies between classes; more is better.

    Source: Bao et al. 2019, with the shrunken covariance of Ibrahim et al. 2021.

    Args:
        features: `(photos, features)`.
        labels: Class numbers, `(photos,)`.
    """
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    fitted = LedoitWolf(assume_centered=True).fit(centred)
    means = np.zeros_like(centred)
    for label in np.unique(labels):
        means[labels == label] = centred[labels == label].mean(axis=0)
    between = means.T @ means / len(means)
    return float((1 - fitted.shrinkage_) * np.trace(np.linalg.solve(fitted.covariance_, between)))

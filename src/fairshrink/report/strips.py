"""Saliency by group as strips over the weights, as in Fig. 1 of Wu et al. 2022."""

import numpy as np
from matplotlib.figure import Figure

from fairshrink.report import style
from fairshrink.report.records import Saliency
from fairshrink.report.style import plain
from fairshrink.report.words import number


def strips(saliency: Saliency, unprivileged: str | None) -> Figure:
    """One strip per group over the same weights; ticks where the groups disagree most (FairPrune's Fig. 1)."""
    values = matrix(saliency)
    figure, rows = style.stacked([0.42] * len(values) + [0.2], 0.75, width=8.4)
    shades = np.sqrt(values / max(float(values.max()), 1e-30))
    for axes, row, group in zip(rows, shades, saliency.groups, strict=False):
        axes.imshow(row[None, :], aspect="auto", interpolation="none", cmap="cividis", vmin=0, vmax=1,
                    extent=(0, len(row), 0, 1))  # fmt: skip
        axes.set_title(plain(group) + (" (unprivileged)" if group == unprivileged else ""))
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(axis="x", length=0, labelbottom=False)
    marks = rows[-1]
    at = disputed(saliency, unprivileged)
    marks.vlines(at + 0.5, 0, 1, color=style.of_model(2).colour, lw=0.7)
    marks.set_ylim(0, 1)
    marks.set_yticks([])
    marks.spines["left"].set_visible(False)
    marks.set_xlim(0, values.shape[1])
    marks.set_xlabel(f"weight of {plain(saliency.layer)} (index)")
    return figure


def matrix(saliency: Saliency) -> np.ndarray:
    """The record as an array (G, weights); what is undefined counts as 0."""
    return np.nan_to_num(np.array(saliency.values, dtype=np.float64))


def disputed(saliency: Saliency, unprivileged: str | None) -> np.ndarray:
    """Weights in the lower half for the unprivileged group and in the upper quarter for every other one."""
    if unprivileged not in saliency.groups:
        return np.array([], dtype=np.int64)
    ranks = _ranks(saliency)
    share = ranks / ranks.shape[1]
    u = saliency.groups.index(unprivileged)
    others = np.delete(share, u, axis=0)
    return np.flatnonzero((share[u] < 0.5) & (others >= 0.75).all(axis=0))


def agreement(saliency: Saliency) -> str:
    """The lowest rank correlation between two groups' saliencies, for the caption."""
    ranks = _ranks(saliency)
    return number(float(np.corrcoef(ranks).min()), 2) if ranks.shape[1] > 1 else number(None)


def _ranks(saliency: Saliency) -> np.ndarray:
    """Place of each weight in its group's order, from 0."""
    return np.argsort(np.argsort(matrix(saliency), axis=1, kind="stable"), axis=1, kind="stable")

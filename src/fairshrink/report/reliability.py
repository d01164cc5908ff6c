"""Pictures of calibration: is a prediction of 80 % confidence right in 80 of 100 cases, in every group?"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairshrink.audit.text import FEW
from fairshrink.report import style
from fairshrink.report.audited import Reliability
from fairshrink.report.marks import mark
from fairshrink.report.style import MUTED, Look, plain

MOST_CURVES = 3  # More curves than this in one field cannot be told apart.
FIELDS = 3  # Fields beside each other.
X, Y = "confidence of the prediction", "share that is right"


def reliability(calibration: Mapping[str, Reliability]) -> Figure:
    """How often predictions of a confidence are right, by group: one field, or one per group where they are many."""
    return _together(calibration) if len(calibration) <= MOST_CURVES else _apart(calibration)


def _together(calibration: Mapping[str, Reliability]) -> Figure:
    figure = style.canvas(3.4)
    axes = figure.subplots()
    _diagonal(axes)
    for index, (group, curve) in enumerate(calibration.items()):
        _curve(axes, curve, style.of_group(index), plain(group, 18))
    axes.set_xlabel(X)
    axes.set_ylabel(Y)
    style.legend(figure, axes, 3)
    return figure


def _apart(calibration: Mapping[str, Reliability]) -> Figure:
    lines = -(-len(calibration) // FIELDS)
    figure = style.canvas(1.5 * lines + 0.35)
    grid = list(figure.subplots(lines, FIELDS, squeeze=False, sharex=True, sharey=True).ravel())
    for index, (group, curve) in enumerate(calibration.items()):
        _diagonal(grid[index])
        _curve(grid[index], curve, style.of_group(index), plain(group))
        grid[index].set_title(plain(group, 15), fontsize=8)
    for empty in grid[len(calibration) :]:
        empty.set_visible(False)
    figure.supxlabel(X, fontsize=9)
    figure.supylabel(Y, fontsize=9)
    return figure


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, lw=0.9, dashes=(4, 3), zorder=1)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.grid()


def _curve(axes: Axes, curve: Reliability, look: Look, label: str) -> None:
    known = [(b.confidence, b.accuracy, b.n) for b in curve.bins if b.confidence is not None and b.accuracy is not None]
    axes.plot([c for c, _, _ in known], [a for _, a, _ in known], color=look.colour, lw=1.2, zorder=3)
    for confidence, accuracy, n in known:
        mark(axes, confidence, accuracy, look._replace(filled=n is not None and n >= FEW))
    mark(axes, np.nan, np.nan, look, label=label)

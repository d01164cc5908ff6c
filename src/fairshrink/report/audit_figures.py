"""Pictures of one attribute of an audit: gaps against their floor, scores by group."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fairshrink.report import style
from fairshrink.report.audited import AttributeAudit
from fairshrink.report.class_figures import striking_classes
from fairshrink.report.marks import LONG, beside, forest, look_of, mark, name_rows, values
from fairshrink.report.style import LINE
from fairshrink.report.words import counted, gap_name, in_order

MOST_STRIKING = 3  # Single classes beside the gaps on the first screen.


def gaps(audit: AttributeAudit) -> Figure:
    """Each gap, and the classes that stand out, as a mark with its interval on a bar from 0 to what chance alone reaches."""
    names, classes = in_order(audit.gaps), striking_classes(audit, most=MOST_STRIKING)
    found = [*(audit.gaps[name] for name in names), *(audit.of_class(name) for name in classes)]
    figure = style.canvas(0.28 * len(found) + 0.42)
    axes = figure.subplots()
    forest(axes, found, [look_of(gap) for gap in found])
    name_rows(axes, [*map(gap_name, names), *(f"TPR of {name}" if len(name) < LONG - 6 else name for name in classes)])
    values(axes, found)
    if classes:
        axes.axhline(len(names) - 0.5, color=LINE, lw=0.8)
    return figure


def scores(audit: AttributeAudit) -> Figure:
    """Accuracy and macro F1 of each group, with its number of images."""
    figure = style.canvas(0.27 * len(audit.groups) + 0.85)
    axes = figure.subplots()
    parts = (("accuracy", style.of_group(0)), ("macro F1", style.of_group(1)))
    for row, one in enumerate(audit.groups.values()):
        for (_, look), value in zip(parts, (one.accuracy, one.f1), strict=True):
            if value is not None:
                mark(axes, value, row, look)
        beside(axes, row, f"n {counted(one.n, audit.min_cell)}")
    for label, look in parts:
        mark(axes, np.nan, np.nan, look, label=label)
    name_rows(axes, list(audit.groups))
    axes.margins(x=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    style.legend(figure, axes)
    return figure

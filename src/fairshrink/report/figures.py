"""Pictures of what was measured on test: gaps, the trade-off, classes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fairshrink.report import style
from fairshrink.report.records import AttributeAudit, Gap, Run, Stage
from fairshrink.report.style import BAND, INK, LINE, MUTED, Look, plain
from fairshrink.report.tables import average_f1
from fairshrink.report.words import gap_name

FOREST_GAPS = ("eopp1", "eopp0", "eodd")
MOST_CLASSES = 24  # A picture with more rows than this is no picture; the table has them all.


def gap_forest(run: Run, attribute: str) -> Figure:
    """Each gap of one attribute: a mark per model with its interval, on a bar from 0 to what chance alone reaches."""
    height = 0.2 * len(run.stages) + 0.12
    figure, rows = style.stacked([height] * len(FOREST_GAPS), 0.85, share=False)
    for axes, name in zip(rows, FOREST_GAPS, strict=True):
        gaps = [stage.audit.attributes[attribute].gaps[name] for stage in run.stages]
        _forest(axes, gaps, [stage.label for stage in run.stages])
        axes.set_title(gap_name(name))
    return figure


def class_forest(run: Run, attribute: str, classes: list[str]) -> Figure:
    """The gap in the true positive rate of single classes, as `gap_forest` draws it."""
    height = 0.2 * len(run.stages) + 0.12
    figure, rows = style.stacked([height] * len(classes), 0.28 * len(classes), share=False)
    for axes, name in zip(rows, classes, strict=True):
        gaps = [class_gap(stage.audit.attributes[attribute], name) for stage in run.stages]
        _forest(axes, gaps, [stage.label for stage in run.stages])
        axes.set_title(f"{plain(name)}: gap in TPR")
    return figure


def _forest(axes: Axes, gaps: Sequence[Gap | None], labels: list[str]) -> None:
    """One row per model, the first on top."""
    for row, gap in enumerate(gaps):
        if gap is None or gap.value is None:
            axes.annotate("undefined", (0, row), (4, 0), textcoords="offset points", va="center", color=MUTED)
            continue
        axes.barh(row, gap.null_high or 0, height=0.62, color=BAND, edgecolor=LINE, linewidth=0.6)
        _mark(axes, gap.value, row, style.of_model(row))
        if gap.low is not None and gap.high is not None:
            axes.plot([gap.low, gap.high], [row, row], color=style.of_model(row).colour, lw=1.6)
    axes.set_yticks(range(len(labels)), [plain(label, 20) for label in labels])
    axes.set_ylim(len(labels) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.grid(axis="x")


def _mark(axes: Axes, x: float, y: float, look: Look, *, label: str | None = None) -> None:
    edge = {"markeredgecolor": INK, "markeredgewidth": 0.5, "markersize": 5.5}
    axes.plot([x], [y], look.marker, color=look.colour, label=label, zorder=4, clip_on=False, **edge)


def tradeoff(run: Run, attribute: str) -> Figure:
    """Macro F1 (average of the groups) against EOpp1 on test: one mark per model, the floor as a band."""
    figure = style.canvas(3.0)
    axes = figure.subplots()
    floors = []
    for row, stage in enumerate(run.stages):
        audit = stage.audit.attributes[attribute]
        gap, f1 = audit.gaps["eopp1"], average_f1(audit)
        floors += [gap.null_high] if gap.null_high is not None else []
        if gap.value is None or f1 is None:
            continue
        if gap.low is not None and gap.high is not None:
            axes.plot([f1, f1], [gap.low, gap.high], color=style.of_model(row).colour, lw=1.4)
        _mark(axes, f1, gap.value, style.of_model(row), label=plain(stage.label))
    if floors:
        axes.axhspan(0, max(floors), color=BAND, zorder=0, lw=0, label="chance alone (floor)")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.2)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlabel("macro F1, average of the groups →")
    axes.set_ylabel("EOpp1 (lower: smaller gap)")
    axes.grid()
    style.legend(figure, axes)
    return figure


def class_gap(audit: AttributeAudit, name: str) -> Gap | None:
    """The gap in the true positive rate of one class; None where the record has none."""
    return audit.class_gaps.get(f"tpr[{name}]")


def shown_classes(run: Run, attribute: str) -> list[str]:
    """The classes a picture shows: all, or of many those whose gap exceeds its floor most in the vanilla model."""
    audit = run.vanilla.audit.attributes[attribute]
    names = list(audit.classes)
    if len(names) <= MOST_CLASSES:
        return names
    most = sorted(names, key=lambda name: -_excess(class_gap(audit, name)))[:MOST_CLASSES]
    return [name for name in names if name in most]


def striking_classes(run: Run, attribute: str, most: int = 2) -> list[str]:
    """The classes whose gap in the vanilla model exceeds its floor most; if none does, the one that comes nearest."""
    audit = run.vanilla.audit.attributes[attribute]
    gaps = {name: gap for name in audit.classes if (gap := class_gap(audit, name)) is not None and gap.value}
    ranked = sorted(gaps, key=lambda name: -_excess(gaps[name]))
    return [name for name in ranked if gaps[name].above_chance][:most] or ranked[:1]


def _excess(gap: Gap | None) -> float:
    if gap is None or gap.value is None or gap.null_high is None:
        return -np.inf
    return gap.value - gap.null_high


def class_dots(run: Run, stage: Stage, attribute: str) -> Figure:
    """True positive rate by class and group in one model, with the number of images behind each mark."""
    audit, names = stage.audit.attributes[attribute], shown_classes(run, attribute)
    figure = style.canvas(0.27 * len(names) + 0.85)
    axes = figure.subplots()
    for row, name in enumerate(names):
        _class_row(axes, row, audit, name)
    for index, group in enumerate(audit.groups):
        _mark(axes, np.nan, np.nan, style.of_group(index), label=plain(group, 18))
    axes.plot([], [], color=INK, lw=2.6, label="gap above chance")
    axes.plot([], [], color=MUTED, lw=1, label="within chance")
    axes.set_yticks(range(len(names)), [plain(name, 18) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_title(plain(stage.label))
    axes.set_xlabel("true positive rate")
    style.legend(figure, axes)
    return figure


def _class_row(axes: Axes, row: int, audit: AttributeAudit, name: str) -> None:
    rates = audit.classes[name]
    known = {group: rate.tpr for group, rate in rates.items() if rate.tpr is not None}
    gap = class_gap(audit, name)
    if len(known) > 1:
        above = gap is not None and gap.above_chance
        ends = [min(known.values()), max(known.values())]
        axes.plot(ends, [row, row], color=INK if above else MUTED, lw=2.6 if above else 1, zorder=2)
    for index, group in enumerate(audit.groups):
        if group in known:
            _mark(axes, known[group], row, style.of_group(index))
    sizes = " / ".join(str(rates[group].n) if group in rates else "0" for group in audit.groups)
    axes.annotate(
        sizes, (1, row), (8, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=7.5, color=MUTED
    )

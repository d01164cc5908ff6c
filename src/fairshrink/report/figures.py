"""Pictures of what was measured on test, model beside model: gaps, their changes, the trade-off."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fairshrink.report import paired, style
from fairshrink.report.audited import Gap
from fairshrink.report.change_figures import change_rows
from fairshrink.report.marks import forest, mark, name_rows
from fairshrink.report.records import Run, Stage
from fairshrink.report.style import BAND, plain
from fairshrink.report.tables import average_f1
from fairshrink.report.words import gap_name

CHANCE = "chance alone (floor)"


def gap_forest(run: Run, attribute: str) -> Figure:
    """Each gap of one attribute: a mark per model with its interval, on a bar from 0 to what chance alone reaches."""
    height = 0.2 * len(run.stages) + 0.12
    figure, rows = style.stacked([height] * len(paired.GAPS), 0.85, share=False)
    for axes, name in zip(rows, paired.GAPS, strict=True):
        _models(axes, run, [stage.audit.attributes[attribute].gaps[name] for stage in run.stages])
        axes.set_title(gap_name(name))
    return figure


def class_forest(run: Run, attribute: str, classes: list[str]) -> Figure:
    """The gap in the true positive rate of single classes, as `gap_forest` draws it."""
    height = 0.2 * len(run.stages) + 0.12
    figure, rows = style.stacked([height] * len(classes), 0.28 * len(classes), share=False)
    for axes, name in zip(rows, classes, strict=True):
        _models(axes, run, [stage.audit.attributes[attribute].of_class(name) for stage in run.stages])
        axes.set_title(f"{plain(name)}: gap in TPR")
    return figure


def _models(axes: Axes, run: Run, found: Sequence[Gap | None]) -> None:
    """One row per model, the first on top."""
    forest(axes, found, [style.of_model(row) for row in range(len(found))])
    name_rows(axes, [stage.label for stage in run.stages])


def change_forest(run: Run, attribute: str) -> Figure:
    """The paired change of each gap against the vanilla model, and against a twin: a mark with its interval, around 0."""
    kinds: list[tuple[Stage, Stage | None, str]] = [(stage, None, stage.label) for stage in paired.compared(run)]
    kinds += [(pair.stage, pair.twin, paired.name(pair)) for pair in paired.pairs(run)]
    height = 0.22 * len(kinds) + 0.14
    figure, rows = style.stacked([height] * len(paired.GAPS), 1.15, share=False)
    for axes, name in zip(rows, paired.GAPS, strict=True):
        change_rows(
            axes, [(label, paired.change(run, stage, attribute, name, twin=twin)) for stage, twin, label in kinds]
        )
        axes.set_title(f"{gap_name(name)}: ← narrower | wider →")
    return figure


def tradeoff(run: Run, attribute: str) -> Figure:
    """Macro F1 (average of the groups) against EOpp1 on test: one mark per model, the floor as a band."""
    figure = style.canvas(2.6 + style.legend_height([*(plain(stage.label) for stage in run.stages), CHANCE]))
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
        mark(axes, f1, gap.value, style.of_model(row), label=plain(stage.label))
    if floors:
        axes.axhspan(0, max(floors), color=BAND, zorder=0, lw=0, label=CHANCE)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.2)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlabel("macro F1, average of the groups →")
    axes.set_ylabel("EOpp1 (lower: smaller gap)")
    axes.grid()
    style.legend(figure, axes)
    return figure

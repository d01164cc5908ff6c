"""The picture of FATE along the steps: one line per way, its folds faint, what was taken ringed."""

from collections import Counter
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fairshrink.report import style
from fairshrink.report.control import LINE
from fairshrink.report.fates import METRICS, Line, Spot, mean
from fairshrink.report.style import INK, MUTED, plain
from fairshrink.report.words import gap_name

Value = Callable[[Spot], float]


def along(lines: Sequence[Line], th_acc: Sequence[float] = (), step: str = "iteration") -> Figure:
    """FATE of each metric, and the change of macro F1, by the number of the step.

    Args:
        lines: The ways.
        th_acc: How much macro F1 they may lose: drawn in the lowest panel.
        step: What a step is called.
    """
    named = [plain(line.label, 40) for line in lines if line.label]
    figure, axes = style.stacked([1.35] * len(METRICS) + [1.1], 1.0 + style.legend_height(named))
    parts: list[tuple[str, Value]] = [
        (f"FATE of {gap_name(metric)}", lambda spot, metric=metric: spot.fates[metric]) for metric in METRICS
    ]
    for panel, (title, value) in zip(axes, [*parts, ("change of macro F1", lambda spot: spot.change)], strict=True):
        panel.axhline(0, color=MUTED, lw=0.8, zorder=1)
        for line in lines:
            _line(panel, line, value, counted=panel is axes[0])
        panel.set_title(title)
        panel.grid(axis="y")
        panel.margins(y=0.15)
    for bound in th_acc:
        axes[-1].axhline(-bound, color=INK, lw=0.9, dashes=(2, 2), zorder=1)
        axes[-1].annotate(f"−{bound:g} (th_acc)", (1, -bound), (-2, 2), ("axes fraction", "data"), "offset points",
                          ha="right", va="bottom", fontsize=7.5, color=MUTED)  # fmt: skip
    axes[-1].set_xlabel(step)
    axes[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    style.legend(figure, axes[0])
    return figure


def _line(axes: Axes, line: Line, value: Value, *, counted: bool) -> None:
    steps, means = mean(line.folds, value)
    label = plain(line.label, 40) or None
    if line.control:
        axes.plot(steps, means, label=label, **LINE)
        _rings(axes, line, dict(zip(steps.tolist(), means.tolist(), strict=True)), value)
        return
    for fold in line.folds if len(line.folds) > 1 else []:
        axes.plot([spot.step for spot in fold], [value(spot) for spot in fold], color=line.look.colour, lw=0.6, alpha=0.35,
                  zorder=1)  # fmt: skip
    axes.plot(steps, means, color=line.look.colour, lw=1.9 if label else 1.0, marker=line.look.marker, ms=3.6, label=label,
              zorder=3)  # fmt: skip
    if label:
        taken = _rings(axes, line, dict(zip(steps.tolist(), means.tolist(), strict=True)), value)
        for step, times in taken.items() if counted and len(line.folds) > 1 else ():
            at = means[steps.tolist().index(step)]
            axes.annotate(str(times), (step, at), (6, 5), textcoords="offset points", fontsize=7.5, color=INK, zorder=5)


def _rings(axes: Axes, line: Line, means: dict[int, float], value: Value) -> Counter[int]:
    """Where folds kept their model: on the mean where it goes so far, else on the fold's own line; how many on the mean."""
    taken = Counter(spot.step for fold in line.folds for spot in fold if spot.taken and spot.step in means)
    axes.plot(list(taken), [means[step] for step in taken], "o", ms=9, mfc="none", mec=INK, mew=0.9, ls="", zorder=4)
    beyond = [spot for fold in line.folds for spot in fold if spot.taken and spot.step not in means]
    axes.plot([spot.step for spot in beyond], [value(spot) for spot in beyond], "o", ms=6, mfc="none", mec=line.look.colour,
              mew=0.8, ls="", zorder=4)  # fmt: skip
    return taken

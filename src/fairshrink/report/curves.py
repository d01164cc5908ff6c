"""Pictures of the way there: training, the path along the ratio, the grid; all on validation."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fairshrink.report import fixing, grids, style, words
from fairshrink.report.audited import Scores
from fairshrink.report.control import CONTROL, LINE
from fairshrink.report.grids import average_step_f1, metric_of
from fairshrink.report.records import Candidate, Epoch, Stage, Step
from fairshrink.report.style import INK, MUTED, cycle, plain

Curve = tuple[np.ndarray, np.ndarray]
WORST: dict[str, Callable[[Scores], float | None]] = {
    "worst_accuracy": lambda scores: scores.accuracy,
    "worst_f1": lambda scores: scores.f1,
}
MOST_NAMED = 6  # More ways than these are drawn without their names.


def training(history: Sequence[Epoch]) -> Figure:
    """Loss and validation F1 by epoch: thin lines are folds, the thick one is their mean."""
    figure, (loss, quality) = style.stacked([1.1, 1.1], 0.75)
    parts: list[tuple[Axes, str, Callable[[Epoch], float | None]]] = [
        (loss, "loss (training)", lambda e: e.loss),
        (quality, "macro F1 (validation)", lambda e: e.val.f1),
    ]
    folds = sorted({epoch.fold for epoch in history})
    for axes, title, value in parts:
        curves = [_curve([(e.epoch, value(e)) for e in history if e.fold == fold]) for fold in folds]
        _bundle(axes, curves, style.GROUP_COLOURS[0])
        axes.set_title(title)
        axes.grid(axis="y")
    quality.set_xlabel("epoch")
    quality.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return figure


def along_ratio(stage: Stage, control: Mapping[int, Mapping[float, Step]] | None = None) -> Figure:
    """Gap and F1 along the share of fixed weights: the chosen candidates thick, the others thin, folds faint.

    Args:
        stage: Whose way.
        control: Fold -> share of fixed weights -> the step of its control at which the stage had fixed so many; drawn dashed.
    """
    figure, axes = style.stacked([1.45, 1.25, 1.25], 1.5)
    metric = metric_of(stage)
    _candidates(axes[0], stage, lambda step: _measured(step, metric))
    _control(axes[0], control or {}, lambda step: _measured(step, metric))
    axes[0].margins(y=0.15)
    axes[0].set_ylim(bottom=0)
    axes[0].set_title(words.gap_name(metric) + ("" if metric in WORST else " between groups"))
    _candidates(axes[1], stage, average_step_f1)
    _control(axes[1], control or {}, average_step_f1)
    axes[1].set_title("macro F1, average of the groups")
    groups = list(stage.steps[0].groups)
    for index, group in enumerate(groups):
        curve = _mean(_chosen(stage, lambda step, group=group: step.groups[group].f1 if group in step.groups else None))
        colour = cycle(style.GROUP_COLOURS, index)
        axes[2].plot(
            *curve, color=colour, lw=1.8, marker=cycle(style.GROUP_MARKERS, index), ms=3.2, label=plain(group, 18)
        )
    axes[2].set_title("macro F1 by group (chosen)")
    axes[2].set_xlabel(fixing.axis([stage]))
    axes[2].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axes[2].xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    for one in axes:
        one.grid(axis="y")
    _legend_of_two(figure, axes)
    return figure


def grid(stage: Stage) -> Figure:
    """Every candidate of every fold on validation, F1 against the gap: what the choice was made from."""
    figure = style.canvas(2.9)
    axes = figure.subplots()
    seen = stage.choice.candidates if stage.choice is not None else []
    chosen = {(c.fold, c.candidate) for c in stage.choice.chosen} if stage.choice is not None else set()
    names = grids.way_names(stage)
    for index, (way, name) in enumerate(zip(grids.ways(stage), names, strict=True)):
        points = [
            c for c in seen if grids.without_ratio(c.params) == way.params and c.f1 is not None and c.gap is not None
        ]
        _points(axes, points, index, name if len(names) <= MOST_NAMED else "")
    picked = [c for c in seen if (c.fold, c.candidate) in chosen and c.f1 is not None and c.gap is not None]
    axes.plot([c.f1 or 0 for c in picked], [c.gap or 0 for c in picked], "o", ms=9, mfc="none", mec=INK, mew=0.9, ls="",
              label="chosen in its fold")  # fmt: skip
    front = [c for c in seen if c.front and c.f1 is not None and c.gap is not None]
    if front:
        axes.plot([c.f1 or 0 for c in front], [c.gap or 0 for c in front], "D", ms=9, mfc="none", mec=MUTED, mew=0.7, ls="",
                  label="on the Pareto front of its fold")  # fmt: skip
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("macro F1, average of the groups →")
    worst = words.read_rule(stage.choice.rule if stage.choice is not None else None).kind == "worst-group"
    axes.set_ylabel(f"{words.gap_name(metric_of(stage))} ({'higher: better' if worst else 'lower: smaller gap'})")
    axes.grid()
    axes.set_title(plain(stage.label))
    style.legend(figure, axes)
    return figure


def _measured(step: Step, metric: str) -> float | None:
    """What the rule looks at, of one step."""
    if metric not in WORST:
        return step.gaps.get(metric, step.criteria.get(metric))
    values = [WORST[metric](scores) for scores in step.groups.values()]
    return min((value for value in values if value is not None), default=None)


def _points(axes: Axes, points: Sequence[Candidate], index: int, name: str) -> None:
    marker, size = (cycle(style.METHOD_MARKERS, index), 4.5) if name else (".", 2.5)
    axes.plot([p.f1 or 0 for p in points], [p.gap or 0 for p in points], marker, ls="", ms=size,
              color=cycle(style.CANDIDATE_COLOURS, index) if name else MUTED, label=plain(name, 22) or None)  # fmt: skip


def _candidates(axes: Axes, stage: Stage, value: Callable[[Step], float | None]) -> None:
    names = grids.way_names(stage)
    chosen = _chosen(stage, value)
    many, several = len(names) > MOST_NAMED, len(grids.all_params(stage)) > 1
    for index, (way, name) in enumerate(zip(grids.ways(stage), names, strict=True)) if several else ():
        folds = [_curve([(ratio, value(step)) for ratio, step in steps.items()]) for steps in way.steps.values()]
        axes.plot(*_mean(folds), lw=0.8 if many else 1.1, color=MUTED if many else cycle(style.CANDIDATE_COLOURS, index),
                  label=None if many else plain(name, 22) if len(names) > 1 else "as far as tried",
                  dashes=style.CANDIDATE_DASHES[index % len(style.CANDIDATE_DASHES)] or (None, None))  # fmt: skip
    for curve in chosen if len(chosen) > 1 else []:
        axes.plot(*curve, color=MUTED, lw=0.5, alpha=0.45, zorder=1)
    axes.plot(
        *_mean(chosen), color=INK, lw=2.4, label="chosen (mean of folds)" if len(chosen) > 1 else "chosen", zorder=3
    )


def _control(axes: Axes, control: Mapping[int, Mapping[float, Step]], value: Callable[[Step], float | None]) -> None:
    folds = [_curve([(ratio, value(step)) for ratio, step in of.items()]) for of in control.values()]
    if folds:
        axes.plot(*_mean(folds), label=CONTROL, **LINE)


def _chosen(stage: Stage, value: Callable[[Step], float | None]) -> list[Curve]:
    """One curve per fold: the candidate that was taken there."""
    picked = {c.fold: c.candidate for c in stage.choice.chosen} if stage.choice is not None else {}
    return _by_fold(stage, value, lambda step: step.candidate == picked.get(step.fold, 0))


def _by_fold(stage: Stage, value: Callable[[Step], float | None], keep: Callable[[Step], bool]) -> list[Curve]:
    folds = sorted({step.fold for step in stage.steps})
    steps = {fold: [(s.ratio, value(s)) for s in stage.steps if s.fold == fold and keep(s)] for fold in folds}
    return [_curve(points) for points in steps.values() if points]


def _curve(points: Sequence[tuple[float, float | None]]) -> Curve:
    ordered = sorted(points, key=lambda point: point[0])
    return np.array([x for x, _ in ordered]), np.array([np.nan if y is None else y for _, y in ordered])


def _mean(curves: Sequence[Curve]) -> Curve:
    """The mean where every curve has a value; steps of different folds are matched by their place."""
    if not curves:
        return np.array([]), np.array([])
    length = min(len(x) for x, _ in curves)
    return np.mean([x[:length] for x, _ in curves], axis=0), np.mean([y[:length] for _, y in curves], axis=0)


def _bundle(axes: Axes, curves: Sequence[Curve], colour: str) -> None:
    for x, y in curves if len(curves) > 1 else []:
        axes.plot(x, y, color=colour, lw=0.6, alpha=0.45)
    axes.plot(*_mean(curves), color=colour, lw=2.2)


def _legend_of_two(figure: Figure, axes: Sequence[Axes]) -> None:
    """Candidates and groups in one legend; the second axes repeat the first."""
    candidates, candidate_labels = axes[0].get_legend_handles_labels()
    groups, group_labels = axes[2].get_legend_handles_labels()
    figure.legend([*candidates, *groups], [*candidate_labels, *group_labels], loc="outside lower left", ncols=2)

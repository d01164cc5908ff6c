"""Pictures of a choice and of what the settings do, with their captions; what cannot be drawn says why."""

from collections.abc import Sequence
from typing import NamedTuple

from fairshrink.report import ablation, ablation_figures, choices, ending, facts, fixing, grids, maps, removing, trading
from fairshrink.report.ablation import Curve, Family
from fairshrink.report.cells import Table
from fairshrink.report.grids import Grid
from fairshrink.report.pictures import Picture, panel
from fairshrink.report.pooled import DRAWS
from fairshrink.report.records import Run, Stage
from fairshrink.report.trading import Trade
from fairshrink.report.words import gap_name, listed, number, percent, plural, read_rule, settings

MOST_ROWS = 12  # A longer table is folded away under the map.
MOST_MAPS = 4  # Combinations of further settings; the table has all.
INTERVALS = (
    f"Intervals and floor as everywhere on this page, from {DRAWS} draws of these validation images, each image by itself: "
    "images of one lesion or patient, if there are any, make them too narrow. The setting was chosen on the same images, "
    "so the chosen one looks better here than it is: the test results above are the ones to quote."
)


CONTROL = "Crosses: the same re-training with nothing fixed, beside what was chosen. "


class ChoicePart(NamedTuple):
    """How one stage's setting was chosen: sentences, a warning, the map and the table under it."""

    label: str
    sentences: list[str]
    warning: str
    map: Picture | None
    table: Table | None
    folded: bool


def choice(stage: Stage, index: int, control: Stage | None = None) -> ChoicePart:
    """Everything about a stage's choice; without a grid, the sentence that says so.

    Args:
        stage: Whose choice.
        index: Its number among those of the page.
        control: The stage beside it that re-trained alone, where there is one: where its ways ended is said, too.
    """
    table = facts.candidates(stage)
    drawn = grid_map(stage, index) if table is not None else None
    rows = sum(len(body) for body in table.bodies) if table is not None else 0
    return ChoicePart(
        stage.label,
        [*choices.sentences(stage), *ending.sentences(stage), *_of_control(control)],
        choices.warning(stage),
        drawn,
        table,
        folded=rows > MOST_ROWS,
    )


def _of_control(control: Stage | None) -> list[str]:
    return [f"The control: {text[:1].lower()}{text[1:]}" for text in ending.sentences(control)] if control else []


def grid_map(stage: Stage, index: int) -> Picture:
    """The grid of one stage as maps, or as lines where one setting varies."""
    found = grids.grids(stage)
    if not found:
        varying = grids.varying(stage)
        return Picture([], f"No map is drawn: {_no_map(stage, varying)}")
    shown = sorted(found, key=lambda grid: -sum(cell.chosen for cell in grid.cells.values()))[:MOST_MAPS]
    shades = maps.shades(found, gap_name(grids.metric_of(stage)))
    bound = read_rule(stage.choice.rule).most_lost if stage.choice is not None else None
    panels = []
    for place, grid in enumerate(shown):
        for number_, shade in enumerate(shades):
            figure = maps.heat(grid, shade) if grid.y else maps.strip(grid, shade, bound)
            of = f"{grid.x} and {grid.y}" if grid.y else grid.x
            rest = settings(grid.rest)
            label = f"{shade.title} on validation by {of}, {stage.label}{rest and ', ' + rest}: {_spoken(grid)}"
            panels.append(panel(figure, f"map{index}-{place}-{number_}", label, rest or None))
    return Picture(panels, _map_caption(stage, found, shown, shades=len(shades)))


def _no_map(stage: Stage, varying: Sequence[str]) -> str:
    if stage.choice is None:
        return f"{stage.label} has no choice.json."
    return f"no setting of {stage.label} varies as a number ({listed(varying) or 'one candidate'}); the table has the values."


def _spoken(grid: Grid) -> str:
    """What was chosen, for those who do not see the marks."""
    chosen = {place: cell.chosen for place, cell in grid.cells.items() if cell.chosen}
    where = [
        f"{grid.x} {x:.3g}{f', {grid.y} {y:.3g}' if grid.y else ''} in {plural(times, 'fold')}"
        for (x, y), times in chosen.items()
    ]
    return f"chosen is {listed(where)}" if where else "nothing in it was chosen"


def _map_caption(stage: Stage, found: Sequence[Grid], shown: Sequence[Grid], *, shades: int) -> str:
    rule = read_rule(stage.choice.rule if stage.choice is not None else None)
    mean = (
        "on validation, mean of the folds" if len(next(iter(shown[0].cells.values())).values) > 1 else "on validation"
    )
    if shown[0].y:
        text = f"Colour and number: {mean}. A frame and ● n: chosen in n folds."
        if len(shown[0].xs) > maps.SHORT:
            text = f"Colour: {mean}; the table has the numbers. A frame and a number: chosen in so many folds."
        if rule.most_lost is not None and any(cell.excluded for grid in shown for cell in grid.cells.values()):
            text += (
                f" Struck through: macro F1 falls by more than the rule's {rule.most_lost:g} in some folds (one way) or in every "
                "fold (both ways)."
            )
    else:
        text = f"Thick: {mean}; thin: single folds. A ring and ● n: chosen in n folds."
    if shades < 2:
        text += " The change of macro F1 is left out: the values at the start are not in the records."
    if len(shown) < len(found):
        text += f" {len(shown)} of {len(found)} combinations of the further settings are drawn; the table has all."
    of = "cell" if shown[0].y else "point"
    return f"{text} No {of} carries an interval: neighbours that differ by little are not told apart."


def ablations(run: Run) -> list[Picture]:
    """For each model that stages start from: along beta, and along the ratio; stages that lack something are named."""
    found = [picture for i, family in enumerate(ablation.families(run)) for picture in _family(run, family, i)]
    reasons = [
        f"{stage.label}: {reason}"
        for stage in fixing.shrunk(run)
        if stage.record.parent is not None and not removing.removes(stage) and (reason := ablation.missing(stage))
    ]
    return [
        *found,
        *([Picture([], f"Left out of the pictures of the settings. {'; '.join(reasons)}.")] if reasons else []),
    ]


def _family(run: Run, family: Family, index: int) -> list[Picture]:
    names = listed([stage.label for stage in family.stages])
    trade = trading.trade(run, family)
    drawn = (
        _trade(family, trade, index)
        if trade
        else Picture(
            [], f"F1 against EOpp1 along a setting such as beta is left out: {names} tried no two values of one."
        )
    )
    if ablation.longest(family) < 2:
        score, gap = ablation_figures.measures(family).names
        reason = f"{score.capitalize()} and {gap} along the ratio are left out: {names} took a single step."
        return [drawn, Picture([], reason)]
    return [drawn, _along(family, ablation.curves(run, family), index)]


def _trade(family: Family, found: Trade, index: int) -> Picture:
    figure = ablation_figures.trade(family, found)
    line = found.lines[0]
    values = "; ".join(
        f"{line.setting} {value:.3g}: EOpp1 {number(point.eopp1.value)}, macro F1 {number(point.f1.value)}"
        for value, point in line.points
    )
    label = f"Macro F1 against EOpp1 along {line.setting} at {percent(found.ratio, 0)}: {values}"
    rest = [f"{line.label} with {settings(line.rest)}" for line in found.lines if line.rest]
    caption = (
        f"Along {line.setting}, with {percent(found.ratio, 0)} of the weights {_where(family)}, on validation"
        f"{_together(family)}; the points are joined in the order of {line.setting}, filled ones were chosen in a fold. "
        f"Further up and further left is better. {'Of the further settings: ' + listed(rest) + '. ' if rest else ''}"
        f"Crosses are intervals; grey: what chance alone reaches (the largest floor of these models)."
    )
    return Picture([panel(figure, f"beta{index}", label)], caption)


def _along(family: Family, found: Sequence[Curve], index: int) -> Picture:
    figure, of = ablation_figures.along(family, found), ablation_figures.measures(family)
    thick = [curve for curve in found if curve.thick]
    score, gap = of.names
    ends = "; ".join(
        f"{curve.label}: {score} {number(of.score(curve.points[-1]).value)} and {gap} "
        f"{number(of.gap(curve.points[-1]).value)} at {percent(curve.points[-1].ratio, 0)}"
        for curve in thick
    )
    share = f"the share of weights {_where(family)}"
    label = f"Macro {score} and {gap} along {share}, from {family.parent}. At the end, {ends}"
    floor = "Grey: what chance alone reaches (the largest floor of the models drawn thick or dashed). "
    beside = [curve for curve in found if curve.control]
    unnamed = sum(not curve.label for curve in found)
    thin = (
        f"Thin: the rest of the grid{f' ({unnamed} ways without a name)' if unnamed else ''}. "
        if len(found) > len(thick) + len(beside)
        else ""
    )
    caption = (
        f"Along {share}, on validation{_together(family)}, past any choice (a ring marks where the chosen "
        f"models are). {_thick(thick)}{thin}Dashed: {family.parent}. "
        f"{CONTROL if beside else ''}{floor}A gap that falls together with {score} fell because the model became worse."
    )
    return Picture([panel(figure, f"along{index}", label)], caption)


def _where(family: Family) -> str:
    """Where the family's weights are fixed."""
    return "fixed" if family.quantises else "at zero"


def _thick(thick: Sequence[Curve]) -> str:
    """What the thick lines are, and which of them have a band."""
    bare = [curve.label for curve in thick if not curve.banded]
    if not bare:
        return "Thick with a band: what was chosen, with its interval. " if thick else ""
    banded = listed([curve.label for curve in thick if curve.banded])
    return f"Thick: what was chosen; bands are intervals, drawn for {banded} alone, because more of them would hide the lines. "


def _together(family: Family) -> str:
    folds = len({step.fold for step in family.stages[0].steps})
    return ", the images of all folds together, as far as all of them went" if folds > 1 else ""

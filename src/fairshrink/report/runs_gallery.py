"""Which pictures a comparison of runs has, with the captions that say how to read them."""

from collections.abc import Sequence

from fairshrink.audit.changed import LEVEL
from fairshrink.report import runs_figures, style
from fairshrink.report.gallery import side_by_side
from fairshrink.report.pictures import Picture, panel, titled
from fairshrink.report.runs_changed import F1, QUANTITIES, Difference, family, pick
from fairshrink.report.runs_front import Front
from fairshrink.report.runs_grouped import Section
from fairshrink.report.runs_measured import gap, macro_f1
from fairshrink.report.runs_words import name_of
from fairshrink.report.words import count

MOST_OVERVIEW = 2


def planes(section: Section, fronts: Sequence[Front], prefix: str) -> Picture:
    """Macro F1 against EOpp1, one panel per attribute."""
    panels = [
        panel(
            runs_figures.plane(of),
            f"{prefix}-{number}",
            f"Macro F1 against EOpp1 for {of.attribute}, by model",
            of.attribute,
        )
        for number, of in enumerate(fronts)
    ]
    several = any(len(method.replicates) > 1 for method in section.methods)
    bars = "over the seeds where there are several, else over the test images" if several else "over the test images"
    crowded = len(section.methods) > runs_figures.MOST_BARS
    many = "; drawn for vanilla models and the front only, and running out of the picture" if crowded else ""
    return Picture(
        panels,
        "Better models lie further right and further down; numbers are those of the tables, grey rings are vanilla models. "
        f"Bars: 95\u00a0% intervals, {bars}{many}. Dashed: the Pareto front, the models that no other beats in both; it is drawn "
        "through points, and has no interval. Grey band: a gap within it is not distinguishable from chance (largest floor of "
        "the models).",
    )


def seeds(section: Section, attribute: str, prefix: str) -> Picture:
    """EOpp1 and macro F1 of every seed."""
    methods = section.methods
    if all(len(method.replicates) == 1 for method in methods):
        return Picture([], "Every model has one seed, so seeds are not drawn apart.")
    gaps = [gap(method, attribute, "eopp1") for method in methods]
    scores = [macro_f1(method, attribute)._replace(floor=None) for method in methods]
    panels = [
        panel(runs_figures.dots(methods, found, title), f"{prefix}-{number}", f"{title} of {attribute} by seed")
        for number, (found, title) in enumerate(((gaps, "EOpp1"), (scores, "macro F1")))
    ]
    return Picture(
        panels,
        "One dot per seed; the stroke is their mean, the line its t interval (with one seed: the interval over the images). Grey "
        "bars reach to the mean floor: what chance alone produces.",
    )


def forests(section: Section, attribute: str, found: Sequence[Difference], prefix: str) -> Picture:
    """Every change against vanilla, one panel per number."""
    if not section.shrunk:
        return Picture([], "There is no shrunk model to compare with the vanilla model.")
    panels = []
    for number, quantity in enumerate(QUANTITIES):
        rows = [one for method in section.shrunk if (one := pick(found, method, attribute, quantity)) is not None]
        sides = "← lower | higher →" if quantity == F1 else "← narrower | wider →"
        title = f"{name_of(quantity)}: {sides}"
        label = f"Change of {name_of(quantity)} against vanilla for {attribute}, by model"
        panels.append(panel(runs_figures.forest(rows, title), f"{prefix}-{number}", label))
    return Picture(
        panels,
        "Each mark is a change against the vanilla model of the same seed (mean over the seeds). Thin line: paired 95\u00a0% "
        "interval over the test images; thick: over the seeds, where there are several. A filled arrowhead can be told from none "
        f"(intervals on its side of 0, p at most {LEVEL} after Holm over all {count(family(found))} comparisons of this page); a "
        "hollow ring cannot. The scales differ.",
    )


def overview(section: Section, fronts: Sequence[Front]) -> bytes:
    """The planes of the first attributes side by side, as one PNG."""
    with style.drawing():
        figures = [titled(runs_figures.plane(of), f"{section.title}: {of.attribute}") for of in fronts[:MOST_OVERVIEW]]
        return side_by_side(figures)

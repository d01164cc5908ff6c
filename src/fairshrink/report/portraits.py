"""Which pictures of the weights a page has, with the captions that say how to read them."""

from collections.abc import Sequence
from typing import NamedTuple

from fairshrink.report import fixing, portrait_figures
from fairshrink.report.pictures import Picture, panel
from fairshrink.report.portrayed import Layer, Portrait
from fairshrink.report.records import Run, Stage
from fairshrink.report.words import count, listed, percent, plural

MOST = 8  # Layers whose histograms are shown at once; the rest is folded away.


class PortraitPart(NamedTuple):
    """The pictures of one stage; `further` layers are folded under the words `more`."""

    label: str
    groups: Picture
    layers: Picture
    further: Picture | None
    more: str


def portraits(run: Run) -> list[PortraitPart]:
    """One part for each stage that has a portrait.json; earlier versions wrote none."""
    return [
        _part(stage, stage.portrait, index)
        for index, stage in enumerate(fixing.shrunk(run))
        if stage.portrait is not None
    ]


def _part(stage: Stage, found: Portrait, index: int) -> PortraitPart:
    first, rest = found.layers[:MOST], found.layers[MOST:]
    further = [
        panel(portrait_figures.layers(some), f"layers{index}-{at}", _spoken(some, stage))
        for at, some in enumerate((rest[i : i + MOST] for i in range(0, len(rest), MOST)), start=1)
    ]
    return PortraitPart(
        stage.label,
        _groups(stage, found, index),
        _layers(stage, found, first, index),
        Picture(further, "As above.") if further else None,
        f"The weights of {plural(len(rest), 'more layer')} of {stage.label}",
    )


def _groups(stage: Stage, found: Portrait, index: int) -> Picture:
    sums = [f"for {name} {_nats(found.importance.sums[group][1])}" for group, name in enumerate(found.groups)]
    if not any(map(any, found.importance.all)):
        return Picture([], f"{stage.label}: no weight has any importance that could be drawn.")
    figures = [
        panel(
            portrait_figures.importance(found),
            f"importance{index}",
            f"How many weights have which importance for {listed(found.groups)}, {stage.label}",
            "Importance by group",
        ),
        panel(
            portrait_figures.joint(found),
            f"joint{index}",
            f"Share of the weights that {stage.label} fixed, by their importance for {found.unprivileged} and for the others",
            "Share that was fixed",
        ),
    ]
    return Picture(figures, " ".join([_what(stage, found), _none(found), _MAP, _score(found), _moved(sums)]))


def _what(stage: Stage, found: Portrait) -> str:
    to = "the power of two that it would become" if fixing.quantises(stage) else "0"
    return (
        f"Importance of a weight for a group: about how much the group's mean loss rises when this weight alone is moved to {to} "
        f"(half the curvature times the squared move; logarithmic; first fold, {_samples(found)}), in the model before the "
        "first step."
    )


def _samples(found: Portrait) -> str:
    least, most = min(found.samples), max(found.samples)
    return f"{count(least) if least == most else f'{count(least)} to {count(most)}'} images a group"


def _none(found: Portrait) -> str:
    none = [n / max(found.score.weights, 1) for n in found.importance.none]
    return f"Not drawn: {_range(none)} of the weights, which have none at all." if max(none) > fixing.SMALL else ""


def _range(shares: Sequence[float]) -> str:
    least, most = percent(min(shares)), percent(max(shares))
    return least if least == most else f"{least} to {most}"


_MAP = (
    "Map: among the weights of one place, the share that was fixed in the end; white lines hold half and 95\u00a0% of all "
    "weights. The step itself saw more images, and after its first turn another model: the edge need not be sharp."
)


def _score(found: Portrait) -> str:
    score = found.score
    if score.coefficients is None:
        return ""
    if not score.below:
        return "No score is below 0: every group's need counts for a weight, none against it."
    fixed = f", and {percent(score.below_fixed / score.fixed)} of the fixed ones" if score.fixed else ""
    return (
        f"Scores below 0 (the unprivileged group needs the weight less than the others do, weighed by the method): "
        f"{percent(score.below / max(score.weights, 1))} of all weights{fixed}."
    )


def _moved(sums: Sequence[str]) -> str:
    return f"Importance of the fixed weights added up, in nats: {listed(sums)}; each moved alone."


def _nats(value: float) -> str:
    """Two digits that matter; a small one by its power of ten."""
    if value >= 1e-3 or not value:
        return f"{value:.2g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}\u00a0·\u00a0{portrait_figures.power_of_ten(int(exponent))}"


def _layers(stage: Stage, found: Portrait, first: Sequence[Layer], index: int) -> Picture:
    drawn = [
        panel(portrait_figures.depth(found), f"depth{index}", _by_depth(found, stage), "Fixed, by depth"),
        panel(portrait_figures.layers(first), f"layers{index}-0", _spoken(first, stage), "Weights, before and after"),
    ]
    further = " It was re-trained: what is free has moved, too." if fixing.retrained(stage) else ""
    left = (
        f" The first {len(first)} of {len(found.layers)} layers; the others are folded away below."
        if len(first) < len(found.layers)
        else ""
    )
    return Picture(
        drawn,
        "Bars: the share of every layer's weights that is fixed, in the model's order. Histograms: its weights in the model "
        f"before (grey) and after (line), first fold, as shares of the layer on a square-root axis.{further}{left}",
    )


def _by_depth(found: Portrait, stage: Stage) -> str:
    shares = [(layer.zero + layer.quantised) / layer.weights for layer in found.layers]
    return f"Share of fixed weights by layer, {stage.label}: {_range(shares)}"


def _spoken(some: Sequence[Layer], stage: Stage) -> str:
    names = listed([portrait_figures.short(layer.name) for layer in some])
    return f"Histograms of the weights before and after {stage.label}: {names}"

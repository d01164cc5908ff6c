"""What an analysis found, in sentences and tables."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fairshrink.report.analysed import Analysis, Reading
from fairshrink.report.analysis_figures import change
from fairshrink.report.cells import Cell, Table, heads, words
from fairshrink.report.words import count, listed, percent, plural

# Mean fall a position from shallow to deep, in % (Chiu et al. 2023, Sec. 2).
PUBLISHED = {
    "resnet18": {"ISIC 2019": 1.1, "Fitzpatrick-17k": 0.5},
    "vgg11": {"ISIC 2019": 1.4, "Fitzpatrick-17k": 1.2},
}


class Finding(NamedTuple):
    """What was found of one label."""

    label: str
    sentences: list[str]


def names(found: Analysis) -> tuple[str, str]:
    """What the two models are called; the first is empty where there is one."""
    return (found.asked.against or "", found.asked.stage)


def models(found: Analysis) -> tuple[str, ...]:
    """The names of those that were read."""
    return names(found)[-len(found.sides) :]


def shown_layers(found: Analysis) -> list[str]:
    """Whose channels are drawn one by one: those asked for; else those that lack channels; else the last."""
    layers = [layer.name for layer in found.after[0].layers]
    if found.asked.layers:
        return [name for name in layers if name in found.asked.layers]
    lacking = {layer.name for reading in found.after for layer in reading.layers if layer.removed}
    return [name for name in layers if name in lacking] or layers[-1:]


def findings(found: Analysis) -> list[Finding]:
    """Sentences on every label: the channels of the layers that are drawn, then the whole feature by depth."""
    layers = shown_layers(found)
    return [
        Finding(label, [*(_channels(found, label, layer) for layer in layers[:3]), _depth(found, label)])
        for label in found.labels
    ]


def _channels(found: Analysis, label: str, layer: str) -> str:
    counts = [_below(side, label, layer) for side in found.sides]
    beyond = [within for _, within, _ in counts if within is not None]
    also = f"; with the groups drawn within the classes, {_in(found, beyond, counts)}" if beyond else ""
    return (
        f"Of the channels of {layer}, {_in(found, [low for low, _, _ in counts], counts)} tell {_what(found, label)} apart "
        f"better than in every one of {found.after[0].draws} draws by lot (by chance {_by_chance(found)}){also}."
    )


def _by_chance(found: Analysis) -> str:
    """How many channels lie below all draws where nothing tells anybody apart."""
    return percent(1 / (found.after[0].draws + 1))


def _in(found: Analysis, some: Sequence[int], counts: Sequence[tuple[int, int | None, int]]) -> str:
    """Shares of the channels, by model."""
    shares = [percent(number / total) for number, (_, _, total) in zip(some, counts, strict=True)]
    return listed([f"{share} in '{name}'" for share, name in zip(shares, models(found), strict=True)])


def _what(found: Analysis, label: str) -> str:
    return "the classes" if label == found.asked.classes else f"the groups of {label}"


def _below(readings: Sequence[Reading], label: str, layer: str) -> tuple[int, int | None, int]:
    """Channels below all draws, the same within the classes, and all that are there, over the folds."""
    places = [next(one for one in reading.layers if one.name == layer) for reading in readings]
    within = [place.labels[label].below_within for place in places]
    known = None if None in within else sum(number for number in within if number is not None)
    return sum(place.labels[label].below for place in places), known, sum(place.there for place in places)


def slope(readings: Sequence[Reading], label: str, kind: str = "value") -> np.ndarray:
    """Mean change of the SNNL a position, in %, of each fold, or of each draw; below 0 it falls."""
    values = 1 + change(readings, label, kind) / 100
    return 100 * (values[:, 1:] / values[:, :-1] - 1).mean(1)


def _depth(found: Analysis, label: str) -> str:
    places = [place.name for place in found.after[0].depth]
    if len(places) < 2:
        return "The model is looked at in one place only: nothing can be said by depth."
    drawn = slope(found.after, label, "chance")
    parts = []
    for side, name in zip(found.sides, models(found), strict=True):
        own = slope(side, label)
        several = f" ({_ends(own)} in the folds)" if len(own) > 1 else ""
        parts.append(f"{_signed(own.mean())}{several} in '{name}'")
    return (
        f"From {places[0]} to {places[-1]}, the SNNL of the whole feature changes at each position by {listed(parts)}; with "
        f"labels drawn by lot by {_ends(drawn)}. Below 0 the later features tell {_what(found, label)} apart better."
    )


def _ends(values: np.ndarray) -> str:
    return f"{_signed(values.min())} to {_signed(values.max())}"


def _signed(value: float) -> str:
    return f"{value:+.2f}\u00a0%".replace("-", "−")


def published(found: Analysis, label: str) -> dict[str, float]:
    """Published falls of an attribute for this backbone, in %."""
    return PUBLISHED.get(found.asked.backbone, {}) if label != found.asked.classes else {}


def depth_table(found: Analysis) -> Table:
    """The mean change a position of every label and model, beside chance and what was published."""
    rows = []
    for label in found.labels:
        for side, name in zip(found.sides, models(found), strict=True):
            own, drawn = slope(side, label), slope(side, label, "chance")
            given = found.after[0].depth[0].labels[label].within
            within = _signed(slope(side, label, "within").mean()) if given else ""
            there = published(found, label)
            rows.append(
                [
                    words(label, name),
                    Cell(_signed(own.mean()), (_ends(own),) if len(own) > 1 else ()),
                    Cell(_ends(drawn)),
                    Cell(within),
                    words(*(f"{_signed(-value)} ({data})" for data, value in there.items())) if there else words(""),
                ]
            )
    return Table(
        "Mean change of the SNNL a position",
        heads("by, model", "change (folds)", "by chance", "by class alone", "published"),
        [rows],
        "Of the whole feature, in % of the position before; below 0 it falls. By chance: the least and the most of all draws by "
        "lot. Published: Chiu et al. 2023, for the sensitive attribute on other data, with an unknown temperature and batch.",
    )


def layer_table(found: Analysis) -> Table:
    """Every layer: its channels, and how many of them lie below all draws."""
    rows = []
    for place in found.after[0].layers:
        gone = [len(next(one for one in reading.layers if one.name == place.name).removed) for reading in found.after]
        cells = []
        for label in found.labels:
            for side in found.sides:
                low, within, total = _below(side, label, place.name)
                cells.append(
                    Cell(percent(low / total), () if within is None else (f"within {percent(within / total)}",))
                )
        missing = count(gone[0]) if len(set(gone)) == 1 else f"{min(gone)} to {max(gone)}"
        rows.append([words(place.name), Cell(count(place.channels)), Cell(missing), *cells])
    titles = [f"{label}, {name}" for label in found.labels for name in models(found)]
    return Table(
        "Channels that lie below all draws",
        heads("layer", "channels", "removed", *titles),
        [rows],
        f"Of those that are there, over all folds; by chance {_by_chance(found)}. Channels of one layer "
        "are alike, and see the same draws: these shares vary more than a count of independent ones would. Within: below all "
        "draws within the classes, so beyond what the classes tell about the groups.",
    )


def settings(found: Analysis) -> dict[str, str]:
    """How the models were looked at."""
    first = found.after[0]
    labels = {label.name: label.batches for label in first.labels if label.name in found.labels}
    return {
        "models": f"{found.asked.stage}" + (f" against {found.asked.against}" if found.asked.against else ""),
        "folds": ", ".join(str(reading.fold) for reading in found.after),
        "images": f"{count(first.images)} training images a fold, drawn from the seed"
        + (f", one of each {found.asked.by}" if found.asked.by else "")
        + "; without augmentation",
        "compared at once": count(first.compared),
        "batches that count": ", ".join(
            f"{name}: {plural(number, 'batch', 'batches')}" for name, number in labels.items()
        ),
        "SNNL": f"maps of length 1, temperature {first.temperature:g}, read before the activation; mean of the batches",
        "draws by lot": f"{first.draws}, within each batch",
    }

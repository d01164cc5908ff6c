"""The pictures of a step's channels on the page of a run, with the captions that say how to read them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fairshrink.report import channel_figures, fixing
from fairshrink.report.channel_figures import Curve, without
from fairshrink.report.channelled import ChannelPortrait
from fairshrink.report.pictures import Picture, panel
from fairshrink.report.records import Run, Stage
from fairshrink.report.words import count, listed, plural

MOST = 6  # Layers that are shown at once; the rest is folded away.


class ChannelPart(NamedTuple):
    """The channels of one stage; `further` layers are folded under the words `more`."""

    label: str
    picture: Picture
    further: Picture | None
    more: str


def channel_parts(run: Run) -> list[ChannelPart]:
    """One part for each stage with a channels.json."""
    return [_part(run, stage, index) for index, stage in enumerate(fixing.shrunk(run)) if stage.channels]


def _part(run: Run, stage: Stage, index: int) -> ChannelPart:
    names = [layer.name for layer in stage.channels[0].layers]
    found = {name: [_curve(one, name) for one in stage.channels] for name in names}
    panels = [
        panel(
            channel_figures.sorted_scores(curves), f"channels{index}-{at}", _spoken(name, stage), _titled(name, curves)
        )
        for at, (name, curves) in enumerate(found.items())
    ]
    caption = " ".join(
        [
            _what(stage.channels),
            _cuttable(stage.channels[0]),
            *([_moved(next(iter(found.values()))), _control(run, stage)] if len(found) == 1 else []),
        ]
    )
    rest = len(panels) - MOST
    further = Picture(panels[MOST:], "As above.") if rest > 0 else None
    return ChannelPart(
        stage.label, Picture(panels[:MOST], caption), further, f"The channels of {plural(max(rest, 0), 'more layer')}"
    )


def _curve(found: ChannelPortrait, name: str) -> Curve:
    layer = next(layer for layer in found.layers if layer.name == name)
    return Curve(layer.before, layer.after, layer.chance, layer.removed, layer.lacked)


def _titled(name: str, curves: Sequence[Curve]) -> str:
    gone = sorted({len(curve.newly) for curve in curves})
    numbers = count(gone[0]) if len(gone) == 1 else f"{count(gone[0])} to {count(gone[-1])}"
    return f"{name}: {numbers} of {count(len(curves[0].after))} removed"


def _spoken(name: str, stage: Stage) -> str:
    return f"Sorted SNNL of the channels of {name} before and after {stage.label}"


def _what(folds: Sequence[ChannelPortrait]) -> str:
    first = folds[0]
    thin = f" Thin: the {len(folds)} folds; thick: their mean by rank." if len(folds) > 1 else ""
    return (
        f"Soft nearest neighbour loss (SNNL) of each channel with respect to {first.attribute}, sorted: a low one belongs to a "
        f"channel whose maps tell the groups apart. Grey: the model before; orange: after; dashed: what groups drawn by lot give "
        f"in the model before; ticks: where the removed channels lay.{thin} {count(first.images)} training images a fold, "
        f"{count(first.compared)} compared at once, read {first.tap} the activation.{_uncompared(folds)}"
    )


def _uncompared(folds: Sequence[ChannelPortrait]) -> str:
    """What no score saw; nothing where everything was compared."""
    alone, skipped = sum(one.alone for one in folds), sum(one.skipped for one in folds)
    parts = [f"{plural(alone, 'image')} without a partner of the same group"] if alone else []
    parts += [f"{plural(skipped, 'batch', 'batches')} with one group only"] if skipped else []
    return f" Not in the mean: {listed(parts)}." if parts else ""


def _cuttable(found: ChannelPortrait) -> str:
    """Which layers' removed channels can be taken out of the file."""
    known = [layer for layer in found.layers if layer.cuttable is not None]
    kept = [layer.name for layer in known if not layer.cuttable]
    if not known or not any(layer.removed for layer in known):
        return ""
    if not kept:
        return "Removed channels can be cut out of the file (fairshrink export --cut)."
    which = "Removed" if len(kept) == len(known) else f"Of {listed(kept)} removed"
    return (
        f"{which} channels cannot be cut out of the file, because what else puts out into them, such as a shortcut, stays: they "
        "are only zeroed there, and the model is no smaller."
    )


def _moved(curves: Sequence[Curve]) -> str:
    """Whether the channels that stayed moved, which the curve of all cannot tell: it rises where the lowest are taken away."""
    before = np.mean([np.delete(curve.before, list(curve.gone)).mean() for curve in curves])
    after = np.mean([np.delete(curve.after, list(curve.gone)).mean() for curve in curves])
    every = np.mean([without(curve.before, curve.lacked).mean() for curve in curves])
    chance = np.mean([np.mean(curve.chance) for curve in curves])
    return (
        f"Mean of all channels before: {every:.4f}, by chance {chance:.4f}. Of those that stayed: {before:.4f} before, "
        f"{after:.4f} after; the rest of the difference is that the removed ones are missing."
    )


def _control(run: Run, stage: Stage) -> str:
    """Where the same channels went in the control; nothing where it looked at others."""
    beside = next((other for other in run.stages if other.record.name == stage.record.control), None)
    folds = zip(stage.channels, beside.channels if beside is not None else (), strict=False)
    pairs = [(own.layers[0], other.layers[0]) for own, other in folds]
    if not pairs or any((own.name, own.before) != (other.name, other.before) for own, other in pairs):
        return ""
    after = np.mean([np.delete(other.after, own.removed).mean() for own, other in pairs])
    return f"The same channels after the control, which removed none: {after:.4f}."

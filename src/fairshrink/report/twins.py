"""A model against one that differs from it in a single thing, in words: its control, or another selection."""

from fairshrink.report import fixing, paired, removing
from fairshrink.report.compared import Change
from fairshrink.report.paired import Pair
from fairshrink.report.records import Run, Stage
from fairshrink.report.words import listed, probability, signed, signed_interval

SAME = "the same re-training without quantisation"
UNCUT = "re-training by the same settings with no channel removed"
SELECTED = {"random": ", its weights by lot", "magnitude": ", its largest weights first"}


def against(pair: Pair) -> str:
    """What a model is compared with, in words."""
    twin, channels = pair.twin, removing.removes(pair.stage)
    if fixing.is_control(twin):
        return UNCUT if channels else SAME
    values = fixing.values(twin.record.params.get("select"))
    known = removing.SELECTED if channels else SELECTED
    selected = known.get(str(values[0]), "") if len(values) == 1 else ""
    return f"{twin.label} (chosen alike{selected})"


def headline(run: Run) -> str:
    """Which EOpp1 differs from that of a control, or of another model that went by the same choice; empty without one."""
    return " ".join(_headline(run, pair) for pair in paired.pairs(run))


def _headline(run: Run, pair: Pair) -> str:
    changes = {name: paired.change(run, pair.stage, name, "eopp1", twin=pair.twin) for name in run.attributes}
    found = [
        f"{'narrows' if one.change < 0 else 'widens'} EOpp1 in {name}"
        for name, one in changes.items()
        if one is not None and one.told and one.change
    ]
    if not found:
        return f"Against {against(pair)}, no difference in EOpp1 is shown for {pair.stage.label}."
    return f"Against {against(pair)}, {pair.stage.label} {listed(found)}."


def changes(run: Run, stage: Stage, attribute: str) -> str:
    """What a model is against those that went by its choice, as firmly as paired comparisons allow; empty without one."""
    return " ".join(_changes(run, pair, attribute) for pair in paired.twins(run, stage))


def _changes(run: Run, pair: Pair, attribute: str) -> str:
    gap = paired.change(run, pair.stage, attribute, "eopp1", twin=pair.twin)
    f1 = pair.record.attributes[attribute].scores.get("average_f1")
    parts = [f"EOpp1 {_beside(gap, ('narrower', 'wider'), adjusted=True)}"]
    parts += [f"macro F1 {_beside(f1, ('lower', 'higher'), adjusted=False)}"] if f1 is not None else []
    return f"Against {against(pair)}, on the same images: {'; '.join(parts)}."


def _beside(found: Change | None, sides: tuple[str, str], *, adjusted: bool) -> str:
    """A change from the control in a few words; no difference is shown where the interval holds 0."""
    if found is None or found.change is None or (adjusted and found.p_holm is None):
        return "undefined"
    p = f", p {probability(found.p_holm)} after Holm" if adjusted else ""
    numbers = f"{signed(found.change)} (interval {signed_interval(found)}{p})"
    side = sides[found.change > 0]
    if not found.alone:
        return f"{numbers}, no difference is shown"
    if adjusted and not found.told:
        return f"{numbers}, {side}, but among all changes on this page it does not hold"
    return f"{numbers}, {side}"

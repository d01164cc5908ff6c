"""The paired changes that a run's page speaks of, adjusted together: every shrunk model, attribute and gap shown."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fairshrink.metrics.holm import holm
from fairshrink.report import fixing
from fairshrink.report.compared import Change, ComparisonRecord
from fairshrink.report.records import Run, Stage

GAPS = ("eopp1", "eopp0", "eodd")


def compared(run: Run) -> list[Stage]:
    """The shrunk models that were compared with the vanilla model, image by image."""
    return [stage for stage in run.stages if stage is not run.vanilla and stage.comparison is not None]


class Pair(NamedTuple):
    """A model, one that went by its choice (a control, or another selection), and the first against the second."""

    stage: Stage
    twin: Stage
    record: ComparisonRecord


def pairs(run: Run) -> list[Pair]:
    """The models that were compared, image by image, with one that differs in a single thing."""
    by_name = {stage.record.name: stage for stage in run.stages}
    return [
        Pair(by_name[twin.record.of], twin, twin.twin)
        for twin in run.stages
        if twin.twin is not None and twin.record.of is not None
    ]


def name(pair: Pair) -> str:
    """A pair in a few letters."""
    return f"{pair.stage.label} − {'control' if fixing.is_control(pair.twin) else pair.twin.label}"


def twins(run: Run, stage: Stage) -> list[Pair]:
    """Those of one model."""
    return [pair for pair in pairs(run) if pair.stage is stage]


def family(run: Run) -> int:
    """How many changes of `GAPS` the page shows, and Holm's adjustment is for."""
    return len(_family(run))


def change(run: Run, stage: Stage, attribute: str, gap: str, *, twin: Stage | None = None) -> Change | None:
    """What a stage changed in one gap, its p adjusted (Holm) over all changes of `GAPS` on the page; None if not compared.

    Args:
        run: All of them.
        stage: The model.
        attribute: Whose groups.
        gap: One of `GAPS`.
        twin: Against which other model; against the vanilla model by default.
    """
    found = _family(run)
    place = (stage.label, attribute, gap, None if twin is None else twin.label)
    if place not in found:
        return None
    plain = np.array([np.nan if one.p is None else one.p for one in found.values()])
    adjusted = float(holm(plain)[list(found).index(place)])
    return replace(found[place], p_holm=None if np.isnan(adjusted) else adjusted)


def _family(run: Run) -> dict[tuple[str, str, str, str | None], Change]:
    """Every change that the page shows, by model, attribute, gap and the twin that it is against."""
    kinds: list[tuple[Stage, ComparisonRecord | None, str | None]] = [
        (stage, stage.comparison, None) for stage in compared(run)
    ]
    kinds += [(pair.stage, pair.record, pair.twin.label) for pair in pairs(run)]
    return {
        (stage.label, attribute, gap, twin): record.attributes[attribute].gaps[gap]
        for stage, record, twin in kinds
        if record is not None
        for attribute in run.attributes
        for gap in GAPS
    }

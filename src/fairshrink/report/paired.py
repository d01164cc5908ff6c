"""The paired changes that a run's page speaks of, adjusted together: every shrunk model, attribute and gap shown."""

from dataclasses import replace

import numpy as np

from fairshrink.metrics.holm import holm
from fairshrink.report.compared import Change
from fairshrink.report.records import Run, Stage

GAPS = ("eopp1", "eopp0", "eodd")


def compared(run: Run) -> list[Stage]:
    """The shrunk models that were compared with the vanilla model, image by image."""
    return [stage for stage in run.stages if stage is not run.vanilla and stage.comparison is not None]


def change(run: Run, stage: Stage, attribute: str, gap: str) -> Change | None:
    """What a stage changed in one gap, its p adjusted (Holm) over all changes of `GAPS` on the page; None if not compared."""
    found = _family(run)
    place = (stage.label, attribute, gap)
    if place not in found:
        return None
    plain = np.array([np.nan if one.p is None else one.p for one in found.values()])
    adjusted = float(holm(plain)[list(found).index(place)])
    return replace(found[place], p_holm=None if np.isnan(adjusted) else adjusted)


def _family(run: Run) -> dict[tuple[str, str, str], Change]:
    """Every change that the page shows, by model, attribute and gap."""
    return {
        (stage.label, attribute, gap): stage.comparison.attributes[attribute].gaps[gap]
        for stage in compared(run)
        if stage.comparison is not None
        for attribute in run.attributes
        for gap in GAPS
    }

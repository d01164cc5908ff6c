"""What a method changed against its vanilla model or its twin: over the seeds, the images, adjusted for all that is compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fairshrink.audit.changed import LEVEL
from fairshrink.metrics.holm import holm
from fairshrink.metrics.seeds import mean_over_seeds, merged_p
from fairshrink.report import paired
from fairshrink.report.compared import Change, ComparisonRecord
from fairshrink.report.paired import Pair
from fairshrink.report.runs_grouped import Method, Replicate, Section
from fairshrink.report.runs_measured import GAPS, array, audit_of, known
from fairshrink.report.tables import average_f1

F1 = "f1"
QUANTITIES = (*GAPS, F1)


@dataclass(frozen=True, slots=True)
class Span:
    """A 95 % interval and its p; None where there is none."""

    low: float | None
    high: float | None
    p: float | None

    @property
    def ends(self) -> tuple[float, float] | None:
        """Both ends."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True, slots=True)
class Difference:
    """A method minus its vanilla model, or minus a method that goes by its choice, in one number of one attribute.

    Attributes:
        method: The method.
        attribute: The audited attribute.
        quantity: One of `QUANTITIES`.
        value: The mean change over the seeds; None where it is undefined.
        values: One per seed.
        seeds: Paired t over the seeds: it contains the variance of training, not that of drawing test images.
        images: Paired bootstrap of the test images: it contains that, not the variance of training. Of several seeds the
            means of their ends, which is too wide rather than too narrow.
        p: The larger of the two.
        p_holm: The same, adjusted for every difference of the page.
        twin: The other method, such as its control; None for the vanilla model.
    """

    method: Method
    attribute: str
    quantity: str
    value: float | None
    values: tuple[float | None, ...]
    seeds: Span
    images: Span
    p: float | None
    p_holm: float | None = None
    twin: Method | None = None

    @property
    def spans(self) -> list[tuple[float, float]]:
        """Both ends of each interval that is there."""
        return [span.ends for span in (self.seeds, self.images) if span.ends is not None]

    @property
    def alone(self) -> bool:
        """Whether every interval lies on the value's side of 0, as if there were no other comparison."""
        side = np.sign(self.value or 0)
        return bool(self.spans) and all(side * low > 0 and side * high > 0 for low, high in self.spans)

    @property
    def by_itself(self) -> bool:
        """Whether it would be told from no change if it were the only comparison."""
        return self.alone and self.p is not None and self.p <= LEVEL

    @property
    def defined(self) -> int:
        """In how many seeds there is a value: what the interval over the seeds rests on."""
        return sum(value is not None for value in self.values)

    @property
    def told(self) -> bool:
        """Whether it can be told from no change: every interval lies on its side of 0, and p is small enough after Holm."""
        return self.alone and self.p_holm is not None and self.p_holm <= LEVEL

    @property
    def reach(self) -> tuple[float, float] | None:
        """The lowest and the highest change that some interval holds: how much the data could have hidden."""
        return (min(low for low, _ in self.spans), max(high for _, high in self.spans)) if self.spans else None


def differences(sections: Sequence[Section]) -> list[Difference]:
    """Every comparison of a page, adjusted together (Holm)."""
    plain = [
        _difference(method, attribute, quantity, twin)
        for section in sections
        for method in section.shrunk
        for twin in (None, *twins_of(section, method))
        for attribute in section.attributes
        for quantity in QUANTITIES
    ]
    adjusted = holm(array([one.p for one in plain]))
    return [replace(one, p_holm=known(p)) for one, p in zip(plain, adjusted.tolist(), strict=True)]


def twins_of(section: Section, method: Method) -> list[Method]:
    """The methods that go by a method's choice and were compared with it, image by image."""
    stages = [pair.twin for pair in paired.twins(method.first.run, method.first.stage)]
    return [
        other
        for other in section.methods
        if any(replicate.stage is stage for replicate in other.replicates for stage in stages)
    ]


def _pair(replicate: Replicate, twin: Method) -> Pair | None:
    """A replicate and its twin in the same run; None where that run has none."""
    name = twin.first.stage.record.name
    found = paired.twins(replicate.run, replicate.stage)
    return next((pair for pair in found if pair.twin.record.name == name), None)


def family(found: Sequence[Difference]) -> int:
    """How many comparisons Holm's adjustment is for."""
    return sum(one.p is not None for one in found)


def pick(
    found: Sequence[Difference], method: Method, attribute: str, quantity: str, twin: Method | None = None
) -> Difference | None:
    """One of them, against the vanilla model or a twin; None for a vanilla model."""
    mine = (one for one in found if one.method is method and one.twin is twin)
    return next((one for one in mine if (one.attribute, one.quantity) == (attribute, quantity)), None)


def value_of(
    attribute: str, quantity: str, twin: Method | None = None
) -> Callable[[Replicate], tuple[float | None, float | None]]:
    """Reads a number of a replicate, and the same number of the vanilla model, or of the twin, of its run."""

    def both(replicate: Replicate) -> tuple[float | None, float | None]:
        other = replicate.run.vanilla
        if twin is not None:
            if (pair := _pair(replicate, twin)) is None:
                return None, None
            other = pair.twin
        of = audit_of(replicate, attribute), other.audit.attributes[attribute]
        if quantity == F1:
            return average_f1(of[0]), average_f1(of[1])
        return of[0].gaps[quantity].value, of[1].gaps[quantity].value

    return both


def _difference(method: Method, attribute: str, quantity: str, twin: Method | None) -> Difference:
    read = value_of(attribute, quantity, twin)
    values = [
        None if after is None or before is None else after - before for after, before in map(read, method.replicates)
    ]
    mean = mean_over_seeds(array(values))
    seeds = Span(known(mean.low), known(mean.high), known(mean.p))
    images = _images([_change(_record(replicate, twin), attribute, quantity) for replicate in method.replicates])
    p = [span.p for span in (seeds, images) if span.p is not None]
    return Difference(
        method, attribute, quantity, known(mean.value), tuple(values), seeds, images, max(p) if p else None, twin=twin
    )


def _record(replicate: Replicate, twin: Method | None) -> ComparisonRecord | None:
    if twin is None:
        return replicate.stage.comparison
    pair = _pair(replicate, twin)
    return None if pair is None else pair.record


def _change(record: ComparisonRecord | None, attribute: str, quantity: str) -> Change | None:
    if record is None:
        return None
    found = record.attributes[attribute]
    return found.scores.get("average_f1") if quantity == F1 else found.gaps[quantity]


def _images(changes: Sequence[Change | None]) -> Span:
    """The bootstrap's ends and p of one seed, or of several together.

    The spread of a mean is at most the mean of the spreads, however the seeds depend on each other through the images that
    they share; p-values are merged in the way that needs no independence either.
    """
    there = [
        change for change in changes if change is not None and None not in (change.change, change.low, change.high)
    ]
    if not there:
        return Span(None, None, None)
    low, high = (known(float(np.mean(array(ends)))) for ends in ([c.low for c in there], [c.high for c in there]))
    return Span(low, high, known(merged_p(array([change.p for change in there]))))

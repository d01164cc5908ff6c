"""What a step did to the weights as the page sees it: frozen records of portrait.json."""

from dataclasses import dataclass

from fairshrink.errors import StoreError


@dataclass(frozen=True, slots=True)
class Layer:
    """Histograms of one layer's weights from -reach to reach, and how many are fixed at 0 and at another value."""

    name: str
    weights: int
    reach: float
    before: list[int]
    after: list[int]
    outside: list[int]
    zero: int
    quantised: int


@dataclass(frozen=True, slots=True)
class Importance:
    """Counts over log10 of the importance, one row for each group: of all weights, and of those that are fixed.

    `none` are weights of no importance at all, `outside` those beyond the bins; `sums` is the importance of all weights and of
    the fixed ones added up, in nats.
    """

    low: float
    width: float
    all: list[list[int]]
    fixed: list[list[int]]
    none: list[int]
    outside: list[int]
    sums: list[list[float]]


@dataclass(frozen=True, slots=True)
class Joint:
    """Counts by the unprivileged group's importance (rows) and that of the others together (columns), log10."""

    low: float
    width: float
    all: list[list[int]]
    fixed: list[list[int]]


@dataclass(frozen=True, slots=True)
class Score:
    """How many weights have a score below 0; without a contrast over the groups there are no coefficients."""

    weights: int
    fixed: int
    below: int
    below_fixed: int
    coefficients: list[float] | None
    beta: float | None


@dataclass(frozen=True, slots=True)
class Portrait:
    """portrait.json."""

    layers: list[Layer]
    groups: list[str]
    unprivileged: str
    samples: list[int]
    importance: Importance
    joint: Joint
    score: Score


def check_portrait(found: Portrait, place: str, advice: str) -> None:
    """Raise StoreError unless its lists fit each other: groups, bins of a layer, bins of the importance."""
    groups, bins = len(found.groups), len(found.importance.all[0]) if found.importance.all else 0
    rows = [len(row) for table in (found.importance.all, found.importance.fixed) for row in table]
    cells = [len(row) for table in (found.joint.all, found.joint.fixed) for row in table]
    per_group = (found.importance.none, found.importance.outside, found.importance.sums, found.samples)
    if found.unprivileged not in found.groups or any(len(one) != groups for one in per_group):
        raise StoreError(
            f"'{place}/portrait.json' is of the groups {found.groups}, favours '{found.unprivileged}' and has "
            f"{sorted({len(one) for one in per_group})} values for each number of a group. {advice}"
        )
    if rows != [bins] * 2 * groups or cells != [bins] * 2 * bins or not bins:
        raise StoreError(
            f"'{place}/portrait.json': the counts of importance have rows of {sorted({*rows, *cells})} numbers, expected "
            f"{groups} rows of one length, and tables as wide as they are high. {advice}"
        )
    for layer in found.layers:
        if not layer.before or len(layer.before) != len(layer.after) or len(layer.outside) != 2 or layer.reach <= 0:
            raise StoreError(
                f"'{place}/portrait.json': the histograms of '{layer.name}' have {len(layer.before)} and {len(layer.after)} "
                f"bins up to {layer.reach:g}, expected one number of bins up to a value above 0. {advice}"
            )

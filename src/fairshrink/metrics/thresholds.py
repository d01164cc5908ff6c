"""From the probabilities of all exits, computed once: what early exits do at any threshold, and which threshold to take."""

from collections.abc import Sequence
from math import isfinite, nan
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Integer

from fairshrink.errors import ConfigError, DataError, suggest
from fairshrink.metrics.counts import count
from fairshrink.metrics.gaps import GAPS, gaps
from fairshrink.metrics.rates import divide, f1
from fairshrink.metrics.soft import SOFT, soft_criteria, soft_sums
from fairshrink.metrics.tradeoff import fate

THETAS = (0.8, 0.85, 0.9, 0.95, 0.99, 0.999)  # Chiu et al. 2023, found again in the authors' code.
RULE = "gap:soft_eopp1:0.01"
FORMS = ("gap:METRIC:LOSS", "fate:METRIC", "cost:LOSS")
SHOWN = "eopp1"  # The gap beside a rule that looks at none.
CRITERIA = (*GAPS, *SOFT)
POINTS = 60  # Of a curve: as fine as a picture shows.


class AtTheta(NamedTuple):
    """What a model with exits does at one threshold; `_asdict()` of it is a point in exits.json.

    Attributes:
        theta: The threshold; NaN where every sample was sent to one and the same exit.
        f1: Macro F1, average of the groups; NaN where a group has no samples.
        accuracy: Of all samples, those of unknown group among them.
        gaps: The names of `CRITERIA` -> value; NaN where it is undefined.
        leave: The share of each group's samples that leaves at each exit, (G, E); NaN for an empty group.
        cost: Mean over all samples of what the exit that each leaves at costs.
    """

    theta: float
    f1: float
    accuracy: float
    gaps: dict[str, float]
    leave: Float[np.ndarray, "G E"]
    cost: float


class ExitRule(NamedTuple):
    """How a threshold is chosen.

    Attributes:
        kind: "gap": the smallest of a criterion within a bound on macro F1. "fate": the largest FATE. "cost": the smallest cost
            within such a bound.
        metric: One of `CRITERIA`; under "cost" what is shown beside it.
        loss: How far macro F1 may be below that of the final exit; None has no bound.
    """

    kind: str
    metric: str
    loss: float | None = None


class _Seen(NamedTuple):
    """All exits' probabilities on the same samples, and what is known about these."""

    prob: np.ndarray
    y: np.ndarray
    g: np.ndarray
    num_groups: int
    costs: np.ndarray


def policy(
    prob: Float[np.ndarray, "E N C"], thetas: Sequence[float]
) -> tuple[Int[np.ndarray, "T N"], Int[np.ndarray, "T N"]]:
    """Where each sample leaves, and as what: the earliest exit that is confident enough, otherwise the final one.

    Args:
        prob: Probabilities of every exit, (E, N, C), the final exit last. The confidence is the largest of them.
        thetas: Thresholds in (0, 1], T of them.

    Returns:
        The number of the exit and the predicted class, each (T, N).

    Raises:
        ConfigError: A threshold is outside (0, 1].
        DataError: There are no samples, or a probability is not finite.

    Source: Chiu et al. 2023, Section 2.2.
    """
    confidence, limits = _confidence(prob), _limits(thetas)
    last = len(prob) - 1
    exits = np.full((limits.size, prob.shape[1]), last, dtype=np.int64)
    for exit_ in reversed(range(last)):
        exits[confidence[exit_][None] >= limits[:, None]] = exit_
    return exits, prob.argmax(-1)[exits, np.arange(prob.shape[1])]


def curve(
    prob: Float[np.ndarray, "E N C"],
    y: Integer[np.ndarray, " N"],
    g: Integer[np.ndarray, " N"],
    *,
    num_groups: int,
    num_classes: int,
    costs: Sequence[float] | Sequence[int],
    thetas: Sequence[float],
) -> list[AtTheta]:
    """What the policy does at each threshold.

    Args:
        prob: Probabilities of every exit, (E, N, C), the final exit last.
        y: True classes, (N,), in [0, C).
        g: Groups, (N,), in [0, G), or -1 where unknown: such samples count for accuracy and cost only.
        num_groups: G.
        num_classes: C.
        costs: Of a sample that leaves at each exit, E numbers, in any unit: MACs up to and including that exit.
        thetas: Thresholds in (0, 1].

    Returns:
        One point for each threshold, in their order.

    Raises:
        ConfigError: A threshold is outside (0, 1].
        DataError: The sizes do not fit each other, there are no samples, or a class, group or probability is out of range.
    """
    seen = _seen(prob, y, g, num_groups, costs)
    _check_classes(prob, num_classes)
    exits, _ = policy(prob, thetas)
    return [_at(seen, float(theta), row) for theta, row in zip(thetas, exits, strict=True)]


def each_exit(
    prob: Float[np.ndarray, "E N C"],
    y: Integer[np.ndarray, " N"],
    g: Integer[np.ndarray, " N"],
    *,
    num_groups: int,
    num_classes: int,
    costs: Sequence[float] | Sequence[int],
) -> list[AtTheta]:
    """Every exit used alone, by all samples; the last point is the final exit: running to the end.

    Arguments and errors as of `curve`; theta is NaN.
    """
    seen = _seen(prob, y, g, num_groups, costs)
    _check_classes(prob, num_classes)
    _confidence(prob)
    return [_at(seen, nan, np.full(prob.shape[1], exit_)) for exit_ in range(len(prob))]


def finer(prob: Float[np.ndarray, "E N C"], points: int = POINTS) -> list[float]:
    """Thresholds for a curve: quantiles of the confidences of the exits before the final one.

    About equally many decisions change from each to the next, so that the curve is fine where models are: close to 1.

    Args:
        prob: Probabilities of every exit, (E, N, C), the final exit last.
        points: How many; fewer where confidences are equal, none where there is only the final exit.

    Raises:
        DataError: There are no samples, or a probability is not finite.
    """
    early = np.minimum(_confidence(prob)[:-1], 1.0)  # A softmax in float32 may exceed 1 by rounding.
    return np.unique(np.quantile(early, np.linspace(0, 1, points))).tolist() if early.size else []


def exit_rule(name: str) -> ExitRule:
    """A rule by its name.

    Args:
        name: `gap:METRIC:LOSS`, the smallest gap among the thresholds whose macro F1 (average of the groups) is at most LOSS
            below that of the final exit; `fate:METRIC`, the trade-off of macro F1 against a gap, relative to the final exit;
            `cost:LOSS`, the cheapest threshold within the same bound, whatever the gaps are.

    Raises:
        ConfigError: There is no rule or gap of that name, or the loss is no number from 0 on.
    """
    kind, _, rest = name.partition(":")
    metric, *given = rest.split(":")
    if kind not in ("gap", "fate", "cost"):
        raise ConfigError(f"there is no rule '{name}' to choose a threshold by. Known: {', '.join(FORMS)}.")
    if kind == "cost":
        return ExitRule(kind, SHOWN, _loss(name, kind, rest.split(":")))
    if metric not in CRITERIA:
        raise ConfigError(f"the rule '{name}' needs a gap: there is none called '{metric}'.{suggest(metric, CRITERIA)}")
    if kind == "gap":
        return ExitRule(kind, metric, _loss(name, f"{kind}:{metric}", given))
    if given:
        raise ConfigError(f"the rule '{name}' has more than a gap: it knows no bound. Give '{kind}:{metric}'.")
    return ExitRule(kind, metric)


def allowed(points: Sequence[AtTheta], final: AtTheta, rule: str = RULE) -> list[bool]:
    """Whether the rule may take each point: its value is defined, and macro F1 is within the bound, if it has one.

    Raises:
        ConfigError: There is no such rule.
    """
    return [not np.isnan(_value(point, final, exit_rule(rule))) for point in points]


def choose_theta(points: Sequence[AtTheta], final: AtTheta, rule: str = RULE) -> int:
    """The best threshold on validation; of several that are equal the one that costs less.

    Where none is `allowed` (macro F1 falls too far at every one, or the final exit has no gap, so that FATE is undefined),
    the largest threshold is taken: the one next to running to the end.

    Args:
        points: Candidates, from `curve`.
        final: The final exit used alone: the last of `each_exit` on the same samples.
        rule: See `exit_rule`.

    Returns:
        The number of the point.

    Raises:
        ConfigError: There is no such rule, or no threshold to choose from.
    """
    chosen_by = exit_rule(rule)
    if not points:
        raise ConfigError("there is no threshold to choose from: give one or more, from 0 (left out) to 1.")
    values = [_value(point, final, chosen_by) for point in points]
    ranked = [(value, points[at].cost, at) for at, value in enumerate(values) if not np.isnan(value)]
    return min(ranked)[2] if ranked else int(np.argmax([point.theta for point in points]))


def _value(point: AtTheta, final: AtTheta, rule: ExitRule) -> float:
    """What points are compared by, the smallest first; NaN where one may not be taken."""
    gap, before = point.gaps[rule.metric], final.gaps[rule.metric]
    if rule.loss is not None:
        smallest = gap if rule.kind == "gap" else point.cost
        return smallest if point.f1 >= final.f1 - rule.loss else nan
    if final.f1 == 0 or before == 0:
        return nan  # FATE divides by both.
    return -fate(point.f1, final.f1, gap, before)


def _at(seen: _Seen, theta: float, exits: np.ndarray) -> AtTheta:
    """One way to spread the samples over the exits."""
    prob = seen.prob[exits, np.arange(exits.size)]
    pred, sizes = prob.argmax(-1), (seen.num_groups, len(seen.costs))
    counts = count(seen.y, pred, seen.g, num_groups=seen.num_groups, num_classes=prob.shape[-1]).counts
    soft = soft_criteria(soft_sums(prob, seen.y, seen.g, num_groups=seen.num_groups))
    known = seen.g >= 0
    cells = np.bincount(seen.g[known] * sizes[1] + exits[known], minlength=sizes[0] * sizes[1]).reshape(sizes)
    return AtTheta(
        theta=theta,
        f1=float(np.mean(f1(counts))),
        accuracy=float(np.mean(pred == seen.y)),
        gaps={name: float(gap.value) for name, gap in gaps(counts).items()} | soft,
        leave=divide(cells, cells.sum(1, keepdims=True)),
        cost=float(seen.costs[exits].mean()),
    )


def _seen(
    prob: np.ndarray, y: np.ndarray, g: np.ndarray, num_groups: int, costs: Sequence[float] | Sequence[int]
) -> _Seen:
    if len(costs) != len(prob):
        raise DataError(f"costs has {len(costs)} numbers, but prob has {len(prob)} exits: give the cost of each exit.")
    return _Seen(prob, y.astype(np.int64), g.astype(np.int64), num_groups, np.asarray(costs, dtype=np.float64))


def _check_classes(prob: np.ndarray, num_classes: int) -> None:
    if prob.shape[-1] != num_classes:
        raise DataError(f"prob has {prob.shape[-1]} classes, but num_classes is {num_classes}: give the same model's.")


def _confidence(prob: np.ndarray) -> np.ndarray:
    """The largest probability of each sample at each exit, (E, N), in float64."""
    if 0 in prob.shape:
        raise DataError(f"prob has {' x '.join(map(str, prob.shape))} values (exits, samples, classes): none may be 0.")
    if bad := int((~np.isfinite(prob)).sum()):
        raise DataError(f"{bad:,} of the {prob.size:,} probabilities are not finite: look at the model's training.")
    return prob.max(-1).astype(np.float64)


def _limits(thetas: Sequence[float]) -> np.ndarray:
    for theta in thetas:
        if not 0 < theta <= 1:
            raise ConfigError(f"a threshold is {theta:g}, expected more than 0 and at most 1: give 0.9, for instance.")
    return np.asarray(thetas, dtype=np.float64)


def _loss(name: str, before: str, given: Sequence[str]) -> float:
    try:
        (value,) = map(float, given)
    except ValueError:
        value = nan
    if not isfinite(value) or value < 0:
        raise ConfigError(
            f"the rule '{name}' needs how far macro F1 may fall, a number from 0 on: give '{before}:0.01', for instance."
        )
    return value

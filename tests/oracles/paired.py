"""Two models resampled together, row by row or cluster by cluster, with loops."""

import math
from collections import defaultdict

from oracles.gaps import gap, scores


def strata(rows, clusters):
    """(group, class) -> units, each a list of (true, pred_a, pred_b, group)."""
    units = defaultdict(list)
    for at, row in enumerate(rows):
        if row[3] >= 0:
            units[(at if clusters is None else clusters[at], row[3], row[0])].append(row)
    found = defaultdict(list)
    for (_, group, true), unit in units.items():
        found[(group, true)].append(unit)
    return found


def resample(found, rng):
    """One draw of rows: of each stratum one unit fewer than it has."""
    drawn = []
    for units in found.values():
        for at in rng.integers(0, len(units), size=max(len(units) - 1, 1)):
            drawn += units[at]
    return drawn


def gap_change(rows, num_groups, num_classes, name, convention="strict"):
    """Gap of B minus gap of A."""
    a = gap([(t, a, g) for t, a, _, g in rows], num_groups, num_classes, name, convention)[0]
    b = gap([(t, b, g) for t, _, b, g in rows], num_groups, num_classes, name, convention)[0]
    return b - a


def score_change(rows, group, which):
    """Accuracy, precision, recall or F1 (0 to 3) of B minus that of A in a group."""
    return (
        scores([(t, b, g) for t, _, b, g in rows], group)[which]
        - scores([(t, a, g) for t, a, _, g in rows], group)[which]
    )


def holm(p):
    """Holm's procedure by its definition: the largest of (how many are left) * p up to the own rank."""
    known = sorted(value for value in p if not math.isnan(value))
    out = []
    for value in p:
        steps = [(len(known) - rank) * other for rank, other in enumerate(known) if other <= value]
        out.append(math.nan if math.isnan(value) else min(1.0, max(steps)))
    return out


def ends(value, errors):
    """Ends of one interval from one list of errors, and the two-sided p without its normal tail."""
    ordered, n = sorted(errors), len(errors)
    k = max(1, math.floor(0.025 * (n + 1)))
    above = (1 + sum(error >= value for error in ordered)) / (n + 1)
    below = (1 + sum(error <= value for error in ordered)) / (n + 1)
    return value - ordered[-k], value - ordered[k - 1], min(1.0, 2 * min(above, below))


def tpr_gap_interval(hits, support, drawn, chosen, widen=1.1):
    """Ends of the change of the mean TPR gap over the chosen classes (all of them: EOpp1; one: its own gap).

    hits: [model][group][class], support: [group][class], drawn: a list of TPRs [model][group][class], one for each draw.
    """
    models, groups, classes = (range(len(hits)), range(len(support)), range(len(support[0])))
    tpr = [[[hits[m][g][k] / support[g][k] for k in classes] for g in groups] for m in models]
    noise = [[[[d[m][g][k] - tpr[m][g][k] for k in classes] for g in groups] for m in models] for d in drawn]

    def change(rates):
        sums = [sum(max(r[g][k] for g in groups) - min(r[g][k] for g in groups) for k in chosen) for r in rates]
        return (sums[1] - sums[0]) / len(chosen)

    def errors(centre):
        moved = [[[[n[m][g][k] + centre[m][g][k] for k in classes] for g in groups] for m in models] for n in noise]
        found = [change(rates) - change(centre) for rates in moved]
        mean = sum(found) / len(found)
        return [mean + widen * (error - mean) for error in found]

    value = round(change(tpr), 12)
    ways = [[change(tpr) - change(d) for d in drawn], errors(_by_class(tpr, noise))]
    ways += [errors(_pooled(tpr, noise))] if len(chosen) > 1 else []
    found = [ends(value, [round(error, 12) for error in way]) for way in ways]
    return min(low for low, _, _ in found), max(high for _, high, _ in found)


def _by_class(tpr, noise):
    """One factor for each class of a model."""
    out = [[list(row) for row in rates] for rates in tpr]
    for k in range(len(tpr[0][0])):
        one = _pooled(_class(tpr, k), [_class(draw, k) for draw in noise])
        for m, g in [(m, g) for m in range(len(tpr)) for g in range(len(tpr[0]))]:
            out[m][g][k] = one[m][g][0]
    return out


def _class(rates, k):
    return [[[row[k]] for row in model] for model in rates]


def _pooled(tpr, noise):
    """One factor for all classes of a model, towards the plain mean of the groups."""

    def squares(rates):
        total = 0.0
        for k in range(len(rates[0])):
            mean = sum(row[k] for row in rates) / len(rates)
            total += sum((row[k] - mean) ** 2 for row in rates)
        return total

    out = []
    for m, rates in enumerate(tpr):
        by_noise, observed = sum(squares(draw[m]) for draw in noise) / len(noise), squares(rates)
        factor = math.sqrt(max(0, 1 - by_noise / observed)) if observed > 0 else 0
        means = [sum(row[k] for row in rates) / len(rates) for k in range(len(rates[0]))]
        out.append([[mean + factor * (value - mean) for mean, value in zip(means, row, strict=True)] for row in rates])
    return out

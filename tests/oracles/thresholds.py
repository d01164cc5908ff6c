"""Early exits by loops over samples: one sample, one exit at a time."""

import math

from oracles.gaps import gap, scores
from oracles.soft import soft_criteria


def leaves_at(prob, sample, theta):
    """The number of the exit that a sample leaves at."""
    for exit_ in range(len(prob) - 1):
        if max(float(p) for p in prob[exit_][sample]) >= theta:
            return exit_
    return len(prob) - 1


def at_theta(prob, y, g, *, groups, costs, exits):
    """f1, accuracy, gaps, leave and cost, where sample n leaves at exits[n]."""
    samples, classes = range(len(y)), len(prob[0][0])
    chosen = [prob[exits[n]][n] for n in samples]
    pred = [max(range(classes), key=lambda k, n=n: (chosen[n][k], -k)) for n in samples]
    rows = [(y[n], pred[n], g[n]) for n in samples if g[n] >= 0]
    leave = []
    for group in range(groups):
        mine = [exits[n] for n in samples if g[n] == group]
        leave.append([sum(e == k for e in mine) / len(mine) if mine else math.nan for k in range(len(prob))])
    names = ("eopp0", "eopp1", "eodd", "eodd_max")
    return {
        "f1": sum(scores(rows, group)[3] for group in range(groups)) / groups,
        "accuracy": sum(pred[n] == y[n] for n in samples) / len(y),
        "gaps": {name: gap(rows, groups, classes, name, "strict")[0] for name in names} | soft_criteria(chosen, y, g),
        "leave": leave,
        "cost": sum(costs[exits[n]] for n in samples) / len(y),
    }


def choose(points, f1, gap_before, rule):
    """The number of the point that a rule takes, as plain sentences say it; points are (theta, f1, gap, cost)."""
    kind, _, loss = rule
    best = None
    for at, (_, score, value, cost) in enumerate(points):
        if math.isnan(score) or (kind != "cost" and math.isnan(value)):
            continue
        if kind in ("gap", "cost"):
            if score < f1 - loss:
                continue
            worth = value if kind == "gap" else cost
        else:
            if f1 == 0 or gap_before == 0 or math.isnan(gap_before):
                continue
            worth = -((score - f1) / f1 - (value - gap_before) / gap_before)
        if best is None or (worth, cost) < best[:2]:
            best = (worth, cost, at)
    return best[2] if best is not None else max(range(len(points)), key=lambda at: points[at][0])

"""Rates, scores and gaps by loops over samples, one group and one class at a time."""

import math
from itertools import combinations


def rates(rows, group, k):
    """(TPR, TNR, FPR) of class k in a group, from (true, predicted, group) rows; NaN for 0/0."""
    mine = [(t, p) for t, p, g in rows if g == group]
    positive = [p for t, p in mine if t == k]
    negative = [p for t, p in mine if t != k]
    tpr = sum(p == k for p in positive) / len(positive) if positive else math.nan
    fpr = sum(p == k for p in negative) / len(negative) if negative else math.nan
    tnr = sum(p != k for p in negative) / len(negative) if negative else math.nan
    return tpr, tnr, fpr


def class_gap(name, per_group):
    """The largest pair of groups; groups without the rate are not compared."""
    pairs = []
    for (tpr_a, tnr_a, fpr_a), (tpr_b, tnr_b, fpr_b) in combinations(per_group, 2):
        pair = {
            "eopp0": abs(tnr_a - tnr_b),
            "eopp1": abs(tpr_a - tpr_b),
            "eodd": abs((tpr_a - tpr_b) + (fpr_a - fpr_b)) / 2,
            "eodd_max": math.nan
            if math.isnan(tpr_a - tpr_b + fpr_a - fpr_b)
            else max(abs(tpr_a - tpr_b), abs(fpr_a - fpr_b)),
        }[name]
        if not math.isnan(pair):
            pairs.append(pair)
    return max(pairs) if pairs else math.nan


def gap(rows, num_groups, num_classes, name, convention):
    """(value, number of classes for which a group lacks the rate)."""
    values, undefined = [], 0
    needed = {"eopp0": (1,), "eopp1": (0,), "eodd": (0, 2), "eodd_max": (0, 2)}[name]
    for k in range(num_classes):
        per_group = [rates(rows, group, k) for group in range(num_groups)]
        undefined += any(math.isnan(of_group[at]) for of_group in per_group for at in needed)
        if convention == "published":
            per_group = [tuple(0.0 if math.isnan(rate) else rate for rate in of_group) for of_group in per_group]
        value = class_gap(name, per_group)
        if not math.isnan(value):
            values.append(value)
    return (sum(values) / len(values) if values else math.nan), undefined


def scores(rows, group):
    """(accuracy, macro precision, recall, F1) over the classes that the group has."""
    mine = [(t, p) for t, p, g in rows if g == group]
    if not mine:
        return (math.nan,) * 4
    precisions, recalls, f1s = [], [], []
    for k in sorted({t for t, _ in mine}):
        hits = sum(t == p == k for t, p in mine)
        support = sum(t == k for t, _ in mine)
        predicted = sum(p == k for _, p in mine)
        precisions.append(hits / predicted if predicted else 0.0)
        recalls.append(hits / support)
        f1s.append(2 * hits / (support + predicted))
    mean = [sum(values) / len(values) for values in (precisions, recalls, f1s)]
    return sum(t == p for t, p in mine) / len(mine), *mean

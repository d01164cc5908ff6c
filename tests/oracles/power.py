"""How often a planted gap is seen at so many times the images: binomial draws, one cell at a time."""

import numpy as np

from oracles.gaps import class_gap


def detection(tables, name, gap, times, draws):
    """Part of the cases in which the gap is above the simulated floor.

    `tables` is (support, others, TPR, FPR): images of the class and of the others per group and class, and the common
    rates per class. `name` is a gap, or ("tpr", class).
    """
    rng = np.random.default_rng(1)
    planted = {"eopp0": (0, gap), "eopp1": (gap, 0), "eodd": (gap, gap), "eodd_max": (gap, 0)}
    width = planted.get(name, (gap, 0))
    level = np.sort([_value(tables, name, width, (0, times), rng) for _ in range(draws)])[int(0.975 * draws)]
    return np.mean([_value(tables, name, width, (1, times), rng) > level for _ in range(draws)])


def floor(tables, name, draws):
    """97.5 % point without any gap, at the images themselves."""
    rng = np.random.default_rng(0)
    return np.sort([_value(tables, name, (0, 0), (0, 1), rng) for _ in range(draws)])[int(0.975 * draws)]


def _value(tables, name, widths, how, rng):
    support, others, tpr, fpr = tables
    present, times = how
    groups, classes = support.shape
    values = []
    for k in range(classes):
        per_group = []
        for g in range(groups):
            side = (0.5 - g / (groups - 1)) * (-1 if k % 2 else 1)
            drawn = []
            for rate, size, width in ((tpr[k], support[g, k], widths[0]), (fpr[k], others[g, k], widths[1])):
                centre = min(max(rate, width / 2), 1 - width / 2)
                n = round(size * times)
                drawn.append(rng.binomial(n, centre + present * side * width) / n)
            per_group.append((drawn[0], 1 - drawn[1], drawn[1]))
        values.append(class_gap("eopp1" if isinstance(name, tuple) else name, per_group))
    return values[name[1]] if isinstance(name, tuple) else np.mean(values)

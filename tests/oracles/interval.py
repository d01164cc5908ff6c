"""The interval of one statistic, and the rates it is drawn around, in plain Python."""

import math


def quantile(draws, at):
    """Linear between the two draws beside it."""
    ordered = sorted(draws)
    place = at * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def widened(draws, at, factor=1.15):
    """The quantile, further from the mean of the draws."""
    mean = sum(draws) / len(draws)
    return mean + factor * (quantile(draws, at) - mean)


def interval(value, square, errors, square_errors, shrunken_errors):
    """(low, high) of one statistic; draws that are NaN say nothing."""
    errors, square_errors, shrunken_errors = (
        [draw for draw in draws if not math.isnan(draw)] for draws in (errors, square_errors, shrunken_errors)
    )
    bias = sum(errors) / len(errors)
    root = math.sqrt(max(0.0, square - sum(square_errors) / len(square_errors)))
    reach = widened(errors, 0.975) - bias
    ends = [
        value - widened(shrunken_errors, 0.025),
        value - bias + reach,
        min(value, root) + reach,
    ]
    low, high = value - widened(shrunken_errors, 0.975), max(ends)
    return min(max(low, 0.0), 1.0), min(max(high, 0.0), 1.0)


def shrunken_hit_rates(rows):
    """Rate of hits per group of one class, from (group, hit) rows: towards the rate of all, by what noise explains."""
    groups = sorted({group for group, _ in rows})
    of_group = {group: [hit for g, hit in rows if g == group] for group in groups}
    pooled = sum(hit for _, hit in rows) / len(rows)
    rate = {group: sum(hits) / len(hits) for group, hits in of_group.items()}
    scatter = sum(len(of_group[group]) * (rate[group] - pooled) ** 2 for group in groups)
    noise = pooled * (1 - pooled) * (len(groups) - 1)
    kept = max(0.0, 1 - noise / scatter) if scatter > 0 else 0.0
    return {group: pooled + kept * (rate[group] - pooled) for group in groups}

"""Ranking and calibration by loops over samples, pairs and bins."""


def auc(scores, positive):
    """How many (positive, negative) pairs are in order; a tie counts half."""
    pairs = [
        (p, n)
        for p, is_p in zip(scores, positive, strict=True)
        if is_p
        for n, is_n in zip(scores, positive, strict=True)
        if not is_n
    ]
    return sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs) if pairs else float("nan")


def curve(confidence, right, bins):
    """(n, mean confidence, part that is right) of each bin (low, high]; 0 belongs to the first."""
    out = []
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        mine = [(c, r) for c, r in zip(confidence, right, strict=True) if low < c <= high or (b == 0 and c == 0)]
        n = len(mine)
        out.append((n, sum(c for c, _ in mine) / n, sum(r for _, r in mine) / n) if n else (0, None, None))
    return out


def ece(confidence, right, bins):
    """The mean distance of confidence and accuracy, weighted by the bins' sizes."""
    return sum(n * abs(c - a) for n, c, a in curve(confidence, right, bins) if n) / len(confidence)


def ece_draws(confidence, bins, draws, rng):
    """ECE of a model that is right as often as it is confident."""
    return [ece(confidence, [rng.random() < c for c in confidence], bins) for _ in range(draws)]

"""Several comparisons at once: p-values adjusted so that any false alarm among them is as rare as one alone would be."""

import numpy as np
from jaxtyping import Float


def holm(p: Float[np.ndarray, " M"]) -> Float[np.ndarray, " M"]:
    """Adjusted p-values of one family.

    Args:
        p: Plain p-values, (M,); NaN where there was nothing to compare: it stays NaN and is no member of the family.

    Returns:
        The smallest level of the whole family at which each is rejected, (M,), at most 1.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    out = np.full(p.shape, np.nan)
    there = np.flatnonzero(~np.isnan(p))
    order = there[np.argsort(p[there], kind="stable")]
    steps = p[order] * np.arange(order.size, 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out

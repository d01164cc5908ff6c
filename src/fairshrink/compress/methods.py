"""The named methods: each only chooses parts."""

from fairshrink.compress.criteria import Saliency, favour, pooled
from fairshrink.compress.recipe import Recipe
from fairshrink.compress.schedules import linear, one_shot
from fairshrink.compress.stopping import gap_reached
from fairshrink.maths.codebooks import zero


def obd(ratio: float = 0.35) -> Recipe:
    """Prune what the whole training set needs least, in one shot (LeCun et al. 1989)."""
    return Recipe(Saliency(pooled), codebook=zero, schedule=one_shot(ratio))


def fairprune(
    ratio: float = 0.35,
    beta: float = 1 / 3,
    step: float = 0.05,
    target: float | None = None,
    metric: str = "eopp1",
) -> Recipe:
    """Prune what the unprivileged group needs least and the others need most (Wu et al. 2022).

    Args:
        ratio: Share of the weights that is 0 at the end.
        beta: How much it counts that the others need a weight; 0 looks at the unprivileged group only.
        step: Share that is pruned before the scores are taken anew.
        target: Stop once the gap on validation is at most this; None goes to the ratio.
        metric: The gap that `target` is about.
    """
    return Recipe(Saliency(favour(beta)), codebook=zero, schedule=linear(ratio, step), stop=gap_reached(metric, target))

"""The named methods: each only chooses parts."""

from collections.abc import Mapping

from fairshrink.compress.contrasts import BETA, contrast, pooled
from fairshrink.compress.criteria import Saliency
from fairshrink.compress.recipe import Recipe
from fairshrink.compress.recover import recovery
from fairshrink.compress.schedules import linear, stepwise
from fairshrink.compress.stopping import f1_lost, first_of, gap_reached
from fairshrink.compress.units import layer_names
from fairshrink.maths.codebooks import zero


def obd(
    ratio: float = 0.35,
    step: float | None = None,
    *,
    ranking: str = "global",
    include: str = "weights",
    leave: str | tuple[str, ...] | None = None,
    columns: float | None = None,
    gradient: bool = False,
    norms: str = "keep",
) -> Recipe:
    """Prune what the whole training set needs least (LeCun et al. 1989).

    Args:
        ratio: Share of the weights that is 0 at the end.
        step: Share that is pruned before the scores are taken anew; None prunes all in one shot.
        ranking: "global": the lowest scores of all tensors together; "layer": the same share of every tensor.
        include: What may be pruned: "weights" of convolutions and linear layers; "all": biases and norm parameters too.
        leave: Names of layers, or of whole parts of the model, that are left as they are.
        columns: Columns of the output Hessian a sample, such as 2; None is exact, and slower by the number of classes.
        gradient: Whether the first-order term counts in the score.
        norms: "reestimate" measures the running statistics of batch-norms anew after each step; "keep" keeps them.

    Raises:
        ConfigError: A setting cannot be used.
    """
    return Recipe(
        Saliency(pooled, columns, gradient),
        codebook=zero,
        schedule=stepwise(ratio, step),
        recover=recovery(norms),
        ranking=ranking,
        include=include,
        leave=layer_names(leave),
    )


def fairprune(  # noqa: PLR0913  # Each is a choice of its own, and all but five are named.
    ratio: float = 0.35,
    beta: float = BETA,
    step: float = 0.05,
    target: float | None = None,
    metric: str = "eopp1",
    *,
    max_f1_loss: float | None = None,
    ranking: str = "global",
    include: str = "weights",
    leave: str | tuple[str, ...] | None = None,
    columns: float | None = None,
    gradient: bool = False,
    norms: str = "keep",
    weights: Mapping[int, float] | tuple[float, ...] | None = None,
) -> Recipe:
    """Prune what the unprivileged group needs least and the others need most (Wu et al. 2022).

    Args:
        ratio: Share of the weights that is 0 at the end.
        beta: How much it counts that the others need a weight; 0 looks at the unprivileged group only.
        step: Share that is pruned before the scores are taken anew.
        target: Stop once the gap on validation is at most this; None goes to the ratio.
        metric: The gap that `target` is about.
        max_f1_loss: Stop once macro F1 on validation is more than this below the start; that step is kept.
        ranking: "global": the lowest scores of all tensors together; "layer": the same share of every tensor.
        include: What may be pruned: "weights" of convolutions and linear layers; "all": biases and norm parameters too.
        leave: Names of layers, or of whole parts of the model, that are left as they are.
        columns: Columns of the output Hessian a sample, such as 2; None is exact, and slower by the number of classes.
        gradient: Whether the first-order term counts in the score.
        norms: "reestimate" measures the running statistics of batch-norms anew after each step; "keep" keeps them.
        weights: Coefficients of the groups in place of 1 and -beta, one for each group in the order of its number: above 0
            keeps what the group needs, below 0 gives it up. The unprivileged group then plays no part.

    Raises:
        ConfigError: A setting cannot be used.
    """
    return Recipe(
        Saliency(contrast(beta, weights), columns, gradient),
        codebook=zero,
        schedule=linear(ratio, step),
        recover=recovery(norms),
        stop=first_of(gap_reached(metric, target), f1_lost(max_f1_loss)),
        ranking=ranking,
        include=include,
        leave=layer_names(leave),
    )

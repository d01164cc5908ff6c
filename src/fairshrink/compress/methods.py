"""The named methods: each only chooses parts."""

from collections.abc import Mapping

from fairshrink.compress.channel_methods import fairprune_channels, scp
from fairshrink.compress.contrasts import BETA, contrast, pooled
from fairshrink.compress.criteria import Saliency
from fairshrink.compress.recipe import Recipe
from fairshrink.compress.recover import recovery
from fairshrink.compress.retraining import fine_tuning
from fairshrink.compress.schedules import linear, stepwise
from fairshrink.compress.selection import Magnitude, selection
from fairshrink.compress.stopping import f1_lost, first_of, gap_reached
from fairshrink.compress.units import layer_names
from fairshrink.maths.codebooks import power_of_two, zero

__all__ = ["fairprune", "fairprune_channels", "fairquantize", "obd", "retrain", "scp"]


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
        include: What may be pruned: "weights" of convolutions and linear layers; "scales": those of norms, too; "all": and
            the biases.
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
        include: What may be pruned: "weights" of convolutions and linear layers; "scales": those of norms, too; "all": and
            the biases.
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


def fairquantize(  # noqa: PLR0913  # Each is a choice of its own, and all but three are named.
    ratio: float = 1.0,
    beta: float = BETA,
    step: float = 0.05,
    *,
    bits: int | None = None,
    round: str = "log",  # As power_of_two has it.
    select: str = "saliency",
    epochs: int = 1,
    lr: float = 1e-3,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    lr_epochs: int | None = None,
    lr_factor: float = 0.1,
    keep_state: bool = False,
    alpha: float = 0.0,
    balanced: bool = False,
    ranking: str = "global",
    include: str = "weights",
    leave: str | tuple[str, ...] | None = None,
    columns: float | None = None,
    gradient: bool = False,
    precision: str = "fp32",
    weights: Mapping[int, float] | tuple[float, ...] | None = None,
) -> Recipe:
    """Move to powers of two what the unprivileged group notices least and the others most; re-train the rest (Guo et al. 2024).

    Args:
        ratio: Share of the weights that is fixed at the end, what an earlier method pruned counted in.
        beta: How much it counts that the others notice; 0 looks at the unprivileged group only.
        step: Share that is fixed before the rest is trained and the scores are taken anew.
        bits: Of a weight's code: the largest exponents that fit, and 0, by tensor, from the weights before the first step;
            None: any exponent, and no 0.
        round: "log": to the power of two that is nearest on a logarithmic scale; "linear": to the nearest.
        select: "saliency": by the score. What it has to beat: "magnitude", the largest first (INQ); "random", by lot.
        epochs: Of re-training after each step, on data.retrain; 0 for none.
        lr: Of the re-training, SGD.
        momentum: Of the re-training.
        weight_decay: Of the re-training; of what is free.
        lr_epochs: Epochs of a step after which the learning rate falls, again and again; None: once, after 80 % of them, which
            takes 3 epochs or more.
        lr_factor: By which it falls.
        keep_state: Whether momentum goes on from step to step.
        alpha: Share of the loss that is the difference between the groups' losses.
        balanced: Whether each group counts the same in the rest of the loss.
        ranking: "global": the lowest scores of all tensors together; "layer": the same share of every tensor.
        include: What may be fixed: "weights" of convolutions and linear layers; "scales": those of norms, too; "all": and
            the biases.
        leave: Names of layers, or of whole parts of the model, that are left as they are.
        columns: Columns of the output Hessian a sample, such as 2; None is exact, and slower by the number of classes.
        gradient: Whether the first-order term counts in the score.
        precision: Of the re-training: "fp32", or "bf16" where the machine can.
        weights: Coefficients of the groups in place of 1 and -beta, as in `fairprune`.

    Raises:
        ConfigError: A setting cannot be used.
    """
    return Recipe(
        selection(select, Saliency(contrast(beta, weights), columns, gradient)),
        codebook=power_of_two(bits, round),
        schedule=linear(ratio, step),
        recover=fine_tuning(
            epochs,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            lr_epochs=lr_epochs,
            lr_factor=lr_factor,
            precision=precision,
            keep_state=keep_state,
            alpha=alpha,
            balanced=balanced,
        ),
        ranking=ranking,
        include=include,
        leave=layer_names(leave),
    )


def retrain(  # noqa: PLR0913  # The settings of a re-training, by the names that they have in the method it is the control of.
    ratio: float = 1.0,
    step: float = 0.05,
    *,
    epochs: int = 1,
    lr: float = 1e-3,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    lr_epochs: int | None = None,
    lr_factor: float = 0.1,
    keep_state: bool = False,
    alpha: float = 0.0,
    balanced: bool = False,
    include: str = "weights",
    leave: str | tuple[str, ...] | None = None,
    precision: str = "fp32",
) -> Recipe:
    """Re-train as `fairquantize` would, step by step, and fix nothing: the control of what its re-training does by itself.

    Args:
        ratio: Where the method would end; with `step` it says how many steps there are.
        step: Of the method.
        epochs: After each step, and at least one; this and the rest as in `fairquantize`.
        lr: Of SGD.
        momentum: Of SGD.
        weight_decay: Of all weights.
        lr_epochs: Epochs of a step after which the learning rate falls.
        lr_factor: By which it falls.
        keep_state: Whether momentum goes on from step to step.
        alpha: Share of the loss that is the difference between the groups' losses.
        balanced: Whether each group counts the same in the rest of the loss.
        include: What the method may fix; after another method, it says with `leave` which of the steps are still ahead.
        leave: What the method leaves as it is.
        precision: "fp32" or "bf16".

    Raises:
        ConfigError: A setting cannot be used.
    """
    return Recipe(
        Magnitude(),
        codebook=zero,
        schedule=linear(ratio, step),
        recover=fine_tuning(
            epochs,
            least=1,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            lr_epochs=lr_epochs,
            lr_factor=lr_factor,
            precision=precision,
            keep_state=keep_state,
            alpha=alpha,
            balanced=balanced,
        ),
        include=include,
        leave=layer_names(leave),
        fixes=False,
    )

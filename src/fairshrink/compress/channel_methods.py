"""The named methods that remove whole channels: each only chooses parts."""

from collections.abc import Mapping

from fairshrink.compress.contrasts import BETA, contrast
from fairshrink.compress.criteria import Saliency
from fairshrink.compress.entanglement import Entanglement
from fairshrink.compress.recipe import Recipe
from fairshrink.compress.retraining import after_each, fine_tuning
from fairshrink.compress.schedules import iterated, linear
from fairshrink.compress.selection import channel_selection, per_channel
from fairshrink.compress.stopping import f1_lost, first_of, gap_reached, stopping, taking
from fairshrink.compress.units import layer_names
from fairshrink.maths.codebooks import zero


def scp(  # noqa: PLR0913  # Each is a choice of its own, and all but five are named.
    channel_ratio: float = 0.02,
    iterations: int = 3,
    th_acc: float | None = 0.01,
    th_fair: float | None = 0.0,
    fine_tune: int = 2,
    *,
    layer: str = "last",
    tap: str = "before",
    temperature: float = 2.0,
    normalize: bool = True,
    compared: int | None = 128,
    select: str = "entanglement",
    stop: str = "thresholds",
    take: str = "fate",
    metric: str = "eodd",
    patience: int = 2,
    lr: float = 1e-3,
    momentum: float = 0.9,
    nesterov: bool = True,
    weight_decay: float = 1e-5,
    lr_epochs: int | None = None,
    lr_factor: float = 0.1,
    keep_state: bool = False,
    alpha: float = 0.0,
    balanced: bool = False,
    precision: str = "fp32",
) -> Recipe:
    """Remove the channels whose maps tell the groups apart best, train the rest, and again (Kong et al. 2024).

    Args:
        channel_ratio: Share of the layer's channels that each iteration removes.
        iterations: How many there are at most.
        th_acc: Stop once macro F1 on validation is more than this below the start; None: however low it falls.
        th_fair: Stop once the gap on validation has fallen by less than this, `patience` times in a row; None: never.
        fine_tune: Epochs after each iteration, on data.retrain; 0 for none.
        layer: "last" or the name of a convolution.
        tap: Where its maps are read: "before" the activation or "after" it.
        temperature: T of the score.
        normalize: Whether maps are brought to length 1 before they are compared.
        compared: Images that are compared with each other at once; None: the batches as they come.
        select: "entanglement": by the score. What it has to beat: "magnitude", the smallest channels first; "random", by lot;
            "none": nothing is removed, the control of what the fine-tuning does by itself.
        stop: "thresholds": by th_acc and th_fair. "none": past them, to the last iteration.
        take: Which iteration's model is returned: "fate", the largest FATE of macro F1 against the gap on validation, of those
            within th_acc where there are some; "last".
        metric: The gap that th_fair and FATE are about.
        patience: See th_fair.
        lr: Of the fine-tuning, SGD. The code's 1e-2, which its 200 epochs recover from, costs more than it brings in a few.
        momentum: Of the fine-tuning.
        nesterov: Whether momentum has Nesterov's form.
        weight_decay: Of the fine-tuning; of what is free.
        lr_epochs: Epochs of an iteration after which the learning rate falls, again and again; None: once, after 80 % of them,
            which takes 3 epochs or more.
        lr_factor: By which it falls.
        keep_state: Whether momentum goes on from iteration to iteration.
        alpha: Share of the loss that is the difference between the groups' losses.
        balanced: Whether each group counts the same in the rest of the loss.
        precision: Of the fine-tuning: "fp32", or "bf16" where the machine can.

    Raises:
        ConfigError: A setting cannot be used.
    """
    return Recipe(
        channel_selection(select, "entanglement", Entanglement(layer, temperature, normalize, tap, compared)),
        codebook=zero,
        schedule=iterated(channel_ratio, iterations),
        recover=fine_tuning(
            fine_tune,
            called="fine_tune",
            lr=lr,
            momentum=momentum,
            nesterov=nesterov,
            weight_decay=weight_decay,
            lr_epochs=lr_epochs,
            lr_factor=lr_factor,
            precision=precision,
            keep_state=keep_state,
            alpha=alpha,
            balanced=balanced,
        ),
        stop=stopping(stop, metric, (th_acc, th_fair, patience)),
        channels=layer,
        best=taking(take, stop, metric, th_acc),
        fixes=select != "none",
    )


def fairprune_channels(  # noqa: PLR0913  # Each is a choice of its own, and all but five are named.
    ratio: float = 0.3,
    beta: float = BETA,
    step: float = 0.05,
    target: float | None = None,
    metric: str = "eopp1",
    *,
    layers: str | tuple[str, ...] = "inner",
    select: str = "saliency",
    max_f1_loss: float | None = None,
    epochs: int = 1,
    lr: float = 1e-2,
    momentum: float = 0.9,
    nesterov: bool = True,
    weight_decay: float = 1e-5,
    lr_epochs: int | None = None,
    lr_factor: float = 0.1,
    keep_state: bool = False,
    ranking: str = "global",
    columns: float | None = None,
    gradient: bool = False,
    precision: str = "fp32",
    norms: str = "keep",
    weights: Mapping[int, float] | tuple[float, ...] | None = None,
) -> Recipe:
    """FairPrune on whole channels, which can be cut out and save time: a channel's score is the sum over its weights.

    Args:
        ratio: Share of the channels that is removed at the end.
        beta: How much it counts that the others need a channel; 0 looks at the unprivileged group only.
        step: Share that is removed before the rest is trained and the scores are taken anew.
        target: Stop once the gap on validation is at most this; None goes to the ratio.
        metric: The gap that `target` is about.
        layers: "inner": those whose channels can be cut out without touching another layer's; "last", "all", or names.
        select: "saliency": by the score. What it has to beat: "magnitude", the smallest channels first; "random", by lot;
            "none": nothing is removed, the control of what the re-training does by itself.
        max_f1_loss: Stop once macro F1 on validation is more than this below the start; that step is kept.
        epochs: Of re-training after each step, on data.retrain; 0 for none, as the paper has it for single weights.
        lr: Of the re-training, SGD.
        momentum: Of the re-training.
        nesterov: Whether momentum has Nesterov's form.
        weight_decay: Of the re-training; of what is free.
        lr_epochs: Epochs of a step after which the learning rate falls, again and again; None: once, after 80 % of them.
        lr_factor: By which it falls.
        keep_state: Whether momentum goes on from step to step.
        ranking: "global": the lowest scores of all layers together; "layer": the same share of every layer.
        columns: Columns of the output Hessian a sample, such as 2; None is exact, and slower by the number of classes.
        gradient: Whether the first-order term counts in the score.
        precision: Of the re-training: "fp32", or "bf16" where the machine can.
        norms: "reestimate" measures the running statistics of batch-norms anew after each step, where nothing is re-trained;
            "keep" keeps them.
        weights: Coefficients of the groups in place of 1 and -beta, as in `fairprune`.

    Raises:
        ConfigError: A setting cannot be used.
    """
    tune = fine_tuning(
        epochs,
        lr=lr,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        lr_epochs=lr_epochs,
        lr_factor=lr_factor,
        precision=precision,
        keep_state=keep_state,
    )
    return Recipe(
        channel_selection(select, "saliency", per_channel(Saliency(contrast(beta, weights), columns, gradient))),
        codebook=zero,
        schedule=linear(ratio, step),
        recover=after_each(tune, norms),
        stop=first_of(gap_reached(metric, target), f1_lost(max_f1_loss)),
        ranking=ranking,
        channels=layers if isinstance(layers, str) else layer_names(layers),
        fixes=select != "none",
    )

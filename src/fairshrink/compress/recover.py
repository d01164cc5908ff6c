"""What is done to a model after each step, besides fixing weights."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from fairshrink.compress.frozen import Frozen
from fairshrink.errors import ConfigError, DataError, suggest
from fairshrink.maths.samples import check_parts
from fairshrink.types import Splits

Recover = Callable[[nn.Module, Splits, Frozen], None]


@torch.no_grad()
def reestimate(model: nn.Module, data: Splits, frozen: Frozen) -> None:
    """Measure the running mean and variance of every batch-norm anew on data.train; no weight moves.

    Pruning changes what the layers before a batch-norm put out, and its running statistics no longer fit. They start from
    nothing and are the plain average over the batches (momentum None), so that they depend on the weights and the batches
    alone, not on the steps before. Every other module runs in evaluation mode; training flags and momenta come back. A model
    without batch-norm, or whose batch-norms keep no running statistics, is not touched, and the data are not read.

    Raises:
        DataError: A batch is too small for statistics.

    Source: as `torch.optim.swa_utils.update_bn`, which would also switch dropout on.
    """
    norms = [m for m in model.modules() if isinstance(m, BatchNorm) and m.track_running_stats]
    if not norms:
        return
    flags, momenta = {m: m.training for m in model.modules()}, {m: m.momentum for m in norms}
    model.eval()
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum, norm.training = None, True
        _run(model, data)
    finally:
        for module, training in flags.items():
            module.training = training
        for norm, momentum in momenta.items():
            norm.momentum = momentum


def recovery(norms: str) -> Recover | None:
    """What `norms` stands for: "keep" is nothing, "reestimate" is `reestimate`.

    Raises:
        ConfigError: It is something else.
    """
    if norms not in RECOVERIES:
        raise ConfigError(f"norms is {norms!r}, but there is no such choice.{suggest(str(norms), RECOVERIES)}")
    return RECOVERIES[norms]


def repeatable(recover: object) -> bool:
    """Whether a recovery's outcome depends on the data and on what is fixed alone, not on the steps before."""
    return recover in RECOVERIES.values()


def _run(model: nn.Module, data: Splits) -> None:
    like = next(model.parameters())
    for number, given in enumerate(data.train):
        batch = check_parts(number, given)
        try:
            model(batch.x.to(like.device, like.dtype if batch.x.is_floating_point() else None))
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise DataError(
                f'norms = "reestimate": batch {number:,} of the train batches has {len(batch.x)} sample(s), too few for the '
                "statistics of a batch-norm. Give larger batches, or a loader with drop_last=True."
            ) from error


RECOVERIES: dict[str, Recover | None] = {"keep": None, "reestimate": reestimate}

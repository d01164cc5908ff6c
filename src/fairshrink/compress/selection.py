"""Other orders in which weights may go: what a saliency has to be better than."""

from dataclasses import dataclass
from hashlib import blake2b

import torch
from torch import nn

from fairshrink.compress.criteria import Context, Criterion, Saliency, Scores
from fairshrink.compress.units import compressible
from fairshrink.errors import ConfigError, suggest
from fairshrink.maths.tasks import Task
from fairshrink.types import Batches


@dataclass(frozen=True)
class Magnitude:
    """The largest weights go first, whoever needs them.

    Source: Zhou et al. 2017 (INQ), Sec. 3.2, its pruning-inspired partition: large weights matter more, so they are fixed
    while there are still others to make up for it.
    """

    def __call__(self, model: nn.Module, task: Task, batches: Batches, context: Context) -> Scores:
        """Parameter name -> minus the absolute value of each weight; the data are not read."""
        parameters = dict(model.named_parameters())
        return {name: -parameters[name].detach().double().abs() for name in context.names or compressible(model)}


@dataclass(frozen=True)
class Random:
    """Weights go in an order drawn by lot: the same one at every step, from the seed and the parameter's name."""

    def __call__(self, model: nn.Module, task: Task, batches: Batches, context: Context) -> Scores:
        """Parameter name -> a number from 0 to 1 for each weight; the data are not read."""
        parameters = dict(model.named_parameters())
        return {name: _lots(parameters[name], name, context.seed) for name in context.names or compressible(model)}


def selection(select: str, saliency: Saliency) -> Criterion:
    """The criterion that `select` stands for: "saliency" is the given one, "magnitude" and "random" look at no data.

    Raises:
        ConfigError: It is something else.
    """
    known: dict[str, Criterion] = {"saliency": saliency, "magnitude": Magnitude(), "random": Random()}
    if select not in known:
        raise ConfigError(f"select is {select!r}, but there is no such choice.{suggest(str(select), known)}")
    return known[select]


def _lots(weight: torch.Tensor, name: str, seed: int) -> torch.Tensor:
    key = blake2b(f"{seed} {name}".encode(), digest_size=7).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key))
    return torch.rand(weight.shape, dtype=torch.float64, generator=generator).to(weight.device)

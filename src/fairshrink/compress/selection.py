"""Other orders in which weights may go: what a saliency has to be better than."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairshrink.compress.channels import ConvLayer
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


@dataclass(frozen=True)
class PerChannel:
    """Scores of weights -> scores of whole channels: the sum over all that belongs to a channel, norm and bias counted in.

    With `Saliency`, whose scores estimate what moving a weight alone adds to a loss, the sum is the estimate for the channel.

    Attributes:
        criterion: Scores the weights.
    """

    criterion: Criterion

    def __call__(self, model: nn.Module, task: Task, batches: Batches, context: Context) -> Scores:
        """Name of a layer's weight -> score of each of its channels, (K,).

        Raises:
            DataError, ModelError: As the criterion.
        """
        names = tuple(name for layer in context.layers.values() for name in layer.parameters)
        scores = self.criterion(model, task, batches, context._replace(names=names))
        return {weight: _summed(layer, scores) for weight, layer in context.layers.items()}


@dataclass(frozen=True)
class ChannelMagnitude:
    """The channels with the smallest kernels go first: the mean absolute weight, so that layers of any size can be compared.

    Source: Li et al. 2017, who rank the sums within a layer, where sum and mean say the same.
    """

    def __call__(self, model: nn.Module, task: Task, batches: Batches, context: Context) -> Scores:
        """Name of a layer's weight -> score of each of its channels, (K,); the data are not read."""
        parameters = dict(model.named_parameters())
        return {name: parameters[name].detach().double().abs().flatten(1).mean(1) for name in context.layers}


@dataclass(frozen=True)
class RandomChannels:
    """Channels go in an order drawn by lot, each with the same chance, whatever the size of its layer."""

    def __call__(self, model: nn.Module, task: Task, batches: Batches, context: Context) -> Scores:
        """Name of a layer's weight -> a number from 0 to 1 for each of its channels, (K,); the data are not read."""
        parameters = dict(model.named_parameters())
        return {name: _lots(parameters[name].detach().flatten(1)[:, 0], name, context.seed) for name in context.layers}


def per_channel(criterion: Criterion) -> PerChannel:
    """Score whole channels by what their weights score together."""
    return PerChannel(criterion)


def channel_selection(select: str, own: str, criterion: Criterion) -> Criterion:
    """The criterion that `select` stands for, among channels; "none" selects nothing, and the recipe may not fix anything.

    Args:
        select: `own`, "magnitude", "random" or "none".
        own: What the method calls its own criterion.
        criterion: That.

    Raises:
        ConfigError: It is something else.
    """
    known = {
        own: criterion,
        "magnitude": ChannelMagnitude(),
        "random": RandomChannels(),
        "none": RandomChannels(),
    }
    return _known(select, known)


def selection(select: str, saliency: Saliency) -> Criterion:
    """The criterion that `select` stands for: "saliency" is the given one, "magnitude" and "random" look at no data.

    Raises:
        ConfigError: It is something else.
    """
    return _known(select, {"saliency": saliency, "magnitude": Magnitude(), "random": Random()})


def _known(select: str, known: Mapping[str, Criterion]) -> Criterion:
    if select not in known:
        raise ConfigError(f"select is {select!r}, but there is no such choice.{suggest(str(select), known)}")
    return known[select]


def _summed(layer: ConvLayer, scores: Scores) -> Float[Tensor, "K"]:
    parts = [scores[name] for name in layer.parameters]
    return torch.stack([part.flatten(1).sum(1) if part.dim() > 1 else part for part in parts]).sum(0)


def _lots(weight: torch.Tensor, name: str, seed: int) -> torch.Tensor:
    key = blake2b(f"{seed} {name}".encode(), digest_size=7).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key))
    return torch.rand(weight.shape, dtype=torch.float64, generator=generator).to(weight.device)

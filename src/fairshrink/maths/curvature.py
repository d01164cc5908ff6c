"""The diagonal of the generalised Gauss-Newton matrix (GGN), group by group, and the gradients beside it."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.maths.columns import scales
from fairshrink.maths.passes import Pass
from fairshrink.maths.readings import Data, add_all_, add_kept_, weigh
from fairshrink.maths.sharing import Share, key_of, largest, share_of_process, summed_, together
from fairshrink.maths.taps import evaluating, stand_ins
from fairshrink.maths.targets import Layer, layers_of
from fairshrink.maths.tasks import Task, classify
from fairshrink.types import Batches

T = TypeVar("T")

# Numbers of a model that are compared between processes at once.
_PIECE = 2**20


class Curvature(NamedTuple):
    """Of each group, the second and (if asked for) the first derivatives of its mean loss.

    Attributes:
        diagonal: Parameter name -> (G, *shape of the parameter): the GGN diagonal, as `ggn_diagonal` says.
        gradient: Parameter name -> (G, *shape): the gradient of the group's mean loss; None when it was not asked for.
        sizes: Number of samples of each group, (G,).
    """

    diagonal: dict[str, Float[Tensor, "G *shape"]]
    gradient: dict[str, Float[Tensor, "G *shape"]] | None
    sizes: Int[Tensor, "G"]


def ggn_diagonal(
    model: nn.Module,
    batches: Batches,
    *,
    num_groups: int,
    task: Task = classify,
    columns: int | float | None = None,
    params: Iterable[str] | None = None,
    seed: int = 0,
) -> tuple[dict[str, Float[Tensor, "G *shape"]], Int[Tensor, "G"]]:
    """For each group, the mean over its samples of the GGN diagonal of the loss.

    All is as `curvature` has it, which this is a shorter name for where no gradient is needed.

    Returns:
        Parameter name -> (G, *shape of the parameter), and the number of samples of each group, (G,).

    Raises:
        DataError, ModelError, ConfigError: As `curvature`.
    """
    found = curvature(model, batches, num_groups=num_groups, task=task, columns=columns, params=params, seed=seed)
    return found.diagonal, found.sizes


def curvature(
    model: nn.Module,
    batches: Batches,
    *,
    num_groups: int,
    task: Task = classify,
    columns: int | float | None = None,
    params: Iterable[str] | None = None,
    seed: int = 0,
    gradient: bool = False,
) -> Curvature:
    """For each group, the mean over its samples of the GGN diagonal of the loss, and of the gradient.

    The GGN of a sample is J^T H J, with J the Jacobian of the outputs in the parameters and H the Hessian of the loss in the
    outputs. docs/curvature.md says when this is the Hessian, what it costs, and how several processes share the work.

    The model runs in evaluation mode; its flags, parameters, buffers, gradients and hooks come back as they were. Linear,
    convolution, batch-norm and layer-norm layers are covered; every other layer may take part as long as its own parameters
    are not asked for.

    Args:
        model: A classifier in float32 or float64, on any device; its outputs are what `task` expects.
        batches: Batches that can be iterated again (a list, a loader), in the same order and without augmentation.
            Samples of group -1 are skipped. Under torch.distributed every process gives all of them.
        num_groups: G; each group needs a sample.
        task: What the outputs mean.
        columns: None for the exact diagonal: a backward pass for each column of the task's factor, C - 1 for classify. A
            number for an unbiased estimate from so many a sample on average; reads the batches twice, first forward only.
        params: Names of the parameters to measure; all of the model by default, whether or not they require gradients.
        seed: Key of the draws when `columns` is a number.
        gradient: Also the gradient of each group's mean loss, exact whatever `columns` is; needs the classes.

    Raises:
        DataError: A generator, a group without samples or out of range, NaN in the inputs, parts of different lengths;
            another process failed or was given something else.
        ModelError: A layer that is not covered, shared or unreached, by its name; outputs that are not finite.
        ConfigError: columns or num_groups out of range.

    Source: Wu et al. 2022 (FairPrune), Eq. 5, with the GGN diagonal of Schraudolph 2002 in place of the Hessian's.
    """
    share, settings = share_of_process(), (num_groups, columns, seed, gradient)
    layers = together(share, _device_of(model), lambda: _checked(model, batches, params, settings))
    with evaluating(model):
        work = Pass(model, layers, stand_ins(model, layers), task)
        data = Data(work, batches, num_groups, share)
        slopes = _zeros(work, num_groups, torch.float64) if gradient else None
        totals = _zeros(work, num_groups)
        sizes = _sum(data, totals, slopes, columns, seed)
    summed_(data.share, *totals.values(), *(slopes or {}).values())
    return Curvature(_curvatures(totals, sizes), slopes and _gradients(slopes, sizes, work), sizes)


def _sum(
    data: Data, totals: dict[str, Tensor], slopes: dict[str, Tensor] | None, columns: int | float | None, seed: int
) -> Int[Tensor, "G"]:
    """Adds this process's samples to the totals; the groups' sizes are those of all processes."""
    device = next(iter(totals.values())).device
    own = partial(together, data.share, device)
    model = _key_of_model(data)
    if columns is None:
        return own(lambda: _keyed(add_all_(data, totals, slopes), model))
    weights, log = own(lambda: _keyed(weigh(data, slopes), model))
    weights = _all_weights(data.share, weights, device)
    scale = scales(weights, log.members, num_groups=data.num_groups, columns=columns, seed=seed)
    return own(lambda: add_kept_(data, totals, scale, log))


def _all_weights(share: Share, own: Float64[Tensor, "J N"], device: torch.device) -> Float64[Tensor, "J N"]:
    """Of all samples: where one process has weights, the others have zeros, or no columns when it has no sample at all."""
    if share.count == 1:
        return own
    missing = largest(share, len(own), device) - len(own)
    weights = torch.cat([own, own.new_zeros(missing, own.shape[1])]).to(device)
    summed_(share, weights)
    return weights.cpu()


def _keyed(found: tuple[T, int], model: int) -> tuple[T, int]:
    return found[0], found[1] ^ model


def _key_of_model(data: Data) -> int:
    """Processes with different weights would add up what does not belong together."""
    if data.share.count == 1:
        return 0
    pieces = [piece for tensor in data.work.tensors.values() for piece in tensor.reshape(-1).split(_PIECE)]
    keys = [key_of([piece[None]], start=place).cpu() for place, piece in enumerate(pieces)]
    return int(torch.stack(keys).sum())


def _checked(
    model: nn.Module, batches: Batches, params: Iterable[str] | None, settings: tuple[Any, ...]
) -> tuple[tuple[Layer, ...], int]:
    """The layers to measure, and a key of all that processes have to agree on before they read any data."""
    num_groups, columns, *_ = settings
    _check_numbers(num_groups, columns)
    _refuse_once(batches)
    layers = layers_of(model, params)
    return layers, crc32(repr((settings, [layer.params for layer in layers])).encode())


def _device_of(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def _refuse_once(batches: Batches) -> None:
    if isinstance(batches, Iterator):
        raise DataError(
            f"batches is a {type(batches).__name__}, which can be read once only, but curvature needs batches that can be "
            "iterated again.\n  Give a list of batches or a loader."
        )


def _check_numbers(num_groups: int, columns: int | float | None) -> None:
    if num_groups < 1:
        raise ConfigError(f"num_groups is {num_groups}, but there has to be at least one group.")
    number = isinstance(columns, int | float) and not isinstance(columns, bool)
    if columns is not None and not (number and columns > 0):
        raise ConfigError(
            f"columns is {columns!r}, but the mean number of columns a sample has to be above 0.\n"
            "  Give a number such as 2.0, or None for the exact diagonal."
        )


def _curvatures(totals: dict[str, Tensor], sizes: Int[Tensor, "G"]) -> dict[str, Tensor]:
    """A sum of squares cannot be negative, but for rounding where pairs of positions cancel."""
    return {name: _mean(name, total, sizes).clamp_min_(0) for name, total in totals.items()}


def _gradients(slopes: dict[str, Tensor], sizes: Int[Tensor, "G"], work: Pass) -> dict[str, Tensor]:
    return {name: _mean(name, total, sizes).to(work.tensors[name].dtype) for name, total in slopes.items()}


def _mean(name: str, total: Float[Tensor, "G *shape"], sizes: Int[Tensor, "G"]) -> Float[Tensor, "G *shape"]:
    """Overwrites the total: it may be the largest tensor around."""
    mean = total.div_(sizes.to(total.device).view(-1, *[1] * (total.ndim - 1)))
    if not bool(mean.sum().isfinite()) and (bad := int((~mean.isfinite()).sum())):
        raise ModelError(
            f"parameter '{name}': {bad:,} of {mean.numel():,} derivatives are NaN or infinite.\n  The gradients overflow: look "
            "at the scale of the weights, or use  model.double()."
        )
    return mean


def _zeros(work: Pass, num_groups: int, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """Gradients cancel, and are summed in double precision; squares do not, and the model's precision serves."""
    params = {name: work.tensors[name] for name in work.names}
    return {
        name: torch.zeros((num_groups, *p.shape), dtype=dtype or p.dtype, device=p.device) for name, p in params.items()
    }

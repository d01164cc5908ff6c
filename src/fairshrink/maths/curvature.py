"""The diagonal of the generalised Gauss-Newton matrix (GGN), group by group, in one pass over the data."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.maths.columns import scales
from fairshrink.maths.passes import Pass, add_, chunk_size, factor_of
from fairshrink.maths.samples import counted, samples_of
from fairshrink.maths.taps import evaluating, stand_ins
from fairshrink.maths.targets import layers_of
from fairshrink.maths.tasks import Task, classify
from fairshrink.types import Batches


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

    The GGN of a sample is J^T H J, with J the Jacobian of the outputs in the parameters and H the Hessian of the loss in the
    outputs. For networks of linear layers, ReLUs and max-pools with batch-norm in evaluation mode, its diagonal is that of
    the Hessian of the mean loss.

    The model runs in evaluation mode and comes back as it was: flags, buffers, gradients, hooks. Linear, convolution,
    batch-norm and layer-norm layers are covered, with their biases, wherever they stand; every other layer may take part as
    long as its own parameters are not asked for.

    Args:
        model: A classifier in float32 or float64, on any device; its outputs are what `task` expects.
        batches: Batches that can be iterated again (a list, a loader), in the same order and without augmentation.
            Samples of group -1 are skipped.
        num_groups: G; each group needs a sample.
        task: What the outputs mean.
        columns: None for the exact diagonal: one backward pass for each column of the task's factor, C - 1 for classify.
            A number for an unbiased estimate from so many columns a sample on average; exact from C - 1 on. It reads the
            batches twice.
        params: Names of the parameters to measure; all of the model by default, whether or not they require gradients.
        seed: Key of the draws when `columns` is a number.

    Returns:
        Parameter name -> (G, *shape of the parameter), in the model's dtype and on its device; and the number of samples
        of each group, (G,).

    Raises:
        DataError: A generator, a group without samples or out of range, NaN in the inputs, parts of different lengths.
        ModelError: A layer that is not covered, shared or unreached, by its name; outputs that are not finite.
        ConfigError: columns or num_groups out of range.

    Source: Wu et al. 2022 (FairPrune), Eq. 5, with the GGN diagonal of Schraudolph 2002 in place of the Hessian's.
    """
    _check_numbers(num_groups, columns)
    if iter(batches) is batches:
        raise DataError(
            f"batches is a {type(batches).__name__}, which can be read once only, but curvature needs batches that can be "
            "iterated again.\n  Give a list of batches or a loader."
        )
    layers = layers_of(model, params)
    with evaluating(model):
        work = Pass(model, layers, stand_ins(model, layers), task)
        chosen = None if columns is None else _choose(work, batches, num_groups, columns, seed)
        totals, sizes = _sum(work, batches, num_groups, chosen)
    return {name: _mean(name, total, sizes, work.tensors[name].dtype) for name, total in totals.items()}, sizes


@dataclass(frozen=True)
class _Chosen:
    """Column sampling: the groups that the first reading saw, (N,), and the scale of every column, (J, N)."""

    groups: Int[Tensor, "N"]
    scales: Float64[Tensor, "J N"]


def _check_numbers(num_groups: int, columns: int | float | None) -> None:
    if num_groups < 1:
        raise ConfigError(f"num_groups is {num_groups}, but there has to be at least one group.")
    if columns is not None and not columns > 0:
        raise ConfigError(
            f"columns is {columns}, but the mean number of columns a sample has to be above 0.\n"
            "  Give a number such as 2.0, or None for the exact diagonal."
        )


def _sum(
    work: Pass, batches: Batches, num_groups: int, chosen: _Chosen | None
) -> tuple[dict[str, Tensor], Int[Tensor, "G"]]:
    """Sums over each group's samples, float64, and the groups' sizes."""
    names = [name for layer in work.layers for name in layer.params.values()]
    totals = {name: _zeros(work.tensors[name], num_groups) for name in names}
    seen: list[Tensor] = []
    for x, g in samples_of(batches, num_groups=num_groups, like=work.tensors[names[0]]):
        scale = None if chosen is None else _scales_of(chosen, seen, g)
        seen.append(g)
        rows = torch.arange(len(g), device=g.device) if scale is None else _by_kept(scale)
        for chunk in rows.split(chunk_size(work, x)):
            if len(chunk):
                add_(work, totals, (x[chunk], g[chunk]), None if scale is None else scale[:, chunk])
    if chosen is not None and sum(map(len, seen)) != len(chosen.groups):
        raise _changed()
    return totals, counted(_joined(seen), num_groups)


def _choose(work: Pass, batches: Batches, num_groups: int, columns: int | float, seed: int) -> _Chosen:
    """A first reading, forward only: the weight of every column, and which of them to keep."""
    weights, groups = [], []
    like = next(iter(work.tensors.values()))
    plain = {name: tensor.detach() for name, tensor in work.tensors.items()}
    for x, g in samples_of(batches, num_groups=num_groups, like=like):
        with torch.no_grad():
            weights.append(factor_of(work, torch.func.functional_call(work.model, plain, (x,))).weights.cpu())
        groups.append(g.cpu())
    members = _joined(groups)
    counted(members, num_groups)
    kept = scales(torch.cat(weights, 1), members, num_groups=num_groups, columns=columns, seed=seed)
    return _Chosen(members, kept)


def _scales_of(chosen: _Chosen, seen: list[Tensor], g: Int[Tensor, "N"]) -> Float64[Tensor, "J N"]:
    """The scales of the next samples, which have to be the same as in the first reading."""
    start = sum(len(part) for part in seen)
    if not torch.equal(chosen.groups[start : start + len(g)], g.cpu()):
        raise _changed()
    return chosen.scales[:, start : start + len(g)].to(g.device)


def _changed() -> DataError:
    return DataError(
        "the batches came in another order or number the second time, but columns = a number reads them twice.\n"
        "  Turn shuffling off, or use  columns=None,  which reads them once."
    )


def _by_kept(scale: Float64[Tensor, "J N"]) -> Int[Tensor, "kept"]:
    """Samples with a kept column, the fewest first: a chunk costs as many backward passes as its fullest sample."""
    kept = (scale > 0).sum(0)
    return kept.argsort(dim=0, stable=True)[int((kept == 0).sum()) :]


def _mean(name: str, total: Float64[Tensor, "G *shape"], sizes: Int[Tensor, "G"], dtype: torch.dtype) -> Tensor:
    """Overwrites the total: it may be the largest tensor around."""
    mean = total.div_(sizes.view(-1, *[1] * (total.ndim - 1))).to(dtype)
    if bad := int((~mean.isfinite()).sum()):
        raise ModelError(
            f"parameter '{name}': {bad:,} of {mean.numel():,} curvatures are NaN or infinite.\n  The gradients overflow: look "
            "at the scale of the weights, or use  model.double()."
        )
    return mean.clamp_min_(0)  # a sum of squares, but for rounding where pairs of positions cancel


def _joined(groups: list[Tensor]) -> Int[Tensor, "N"]:
    return torch.cat(groups) if groups else torch.zeros(0, dtype=torch.int64)


def _zeros(parameter: Tensor, num_groups: int) -> Float64[Tensor, "G *shape"]:
    return torch.zeros((num_groups, *parameter.shape), dtype=torch.float64, device=parameter.device)

"""One chunk of samples through the model: forward once, backward once for each column, squares summed on the way."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Float64, Int, Shaped
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call

from fairshrink.errors import DataError, ModelError
from fairshrink.maths.columns import packed
from fairshrink.maths.factors import Factor, Outputs, as_tuple
from fairshrink.maths.squares import Bounds, Squares, matrix_squares, numbers_held, vector_squares
from fairshrink.maths.taps import Tap, forward, gradients
from fairshrink.maths.targets import Layer
from fairshrink.maths.tasks import Task
from fairshrink.maths.windows import Part

# Numbers that a chunk of samples may hold, activations and sums: 512 MB in float32 on the CPU, 2 GB elsewhere.
_HELD = {"cpu": 2**27}
_HELD_ELSEWHERE = 2**29
# Numbers of a factor that are worked on at once where only its weights are wanted.
_FACTOR = 2**22


@dataclass(frozen=True)
class Pass:
    """What stays the same during a pass over the data; `held` remembers, by input shape, what a sample costs in memory."""

    model: nn.Module
    layers: tuple[Layer, ...]
    tensors: dict[str, Tensor]
    task: Task
    held: dict[tuple[torch.Size, bool], int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The parameters that are measured."""
        return [name for layer in self.layers for name in layer.params.values()]


def add_(work: Pass, totals: dict[str, Tensor], part: Part, scale: Float64[Tensor, "J N"] | None) -> None:
    """Adds a chunk of samples to the totals: one forward pass, then one backward pass for each column."""
    groups = len(next(iter(totals.values())))
    order = part.g.argsort(stable=True)
    bounds = (0, *torch.bincount(part.g, minlength=groups).cumsum(0).tolist())
    outputs, taps = forward(work.model, work.layers, work.tensors, part.x[order.to(part.x.device)])
    factor = factor_of(work, outputs)
    if scale is not None:
        factor = packed(factor, scale[:, order].to(factor.weights.device))
    used = (factor.weights > 0).any(1).nonzero().flatten().tolist()  # all others are exactly zero
    sums: dict[str, Squares] = {}
    begun = set[str]()
    for column in used:
        found = gradients(outputs, taps, _column(factor, column), keep=column != used[-1])
        for layer in (layer for layer in work.layers if layer.name in found):
            rows = layer.kind.rows(layer.module, found.pop(layer.name))
            if layer.name not in begun:
                begun.add(layer.name)
                sums |= _sums_of(layer, taps[layer.name], (bounds, len(used)), rows, totals)
            for name in layer.params.values():
                sums[name].add_(rows)
    for squares in sums.values():
        squares.close_()


def weights_of(work: Pass, x: Shaped[Tensor, "N *input"]) -> Float64[Tensor, "J N"]:
    """The weight of every column of every sample, by a forward pass alone."""
    plain = {name: tensor.detach() for name, tensor in work.tensors.items()}
    with torch.no_grad():
        return _weights(work, functional_call(work.model, plain, (x,)))


def add_gradient_(work: Pass, totals: dict[str, Tensor], part: Part) -> Float64[Tensor, "J N"]:
    """Adds, for each group, the gradient of the summed loss of its samples, in pieces that fit into memory.

    Returns:
        The weight of every column of every sample, as `weights_of`, from the same forward passes.
    """
    weights: list[Tensor] = []
    order = part.g.argsort(stable=True)
    tensors = [work.tensors[name] for name in totals]
    for rows in _runs(part.g[order], chunk_size(work, part.x)):
        few = part.at(order[rows])
        outputs = functional_call(work.model, work.tensors, (few.x,))
        weights.append(_weights(work, outputs))
        loss = work.task.loss(outputs, _classes(few.y, outputs)) * len(few.x)
        for total, found in zip(totals.values(), torch.autograd.grad(loss, tensors), strict=True):
            total[int(few.g[0])] += found
    return torch.cat(weights, 1)[:, order.argsort().to(part.x.device)]


def _classes(y: Shaped[Tensor, "N"], outputs: Outputs) -> Int[Tensor, "N"]:
    """Classes as a loss takes them.

    Raises:
        DataError: One is not in [0, C).
    """
    count = as_tuple(outputs)[-1].shape[-1]
    if y.is_floating_point() or bool(((y < 0) | (y >= count)).any()):
        wrong = y[(y < 0) | (y >= count)].tolist()[:1] or [str(y.dtype)]
        raise DataError(
            f"a class is {wrong[0]}, but the model puts out {count} classes: whole numbers from 0 to {count - 1} are expected. "
            "The gradient needs them; the curvature alone does not."
        )
    return y.long()


def _runs(g: Int[Tensor, "N"], size: int) -> Iterator[slice]:
    """Sorted groups in runs of one group each, at most `size` long."""
    start = 0
    for count in g.unique_consecutive(return_counts=True)[1].tolist():
        yield from (slice(low, min(low + size, start + count)) for low in range(start, start + count, size))
        start += count


def _sums_of(
    layer: Layer, tap: Tap, cost: tuple[Bounds, int], rows: Float[Tensor, "N L F"], totals: dict[str, Tensor]
) -> dict[str, Squares]:
    """The sums for the parameters of a layer."""
    bounds, columns = cost
    sums: dict[str, Squares] = {}
    for local, name in layer.params.items():
        features = None if local == "bias" else layer.kind.features(layer.module, tap.x)
        if features is not None and layer.kind.matrix:
            sums[name] = matrix_squares(features, bounds, rows, columns, totals[name])
        else:
            sums[name] = vector_squares(features, bounds, rows, totals[name])
    return sums


def factor_of(work: Pass, outputs: Outputs) -> Factor:
    """The task's factor of outputs that are numbers."""
    parts = as_tuple(outputs) if isinstance(outputs, Tensor | tuple) else ()
    if bad := sum(int((~part.isfinite()).sum()) for part in parts if isinstance(part, Tensor)):
        raise ModelError(
            f"{bad:,} outputs of the model are NaN or infinite, though its inputs are finite.\n"
            "  Look for NaN in its weights and running statistics, or for a diverged training."
        )
    return work.task.factor(outputs)


def _weights(work: Pass, outputs: Outputs) -> Float64[Tensor, "J N"]:
    """A few samples at a time: a factor holds C^2 numbers for each."""
    if not isinstance(outputs, Tensor | tuple) or not all(isinstance(out, Tensor) for out in as_tuple(outputs)):
        return factor_of(work, outputs).weights  # which refuses them
    parts = [out.detach() for out in as_tuple(outputs)]
    step = max(1, _FACTOR // _factor_numbers(parts))
    slices = (tuple(piece) for piece in zip(*(part.split(step) for part in parts), strict=True))
    few = (piece if isinstance(outputs, tuple) else piece[0] for piece in slices)
    return torch.cat([factor_of(work, piece).weights for piece in few], 1)


def _factor_numbers(parts: list[Tensor]) -> int:
    """What the factor of one sample holds, about: as many columns as outputs, a few copies of each in float64."""
    each = sum(part[0].numel() for part in parts if len(part))
    return max(1, 6 * each**2)


def _column(factor: Factor, column: int) -> Tensor | tuple[Tensor, ...]:
    return tuple(part[column] for part in as_tuple(factor.columns))


def chunk_size(work: Pass, x: Shaped[Tensor, "N *input"]) -> int:
    """How many samples may be held at once; the first samples of a new shape are tried out for it, and for mixing."""
    key = (x.shape[1:], len(x) > 1)
    if key not in work.held:
        work.held[key] = _tried(work, x[:2])
    return max(1, _HELD.get(x.device.type, _HELD_ELSEWHERE) // max(1, work.held[key]))


def _tried(work: Pass, x: Shaped[Tensor, "N *input"]) -> int:
    """Numbers held for each sample. One sample's outputs alone are sent back: no other sample may feel it."""
    saved: dict[int, int] = {}
    known = {tensor.untyped_storage().data_ptr() for tensor in work.tensors.values()}

    def note(tensor: Tensor) -> Tensor:
        if (place := tensor.untyped_storage().data_ptr()) not in known:
            saved[place] = max(saved.get(place, 0), tensor.numel())
        return tensor.detach()

    with saved_tensors_hooks(note, lambda tensor: tensor):
        outputs, taps = forward(work.model, work.layers, work.tensors, x)
    factor = factor_of(work, outputs)
    probes = tuple(_only_first(part[0]) for part in as_tuple(factor.columns))
    found = gradients(outputs, taps, probes, keep=False)
    held = sum(saved.values()) // len(x) + _factor_numbers([out.detach() for out in as_tuple(outputs)])
    for layer in work.layers:
        if bool(found[layer.name][1:].any()):
            raise ModelError(
                f"layer '{layer.name}' mixes samples, or something after it does: the output of one sample depends on another, "
                "so that no sample has a gradient of its own.\n  The samples have to come first, (N, ...), and stay apart."
            )
        rows = layer.kind.rows(layer.module, found[layer.name])
        held += rows[0].numel()
        if layer.kind.matrix and "weight" in layer.params:
            patches = layer.kind.features(layer.module, taps[layer.name].x[:1])
            held += numbers_held(patches, rows.shape[2], len(factor.weights))
    return held


def _only_first(column: Float[Tensor, "N *out"]) -> Float[Tensor, "N *out"]:
    """Numbers of any kind for the first sample, without zeros; nothing for the others."""
    probe = torch.zeros_like(column)
    probe[0] = torch.linspace(1.0, 2.0, probe[0].numel(), device=probe.device).view_as(probe[0])
    return probe

"""One chunk of samples through the model: forward once, backward once for each column, squares summed on the way."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor, nn

from fairshrink.errors import ModelError
from fairshrink.maths.columns import packed
from fairshrink.maths.factors import Factor, Outputs, as_tuple
from fairshrink.maths.squares import Bounds, Squares, matrix_squares, numbers_held, vector_squares
from fairshrink.maths.taps import Tap, forward, gradients
from fairshrink.maths.targets import Layer
from fairshrink.maths.tasks import Task

# Numbers that a chunk of samples may hold for the sums, next to the model's own activations: 256 MB in float32.
_HELD = {"cpu": 2**26}
_HELD_ELSEWHERE = 2**29


@dataclass(frozen=True)
class Pass:
    """What stays the same during a pass over the data; `held` remembers, by input shape, what a sample costs in memory."""

    model: nn.Module
    layers: tuple[Layer, ...]
    tensors: dict[str, Tensor]
    task: Task
    held: dict[tuple[torch.Size, bool], int] = field(default_factory=dict)


def add_(
    work: Pass, totals: dict[str, Tensor], samples: tuple[Tensor, Tensor], scale: Float64[Tensor, "J N"] | None
) -> None:
    """Adds a chunk of samples to the totals: one forward pass, then one backward pass for each column."""
    x, g = samples
    order = g.argsort(stable=True)
    sizes = torch.bincount(g, minlength=len(next(iter(totals.values()))))
    bounds = (0, *sizes.cumsum(0).tolist())
    outputs, taps = forward(work.model, work.layers, work.tensors, x[order])
    factor = factor_of(work, outputs)
    if scale is not None:
        factor = packed(factor, scale[:, order])
    used = (factor.weights > 0).any(1).nonzero().flatten().tolist()  # all others are exactly zero
    sums: dict[str, Squares] = {}
    for column in used:
        found = gradients(outputs, taps, _column(factor, column), keep=column != used[-1])
        for layer in work.layers:
            rows = layer.kind.rows(layer.module, found[layer.name])
            if column == used[0]:
                sums |= _sums_of(layer, taps[layer.name], bounds, rows, len(used))
            for name in layer.params.values():
                sums[name].add_(rows)
    for name, squares in sums.items():
        squares.into_(totals[name])


def _sums_of(layer: Layer, tap: Tap, bounds: Bounds, rows: Float[Tensor, "N L F"], columns: int) -> dict[str, Squares]:
    """Empty sums for the parameters of a layer."""
    sums = {}
    for local, name in layer.params.items():
        features = None if local == "bias" else layer.kind.features(layer.module, tap.x)
        if features is not None and layer.kind.matrix:
            sums[name] = matrix_squares(features, bounds, rows, columns)
        else:
            sums[name] = vector_squares(features, bounds, rows)
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
    outputs, taps = forward(work.model, work.layers, work.tensors, x)
    factor = factor_of(work, outputs)
    probes = tuple(_only_first(part[0]) for part in as_tuple(factor.columns))
    found = gradients(outputs, taps, probes, keep=False)
    held = 0
    for layer in work.layers:
        if bool(found[layer.name][1:].any()):
            raise ModelError(
                f"layer '{layer.name}' mixes samples, or something after it does: the output of one sample depends on another, "
                "so that no sample has a gradient of its own.\n  The samples have to come first, (N, ...), and stay apart."
            )
        if layer.kind.matrix and "weight" in layer.params:
            patches = layer.kind.features(layer.module, taps[layer.name].x[:1])
            rows = layer.kind.rows(layer.module, found[layer.name])
            held += numbers_held(patches, rows.shape[2], len(factor.weights))
    return held


def _only_first(column: Float[Tensor, "N *out"]) -> Float[Tensor, "N *out"]:
    """Numbers of any kind for the first sample, without zeros; nothing for the others."""
    probe = torch.zeros_like(column)
    probe[0] = torch.linspace(1.0, 2.0, probe[0].numel(), device=probe.device).view_as(probe[0])
    return probe

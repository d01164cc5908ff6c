"""A smaller copy of a model: channels that are 0 wherever they are read are cut out, and the outputs stay what they were."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fairshrink.compress.frozen import Frozen
from fairshrink.compress.streams import placed, streams
from fairshrink.deploy.gone import IN, MADE, Left, Plan, keeps, left, marked, plan_of, release, settle, size_of
from fairshrink.deploy.resize import resize
from fairshrink.deploy.slices import Keep, without
from fairshrink.errors import ModelError
from fairshrink.maths.factors import as_tuple
from fairshrink.maths.taps import evaluating
from fairshrink.models.checkpoint import load_into

IMAGES = 2  # random ones that are compared
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5}  # of the largest logit


class Costs(NamedTuple):
    """What a model takes.

    Attributes:
        parameters: Numbers in its parameters.
        macs: Multiplications with an addition for one input, of convolutions and linear layers.
    """

    parameters: int
    macs: int


@dataclass(frozen=True)
class Cut:
    """A model without the channels that are gone.

    Attributes:
        model: The smaller copy; where nothing could be cut, a copy.
        removed: Layer -> the channels that were cut out of it, by their number in the whole.
        zeroed: Layer -> its channels that put out 0 and are still there, by reason.
        widths: Layer -> how many channels it had.
        keep: What stays, by module, norms included.
        before: What the whole model takes.
        after: What the copy takes.
        difference: Largest difference of an output in single precision.
        relative: The same, divided by the largest output.
    """

    model: nn.Module
    removed: dict[str, tuple[int, ...]]
    zeroed: dict[str, tuple[Left, ...]]
    widths: dict[str, int]
    keep: dict[str, Keep]
    before: Costs
    after: Costs
    difference: float = 0.0
    relative: float = 0.0

    def fixed(self, frozen: Frozen, whole: nn.Module) -> Frozen:
        """What is fixed of the smaller copy, when `frozen` is what is fixed of the whole."""
        return Frozen(without(frozen.mask, whole, self.keep), without(frozen.value, whole, self.keep))


def cut(model: nn.Module, example: Tensor) -> Cut:
    """Cut out every channel that is exactly 0 wherever it is read, if the outputs stay what they were.

    A layer's channel is 0 where its kernel and bias are, or the scale and shift of the norm behind it. It stays where a
    shortcut keeps it alive, where another layer needs it, and in a grouped convolution unless as many go from each group.

    >>> small = cut(model, torch.zeros(1, 3, 64, 64)).model              # doctest: +SKIP

    Args:
        model: Any module; it is left as it was.
        example: A batch of inputs, (N, ...); only its form matters.

    Raises:
        ModelError: The model cannot be traced, or its outputs on random inputs do not stay the same: to 1e-12 of the largest
            in double precision, to 1e-5 in single.
    """
    found = streams(model, example)
    plan = plan_of(model, found)
    draws = torch.randn(IMAGES, *example.shape[1:], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inputs = draws.to(next(model.parameters()).device)
    if any(chosen.any() for chosen in plan.chosen):
        _keep_what_is_read(plan, copy.deepcopy(model).double().eval(), inputs)
        settle(plan, model)
    keep = keeps(plan, model)
    small = _without(model, keep, example) if keep else copy.deepcopy(model)
    difference, relative = _compared(model, small, inputs) if keep else (0.0, 0.0)
    widths = {stream.layer: stream.width for stream in found}
    removed = {layer: _gone(keep[layer].outputs, width) for layer, width in widths.items() if layer in keep}
    return Cut(
        small,
        {layer: channels for layer, channels in removed.items() if channels},
        left(plan, keep),
        widths,
        keep,
        costs(model, example),
        costs(small, example),
        difference,
        relative,
    )


def costs(model: nn.Module, example: Tensor) -> Costs:
    """Parameters, and multiplications for one input of the form of a batch, (N, ...)."""
    with evaluating(model), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(placed(model, example[:1]))
    return Costs(sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops() // 2)


def _without(model: nn.Module, keep: dict[str, Keep], example: Tensor) -> nn.Module:
    state = without(model.state_dict(), model, keep)
    small = copy.deepcopy(model)
    resize(small, {name: tensor.shape for name, tensor in state.items()}, example)
    load_into(small, state)
    return small


def _keep_what_is_read(plan: Plan, exact: nn.Module, inputs: Tensor) -> None:
    """Let stay what is not 0 after all where a layer reads it: the trace does not know every operation."""
    modules = dict(exact.named_modules())
    expected = {
        name: marked(plan, (name, side), size_of(modules[name], side)) for name, side in plan.places if side == IN
    }
    other = {name: torch.zeros_like(gone) for name, gone in expected.items()}

    def looking(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            x = args[0].movedim(-1, 1) if isinstance(module, nn.Linear) else args[0]
            other[name] |= (x != 0).movedim(1, 0).flatten(1).any(1).cpu() & expected[name]

        return look

    with _hooked([modules[name].register_forward_pre_hook(looking(name)) for name in expected]), torch.no_grad():
        exact(inputs)
    for name, channels in other.items():
        release(plan, (name, IN), channels, MADE)


@contextmanager
def _hooked(hooks: Sequence[torch.utils.hooks.RemovableHandle]) -> Iterator[None]:
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _compared(model: nn.Module, small: nn.Module, inputs: Tensor) -> tuple[float, float]:
    """Largest difference of an output in single precision, as it is and against the largest output."""
    difference = largest = 0.0
    for dtype, most in TOLERANCES.items():
        outputs = []
        for each in (model, small):
            with torch.no_grad():
                found = copy.deepcopy(each).to(dtype).eval()(inputs.to(dtype))
            outputs.append(as_tuple(found))
        difference = largest = 0.0
        for before, after in zip(*outputs, strict=True):
            same = before.shape == after.shape
            difference = max(difference, float((before - after).abs().max()) if same else torch.inf)
            largest = max(largest, float(before.abs().max()))
        if not difference <= most * largest:
            raise ModelError(
                f"without the channels that are 0 the model's outputs differ by {difference:.2g} from what they were (on "
                f"{len(inputs)} random inputs in {dtype}; the largest output is {largest:.2g}, and {most:g} of it would be "
                "rounding). Nothing was cut: export the model whole."
            )
    return difference, difference / largest if largest else 0.0


def _gone(kept: Tensor | None, width: int) -> tuple[int, ...]:
    stays = set(range(width) if kept is None else kept.tolist())
    return tuple(channel for channel in range(width) if channel not in stays)

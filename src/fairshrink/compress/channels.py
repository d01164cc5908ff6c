"""Whole output channels of convolutions: which there are, what belongs to one, and which are gone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from fairshrink.compress.frozen import Frozen
from fairshrink.compress.graph import inner
from fairshrink.compress.streams import CONVOLUTIONS, placed
from fairshrink.compress.units import NORMS
from fairshrink.errors import ConfigError, DataError, ModelError, suggest
from fairshrink.maths.samples import check_parts
from fairshrink.maths.taps import evaluating
from fairshrink.types import Batches

SEVERAL = ("all", "inner")

Which = str | tuple[str, ...]


@dataclass(frozen=True)
class ConvLayer:
    """A convolution, and what has to be 0 for one of its channels to put out nothing.

    Attributes:
        name: Of the module.
        weight: The parameter with its kernels, (K, ...).
        others: Parameters with one number for each channel, (K,): its bias, the scale and shift of the norm that reads it.
        count: K, its output channels.
        tap: The module that puts the channels out: the norm where there is one, else the convolution itself.
    """

    name: str
    weight: str
    others: tuple[str, ...]
    count: int
    tap: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """All that belongs to its channels."""
        return (self.weight, *self.others)


def conv_layers(model: nn.Module) -> list[str]:
    """The names of all convolutions, in the model's order; transposed ones are not among them."""
    return [name for name, module in model.named_modules() if isinstance(module, CONVOLUTIONS)]


def find_layers(model: nn.Module, which: Which, example: Tensor) -> dict[str, ConvLayer]:
    """The convolutions that are meant, by name, in the model's order.

    Args:
        model: Any module; it runs once, in evaluation mode, and is left as it was.
        which: "last", "all", "inner" (those whose channels can be cut out without touching another layer's), or names.
        example: A few inputs, (N, ...), which tell what reads what.

    Raises:
        ConfigError: There is no convolution of a name.
        ModelError: The model has no convolution, or a norm behind one has no scale and shift of its channels.
    """
    known = conv_layers(model)
    if not known:
        raise ModelError(f"the model ({type(model).__name__}) has no convolution, so it has no channels to remove.")
    names = _named(model, which, known, example)
    readers = _norms_behind(model, names, example)
    return {name: _layer(model, name, readers[name]) for name in known if name in names}


def removed(layer: ConvLayer, frozen: Frozen) -> Bool[Tensor, "K"]:
    """The channels that are fixed at 0 in everything that belongs to them."""
    gone = torch.ones(layer.count, dtype=torch.bool)
    for name in layer.parameters:
        if name not in frozen.mask:
            return torch.zeros_like(gone)
        at_zero = frozen.mask[name] & (frozen.value[name] == 0)
        gone &= at_zero.flatten(1).all(1).cpu() if at_zero.dim() > 1 else at_zero.cpu()
    return gone


def spread(layer: ConvLayer, chosen: Bool[Tensor, "K"], parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Channels -> a mask over each of their parameters, of its shape and on its device."""
    masks = {}
    for name in layer.parameters:
        like = parameters[name]
        rows = chosen.to(like.device).reshape(-1, *[1] * (like.dim() - 1))
        masks[name] = rows.expand(like.shape).clone()
    return masks


def example_of(batches: Batches) -> Tensor:
    """Two inputs of the first batch.

    Raises:
        DataError: There is no batch.
    """
    for number, given in enumerate(batches):
        return check_parts(number, given).x[:2]
    raise DataError("there are no batches, so the model cannot be run on one. Give at least one.")


def _named(model: nn.Module, which: Which, known: list[str], example: Tensor) -> set[str]:
    if isinstance(which, tuple) and len(which) == 1:
        which = which[0]
    if which == "all":
        return set(known)
    if which == "last":
        return {known[-1]}
    if which == "inner":
        found = set(inner(model, example))
        if not found:
            raise ModelError(
                f"layers: the model ({type(model).__name__}) has no convolution whose channels can be cut out without touching "
                'another layer\'s. Name the layers, or give "all".'
            )
        return found
    names = (which,) if isinstance(which, str) else tuple(which)
    if not names:
        raise ConfigError(f"no layer is named. Give 'last', {_either(SEVERAL)}, or names, such as '{known[-1]}'.")
    if unknown := [name for name in names if name not in known]:
        there = dict(model.named_modules())
        why = "is no convolution" if unknown[0] in there else "is not in the model"
        raise ConfigError(f"layer '{unknown[0]}' {why}.{suggest(unknown[0], [*known, 'last', *SEVERAL])}")
    return set(names)


def _either(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _layer(model: nn.Module, name: str, norms: list[str]) -> ConvLayer:
    modules = dict(model.named_modules())
    own = {parameter for parameter, _ in model.named_parameters(remove_duplicate=False)}
    convolution: Any = modules[name]
    weight = f"{name}.weight".lstrip(".")
    if weight not in own:
        raise ModelError(
            f"the weight of layer '{name}' is worked out from other parameters (a parametrization, or torch's own pruning), so a "
            "channel could not be kept at 0. Make it an ordinary parameter first, with "
            "torch.nn.utils.parametrize.remove_parametrizations or torch.nn.utils.prune.remove."
        )
    others = [f"{name}.bias".lstrip(".")] if convolution.bias is not None else []
    for norm in norms:
        _check_norm(modules[norm], norm, (name, convolution.out_channels))
        others += [f"{norm}.{part}" for part in ("weight", "bias") if f"{norm}.{part}" in own]
    tap = norms[0] if len(norms) == 1 else name
    return ConvLayer(name, weight, tuple(others), convolution.out_channels, tap)


def _check_norm(norm: Any, name: str, of: tuple[str, int]) -> None:
    scale = norm.weight
    if scale is None or scale.shape != (of[1],):
        form = "none" if scale is None else f"one of shape {tuple(scale.shape)}"
        raise ModelError(
            f"the norm '{name}' behind layer '{of[0]}' needs a scale for each of its {of[1]} channels, but has {form}: a channel "
            "whose kernels are 0 would not be 0 behind it. Take another layer, or a norm with affine=True."
        )


def _norms_behind(model: nn.Module, names: set[str], example: Tensor) -> dict[str, list[str]]:
    """For each convolution the norms that are handed its very output, found by running the model once."""
    put_out: dict[int, tuple[str, Tensor, int]] = {}
    found: dict[str, list[str]] = {name: [] for name in names}

    def after(name: str, output: Tensor) -> None:
        # The tensor is kept, so that its id stays its own; a change in place (an activation) makes it another thing.
        put_out[id(output)] = (name, output, output._version)

    def before(norm: str, given: Any) -> None:
        name, _, version = put_out.get(id(given), ("", given, -1))
        if name and given._version == version and norm not in found[name]:
            found[name].append(norm)

    def reading(norm: str) -> Callable[[nn.Module, Any], None]:
        return lambda _, given: before(norm, given[0])

    hooks = []
    for name, module in model.named_modules():
        if name in names:
            hooks.append(module.register_forward_hook(lambda _, __, output, name=name: after(name, output)))
        elif isinstance(module, NORMS):
            hooks.append(module.register_forward_pre_hook(reading(name)))
    run_once(model, example, hooks)
    return found


def run_once(model: nn.Module, x: Tensor, hooks: Iterable[Any]) -> None:
    """Run a model in evaluation mode under hooks; they are taken away afterwards, and the training flags come back."""
    try:
        with evaluating(model), torch.no_grad():
            model(placed(model, x))
    finally:
        for hook in hooks:
            hook.remove()

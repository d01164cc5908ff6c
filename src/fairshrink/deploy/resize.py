"""A network made to fit the shapes of weights that some channels were cut out of."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fairshrink.compress.streams import CARRIERS, LAYERS, Stream, depthwise, placed, streams
from fairshrink.deploy.gone import IN, OUT, SIDES, size_of
from fairshrink.deploy.slices import BY_CHANNEL
from fairshrink.errors import ModelError
from fairshrink.maths.taps import evaluating

Shape = tuple[int, ...]


def resize(model: nn.Module, shapes: Mapping[str, Sequence[int]], example: Tensor) -> None:
    """Make the layers of a network as narrow as the tensors that are to be loaded into it.

    Args:
        model: Whole; changed in place, its narrower layers hold no meaningful numbers until they are loaded. One that was
            refused may be changed in part.
        shapes: Of parameters and buffers by name; names that the model does not have are left to whoever loads them.
        example: A batch of inputs, (N, ...).

    Raises:
        ModelError: The shapes are not those of this network without some channels, or do not belong together.
    """
    other = {
        name: tuple(shapes[name])
        for name, tensor in model.state_dict().items()
        if name in shapes and tuple(shapes[name]) != tuple(tensor.shape)
    }
    if not other:
        return
    modules = dict(model.named_modules())
    for layer, _, local in (name.rpartition(".") for name in other):
        if local not in BY_CHANNEL:
            raise _refused(layer, f"no channel can be cut out of its {local}")
    changed = {name.rpartition(".")[0] for name in other}
    sizes = {name: _sizes(name, modules[name], {k: tuple(s) for k, s in shapes.items()}) for name in sorted(changed)}
    for stream in streams(model, example):
        _check(stream, modules, sizes)
    for name, size in sizes.items():
        _narrow(name, modules[name], size, shapes)
    _run(model, example)


def _sizes(name: str, module: nn.Module, shapes: Mapping[str, Shape]) -> dict[str, int]:
    """Outputs and inputs that a module is to have, if its tensors agree on them."""
    given = {local: shapes[f"{name}.{local}"] for local in BY_CHANNEL if f"{name}.{local}" in shapes}
    first, form = next(iter(given.items()))
    if not isinstance(module, (*LAYERS, *CARRIERS)) or not form:
        raise _refused(name, f"channels cannot be cut out of a {type(module).__name__} to make its {first} {form}")
    sizes = {OUT: form[0]}
    if isinstance(module, LAYERS):
        groups = form[0] if depthwise(module) else getattr(module, "groups", 1)
        if first != "weight" or form[2:] != module.weight.shape[2:] or len(form) < 2 or form[0] % groups:
            raise _refused(name, f"its {first} is {form}, but its weight is {tuple(module.weight.shape)} in the whole")
        sizes[IN] = form[1] * groups
    if different := [local for local, shape in given.items() if local != first and shape != form[:1]]:
        raise _refused(name, f"its {first} is {form}, but its {different[0]} {given[different[0]]}")
    for side, size in sizes.items():
        whole = size_of(module, side)
        if not 1 <= size <= whole:
            raise _refused(name, f"it has {size} {side}, but 1 to {whole} are expected")
    return sizes


def _check(stream: Stream, modules: Mapping[str, Any], sizes: Mapping[str, Mapping[str, int]]) -> None:
    """Refuse numbers of channels that differ along a stream, where each of its channels lies in a module as often."""
    after = _size(stream.layer, OUT, modules, sizes)
    for part in stream.parts:
        if part.role not in SIDES or len(set(part.of)) < stream.width or len(part.of) % stream.width:
            continue
        whole = size_of(modules[part.module], SIDES[part.role])
        expected = len(part.of) // stream.width * after
        found = _size(part.module, SIDES[part.role], modules, sizes)
        if len(part.of) == whole and found != expected:
            raise _refused(part.module, f"it has {found} {SIDES[part.role]}, but {expected} come from '{stream.layer}'")
        if found < expected:
            raise _refused(part.module, f"it has {found} {SIDES[part.role]}, but at least {expected} are expected")


def _size(name: str, side: str, modules: Mapping[str, Any], sizes: Mapping[str, Mapping[str, int]]) -> int:
    return sizes[name][side] if name in sizes else size_of(modules[name], side)


def _narrow(name: str, module: Any, size: Mapping[str, int], shapes: Mapping[str, Sequence[int]]) -> None:
    if isinstance(module, nn.modules.conv._ConvNd):
        module.groups = size[OUT] if depthwise(module) else module.groups
        module.out_channels, module.in_channels = size[OUT], size[IN]
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = size[OUT], size[IN]
    elif isinstance(module, nn.PReLU):
        module.num_parameters = size[OUT]
    else:
        module.num_features = size[OUT]
    for local in BY_CHANNEL:
        old = getattr(module, local, None)
        if old is not None:
            form = shapes.get(f"{name}.{local}", (size[OUT],))
            new = torch.zeros(tuple(form), dtype=old.dtype, device=old.device)
            setattr(module, local, nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new)


def _run(model: nn.Module, example: Tensor) -> None:
    try:
        with evaluating(model), torch.no_grad():
            model(placed(model, example[:1]))
    except Exception as error:  # Whatever the model's own code says about shapes.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise _refused(type(model).__name__, f"with these shapes it cannot run: {reason}") from error


def _refused(name: str, reason: str) -> ModelError:
    return ModelError(
        f"the weights are not those of this network without some of its channels: '{name}': {reason}.\n"
        "  Check the backbone, the number of classes and the image size, or cut the model again."
    )

"""From parameter names to the layers that own them; what cannot be measured is refused by its name."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from fairshrink.errors import ModelError, suggest
from fairshrink.maths.layers import Kind, covered_names, kind_of, mixes_samples

WAY_OUT = "Leave its parameters out with  params = [...],  or rewrite that part of the model."


@dataclass(frozen=True)
class Layer:
    """A layer whose curvature is asked for: where it is, what it is, and which of its parameters, local name -> full."""

    name: str
    module: nn.Module
    kind: Kind
    params: dict[str, str]


def layers_of(model: nn.Module, params: Iterable[str] | None) -> tuple[Layer, ...]:
    """The layers that own the parameters asked for.

    Args:
        model: Any module.
        params: Parameter names; None for all of them, whether or not an optimiser may move them.

    Raises:
        ModelError: An unknown name, a layer that is not covered, a parameter that two layers share, or a norm that mixes
            the samples of a batch.
    """
    known = dict(model.named_parameters())
    names = list(known) if params is None else list(dict.fromkeys([params] if isinstance(params, str) else params))
    if unknown := [name for name in names if name not in known]:
        raise ModelError(
            f"the model has no parameter '{unknown[0]}' ({len(unknown)} of {len(names)} names are unknown)."
            + suggest(unknown[0], known)
        )
    if not names:
        raise ModelError("the model has no parameters to measure: curvature needs at least one. Check  params.")
    _refuse_mixing(model)
    _refuse_tied(model, {name: known[name] for name in names})
    owners: dict[str, dict[str, str]] = {}
    for name in names:
        owner, _, local = name.rpartition(".")
        owners.setdefault(owner, {})[local] = name
    return tuple(_layer(owner, model.get_submodule(owner), local) for owner, local in owners.items())


def _layer(name: str, module: nn.Module, params: dict[str, str]) -> Layer:
    kind = kind_of(module)
    if kind is None or not set(params) <= {"weight", "bias"}:
        place = f"layer '{name}'" if name else "the model itself"
        raise ModelError(
            f"{place} ({type(module).__name__}) is not covered: the curvature of {', '.join(params.values())} is not "
            f"known.\n  Covered are {covered_names()}, with their own forward pass. {WAY_OUT}"
        )
    for local, full in params.items():
        if (dtype := module.get_parameter(local).dtype) not in (torch.float32, torch.float64):
            raise ModelError(
                f"parameter '{full}' is {dtype}, too coarse for squares of gradients: float32 or float64 is needed.\n"
                "  Convert the model first:  model.float()."
            )
    return Layer(name, module, kind, params)


def _refuse_mixing(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if mixes_samples(module):
            raise ModelError(
                f"layer '{name}' ({type(module).__name__}) has no running statistics: it normalises by the batch, so that no "
                "sample has a gradient of its own.\n  Use track_running_stats=True, train it, and measure again."
            )


def _refuse_tied(model: nn.Module, asked: dict[str, nn.Parameter]) -> None:
    places: dict[int, dict[tuple[int, str], str]] = {}
    for prefix, module in model.named_modules(remove_duplicate=False):
        for local, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            # One module under two names is one place: whether it runs twice shows in the forward pass.
            places.setdefault(id(parameter), {}).setdefault((id(module), local), f"{prefix}.{local}".lstrip("."))
    for name, parameter in asked.items():
        if len(tied := list(places[id(parameter)].values())) > 1:
            raise ModelError(
                f"parameter '{name}' is shared by {len(tied)} layers ({', '.join(tied)}): its curvature is not the sum of "
                f"theirs.\n  {WAY_OUT}"
            )

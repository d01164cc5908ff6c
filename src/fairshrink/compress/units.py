"""What can be fixed: the weights of convolutions and linear layers, with biases and norm parameters where that is asked for."""

from collections.abc import Iterable, Mapping

from torch import nn

from fairshrink.errors import ConfigError, ModelError, suggest

INCLUDE = ("weights", "scales", "all")
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


def compressible(
    model: nn.Module, include: str = "weights", leave: str | Iterable[str] | None = ()
) -> dict[str, nn.Parameter]:
    """The parameters that a method may fix, by name, in the model's order.

    By default these are all convolution and linear weights; biases and norm parameters stay as they are (the papers do not
    say; counted together they are under 1 % of ResNet-18 and VGG-11). Transposed convolutions, embeddings and the input
    projections of attention stay as they are in any case.

    Args:
        model: Any module.
        include: "weights"; "scales": those and the weights of norms; or "all": the biases of both, too.
        leave: Names of layers, or of whole parts of the model, that are left as they are, such as "fc" or "layer4.0".

    Raises:
        ConfigError: `include` is something else, `leave` no names, or the model has no part of a name in it.
        ModelError: Nothing is left to shrink, or the weight of a layer is worked out from other parameters.
    """
    check_include(include)
    left = _inside(model, layer_names(leave))
    kinds = WEIGHTED if include == "weights" else (*WEIGHTED, *NORMS)
    locals_ = ("weight", "bias") if include == "all" else ("weight",)
    asked = {name: module for name, module in model.named_modules() if isinstance(module, kinds) and name not in left}
    _refuse_derived(asked, locals_)
    owned = {f"{name}.{local}".lstrip(".") for name in asked for local in locals_}
    found = {name: parameter for name, parameter in model.named_parameters() if name in owned}
    if not found:
        told = f" besides what leave = {list(layer_names(leave))} leaves alone" if left else ""
        raise ModelError(
            f"the model ({type(model).__name__}) has no convolution and no linear layer{told}, so there is nothing to shrink. "
            "Give a model with at least one nn.Conv or nn.Linear."
        )
    return found


def layer_names(leave: object) -> tuple[str, ...]:
    """Names as a tuple; a single one may come by itself, and None is no name.

    Raises:
        ConfigError: Something else came.
    """
    if leave is None:
        return ()
    names = (leave,) if isinstance(leave, str) or not isinstance(leave, Iterable) else tuple(leave)
    known = tuple(name for name in names if isinstance(name, str))
    if len(known) < len(names):
        wrong = [name for name in names if not isinstance(name, str)]
        raise ConfigError(
            f"leave is {leave!r}, but names of layers are expected, such as 'fc': {wrong[0]!r} is of the type "
            f"{type(wrong[0]).__name__}."
        )
    return known


def check_include(include: object) -> None:
    """Raise ConfigError unless it is one of `INCLUDE`."""
    if include not in INCLUDE:
        raise ConfigError(f"include is {include!r}, but there is no such choice.{suggest(str(include), INCLUDE)}")


def _inside(model: nn.Module, leave: tuple[str, ...]) -> set[str]:
    """The names of all modules that are one of these, or within one of them."""
    known = [name for name, _ in model.named_modules() if name]  # the model itself has the empty name
    if unknown := [name for name in leave if name not in known]:
        raise ConfigError(
            f"leave: the model has no layer '{unknown[0]}' ({len(unknown)} of {len(leave)} names are unknown)."
            + (suggest(unknown[0], known) if known else " It is a single layer, without parts.")
        )
    return {name for name in known for part in leave if name == part or name.startswith(f"{part}.")}


def _refuse_derived(layers: Mapping[str, nn.Module], locals_: tuple[str, ...]) -> None:
    for name, module in layers.items():
        own = dict(module.named_parameters(recurse=False))
        if derived := [local for local in locals_ if getattr(module, local, None) is not None and local not in own]:
            leave_it = f", or leave the layer as it is with  leave = ['{name}']" if name else ""
            raise ModelError(
                f"the {derived[0]} of layer '{name}' is worked out from other parameters (a parametrization, or torch's own "
                "pruning), so fixing it would not last. Make it an ordinary parameter first, with "
                f"torch.nn.utils.parametrize.remove_parametrizations or torch.nn.utils.prune.remove{leave_it}."
            )

"""One forward pass with every layer's input and a handle on its output's gradient, the model left as it was."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.func import functional_call

from fairshrink.errors import ModelError
from fairshrink.maths.factors import Outputs, as_tuple
from fairshrink.maths.targets import WAY_OUT, Layer


@dataclass(frozen=True)
class Tap:
    """What a layer saw and where its output's gradient arrives.

    The edge is taken the moment the layer returns: later in-place changes of the output (a ReLU, a residual +=) move the
    tensor on to another place in the graph, but not the edge.
    """

    x: Tensor
    version: int
    edge: GradientEdge


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode with gradients on and autocast off; every training flag goes back to what it was."""
    flags = [(module, module.training) for module in model.modules()]
    device = next((p.device.type for p in model.parameters()), "cpu")
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device, enabled=False):
        try:
            model.eval()
            yield
        finally:
            for module, training in flags:
                module.training = training


def stand_ins(model: nn.Module, layers: tuple[Layer, ...]) -> dict[str, Tensor]:
    """Tensors for one functional call: parameters share the model's numbers but not its flags, hooks and gradients.

    Only what is asked for gets a graph. Buffers are copied, since a module may write to them.
    """
    asked = {name for layer in layers for name in layer.params.values()}
    normal = {name: p.clone() if p.is_inference() else p for name, p in model.named_parameters()}
    tensors = {name: p.detach().requires_grad_(name in asked) for name, p in normal.items()}
    return tensors | {name: b.detach().clone() for name, b in model.named_buffers()}


def forward(
    model: nn.Module, layers: tuple[Layer, ...], tensors: dict[str, Tensor], x: Tensor
) -> tuple[Outputs, dict[str, Tap]]:
    """Runs the model once and taps its layers.

    Returns:
        The outputs, and layer name -> tap, in the order of `layers`.

    Raises:
        ModelError: A layer runs twice or not at all, sees other shapes than (N, ...), loses its input to an in-place
            operation, or is not connected to the outputs; a parameter is also used outside its layer.
    """
    taps: dict[str, Tap] = {}
    with ExitStack() as hooks:
        for layer in layers:
            hook = layer.module.register_forward_hook(_tapping(layer, taps, len(x)), prepend=True, with_kwargs=True)
            hooks.callback(hook.remove)
        outputs = functional_call(model, tensors, (x,))
    for layer in layers:
        _check_tap(layer, taps.get(layer.name))
    _check_uses(outputs, taps, {id(tensors[name]): name for layer in layers for name in layer.params.values()})
    return outputs, {layer.name: taps[layer.name] for layer in layers}


def gradients(outputs: Outputs, taps: dict[str, Tap], columns: Outputs, *, keep: bool) -> dict[str, Tensor]:
    """One backward pass: layer name -> gradient of its output, when the outputs receive `columns`.

    Of several outputs those that receive nothing but zeros are left out, and with them the layers that only they depend on:
    what lies behind an early exit takes no part in its curvature.
    """
    edges = [tap.edge for tap in taps.values()]
    pairs = list(zip(as_tuple(outputs), as_tuple(columns), strict=True))
    some = [pair for pair in pairs if bool(pair[1].any())] or pairs
    try:
        outs, given = zip(*some, strict=True)
        found = torch.autograd.grad(outs, edges, given, retain_graph=keep, allow_unused=True)
    except RuntimeError as error:
        if "modified by an inplace operation" not in str(error):
            raise
        raise ModelError(
            f"the model overwrites in place what its gradient still needs; it could not be trained either.\n  {error}"
        ) from error
    return {name: gradient for name, gradient in zip(taps, found, strict=True) if gradient is not None}


def _tapping(layer: Layer, taps: dict[str, Tap], samples: int) -> Any:
    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> Tensor:
        if layer.name in taps:
            raise ModelError(
                f"layer '{layer.name}' runs more than once in a forward pass: the curvature of a shared layer is not the sum "
                f"of its uses.\n  {WAY_OUT}"
            )
        x = args[0] if args else kwargs["input"]
        if len(x) != samples or len(out) != samples:
            raise ModelError(
                f"layer '{layer.name}' sees an input of shape {tuple(x.shape)} for {samples} samples, but the samples have to "
                f"come first, (N, ...).\n  Use batch_first=True or leave the samples apart. {WAY_OUT}"
            )
        if not out.requires_grad:
            raise _unreached(layer.name)
        # What changes a view in place replaces the graph of its base, and with it the edge: such outputs are copied.
        out = out.clone() if out._is_view() else out
        taps[layer.name] = Tap(x.detach(), x._version, get_gradient_edge(out))
        return out

    return hook


def _check_tap(layer: Layer, tap: Tap | None) -> None:
    if tap is None:
        raise ModelError(
            f"layer '{layer.name}' ({type(layer.module).__name__}) does not run in the forward pass in evaluation mode, or only "
            f"by its parameters: {', '.join(layer.params.values())} cannot be measured.\n  {WAY_OUT}"
        )
    if tap.x._version != tap.version:
        raise ModelError(
            f"the input of layer '{layer.name}' is overwritten in place after the layer has read it, and is needed again.\n"
            "  Make the operation that follows out of place: inplace=False, or  a = a + b  instead of  a += b."
        )


def _check_uses(outputs: Outputs, taps: dict[str, Tap], names: dict[int, str]) -> None:
    """Each layer must be in the graph of the outputs, and each parameter enter it once, by its own layer."""
    uses: Counter[str] = Counter()
    todo = [out.grad_fn for out in as_tuple(outputs) if isinstance(out, Tensor) and out.grad_fn is not None]
    seen = set(todo)
    while todo:
        for node, _ in todo.pop().next_functions:
            if node is None:
                continue
            if (name := names.get(id(getattr(node, "variable", None)))) is not None:
                uses[name] += 1
            elif node not in seen:
                seen.add(node)
                todo.append(node)
    for name, tap in taps.items():
        if tap.edge.node not in seen:
            raise _unreached(name)
    for name, count in uses.items():
        if count > 1:
            raise ModelError(
                f"parameter '{name}' is used {count} times in a forward pass, also outside its layer: its curvature is not "
                f"the layer's alone.\n  {WAY_OUT}"
            )


def _unreached(name: str) -> ModelError:
    return ModelError(
        f"no gradient of the outputs reaches layer '{name}': the model detaches it, runs it under torch.no_grad(), or does "
        f"not use what it returns.\n  {WAY_OUT}"
    )

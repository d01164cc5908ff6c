"""What runs through a model together: a layer's channels and all that carries, reads and joins them, from one traced pass.

The tracing is torch-pruning's dependency graph (Fang et al. 2023); this turns it into plain records.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch_pruning as tp
from torch import Tensor, nn
from torch_pruning import ops

from fairshrink.errors import ModelError
from fairshrink.maths.taps import evaluating

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
LAYERS = (*CONVOLUTIONS, nn.Linear)
CARRIERS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.PReLU)
WRITES, READS, CARRIES, PASSES, BLOCKS, ENDS = "writes", "reads", "carries", "passes", "blocks", "ends"
NEEDING = frozenset(ops.OPTYPE) - {ops.OPTYPE.ELEMENTWISE, ops.OPTYPE.CONCAT, ops.OPTYPE.RESHAPE, ops.OPTYPE.OUTPUT}


class Part(NamedTuple):
    """What one module, or one operation between modules, has to do with a layer's channels.

    Attributes:
        module: Its name, or the operation's.
        role: WRITES: puts out into these channels; READS: takes them in; CARRIES: a norm, say, works on each alone;
            PASSES: an operation without parameters; BLOCKS: needs every channel where it is; ENDS: the model's output.
        channels: Which of its own channels, one after the other.
        of: The layer's channel that each of them belongs to.
        inputs: Positions of the parts that it gets them from.
    """

    module: str
    role: str
    channels: tuple[int, ...]
    of: tuple[int, ...]
    inputs: tuple[int, ...] = ()


class Stream(NamedTuple):
    """All that the output channels of a layer run through until others have read them.

    Attributes:
        layer: The layer's name.
        width: How many channels it puts out, K.
        parts: The layer itself first.
    """

    layer: str
    width: int
    parts: tuple[Part, ...]


def streams(model: nn.Module, example: Tensor, kinds: tuple[type[nn.Module], ...] = LAYERS) -> list[Stream]:
    """The streams of all layers of these kinds that the model runs, in the model's order.

    Args:
        model: Any module; it is left as it was.
        example: A batch of inputs, (N, ...).
        kinds: Classes of the layers.

    Raises:
        ModelError: The model cannot be traced.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, kinds)}
    try:
        found = _traced(model, example, layers)
    except Exception as error:  # Whatever the model's own code, autograd or the tracer raise.
        raise _untraced(model, example, (str(error).splitlines() or [type(error).__name__])[0][:200]) from error
    if layers and not found:
        raise _untraced(model, example, "no gradient of its outputs reaches any of its layers")
    return found


def depthwise(module: nn.Module) -> bool:
    """Whether each output channel of a convolution reads the one input channel of its own number."""
    return isinstance(module, CONVOLUTIONS) and 1 < module.groups == module.in_channels == module.out_channels


def placed(model: nn.Module, x: Tensor) -> Tensor:
    """Inputs where the model is, in its precision."""
    like = next(model.parameters(), x)
    x = x.clone() if x.is_inference() else x
    return x.to(like.device, like.dtype if x.is_floating_point() else None)


class _Graph(NamedTuple):
    """torch-pruning's graph, the parameters that have more than one name, and where the model's outputs come from."""

    found: Any
    tied: frozenset[int]
    ends: frozenset[Any]


def _traced(model: nn.Module, example: Tensor, layers: dict[str, nn.Module]) -> list[Stream]:
    names = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    with evaluating(model), _differentiable(model):
        found = tp.DependencyGraph()
        outputs: list[Tensor] = []

        def forward(model: nn.Module, x: Any) -> Any:
            out = model(x)
            outputs.extend(tp.utils.flatten_as_list(out))
            return out

        found.build_dependency(model, placed(model, example[:1]), forward_fn=forward, verbose=False)
        tied = frozenset(key for key, count in names.items() if count > 1)
        graph = _Graph(found, tied, frozenset(output.grad_fn for output in outputs))
        return [_stream(graph, name, module) for name, module in layers.items() if module in found.module2node]


def _untraced(model: nn.Module, example: Tensor, reason: str) -> ModelError:
    return ModelError(
        f"the model ({type(model).__name__}) could not be traced, so that nobody knows which layers read which channels: "
        f"{reason}\n  Check that it takes a batch such as {tuple(example.shape)} and returns tensors that have a gradient."
    )


@contextmanager
def _differentiable(model: nn.Module) -> Iterator[None]:
    """Every parameter with a gradient, because the tracer follows those; the flags go back to what they were."""
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        model.requires_grad_(True)
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def _stream(graph: _Graph, name: str, module: nn.Module) -> Stream:
    found = graph.found
    count = found.get_out_channels(module)
    group = found.get_pruning_group(module, found.get_pruner_of_module(module).prune_out_channels, list(range(count)))
    items = [(item.dep.target, _role(graph, item.dep), item) for item in group.items]
    items = [item for item in items if item[0].inputs or item[1] != PASSES]  # without inputs: a transposed weight
    places = {id(node): at for at, (node, role, _) in enumerate(items) if role != READS}
    parts = []
    for node, role, item in items:
        inputs = () if role == WRITES and not depthwise(node.module) else node.inputs
        before = tuple(places[id(n)] for n in inputs if id(n) in places)
        parts.append(Part(_name(found, node), role, tuple(item.idxs), tuple(item.root_idxs), before))
    for at, (node, role, _) in enumerate(items):
        if role != READS and node.grad_fn in graph.ends:
            parts.append(parts[at]._replace(module="the model's output", role=ENDS, inputs=(at,)))
    return Stream(name, count, tuple(parts))


def _role(graph: _Graph, dep: Any) -> str:
    module, kind = dep.target.module, dep.target.type
    if isinstance(module, LAYERS) and _plain(graph, module):
        if depthwise(module):
            return WRITES
        if kind == ops.OPTYPE.DEPTHWISE_CONV:  # by torch-pruning's reckoning, but with other numbers of inputs
            return BLOCKS
        return WRITES if graph.found.is_out_channel_pruning_fn(dep.handler) else READS
    if isinstance(module, nn.PReLU) and module.num_parameters == 1:  # one slope for all channels
        return PASSES
    if isinstance(module, CARRIERS):
        return CARRIES if _plain(graph, module) else BLOCKS
    return BLOCKS if kind in NEEDING or _adds_unseen(dep.target.grad_fn) else PASSES


def _adds_unseen(grad_fn: Any) -> bool:
    """Whether something is added that comes from no layer, such as the model's input: the channels are not 0 behind it."""
    sums = type(grad_fn).__name__.startswith(("AddBackward", "SubBackward"))
    return sums and any(before is None for before, _ in grad_fn.next_functions)


def _plain(graph: _Graph, module: nn.Module) -> bool:
    """Whether its tensors are its own: shared with no other layer, and not worked out from others (a parametrization)."""
    own = dict(module.named_parameters(recurse=False))
    given = [local for local in ("weight", "bias") if getattr(module, local, None) is not None]
    return all(local in own and id(own[local]) not in graph.tied for local in given)


def _name(graph: Any, node: Any) -> str:
    module = node.module
    if _adds_unseen(node.grad_fn):
        return "a sum with what no layer puts out"
    if isinstance(module, nn.Parameter):
        return graph._param_to_name.get(module, "a parameter")
    return graph._module2name.get(module) or type(module).__name__.strip("_")

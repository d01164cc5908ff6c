"""A network cut into stages at some of its modules: what each stage runs, read off a trace of its forward pass.

Modules that contain no tap run as they are, with their hooks.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from fairshrink.errors import ModelError
from fairshrink.models.tracing import traced

SHOWN = 3
CALLS = ("call_module", "call_function", "call_method", "get_attr")


@dataclass(frozen=True)
class Value:
    """What an earlier step gave, or the stage's input, by name."""

    name: str


class Step(NamedTuple):
    """One call of the forward pass.

    Attributes:
        name: Of its result.
        kind: One of CALLS.
        target: Name of the module, method or attribute, or the function.
        args: Arguments; those that are results are Values.
        kwargs: The same by name.
        frees: Results that no later step of the stage needs.
    """

    name: str
    kind: str
    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    frees: tuple[str, ...]


class Part(NamedTuple):
    """One stage: a tensor in, a tensor out.

    Attributes:
        takes: Name of its input.
        steps: Calls, in order.
        gives: Name of its output.
        copies: Whether it starts from a copy of its input, because it would write into it, and a head has read it.
    """

    takes: str
    steps: tuple[Step, ...]
    gives: str
    copies: bool = False


class Parts(NamedTuple):
    """A network in stages; a forward pass that asks whether it is training is known in both ways.

    Attributes:
        taps: The modules where it is cut, in the order in which they run.
        training: The stages in train mode, one more than taps.
        evaluating: The same in evaluation mode.
    """

    taps: tuple[str, ...]
    training: tuple[Part, ...]
    evaluating: tuple[Part, ...]


def run(part: Part, network: nn.Module, x: Tensor) -> Any:
    """Run one stage with the modules, parameters and buffers that a network holds now."""
    known = {part.takes: x.clone() if part.copies else x}
    for step in part.steps:
        args, kwargs = _filled(step.args, known), _filled(step.kwargs, known)
        known[step.name] = _called(step, network, args, kwargs)
        for name in step.frees:
            del known[name]
    return known[part.gives]


def needs(part: Part) -> list[str]:
    """Names of the modules, parameters and buffers that a stage uses."""
    return [step.target for step in part.steps if step.kind in ("call_module", "get_attr")]


def copying(parts: Parts, numbers: Collection[int]) -> Parts:
    """The same stages, some of which start from a copy of their input."""
    training, evaluating = (
        tuple(part._replace(copies=number in numbers) for number, part in enumerate(way))
        for way in (parts.training, parts.evaluating)
    )
    return Parts(parts.taps, training, evaluating)


def parts_of(network: nn.Module, taps: Sequence[str]) -> Parts:
    """Cut a network where some of its modules end.

    Args:
        network: Any module that takes one tensor and returns one; left as it was.
        taps: Names of its modules, in any order.

    Raises:
        ModelError: The network cannot be traced; or one of the taps does not run, runs more than once, is not on the way to the
            output, is the output, or other tensors than its output are needed behind it.
    """
    ordered, training = _cut(network, taps, training=True)
    _, evaluating = _cut(network, taps, training=False)
    return Parts(ordered, training, evaluating)


def _filled(given: Any, known: Mapping[str, Any]) -> Any:
    def filled(each: Any) -> Any:
        return known[each.name] if isinstance(each, Value) else each

    return map_aggregate(given, filled)


def _called(step: Step, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if step.kind == "call_function":
        return step.target(*args, **kwargs)
    if step.kind == "call_method":
        return getattr(args[0], step.target)(*args[1:], **kwargs)
    found = attrgetter(step.target)(network)
    return found(*args, **kwargs) if step.kind == "call_module" else found


def _cut(network: nn.Module, taps: Sequence[str], *, training: bool) -> tuple[tuple[str, ...], tuple[Part, ...]]:
    graph, ends = traced(network, taps, training=training)
    nodes = list(graph.nodes)
    output = nodes[-1].args[0]
    if not isinstance(output, fx.Node):
        raise ModelError(
            f"the backbone ({type(network).__name__}) returns a {type(output).__name__}, but one tensor of logits, (N, C), is "
            "expected. Wrap it so that it returns its logits only."
        )
    place = {node: at for at, node in enumerate(nodes)}
    for tap in taps:
        _check_run(tap, ends[tap], output)
    ordered = tuple(sorted(taps, key=lambda tap: place[ends[tap][0]]))
    cuts = [ends[tap][0] for tap in ordered]
    for tap, cut in zip(ordered, cuts, strict=True):
        _check_alone(tap, cut, nodes[: place[cut]], place)
    _check_different(ordered, cuts)
    start = next(node for node in nodes if node.op == "placeholder")
    pieces = []
    for before, after in zip([start, *cuts], [*cuts, output], strict=True):
        pieces.append(_part(before, nodes[place[before] + 1 : place[after] + 1], after))
    return ordered, tuple(pieces)


def _check_run(tap: str, ends: list[fx.Node], output: fx.Node) -> None:
    if not ends:
        raise ModelError(
            f"tap '{tap}' does not run in the forward pass, or gives no tensor: it is not on the way to the output. Take another "
            "module."
        )
    if len(ends) > 1:
        raise ModelError(
            f"tap '{tap}' runs {len(ends)} times in a forward pass, so it is no single place. Take a module that runs once."
        )
    if ends[0] is output:
        raise ModelError(
            f"tap '{tap}' gives the backbone's own output, so nothing is saved there. Take an earlier module."
        )
    if ends[0] not in _before(output):
        raise ModelError(
            f"tap '{tap}' is not on the way to the output: nothing that the backbone returns depends on it. Take another module."
        )


def _before(node: fx.Node) -> set[fx.Node]:
    """All that a value is worked out from."""
    found, todo = set[fx.Node](), [node]
    while todo:
        for each in todo.pop().all_input_nodes:
            if each not in found:
                found.add(each)
                todo.append(each)
    return found


def _check_alone(tap: str, cut: fx.Node, earlier: list[fx.Node], place: Mapping[fx.Node, int]) -> None:
    alive = [
        node
        for node in earlier
        if node.op != "get_attr" and any(place[user] > place[cut] and user.op != "output" for user in node.users)
    ]
    if alive:
        shown = ", ".join(_called_by_the_user(node) for node in alive[:SHOWN])
        more = f" and {len(alive) - SHOWN} more" if len(alive) > SHOWN else ""
        raise ModelError(
            f"the backbone cannot be cut at tap '{tap}': what comes behind it also needs {shown}{more}, from before it (a "
            "shortcut, say). Take a module whose output is all that the rest needs, such as a whole block."
        )


def _called_by_the_user(node: fx.Node) -> str:
    if node.op == "placeholder":
        return "the input"
    if node.op == "call_module":
        return f"the output of '{node.target}'"
    return f"the result of {getattr(node.target, '__name__', node.target)}"


def _check_different(taps: Sequence[str], cuts: Sequence[fx.Node]) -> None:
    same = [node for node, count in Counter(cuts).items() if count > 1]
    if same:
        names = [tap for tap, cut in zip(taps, cuts, strict=True) if cut is same[0]]
        raise same_output(names[0], names[1])


def same_output(one: str, other: str) -> ModelError:
    """Two taps are one place."""
    return ModelError(f"taps '{one}' and '{other}' give the same output, so one exit is enough. Leave one out.")


def _part(before: fx.Node, nodes: list[fx.Node], after: fx.Node) -> Part:
    """The calls between two places, with the parameters and buffers that they read, wherever the trace came by these."""
    inside = set(nodes)
    read = {each for node in nodes for each in node.all_input_nodes if each.op == "get_attr" and each not in inside}
    calls = [node for node in (*sorted(read, key=str), *nodes) if node.op in CALLS]
    last = {each: node for node in calls for each in (node, *node.all_input_nodes)}
    frees: dict[fx.Node, list[str]] = {node: [] for node in calls}
    for each, node in last.items():
        if each is not after:
            frees[node].append(each.name)
    steps = tuple(
        Step(node.name, node.op, node.target, _values(node.args), _values(node.kwargs), tuple(frees[node]))
        for node in calls
    )
    return Part(before.name, steps, after.name)


def _values(given: Any) -> Any:
    def value(each: Any) -> Any:
        return Value(each.name) if isinstance(each, fx.Node) else each

    return map_aggregate(given, value)

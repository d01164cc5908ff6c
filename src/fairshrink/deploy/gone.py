"""Which channels of a model are exactly 0 wherever they are read, so that they can be cut out of it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fairshrink.compress.streams import BLOCKS, CARRIES, ENDS, PASSES, READS, WRITES, Part, Stream, depthwise
from fairshrink.deploy.slices import Keep

OUT, IN = "outputs", "inputs"
SIDES = {WRITES: OUT, CARRIES: OUT, READS: IN}
ONE_STAYS = "one channel has to stay in each layer"
AS_MANY = "as many channels have to go from each group of '{}'"
MADE = "what comes between makes other numbers of a 0"

Side = tuple[str, str]
Modules = Mapping[str, Any]


class Left(NamedTuple):
    """Channels of a layer that put out 0, but are not cut.

    Attributes:
        channels: How many.
        why: What they are needed for.
    """

    channels: int
    why: str


class Place(NamedTuple):
    """Where a stream's channels lie in a module.

    Attributes:
        stream: Which stream.
        channels: Numbers of the module's channels.
        of: The stream's channel of each.
    """

    stream: int
    channels: Tensor
    of: Tensor


class Plan(NamedTuple):
    """What can be cut.

    Attributes:
        streams: All layers' streams.
        zero: By stream: which of its layer's channels put out 0, (K,).
        chosen: By stream: which are cut, (K,). A channel that two streams share stands in the first of them.
        why: By stream and channel: why a channel is not cut that otherwise could be.
        places: By module and side: where the streams' channels lie.
    """

    streams: Sequence[Stream]
    zero: list[Tensor]
    chosen: list[Tensor]
    why: dict[tuple[int, int], str]
    places: dict[Side, list[Place]]


def plan_of(model: nn.Module, streams: Sequence[Stream]) -> Plan:
    """Find in the weights what is 0 at every layer that reads it; nothing is chosen against `settle` yet."""
    modules = dict(model.named_modules())
    zero, chosen = [], []
    claimed = {stream.layer: torch.zeros(stream.width, dtype=torch.bool) for stream in streams}
    places: dict[Side, list[Place]] = {}
    for at, stream in enumerate(streams):
        known = _zeros(stream, modules)
        zero.append(_of_layer(stream, known))
        chosen.append(_unread(stream, known) & ~claimed[stream.layer])
        for part in stream.parts:
            channels, of = torch.tensor(part.channels), torch.tensor(part.of)
            if part.role == WRITES and part.module in claimed:
                claimed[part.module][channels] = True
            if part.role in SIDES:
                places.setdefault((part.module, SIDES[part.role]), []).append(Place(at, channels, of))
    return Plan(streams, zero, chosen, {}, places)


def release(plan: Plan, side: Side, channels: Tensor, why: str) -> bool:
    """Let the marked channels of a module, (size,), stay; whether any of them was to go."""
    changed = False
    for at, numbers, of in plan.places[side]:
        stay = of[channels[numbers]]
        stay = stay[plan.chosen[at][stay]]
        plan.chosen[at][stay] = False
        plan.why.update(((at, channel), why) for channel in stay.tolist())
        changed |= len(stay) > 0
    return changed


def marked(plan: Plan, side: Side, size: int) -> Tensor:
    """Which channels of a module go, (size,)."""
    found = torch.zeros(size, dtype=torch.bool)
    for at, numbers, of in plan.places[side]:
        found[numbers[plan.chosen[at][of]]] = True
    return found


def settle(plan: Plan, model: nn.Module) -> None:
    """Let stay what a layer cannot do without: one channel of each, and as many in each group."""
    modules = dict(model.named_modules())
    changed = True
    while changed:
        changed = False
        for side in plan.places:
            module = modules[side[0]]
            gone = marked(plan, side, size_of(module, side[1]))
            groups = 1 if depthwise(module) else getattr(module, "groups", 1)
            blocks = gone.view(groups, -1)
            most = min(int(blocks.sum(1).min()), blocks.shape[1] - 1)
            stay = (blocks & (blocks.cumsum(1) > most)).flatten()
            why = ONE_STAYS if bool(gone.all()) or groups == 1 else AS_MANY.format(side[0])
            changed |= release(plan, side, stay, why)


def keeps(plan: Plan, model: nn.Module) -> dict[str, Keep]:
    """What stays, by module; only of those that lose something."""
    modules, found = dict(model.named_modules()), {}
    for name, side in plan.places:
        gone = marked(plan, (name, side), size_of(modules[name], side))
        if gone.any():
            found[name] = found.get(name, Keep())._replace(**{side: (~gone).nonzero().flatten()})
    return found


def left(plan: Plan, keep: Mapping[str, Keep]) -> dict[str, tuple[Left, ...]]:
    """By layer: the channels that put out 0 and stay nevertheless, by reason."""
    found = {}
    for at, stream in enumerate(plan.streams):
        stays = plan.zero[at].clone()
        if (outputs := keep.get(stream.layer, Keep()).outputs) is not None:
            gone = torch.ones_like(stays)
            gone[outputs] = False
            stays &= ~gone
        reasons: dict[str, int] = {}
        for channel in stays.nonzero().flatten().tolist():
            why = _why(plan, at, channel)
            reasons[why] = reasons.get(why, 0) + 1
        if reasons:
            found[stream.layer] = tuple(Left(count, why) for why, count in reasons.items())
    return found


def size_of(module: Any, side: str) -> int:
    """How many outputs or inputs a module has."""
    names = ("in_channels", "in_features") if side == IN else ("out_channels", "out_features")
    return next(size for name in (*names, "num_features", "num_parameters") if (size := getattr(module, name, None)))


def _zeros(stream: Stream, modules: Modules) -> list[Tensor]:
    """For each part whether what it puts out is 0, (K,) in the channels of the stream's layer; True where it has none."""
    known = [torch.zeros(stream.width, dtype=torch.bool) for _ in stream.parts]
    changed = True
    while changed:
        changed = False
        for at, part in enumerate(stream.parts):
            found = _zero(part, _all(known, part.inputs), modules)
            changed |= not torch.equal(found, known[at])
            known[at] = found
    return known


def _zero(part: Part, given: Tensor, modules: Modules) -> Tensor:
    width = len(given)
    if part.role in (PASSES, READS, ENDS, BLOCKS):
        return given
    module, channels, of = modules[part.module], torch.tensor(part.channels), torch.tensor(part.of)
    given, scale, shift = given[of], _zero_rows(module, "weight")[channels], _zero_rows(module, "bias")[channels]
    if depthwise(module):
        rows = shift & (scale | given)
    elif part.role == WRITES:
        rows = shift & scale
    elif isinstance(module, nn.PReLU):
        rows = given
    else:
        rows = shift & scale if module.weight is not None else torch.zeros_like(given)
    found = torch.ones(width, dtype=torch.bool)
    found[of[~rows]] = False
    return found


def _zero_rows(module: Any, local: str) -> Tensor:
    tensor = getattr(module, local, None)
    if tensor is None:
        return torch.ones(size_of(module, OUT), dtype=torch.bool)
    return (tensor.detach() == 0).reshape(len(tensor), -1).all(1).cpu()


def _all(known: Sequence[Tensor], which: Sequence[int]) -> Tensor:
    """Where all of some are True; of none nothing is."""
    found = torch.full_like(known[0], bool(which))
    for at in which:
        found = found & known[at]
    return found


def _of_layer(stream: Stream, known: Sequence[Tensor]) -> Tensor:
    """Where the layer puts out 0: it does itself, or the norm that alone reads it does."""
    behind = [at for at, part in enumerate(stream.parts) if 0 in part.inputs]
    norm = len(behind) == 1 and stream.parts[behind[0]].role == CARRIES
    return known[0] | known[behind[0]] if norm else known[0].clone()


def _unread(stream: Stream, known: Sequence[Tensor]) -> Tensor:
    """Where every layer that reads the stream gets 0."""
    readers = [at for at, part in enumerate(stream.parts) if part.role == READS]
    found = _all(known, readers)
    for part in stream.parts:
        if part.role in (BLOCKS, ENDS):
            found[torch.tensor(part.of)] = False
    return found


def _why(plan: Plan, at: int, channel: int) -> str:
    stream = plan.streams[at]
    for number, channels, of in plan.places[stream.layer, OUT]:
        for shared in of[channels == channel].tolist():
            if (number, shared) in plan.why:
                return plan.why[number, shared]
    here = [part for part in stream.parts if channel in part.of]
    if any(part.role == ENDS for part in here) or not any(part.role == READS for part in here):
        return "they are outputs of the model"
    if blocking := [part.module for part in here if part.role == BLOCKS]:
        return f"'{blocking[0]}' needs every channel where it is"
    zero = {stream.layer: plan.zero[number] for number, stream in enumerate(plan.streams)}
    alive = []
    for part in here[1:]:
        own = [c for c, of in zip(part.channels, part.of, strict=True) if of == channel]
        if part.role == WRITES and not all(bool(zero[part.module][c]) for c in own):
            alive.append(f"'{part.module}'")
    if alive:
        return f"{_listed(alive)} put{'s' * (len(alive) == 1)} out into the same channels"
    return MADE


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

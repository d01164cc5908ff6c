"""The small classifiers at a network's exits, and what is learnt about the network by running it once."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd as Dropout

from fairshrink.errors import ModelError
from fairshrink.maths.taps import evaluating
from fairshrink.models.parts import Parts, run, same_output

SIDES = (64, 32, 224, 128, 256, 96, 48, 28, 16, 8, 4)  # pixels: what is tried where no example is given
WIDTH = 128  # most channels of a convolutional head


def head(heads: str, width: int, num_classes: int, key: str) -> nn.Module:
    """A head of one of the kinds in HEADS, (N, width, H, W) -> (N, C); the caller's random numbers are not touched.

    Its initial weights depend on the key alone, so that they stay what they are when another exit is added.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(crc32(f"head: {key}".encode()))
        return nn.Sequential(OrderedDict(HEADS[heads](width, num_classes)))


class Learnt(NamedTuple):
    """What running a backbone once has shown.

    Attributes:
        channels: Of the map at each tap.
        writers: Numbers of the stages that write into the map that they take.
    """

    channels: list[int]
    writers: frozenset[int]


def learnt(backbone: nn.Module, parts: Parts, num_classes: int, example: Tensor | None) -> Learnt:
    """What the heads need to know, found by running the backbone once in evaluation mode.

    Args:
        backbone: Left as it was.
        parts: Its stages.
        num_classes: C.
        example: Inputs, (N, ...); None: zeros of a few usual sizes are tried.

    Raises:
        ModelError: It does not run, a tap gives no map or that of another tap, or the backbone no logits of C classes.
    """
    channels = next((module.in_channels for module in backbone.modules() if isinstance(module, nn.Conv2d)), 3)
    tried = [torch.zeros(1, channels, side, side) for side in SIDES] if example is None else [example[:1]]
    best, failed = _Trial([], frozenset(), None), None
    with evaluating(backbone), torch.no_grad(), torch.random.fork_rng(devices=[]):
        for x in tried:
            trial = _tried(backbone, parts, placed(backbone, x))
            failed = failed or trial.error
            best = max(best, trial, key=lambda one: len(one.found))
            if trial.error is None:
                break
    # Where no size fits the classifier, the maps may be known all the same, and the heads need no more.
    if failed is not None and (example is not None or len(best.found) < len(parts.taps)):
        raise _not_run(backbone, tried, failed) from failed
    maps, final = best.found[: len(parts.taps)], best.found[len(parts.taps) :]
    for tap, found in zip(parts.taps, maps, strict=True):
        if not isinstance(found, Tensor) or found.ndim != 4:
            what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"type {type(found).__name__}"
            raise ModelError(
                f"tap '{tap}' gives something of {what}, but a head reads a map, (N, K, H, W). Take a module whose output is one."
            )
    for number, (before, after) in enumerate(pairwise(maps), start=1):
        if after is before and number not in best.writers:
            raise same_output(parts.taps[number - 1], parts.taps[number])
    for logits in final:
        checked_logits(logits, num_classes)
    drawing = {number for number in range(1, len(parts.taps) + 1) if _drops_in_place(backbone, parts, number)}
    return Learnt([found.shape[1] for found in maps], best.writers | drawing)


def checked_logits(found: Any, num_classes: int) -> Tensor:
    """The backbone's output, if it is logits of C classes.

    Raises:
        ModelError: It is something else.
    """
    if isinstance(found, Tensor) and found.ndim == 2 and found.shape[1] == num_classes:
        return found
    what = f"a tensor of {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
    raise ModelError(
        f"the backbone puts out {what}, but its classifier is the final exit: logits (N, {num_classes}) are expected. Give the "
        "num_classes of the backbone, and a backbone that returns its logits only."
    )


def check_finite(logits: Tensor, number: int, tap: str | None) -> None:
    """Refuse an exit's logits, (N, C), that say nothing about how sure it is; no tap: the final exit.

    Raises:
        ModelError: Some are NaN or infinite.
    """
    if logits.isfinite().all():
        return
    wrong = int((~logits.isfinite()).any(dim=1).count_nonzero())
    where = "the final one" if tap is None else f"at '{tap}'"
    raise ModelError(
        f"the outputs of exit {number}, {where}, are not finite for {wrong} of the {len(logits)} samples that reach it.\n"
        "  Its weights or the inputs hold NaN, infinity or very large numbers: train with a lower lr, or check the inputs."
    )


def placed(network: nn.Module, x: Tensor) -> Tensor:
    """One input where the network is, in its precision."""
    like = next(network.parameters(), x)
    return x[:1].to(like.device, like.dtype if x.is_floating_point() else None)


def _linear_head(width: int, num_classes: int) -> dict[str, nn.Module]:
    return {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "classifier": nn.Linear(width, num_classes)}


def _conv_head(width: int, num_classes: int) -> dict[str, nn.Module]:
    """At most 128 channels, so that the head of a wide map costs less than the layers that it may save."""
    inner = min(width, WIDTH)
    layers = {
        "conv": nn.Conv2d(width, inner, 3, padding=1, bias=False),
        "norm": nn.BatchNorm2d(inner),
        "activation": nn.ReLU(inplace=True),
    }
    return layers | _linear_head(inner, num_classes)


HEADS: dict[str, Callable[[int, int], dict[str, nn.Module]]] = {"linear": _linear_head, "conv": _conv_head}


class _Trial(NamedTuple):
    """What each stage put out until one failed, which of them wrote into the map that they took, and why one failed."""

    found: list[Any]
    writers: frozenset[int]
    error: Exception | None


def _tried(backbone: nn.Module, parts: Parts, x: Tensor) -> _Trial:
    found: list[Any] = []
    writers, error = set[int](), None
    for number, part in enumerate(parts.evaluating):
        taken = found[-1] if found else x
        before = _version(taken)
        try:
            found.append(run(part, backbone, taken))
        except Exception as reason:  # Whatever the backbone's own code raises.
            error = reason
        if number > 0 and _version(taken) != before:
            writers.add(number)
        if error is not None:
            break
    return _Trial(found, frozenset(writers), error)


def _version(found: Any) -> int:
    """How often a tensor has been written into; under torch.inference_mode nobody counts, and no gradient needs it."""
    return found._version if isinstance(found, Tensor) and not found.is_inference() else 0


def _drops_in_place(backbone: nn.Module, parts: Parts, number: int) -> bool:
    """Whether a stage may write into its input in train mode only, which a trial in evaluation mode does not show."""
    part = parts.training[number]
    steps = (step.kwargs.get("inplace") is True for step in part.steps)
    modules = (
        each
        for step in part.steps
        if step.kind == "call_module"
        for each in backbone.get_submodule(step.target).modules()
    )
    return any(steps) or any(isinstance(each, Dropout) and each.inplace for each in modules)


def _not_run(backbone: nn.Module, tried: Sequence[Tensor], error: Exception) -> ModelError:
    shapes = ", ".join(str(tuple(x.shape)) for x in tried)
    return ModelError(
        f"the backbone ({type(backbone).__name__}) could not be run on inputs of {shapes}: "
        f"{(str(error).splitlines() or [type(error).__name__])[0][:200]}\n"
        "  Give  example = ...,  a batch of inputs such as it takes."
    )

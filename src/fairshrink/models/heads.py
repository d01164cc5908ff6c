"""The small classifiers at a network's exits, and what is learnt about the network by running it once."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import torch
from torch import Tensor, nn

from fairshrink.errors import ModelError
from fairshrink.maths.taps import evaluating
from fairshrink.models.parts import Parts, run

SIDES = (64, 32, 224, 128, 256, 96, 48, 28, 16, 8, 4)  # pixels: what is tried where no example is given
WIDTH = 128  # most channels of a convolutional head


def head(heads: str, width: int, num_classes: int, key: str) -> nn.Module:
    """A head of one of the kinds in HEADS, (N, width, H, W) -> (N, C); the caller's random numbers are not touched.

    Its initial weights depend on the key alone, so that they stay what they are when another exit is added.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(crc32(f"head: {key}".encode()))
        return nn.Sequential(OrderedDict(HEADS[heads](width, num_classes)))


def widths(backbone: nn.Module, parts: Parts, num_classes: int, example: Tensor | None) -> list[int]:
    """Channels of the map at each tap, found by running the backbone once in evaluation mode.

    Args:
        backbone: Left as it was.
        parts: Its stages.
        num_classes: C.
        example: Inputs, (N, ...); None: zeros of a few usual sizes are tried.

    Raises:
        ModelError: It does not run, a tap gives no map, or the backbone no logits of C classes.
    """
    channels = next((module.in_channels for module in backbone.modules() if isinstance(module, nn.Conv2d)), 3)
    tried = [torch.zeros(1, channels, side, side) for side in SIDES] if example is None else [example[:1]]
    best, failed = list[Any](), None
    with evaluating(backbone), torch.no_grad(), torch.random.fork_rng(devices=[]):
        for x in tried:
            found, error = _outputs(backbone, parts, placed(backbone, x))
            failed = failed or error
            best = max(best, found, key=len)
            if error is None:
                break
    # Where no size fits the classifier, the maps may be known all the same, and the heads need no more.
    if failed is not None and (example is not None or len(best) < len(parts.taps)):
        raise _not_run(backbone, tried, failed) from failed
    maps, final = best[: len(parts.taps)], best[len(parts.taps) :]
    for tap, found in zip(parts.taps, maps, strict=True):
        if not isinstance(found, Tensor) or found.ndim != 4:
            what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"type {type(found).__name__}"
            raise ModelError(
                f"tap '{tap}' gives something of {what}, but a head reads a map, (N, K, H, W). Take a module whose output is one."
            )
    for logits in final:
        checked_logits(logits, num_classes)
    return [found.shape[1] for found in maps]


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


def _outputs(backbone: nn.Module, parts: Parts, x: Tensor) -> tuple[list[Any], Exception | None]:
    """What each stage puts out until one fails, and why it did."""
    found: list[Any] = []
    try:
        for part in parts.evaluating:
            found.append(run(part, backbone, found[-1] if found else x))
    except Exception as error:  # Whatever the backbone's own code raises.
        return found, error
    return found, None


def _not_run(backbone: nn.Module, tried: Sequence[Tensor], error: Exception) -> ModelError:
    shapes = ", ".join(str(tuple(x.shape)) for x in tried)
    return ModelError(
        f"the backbone ({type(backbone).__name__}) could not be run on inputs of {shapes}: "
        f"{(str(error).splitlines() or [type(error).__name__])[0][:200]}\n"
        "  Give  example = ...,  a batch of inputs such as it takes."
    )

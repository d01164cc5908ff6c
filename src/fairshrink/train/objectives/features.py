"""What a classifier's last layers read: the features of each exit, beside its logits."""

from contextlib import ExitStack
from typing import Any, NamedTuple

from torch import Tensor, nn

from fairshrink.errors import ModelError
from fairshrink.maths.factors import as_tuple


class Exits(NamedTuple):
    """A batch seen by a model of E exits; E is 1 for one that returns a single tensor.

    Attributes:
        logits: (N, C) for each exit, the final one last.
        features: (N, D) for each exit, D its own: the input of the linear layer that gives the logits.
    """

    logits: tuple[Tensor, ...]
    features: tuple[Tensor, ...]


def with_features(model: nn.Module, x: Tensor) -> Exits:
    """Run a model once, and keep what the linear layers that give its logits read.

    They are found by what they put out, not by their names: of a model with exits the last layer of each head and of the
    backbone. Nothing is left behind on the model.

    Args:
        model: Returns logits, or a tuple of them.
        x: Inputs, (N, *input).

    Raises:
        ModelError: Some logits are not just what a linear layer puts out.
    """
    seen: dict[int, tuple[Tensor, Tensor]] = {}  # The outputs are kept as well, so that no other gets their number.

    def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Tensor) -> None:
        seen[id(out)] = (args[0] if args else kwargs["input"], out)

    with ExitStack() as hooks:
        for module in model.modules():
            if isinstance(module, nn.Linear):
                hooks.callback(module.register_forward_hook(keep, with_kwargs=True).remove)
        logits = as_tuple(model(x))
    missing = [place for place, found in enumerate(logits, start=1) if id(found) not in seen]
    if missing:
        raise ModelError(
            f"the logits of exit {missing[0]} of {len(logits)} are not what one of the model's linear layers puts out, so "
            f"there are no features to compare ({type(model).__name__}).\n  Give a model that ends in nn.Linear and returns its "
            "outputs unchanged, or train with the objective 'erm', which needs no features."
        )
    return Exits(logits, tuple(seen[id(found)][0].flatten(1) for found in logits))

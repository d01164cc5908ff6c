"""What must be known to use a model's weights: the JSON file beside them, or the metadata inside an ONNX file."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairshrink.data.normalise import IMAGENET, Normalisation
from fairshrink.errors import ModelError

FIELDS = ("backbone", "classes", "size", "mean", "std")
FINAL = "final"
HEADS = ("linear", "conv")
LARGEST = sys.float_info.max  # a whole number above it has no float


@dataclass(frozen=True)
class Exits:
    """A network's early exits.

    Attributes:
        taps: Modules of the backbone behind which an image can leave, in the order in which they run; E - 1 of them.
        heads: What stands at each: "linear" or "conv".
        weights: Of each exit in the training loss, the final one last, (E,).
        threshold: An image leaves at the first exit whose largest probability is at least this, in (0, 1].
    """

    taps: tuple[str, ...]
    heads: str
    weights: tuple[float, ...]
    threshold: float

    @property
    def names(self) -> tuple[str, ...]:
        """Of all E exits: each tap's name, then "final"."""
        return (*self.taps, FINAL)

    def to_dict(self) -> dict[str, Any]:
        """As it is written down."""
        return {
            "taps": list(self.taps),
            "heads": self.heads,
            "weights": list(self.weights),
            "threshold": self.threshold,
        }


@dataclass(frozen=True)
class Card:
    """How to use a model.

    Attributes:
        backbone: Its architecture, as `build` knows it.
        classes: Names of the classes in the order of the outputs.
        size: Pixels a side.
        normalisation: Mean and deviation of its inputs.
        cut: Layer -> the channels that were cut out of it, by their number in the whole model; None: it is whole.
        exits: Where an image may leave before the end; None: it has one exit.
    """

    backbone: str
    classes: tuple[str, ...]
    size: int
    normalisation: Normalisation = IMAGENET
    cut: Mapping[str, Sequence[int]] | None = field(default=None, compare=False)
    exits: Exits | None = None

    def to_dict(self) -> dict[str, Any]:
        """As it is written down."""
        found = {
            "backbone": self.backbone,
            "num_classes": len(self.classes),
            "classes": list(self.classes),
            "size": self.size,
            "mean": list(self.normalisation.mean),
            "std": list(self.normalisation.std),
        }
        if self.cut is not None:
            found["cut"] = {name: list(gone) for name, gone in self.cut.items()}
        return found if self.exits is None else found | {"exits": self.exits.to_dict()}


def read_card(meta: object, where: str) -> Card:
    """Check what a file says about its model.

    Args:
        meta: What was read from the JSON or the metadata.
        where: The file, for errors.

    Raises:
        ModelError: Something that is needed to use the model is missing or cannot be meant.
    """
    known = meta if isinstance(meta, Mapping) else {}
    if lacking := [name for name in FIELDS if name not in known]:
        raise ModelError(
            f"'{where}' does not say how its model is used: it lacks {', '.join(lacking)}. "
            "Restore the file that fairshrink wrote."
        )
    classes, size = known["classes"], known["size"]
    _check(_is_names(classes), where, "classes", classes, "a list of two or more different names")
    _check(type(size) is int and size > 0, where, "size", size, "a number of pixels")
    _check(isinstance(known["backbone"], str), where, "backbone", known["backbone"], "a name")
    _check(_is_triple(known["mean"]), where, "mean", known["mean"], "three numbers")
    above_0 = _is_triple(known["std"]) and min(known["std"]) > 0
    _check(above_0, where, "std", known["std"], "three numbers above 0")
    said = known.get("num_classes", len(classes))
    _check(said == len(classes), where, "num_classes", said, f"{len(classes)}, the number of its classes")
    cut = known.get("cut")
    _check(cut is None or _is_channels(cut), where, "cut", cut, "a table of channel numbers by layer")
    normalisation = Normalisation(tuple(known["mean"]), tuple(known["std"]))
    return Card(known["backbone"], tuple(classes), size, normalisation, cut, _exits(known.get("exits"), where))


def _exits(given: Any, where: str) -> Exits | None:
    if given is None:
        return None
    _check(isinstance(given, Mapping), where, "exits", given, "a table of taps, heads, weights and threshold")
    taps, heads, weights, threshold = (given.get(name) for name in ("taps", "heads", "weights", "threshold"))
    _check(_is_names(taps, 1) and FINAL not in taps, where, "exits.taps", taps, "a list of different names of layers")
    _check(heads in HEADS, where, "exits.heads", heads, " or ".join(HEADS))
    shares = weights if isinstance(weights, Sequence) and all(map(_is_number, weights)) else ()
    right = len(shares) == len(taps) + 1 and min(shares) >= 0 and max(shares) > 0
    _check(right, where, "exits.weights", weights, f"{len(taps) + 1} numbers of 0 or more, not all 0,")
    inside = _is_number(threshold) and 0 < threshold <= 1
    _check(inside, where, "exits.threshold", threshold, "a number above 0, at most 1,")
    return Exits(tuple(taps), heads, tuple(map(float, shares)), float(threshold))


def _check(holds: bool, where: str, name: str, came: object, expected: str) -> None:
    if not holds:
        raise ModelError(f"'{where}': {name} is {str(came)[:80]!r}, but {expected} is expected. Restore the file.")


def _is_names(value: object, at_least: int = 2) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) >= at_least
        and all(isinstance(name, str) for name in value)
        and len(set(value)) == len(value)
    )


def _is_channels(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(gone, list) and all(type(channel) is int and channel >= 0 for channel in gone)
        for gone in value.values()
    )


def _is_triple(value: object) -> bool:
    return isinstance(value, Sequence) and len(value) == 3 and all(_is_number(number) for number in value)


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool) and abs(value) <= LARGEST

"""What must be known to use a model's weights: the JSON file beside them, or the metadata inside an ONNX file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from fairshrink.data.normalise import IMAGENET, Normalisation
from fairshrink.errors import ModelError

FIELDS = ("backbone", "classes", "size", "mean", "std")


@dataclass(frozen=True)
class Card:
    """How to use a model.

    Attributes:
        backbone: Its architecture, as `build` knows it.
        classes: Names of the classes in the order of the outputs.
        size: Pixels a side.
        normalisation: Mean and deviation of its inputs.
        cut: Layer -> the channels that were cut out of it, by their number in the whole model; None: it is whole.
    """

    backbone: str
    classes: tuple[str, ...]
    size: int
    normalisation: Normalisation = IMAGENET
    cut: Mapping[str, Sequence[int]] | None = field(default=None, compare=False)

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
        return found if self.cut is None else found | {"cut": {name: list(gone) for name, gone in self.cut.items()}}


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
    return Card(known["backbone"], tuple(classes), size, Normalisation(tuple(known["mean"]), tuple(known["std"])), cut)


def _check(holds: bool, where: str, name: str, came: object, expected: str) -> None:
    if not holds:
        raise ModelError(f"'{where}': {name} is {str(came)[:80]!r}, but {expected} is expected. Restore the file.")


def _is_names(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 1
        and all(isinstance(name, str) for name in value)
        and len(set(value)) == len(value)
    )


def _is_channels(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(gone, list) and all(type(channel) is int and channel >= 0 for channel in gone)
        for gone in value.values()
    )


def _is_triple(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and len(value) == 3
        and all(
            isinstance(number, float | int) and not isinstance(number, bool) and isfinite(number) for number in value
        )
    )

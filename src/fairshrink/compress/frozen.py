"""What is fixed, and at which value: the one record that methods hand to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fairshrink.errors import ModelError, suggest


@dataclass(frozen=True)
class Frozen:
    """Weights that no later step may move.

    Attributes:
        mask: Parameter name -> bool tensor of the parameter's shape; True where it is fixed.
        value: Parameter name -> tensor of the same shape; what it is fixed at. Elsewhere it is 0 and means nothing.
    """

    mask: dict[str, Tensor] = field(default_factory=dict)
    value: dict[str, Tensor] = field(default_factory=dict)

    def count(self) -> int:
        """How many weights are fixed."""
        return sum(int(mask.sum()) for mask in self.mask.values())

    def fix(self, chosen: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> "Frozen":
        """A new record with these weights fixed as well; what is fixed already keeps its value.

        Args:
            chosen: Parameter name -> bool tensor of the parameter's shape.
            values: Parameter name -> where each weight would go, of the same shape.

        Raises:
            ModelError: A chosen parameter has no values, or mask and values differ in shape.
        """
        mask, value = dict(self.mask), dict(self.value)
        for name, picked in chosen.items():
            if name not in values:
                raise ModelError(f"'{name}' was chosen, but there is no value to fix it at.{suggest(name, values)}")
            if picked.shape != values[name].shape:
                shapes = f"{tuple(picked.shape)} and {tuple(values[name].shape)}"
                raise ModelError(
                    f"mask and values of '{name}' differ in shape: {shapes}. Give both the weight's shape."
                )
            old = mask.get(name, torch.zeros_like(picked))
            kept = value.get(name, torch.zeros_like(values[name]))
            old, kept = old.to(picked.device), kept.to(values[name].device)
            mask[name] = old | picked
            value[name] = torch.where(picked & ~old, values[name].detach(), kept)
        return Frozen(mask, value)

    def remove(self, chosen: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> "Frozen":
        """A new record with these weights fixed at 0 as well, also where they were fixed at another value before.

        Args:
            chosen: Parameter name -> bool tensor of the parameter's shape.
            like: The parameters, by name.
        """
        mask, value = dict(self.mask), dict(self.value)
        for name, picked in chosen.items():
            at = like[name].detach()
            old, kept = mask.get(name, torch.zeros_like(picked)), value.get(name, torch.zeros_like(at))
            mask[name] = old.to(picked.device) | picked
            value[name] = kept.to(picked.device).masked_fill(picked, 0)
        return Frozen(mask, value)

    @torch.no_grad()
    def apply_(self, model: nn.Module) -> None:
        """Write the fixed values into the model: the only mutation of a model in this room.

        Raises:
            ModelError: A fixed parameter is not in the model, or has another shape there.
        """
        self.check(model)
        parameters = dict(model.named_parameters())
        for name, mask in self.mask.items():
            weight = parameters[name]
            fixed = self.value[name].to(weight)
            weight.copy_(torch.where(mask.to(weight.device), fixed, weight))

    def check(self, model: nn.Module) -> None:
        """Raise ModelError unless every fixed parameter is in the model with the same shape."""
        parameters = dict(model.named_parameters())
        for name, mask in self.mask.items():
            if name not in parameters:
                raise ModelError(
                    f"'{name}' is fixed, but the model has no such parameter: the record belongs to another model."
                    f"{suggest(name, parameters)}"
                )
            if parameters[name].shape != mask.shape:
                raise ModelError(
                    f"'{name}' is fixed with shape {tuple(mask.shape)}, but has shape {tuple(parameters[name].shape)} in "
                    "the model: the record belongs to another model."
                )

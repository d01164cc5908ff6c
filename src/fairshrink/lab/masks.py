"""Which weights are fixed, as a file: one bit per weight."""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save
from torch import nn

from fairshrink.compress.frozen import Frozen
from fairshrink.errors import StoreError
from fairshrink.files import write_bytes


def save_frozen(path: Path, frozen: Frozen) -> None:
    """Write the masks; the values are those of the model that is written beside them.

    Raises:
        StoreError: The file cannot be written.
    """
    packed = {name: np.packbits(mask.cpu().numpy().reshape(-1)) for name, mask in frozen.mask.items()}
    write_bytes(path, save(packed))  # safetensors' own writer has no OSError for a full disk.


def load_frozen(path: Path, model: nn.Module) -> Frozen:
    """Read the masks, and the values from the model.

    Raises:
        StoreError: The file is damaged, or belongs to another model.
    """
    parameters = dict(model.named_parameters())
    again = "Remove the stage's folder, and the stage is done again."
    try:
        packed = load_file(path)
    except Exception as error:  # Damaged bytes: safetensors' own error, or what NumPy says about a dtype.
        raise StoreError(f"'{path}' could not be read: {error}.\n  {again}") from error
    mask = {}
    for name, bits in packed.items():
        plain = bits.dtype == np.uint8 and bits.ndim == 1
        if name not in parameters or not plain or len(bits) != (parameters[name].numel() + 7) // 8:
            raise StoreError(f"'{path}' holds a mask for '{name}' that does not fit the model beside it.\n  {again}")
        weight = parameters[name]
        flat = torch.from_numpy(np.unpackbits(bits, count=weight.numel()).astype(bool))
        mask[name] = flat.reshape(weight.shape).to(weight.device)
    value = {name: torch.where(fixed, parameters[name].detach(), 0) for name, fixed in mask.items()}
    return Frozen(mask, value)

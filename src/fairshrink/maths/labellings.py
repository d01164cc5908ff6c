"""The soft nearest neighbour loss of the same maps for many labellings at once: what groups drawn by lot would give."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from fairshrink.errors import DataError
from fairshrink.maths.snnl import entangled

FARTHEST = 80.0  # The largest exponent whose exp is still a normal number in float32; maps of length 1 lie at most 4 / T apart.


def snnl_of_labellings(
    maps: Float[Tensor, "N K *spatial"],
    labellings: Int[Tensor, "L N"],
    temperature: float = 2.0,
    unit: bool = True,
    *,
    memory: int = 2**27,
) -> Float[Tensor, "L K"]:
    """The SNNL of each channel for each labelling of the same samples; see `snnl`.

    Distances are worked out once. With maps of length 1 they are bounded, so one exponential serves every labelling, and
    sums by group are one product with an indicator of the groups. Otherwise the labellings are taken one by one.

    Args:
        maps: Feature maps, (N, K, *spatial).
        labellings: Groups of each sample, (L, N), integers; -1 = unknown in this labelling, which leaves the sample out of it.
        temperature: T of Eq. 1.
        unit: Whether each map is brought to length 1 first.
        memory: Bytes that distances and sums may take at once.

    Returns:
        (L, K), in nats, without gradients.

    Raises:
        DataError: Nobody has a partner in one of the labellings.

    Source: Frosst et al. 2019, Eq. 2; Kong et al. 2024, Eq. 1, with j != i in both sums.
    """
    alone = _alone(labellings)
    if bool(alone.all(dim=1).any()):
        number = int(alone.all(dim=1).nonzero()[0])
        raise DataError(
            f"labelling {number} of {len(labellings)}: none of its {int((labellings[number] >= 0).sum())} samples has a partner "
            "of its own group. Give larger batches, or groups that more samples share."
        )
    with torch.no_grad():
        if not unit or 4 / temperature > FARTHEST:
            return torch.stack([entangled(maps, one, temperature, unit).value for one in labellings])
        return _bounded(maps, (labellings, ~alone), temperature, memory)


def _alone(labellings: Int[Tensor, "L N"]) -> Tensor:
    """Whether nobody else is of a sample's group, (L, N); also where that is unknown."""
    return torch.stack([(one[:, None] == one[None, :]).sum(1) < 2 for one in labellings]) | (labellings < 0)


def _bounded(maps: Tensor, labelled: tuple[Tensor, Tensor], temperature: float, memory: int) -> Tensor:
    dtype = torch.float64 if maps.dtype == torch.float64 else torch.float32
    labellings, counts = (part.to(maps.device) for part in labelled)
    members, column = _indicator(labellings, dtype)
    # Labellings that know the same samples have the same denominators.
    masks, which = (labellings >= 0).unique(dim=0, return_inverse=True)
    known, weights, own = masks.to(dtype).T, counts.to(dtype).T, column.T
    (samples, channels), tiny = maps.shape[:2], torch.finfo(dtype).tiny
    row = 3 * samples + members.shape[1] + 2 * len(labellings)
    found = []
    for part in maps.split(min(max(1, memory // (maps.element_size() * samples * row)), channels), dim=1):
        near = _nearness(part.to(dtype), temperature)
        every = (near @ known).clamp_min_(tiny).log_().transpose(1, 2) @ weights
        same = (near @ members).gather(-1, own.expand(len(near), -1, -1)).clamp_min_(tiny).log_().mul_(weights)
        found.append((every[:, which, torch.arange(len(which))] - same.sum(1)) / weights.sum(0))
    return torch.cat(found).T


def _indicator(labellings: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Which sample is in which group of which labelling, (N, all groups), and the column of each sample's own, (L, N)."""
    width = int(labellings.max()) + 1
    columns = labellings.clamp_min(0) + width * torch.arange(len(labellings), device=labellings.device)[:, None]
    used, column = columns.unique(return_inverse=True)
    members = torch.zeros(labellings.shape[1], len(used), dtype=dtype, device=labellings.device)
    rows = torch.arange(labellings.shape[1], device=labellings.device).expand_as(column)
    known = labellings >= 0
    members[rows[known], column[known]] = 1
    return members, column


def _nearness(maps: Float[Tensor, "N K *spatial"], temperature: float) -> Float[Tensor, "K N N"]:
    """exp(-|x_i - x_j|^2 / T) of maps of length 1, and 0 for i = j."""
    flat = maps.reshape(*maps.shape[:2], -1).transpose(0, 1)
    largest = flat.abs().amax(-1, keepdim=True)  # first, since its square might not be representable
    flat = normalize(flat / torch.where(largest == 0, 1, largest), dim=-1)
    square = flat.square().sum(-1)
    distance = (square[:, :, None] + square[:, None, :]).baddbmm_(flat, flat.transpose(1, 2), alpha=-2).clamp_min_(0)
    near = distance.div_(-temperature).exp_()
    near.diagonal(dim1=1, dim2=2).zero_()
    return near

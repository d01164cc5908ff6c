"""What a step did to the weights, in numbers small enough to draw: histograms by layer, importance by group."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fairshrink.compress.contrasts import Favour
from fairshrink.compress.criteria import Context, Saliency, pooled
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.recipe import Recipe
from fairshrink.compress.units import compressible
from fairshrink.maths.codebooks import Codebook, at
from fairshrink.maths.tasks import Task, classify
from fairshrink.types import Batches

BINS, SPREADS = 61, 4.0  # of a layer's weights; an odd number, so that 0 has a bin of its own
PER_DECADE, LOWEST, HIGHEST = 4, -40, 16  # of importance, as powers of ten
TRIMMED = 5e-4  # the share of weights that either end of an axis may leave out
PIECE = 1 << 22  # weights at once: what this takes does not grow with the layer


@dataclass(frozen=True)
class Parts:
    """What a portrait is drawn from.

    Attributes:
        before: The model that the step started from.
        after: The model that it made.
        frozen: What is fixed in that.
        recipe: How it was made.
        data: Batches for the groups' curvature, which can be iterated again.
        groups: Their names, in order.
        unprivileged: The number of the group that was favoured.
        seed: For the curvature's draws.
        task: What the outputs mean.
    """

    before: nn.Module
    after: nn.Module
    frozen: Frozen
    recipe: Recipe
    data: Batches
    groups: tuple[str, ...]
    unprivileged: int
    seed: int = 0
    task: Task = classify


class Measured(NamedTuple):
    """The weights of a piece of a layer: importance (G, n), score (n,), what is fixed at the end (n,)."""

    importance: Float[Tensor, "G n"]
    score: Float[Tensor, "n"]
    fixed: Tensor


def portrait(parts: Parts) -> dict[str, Any]:
    """Numbers for the pictures of a step, for JSON.

    Importance of a weight for group g is 1/2 h_g (Q(w) - w)^2, with h_g the GGN diagonal of the group's mean loss, in nats: about
    what moving this weight alone to where the codebook puts it adds to that loss. It is that of the model before the step.

    Returns:
        layers: For each, `before` and `after`, counts of weights in BINS bins from -reach to reach (`outside` has the rest),
            and how many of its weights are fixed, at 0 and at another value.
        importance: For each group, counts over log10 of the importance, from `low` on in bins of `width`, of all weights and
            of those that are fixed at the end; `none` has those without any (that the codebook does not move, or that no
            output depends on), `outside` the rest, `sums` the importance of all and of the fixed ones added up.
        joint: The same counts by the unprivileged group's bin and that of all the others together, by size.
        score: The contrast's coefficients, beta where it is one number, and how many weights it puts below 0.

    Raises:
        DataError: A group has no samples in the batches.
        ModelError: A layer is not covered, or `frozen` is another model's.

    Source: Guo et al. 2024, Fig. 1 (importance and score over the weights' index); here as densities, which can be read for
        millions of weights.
    """
    names = tuple(compressible(parts.before, parts.recipe.include, parts.recipe.leave))
    parts.frozen.check(parts.before)
    before, after = (_weights(model, names) for model in (parts.before, parts.after))
    codebook = parts.recipe.codebook.fit({name: w for name, w in before.items() if bool(w.any())})
    return {
        "layers": [_layer(name, before[name], after[name], parts.frozen) for name in names],
        **_by_group(parts, before, codebook),
    }


def _weights(model: nn.Module, names: tuple[str, ...]) -> dict[str, Tensor]:
    parameters = dict(model.named_parameters())
    return {name: parameters[name].detach() for name in names}


def _layer(name: str, before: Tensor, after: Tensor, frozen: Frozen) -> dict[str, Any]:
    reach = min(float(before.abs().max()), SPREADS * float(before.double().square().mean().sqrt())) or 1.0
    counts = [_histogram(w, reach).tolist() for w in (before, after)]
    mask = _mask(frozen, name, before)
    zeros = int((mask & (after == 0)).sum())
    return {
        "name": name,
        "weights": before.numel(),
        "reach": reach,
        "before": counts[0],
        "after": counts[1],
        "outside": [before.numel() - sum(count) for count in counts],
        "zero": zeros,
        "quantised": int(mask.sum()) - zeros,
    }


def _histogram(w: Tensor, reach: float) -> Int[Tensor, "K"]:
    # In pieces: histc counts in floats of 24 bits.
    parts = [torch.histc(piece.float(), BINS, -reach, reach).long() for piece in w.flatten().split(PIECE)]
    return torch.stack(parts).sum(0)


def _mask(frozen: Frozen, name: str, like: Tensor) -> Tensor:
    found = frozen.mask.get(name)
    return torch.zeros_like(like, dtype=torch.bool) if found is None else found.to(like.device)


def _by_group(parts: Parts, before: Mapping[str, Tensor], codebook: Codebook) -> dict[str, Any]:
    asked = parts.recipe.criterion
    criterion = asked if isinstance(asked, Saliency) else Saliency(pooled)
    context = Context(len(parts.groups), parts.unprivileged, parts.frozen, codebook, parts.seed, tuple(before))
    found = criterion.measure(parts.before, parts.task, parts.data, context)
    coefficients = criterion.contrast(found.sizes, parts.unprivileged)
    tally = Tally.of(found.sizes, parts.unprivileged)
    for name, weight in before.items():
        move = (at(codebook, name)(weight) - weight).double().flatten()
        slopes = found.gradient[name] if found.gradient is not None else torch.zeros_like(found.diagonal[name])
        by_group = [part.flatten(1).to(move.device).split(PIECE, dim=1) for part in (found.diagonal[name], slopes)]
        by_weight = [part.split(PIECE) for part in (move, _mask(parts.frozen, name, weight).flatten())]
        for h, slope, moved, fixed in zip(*by_group, *by_weight, strict=True):
            importance = 0.5 * h.double() * moved.square()
            added = (
                importance + slope.double() * moved
            )  # the loss of each group, with the first-order term where it counts
            tally.add(Measured(importance, coefficients.to(added) @ added, fixed))
    told = {
        "coefficients": coefficients.tolist() if criterion is asked else None,
        "beta": asked.contrast.beta if isinstance(asked, Saliency) and isinstance(asked.contrast, Favour) else None,
    }
    return {
        "groups": list(parts.groups),
        "unprivileged": parts.groups[parts.unprivileged],
        "samples": found.sizes.tolist(),
        **tally.counted(),
        "score": tally.scored() | told,
    }


@dataclass(frozen=True)
class Tally:
    """Counts that add up over the pieces; bins lie between powers of ten, the last place is for no importance at all.

    Attributes:
        share: How much each group counts in "the others", (G,): by size, the unprivileged one 0.
        alone: (2, G, bins + 1): all weights, and the fixed ones.
        joint: (2, bins + 1, bins + 1): by the unprivileged group and by the others.
        sums: (2, G): importance added up.
        below: (2,): weights with a score below 0.
    """

    unprivileged: int
    share: Float[Tensor, "G"]
    alone: Int[Tensor, "2 G K"]
    joint: Int[Tensor, "2 K K"]
    sums: Float[Tensor, "2 G"]
    below: Int[Tensor, "2"]

    @staticmethod
    def of(sizes: Int[Tensor, "G"], unprivileged: int) -> "Tally":
        """Nothing counted yet."""
        share = sizes.double().cpu()
        share[unprivileged] = 0
        bins, groups = (HIGHEST - LOWEST) * PER_DECADE + 1, len(sizes)
        return Tally(
            unprivileged,
            share / share.sum(),
            torch.zeros(2, groups, bins, dtype=torch.int64),
            torch.zeros(2, bins, bins, dtype=torch.int64),
            torch.zeros(2, groups, dtype=torch.float64),
            torch.zeros(2, dtype=torch.int64),
        )

    def add(self, found: Measured) -> None:
        """Count a piece."""
        bins = self.joint.shape[1]
        others = self.share.to(found.importance) @ found.importance
        places = _places(found.importance)
        both = places[self.unprivileged] * bins + _places(others)
        for row, keep in enumerate((slice(None), found.fixed)):
            for group, place in enumerate(places):
                self.alone[row, group] += torch.bincount(place[keep], minlength=bins).cpu()
            self.joint[row] += torch.bincount(both[keep], minlength=bins * bins).cpu().reshape(bins, bins)
            self.sums[row] += found.importance[:, keep].sum(1).cpu()
            self.below[row] += int((found.score[keep] < 0).sum())

    def counted(self) -> dict[str, Any]:
        """The counts on the axis that holds nearly all of them."""
        low, high = _range((self.alone[0].sum(0) + self.joint[0].sum(0) + self.joint[0].sum(1))[:-1])
        inside, none = self.alone[..., low:high], self.alone[0, :, -1]
        axis = {"low": LOWEST + low / PER_DECADE, "width": 1 / PER_DECADE}
        return {
            "importance": axis
            | {
                "all": inside[0].tolist(),
                "fixed": inside[1].tolist(),
                "none": none.tolist(),
                "outside": (self.alone[0].sum(-1) - inside[0].sum(-1) - none).tolist(),
                "sums": self.sums.T.tolist(),
            },
            "joint": axis
            | {name: self.joint[row, low:high, low:high].tolist() for row, name in enumerate(("all", "fixed"))},
        }

    def scored(self) -> dict[str, int]:
        """How many weights there are and are fixed, and how many of them have a score below 0."""
        weights, fixed = self.alone[:, 0].sum(-1).tolist()
        return {"weights": weights, "fixed": fixed, "below": int(self.below[0]), "below_fixed": int(self.below[1])}


def _places(importance: Tensor) -> Tensor:
    """The bin of each; what is 0 goes to the last place, what lies beyond the bins to the one at that end."""
    last = (HIGHEST - LOWEST) * PER_DECADE
    place = ((importance.log10() - LOWEST) * PER_DECADE).floor().clamp(0, last - 1)
    return torch.where(importance > 0, place, last).long()


def _range(counts: Int[Tensor, "K"]) -> tuple[int, int]:
    """The first and last bin that matter, the last one excluded; all of them where nothing was counted."""
    total = int(counts.sum())
    if not total:
        return 0, 1
    passed = counts.cumsum(0)
    return int((passed > TRIMMED * total).int().argmax()), int((passed >= (1 - TRIMMED) * total).int().argmax()) + 1

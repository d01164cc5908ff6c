"""Which weights go first: a score per weight from the groups' curvature and a contrast over the groups."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fairshrink.compress.frozen import Frozen
from fairshrink.compress.units import compressible
from fairshrink.errors import ConfigError, ModelError
from fairshrink.maths.codebooks import Codebook
from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.maths.tasks import Task
from fairshrink.types import Batches

Scores = dict[str, Tensor]
Contrast = Callable[[Tensor, int], Tensor]


class Context(NamedTuple):
    """What a criterion may know besides the model and the data."""

    num_groups: int
    unprivileged: int
    frozen: Frozen
    codebook: Codebook
    seed: int


Criterion = Callable[[nn.Module, Task, Batches, Context], Scores]


def pooled(sizes: Int[Tensor, "G"], unprivileged: int) -> Float[Tensor, "G"]:
    """Every sample counts the same, n_g / n: the groups play no part (OBD; LeCun et al. 1989)."""
    return sizes.double() / sizes.sum()


@dataclass(frozen=True)
class Favour:
    """1 for the unprivileged group, -beta for the rest, shared out by size when the rest is several groups."""

    beta: float

    def __post_init__(self) -> None:
        if not isinstance(self.beta, (int, float)) or not 0 <= self.beta < float("inf"):
            raise ConfigError(
                f"beta is {self.beta!r}, but it weighs what the privileged group loses: give 0 or more (the paper: 0.2 to 0.33)."
            )

    def __call__(self, sizes: Int[Tensor, "G"], unprivileged: int) -> Float[Tensor, "G"]:
        """Coefficient of each group, (G,), float64."""
        share = sizes.double()
        share[unprivileged] = 0
        coefficients = -self.beta * share / share.sum()
        coefficients[unprivileged] = 1
        return coefficients


def favour(beta: float) -> Contrast:
    """A contrast that keeps what the unprivileged group needs and gives up what the others need (Wu et al. 2022, Eq. 4).

    Raises:
        ConfigError: beta is negative or not a number.
    """
    return Favour(beta)


@dataclass(frozen=True)
class Saliency:
    """Score of moving weight w to Q(w): sum over groups of c_g * 1/2 * h_g * (Q(w) - w)^2.

    h_g is the GGN diagonal of group g's mean loss, c_g the contrast, Q the codebook (0 for pruning).

    Attributes:
        contrast: Group sizes (G,) and the unprivileged group -> coefficients (G,).
        columns: Columns of the output Hessian per sample; None is exact.

    Source: LeCun et al. 1989 (OBD); Wu et al. 2022, Eq. 4, with the GGN in place of the Hessian.
    """

    contrast: Contrast
    columns: float | None = None

    def __call__(self, model: nn.Module, task: Task, batches: Batches, context: Context) -> Scores:
        """Parameter name -> score of the weight's shape, float64; the lowest goes first.

        Raises:
            DataError: A group has no samples in the batches.
            ModelError: A layer is not covered, or a score is not finite.
        """
        weights = compressible(model)
        curvature, sizes = ggn_diagonal(
            model,
            batches,
            num_groups=context.num_groups,
            task=task,
            columns=self.columns,
            params=list(weights),
            seed=context.seed,
        )
        coefficients = self.contrast(sizes, context.unprivileged)
        return {name: _score(weights[name], curvature[name], coefficients, context.codebook, name) for name in weights}


@torch.no_grad()
def _score(weight: Tensor, curvature: Tensor, coefficients: Tensor, codebook: Codebook, name: str) -> Tensor:
    # float64: with the contrast two nearly equal numbers are subtracted, and ties should be ties, not rounding.
    moved = (codebook(weight) - weight).double().square()
    h = torch.tensordot(coefficients.to(curvature.device), curvature.double(), dims=1)
    score = 0.5 * h * moved
    if not score.isfinite().all():
        bad = int((~score.isfinite()).sum())
        raise ModelError(
            f"{bad} of {score.numel()} scores of '{name}' are not finite. The weights or the loss have overflowed: "
            "check the checkpoint, and score in float32 or float64."
        )
    return score

"""Which weights go first: a score per weight from the groups' curvature and a contrast over the groups."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairshrink.compress.channels import ConvLayer
from fairshrink.compress.contrasts import Contrast, Favour, favour, pooled
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.units import compressible
from fairshrink.errors import ConfigError, ModelError
from fairshrink.maths.codebooks import Codebook, at
from fairshrink.maths.curvature import Curvature, curvature
from fairshrink.maths.targets import WAY_OUT
from fairshrink.maths.tasks import Task
from fairshrink.types import Batches

__all__ = ["Context", "Contrast", "Criterion", "Favour", "Saliency", "Scores", "favour", "pooled"]

Scores = dict[str, Tensor]


class Context(NamedTuple):
    """What a criterion may know besides the model and the data.

    `names` may be fixed (empty: `compressible(model)`); where whole channels are, `layers` has them by the name of their weight.
    """

    num_groups: int
    unprivileged: int
    frozen: Frozen
    codebook: Codebook
    seed: int
    names: tuple[str, ...] = ()
    layers: Mapping[str, ConvLayer] = {}


Criterion = Callable[[nn.Module, Task, Batches, Context], Scores]


@dataclass(frozen=True)
class Saliency:
    """Score of moving weight w to Q(w): sum over groups of c_g * (1/2 * h_g * (Q(w) - w)^2 [+ d_g * (Q(w) - w)]).

    h_g is the GGN diagonal of group g's mean loss, d_g its gradient, c_g the contrast, Q the codebook (0 for pruning). It
    has two halves: `measure` reads the data and knows no contrast, `score` knows the contrast and reads no data, so that
    several contrasts may share one reading.

    Attributes:
        contrast: Group sizes (G,) and the unprivileged group -> coefficients (G,).
        columns: Columns of the output Hessian per sample; None is exact.
        gradient: Whether the first-order term in brackets counts. The papers leave it out.

    Raises:
        ConfigError: columns is no number above 0, or gradient neither True nor False.

    Source: LeCun et al. 1989 (OBD); Wu et al. 2022, Eq. 4, with the GGN in place of the Hessian.
    """

    contrast: Contrast
    columns: float | None = None
    gradient: bool = False

    def __post_init__(self) -> None:
        number = isinstance(self.columns, (int, float)) and not isinstance(self.columns, bool)
        if self.columns is not None and not (number and self.columns > 0):
            raise ConfigError(
                f"columns is {self.columns!r}, but it is a mean number of columns for each sample: give a number above 0, such "
                "as 2, or None for the exact curvature."
            )
        if not isinstance(self.gradient, bool):
            raise ConfigError(f"gradient is {self.gradient!r}, but it is yes or no: give True or False.")

    def __call__(self, model: nn.Module, task: Task, batches: Batches, context: Context) -> Scores:
        """Parameter name -> score of the weight's shape, float64; the lowest goes first.

        Raises:
            DataError: A group has no samples in the batches.
            ModelError: A layer is not covered, or a score is not finite.
        """
        return self.score(model, self.measure(model, task, batches, context), context)

    def measure(self, model: nn.Module, task: Task, batches: Batches, context: Context) -> Curvature:
        """What the data say: the curvature (and gradient) of each group's mean loss. The contrast plays no part.

        Raises:
            DataError: A group has no samples in the batches; with `columns`, they came in another order the second time.
            ModelError: A layer is not covered.
        """
        try:
            return curvature(
                model,
                batches,
                num_groups=context.num_groups,
                task=task,
                columns=self.columns,
                params=_names(model, context),
                seed=context.seed,
                gradient=self.gradient,
            )
        except ModelError as error:
            # The curvature's own way out is params=[...], which a method does not have.
            way_out = "Leave the layer as it is with  leave = [...],  or rewrite that part of the model."
            raise ModelError(str(error).replace(WAY_OUT, way_out)) from error

    def score(self, model: nn.Module, measured: Curvature, context: Context) -> Scores:
        """What the contrast makes of it: parameter name -> score of the weight's shape, float64.

        Raises:
            ModelError: A score is not finite.
        """
        coefficients = self.contrast(measured.sizes, context.unprivileged)
        slopes = measured.gradient if self.gradient else None
        return {
            name: _score(
                at(context.codebook, name)(weight) - weight,
                _mixed(coefficients, measured.diagonal[name]),
                None if slopes is None else _mixed(coefficients, slopes[name]),
                name,
            )
            for name, weight in _weights(model, context).items()
        }


def _names(model: nn.Module, context: Context) -> list[str]:
    return list(context.names or compressible(model))


def _weights(model: nn.Module, context: Context) -> Scores:
    parameters = dict(model.named_parameters())
    return {name: parameters[name].detach() for name in _names(model, context)}


def _mixed(coefficients: Float[Tensor, "G"], groups: Float[Tensor, "G *shape"]) -> Float[Tensor, "*shape"]:
    # float64: with the contrast two nearly equal numbers are subtracted, and ties should be ties, not rounding.
    return torch.tensordot(coefficients.to(groups.device), groups.double(), dims=1)


def _score(move: Tensor, h: Tensor, slope: Tensor | None, name: str) -> Tensor:
    move = move.double()
    score = 0.5 * h * move.square()
    if slope is not None:
        score = score + slope * move
    if not score.isfinite().all():
        bad = int((~score.isfinite()).sum())
        raise ModelError(
            f"{bad} of {score.numel()} scores of '{name}' are not finite. The weights or the loss have overflowed: "
            "check the checkpoint, and score in float32 or float64."
        )
    return score

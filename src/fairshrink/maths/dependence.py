"""How much features say of a group (HSIC), and how far two sets of features lie apart (MMD): unbiased, with RBF kernels.

The kernel of two rows is exp(-d^2 / (2 s)), d their Euclidean distance and s a mean of squared distances, which follows the
features as they grow and takes no part in the gradient. Both estimators are 0 in the mean where there is nothing to find, and
so are below 0 about as often as above.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fairshrink.errors import DataError

HSIC_NEEDS = 4
MMD_NEEDS = 2
# Two rows that are nearer than so many roundings of the longest one are equal.
_ROUNDING = 16


class Estimate(NamedTuple):
    """What an estimator found.

    Attributes:
        value: A scalar, differentiable; 0, with gradients of 0, where nothing could be measured.
        measured: Whether there were samples enough.
    """

    value: Float[Tensor, ""]
    measured: bool


def hsic(features: Tensor, groups: Tensor, num_groups: int) -> Float[Tensor, ""]:
    """How much the features depend on the group: 0 in the mean where they do not. `hsic_estimate` says more."""
    return hsic_estimate(features, groups, num_groups).value


def mmd2(a: Tensor, b: Tensor) -> Float[Tensor, ""]:
    """The squared distance of two distributions of features, from samples of each. `mmd2_estimate` says more."""
    return mmd2_estimate(a, b).value


def hsic_estimate(features: Tensor, groups: Tensor, num_groups: int) -> Estimate:
    """The Hilbert-Schmidt independence criterion of features and groups, with the unbiased estimator.

    Of the features, s is the mean squared distance of two different samples. So it is of the groups, each a one-hot vector.
    Where all features are equal the value is 0.

    Args:
        features: One row for each sample, (N, D), floating point; half precision is computed in single.
        groups: Of each sample, (N,), integers in [0, G), or -1 where unknown: such a sample is left out.
        num_groups: G.

    Returns:
        The value in the precision of the features, at least single. Not measured are fewer than four samples of known group,
        and samples that are all of one group.

    Raises:
        DataError: Other numbers of features and groups, or a group out of range.

    Source: Song et al. 2012, estimator HSIC_1. Bandwidth and one-hot groups as published code of the HSIC baseline has them
    (Quadrianto et al. 2019); it also scales features to unit length, which this does not.
    """
    _check_groups(features, groups, num_groups)
    known = groups >= 0
    x, g = features[known], groups[known]
    if len(g) < HSIC_NEEDS or bool((g == g[0]).all()):
        return _nothing(features)
    with torch.autocast(features.device.type, enabled=False):
        distances = squared_distances(*_centred(x, x))
        scale = _bandwidth(distances.detach().sum() / (len(g) * (len(g) - 1)), x)
        other = _others(g).to(distances.dtype) * 2  # one-hot vectors of different groups
        value = _hsic_of(_kernel(distances, scale), _kernel(other, other.sum() / (len(g) * (len(g) - 1))))
    return Estimate(value, True)


def mmd2_estimate(a: Tensor, b: Tensor, scale: Float[Tensor, ""] | None = None) -> Estimate:
    """The squared maximum mean discrepancy of two sets of features, with the unbiased estimator.

    Args:
        a: One row for each sample, (N, D), floating point; half precision is computed in single.
        b: The other set, (M, D).
        scale: s of the kernel, for several estimates that are to be comparable. None: the mean squared distance of a row of
            a and a row of b.

    Returns:
        The value in the precision of the features, at least single. Not measured is a set of fewer than two.

    Raises:
        DataError: The rows of a and b have other lengths.

    Source: Gretton et al. 2012, Lemma 6 (estimator MMD^2_u). Bandwidth as in the published code of Jung et al. 2021 (MFD), whose
    estimator is the biased one, never below 0.
    """
    _check_widths(a, b)
    if min(len(a), len(b)) < MMD_NEEDS:
        return _nothing(a, b)
    with torch.autocast(a.device.type, enabled=False):
        near = _centred(a, b)
        between = squared_distances(*near)
        s = _bandwidth(between.detach().mean() if scale is None else scale.to(between.dtype), a, b)
        within = [_mean_of_pairs(_kernel(squared_distances(rows, rows), s)) for rows in near]
        value = within[0] + within[1] - 2 * _kernel(between, s).mean()
    return Estimate(value, True)


def mean_squared_distance(a: Tensor, b: Tensor) -> Float[Tensor, ""]:
    """Between a row of a and a row of b, over all pairs, without a gradient: a scale for `mmd2_estimate`.

    Half precision is computed in single; without rows it is 0.

    Args:
        a: One row for each sample, (N, D), floating point.
        b: The other set, (M, D).

    Raises:
        DataError: The rows of a and b have other lengths.
    """
    _check_widths(a, b)
    if min(len(a), len(b)) == 0:
        return torch.zeros((), dtype=_at_least_single(a), device=a.device)
    with torch.no_grad(), torch.autocast(a.device.type, enabled=False):
        return squared_distances(*_centred(a, b)).mean()


def squared_distances(a: Float[Tensor, "N D"], b: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    """Between every row of a and every row of b; smooth also where two rows are equal."""
    squares = a.square().sum(1)[:, None] + b.square().sum(1)
    return torch.addmm(squares, a, b.T, alpha=-2).clamp_min(0)


def _centred(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """In single precision at least, about the mean of a: distances are the same, and most precise near the origin."""
    a, b = a.to(_at_least_single(a)), b.to(_at_least_single(a))
    middle = a.detach().mean(0)
    return a - middle, b - middle


def _at_least_single(like: Tensor) -> torch.dtype:
    return torch.promote_types(like.dtype, torch.float32)


def _bandwidth(scale: Float[Tensor, ""], *features: Tensor) -> Float[Tensor, ""]:
    """Infinite, which makes every kernel 1, where distances are no more than rounding: their ratios would be noise."""
    largest = torch.stack([rows.detach().to(scale.dtype).square().sum(1).amax() for rows in features]).amax()
    return torch.where(scale > (_ROUNDING * torch.finfo(scale.dtype).eps) ** 2 * largest, scale, torch.inf)


def _kernel(distances: Float[Tensor, "N M"], scale: Float[Tensor, ""]) -> Float[Tensor, "N M"]:
    return torch.exp(distances / (-2 * scale))


def _hsic_of(k: Float[Tensor, "n n"], l: Float[Tensor, "n n"]) -> Float[Tensor, ""]:  # noqa: E741  # as the source has them
    n = len(k)
    off = ~torch.eye(n, dtype=torch.bool, device=k.device)
    k, l = k * off, l * off  # noqa: E741
    both = (k * l).sum() + k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * k.sum(0) @ l.sum(0)
    return both / (n * (n - 3))


def _mean_of_pairs(kernel: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    """Over pairs of different rows."""
    n = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))


def _others(groups: Int[Tensor, "N"]) -> Bool[Tensor, "N N"]:
    return groups[:, None] != groups


def _nothing(*features: Tensor) -> Estimate:
    """0, in the graph of the features and with gradients of 0, also where they are none or not finite."""
    parts = [torch.where(torch.zeros_like(rows, dtype=torch.bool), rows, 0).sum() for rows in features]
    return Estimate(torch.stack(parts).sum().to(_at_least_single(features[0])), False)


def _check_groups(features: Tensor, groups: Tensor, num_groups: int) -> None:
    if len(groups) != len(features):
        raise DataError(
            f"there are {len(groups):,} groups for {len(features):,} rows of features: one of each is expected for every sample."
        )
    if len(groups) and not -1 <= int(groups.min()) <= int(groups.max()) < num_groups:
        raise DataError(
            f"groups run from {int(groups.min())} to {int(groups.max())}, but with num_groups = {num_groups} they must be whole "
            f"numbers from 0 to {num_groups - 1}, or -1 where the group is unknown."
        )


def _check_widths(a: Tensor, b: Tensor) -> None:
    if a.shape[1] != b.shape[1]:
        raise DataError(
            f"features of {a.shape[1]:,} numbers are compared with features of {b.shape[1]:,}, but both must come from places "
            "of the same width, such as the same layer of two models of one form."
        )

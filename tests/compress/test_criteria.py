import pytest
import torch
from torch.testing import assert_close

from fairshrink.compress.criteria import Context, Saliency, favour, pooled
from fairshrink.compress.frozen import Frozen
from fairshrink.errors import ConfigError, ModelError
from fairshrink.maths.codebooks import zero
from fairshrink.maths.tasks import classify
from oracles.pruning import group_hessian_diagonal, saliency
from toys import toy_batches, toy_model


def context(groups: int = 2, unprivileged: int = 0) -> Context:
    return Context(groups, unprivileged, Frozen(), zero, 0)


def test_pooled_is_the_share_of_each_group():
    assert pooled(torch.tensor([1, 3]), 0).tolist() == [0.25, 0.75]


def test_favour_spreads_minus_beta_over_the_others_by_size():
    coefficients = favour(0.5)(torch.tensor([10, 1, 3]), 0)
    assert_close(coefficients, torch.tensor([1.0, -0.125, -0.375], dtype=torch.float64))


@pytest.mark.parametrize("beta", [-1.0, float("nan"), float("inf")])
def test_a_negative_beta_is_refused(beta):
    with pytest.raises(ConfigError, match="beta is .* give 0 or more"):
        favour(beta)


@pytest.mark.parametrize(("groups", "unprivileged"), [(2, 0), (2, 1), (3, 2)])
def test_the_score_is_equation_4_with_the_hessian_of_each_groups_mean_loss(groups, unprivileged):
    model, batches = toy_model().double(), toy_batches(groups=groups)
    batches = [b.__class__(b.x.double(), b.y, b.g) for b in batches]
    found = Saliency(favour(1 / 3))(model, classify, batches, context(groups, unprivileged))
    sizes = torch.stack([sum((b.g == g).sum() for b in batches) for g in range(groups)])
    coefficients = favour(1 / 3)(sizes, unprivileged).tolist()
    weights = dict(model.named_parameters())
    for name, score in found.items():
        curvature = [group_hessian_diagonal(model, batches, name, g) for g in range(groups)]
        assert_close(score, saliency(weights[name].detach(), curvature, coefficients), rtol=1e-8, atol=1e-14)


def test_pooled_groups_are_the_whole_set():
    model, batches = toy_model().double(), toy_batches(unknown=0)
    batches = [b.__class__(b.x.double(), b.y, b.g) for b in batches]
    split = Saliency(pooled)(model, classify, batches, context())
    whole = [b.__class__(b.x, b.y, torch.zeros_like(b.g)) for b in batches]
    together = Saliency(pooled)(model, classify, whole, context(groups=1))
    for name in split:
        assert_close(split[name], together[name], rtol=1e-10, atol=0)


def test_weights_that_overflowed_are_named():
    model = toy_model()
    with torch.no_grad():
        model[4].weight[0, 0] = 1e30  # 1/2 h w^2 is inf * 0 for a saturated loss
        model[4].weight[0, 1] = float("inf")
    with pytest.raises(ModelError, match=r"4\.weight|not finite|NaN|inf"):
        Saliency(pooled)(model, classify, toy_batches(), context())

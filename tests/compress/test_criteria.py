import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from fairshrink.compress.contrasts import favour, pooled, weighted
from fairshrink.compress.criteria import Context, Saliency
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.units import compressible
from fairshrink.errors import ConfigError, ModelError
from fairshrink.maths.codebooks import zero
from fairshrink.maths.tasks import classify
from fairshrink.types import GroupBatch
from oracles.pruning import group_gradient, group_hessian_diagonal, saliency
from toys import toy_batches, toy_model


def context(groups: int = 2, unprivileged: int = 0, seed: int = 0, names: tuple[str, ...] = ()) -> Context:
    return Context(groups, unprivileged, Frozen(), zero, seed, names)


def doubles(batches: list[GroupBatch]) -> list[GroupBatch]:
    return [GroupBatch(b.x.double(), b.y, b.g) for b in batches]


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize(("groups", "unprivileged"), [(2, 0), (2, 1), (3, 2)])
def test_the_score_is_equation_4_with_derivatives_of_each_groups_mean_loss(groups, unprivileged, gradient):
    model, batches = toy_model().double(), doubles(toy_batches(groups=groups))
    names = tuple(compressible(model, "all"))
    found = Saliency(favour(1 / 3), gradient=gradient)(
        model, classify, batches, context(groups, unprivileged, names=names)
    )
    assert tuple(found) == names
    sizes = torch.stack([sum((b.g == g).sum() for b in batches) for g in range(groups)])
    coefficients = favour(1 / 3)(sizes, unprivileged).tolist()
    weights = dict(model.named_parameters())
    for name, score in found.items():
        curvature = [group_hessian_diagonal(model, batches, name, g) for g in range(groups)]
        slopes = [group_gradient(model, batches, name, g) for g in range(groups)] if gradient else None
        expected = saliency(weights[name].detach(), curvature, coefficients, slopes)
        assert_close(score, expected, rtol=1e-8, atol=1e-14)


def test_the_first_order_term_foretells_the_first_small_change_of_the_loss():
    model, batches = toy_model().double(), doubles(toy_batches(unknown=0))
    x, y = torch.cat([b.x for b in batches]), torch.cat([b.y for b in batches])

    def loss() -> float:
        with torch.no_grad():
            return float(nn.functional.cross_entropy(model(x), y))

    with torch.no_grad():
        model[4].weight[1, 5] = 1e-4  # so near to 0 that the second-order term is far smaller
    before = loss()
    score = Saliency(pooled, gradient=True)(model, classify, batches, context())["4.weight"][1, 5]
    with torch.no_grad():
        model[4].weight[1, 5] = 0.0
    assert loss() - before == pytest.approx(float(score), rel=1e-3)
    assert abs(loss() - before) > 1e-8


def test_pooled_groups_are_the_whole_set():
    model, batches = toy_model().double(), doubles(toy_batches(unknown=0))
    whole = [GroupBatch(b.x, b.y, torch.zeros_like(b.g)) for b in batches]
    for gradient in (False, True):
        split = Saliency(pooled, gradient=gradient)(model, classify, batches, context())
        together = Saliency(pooled, gradient=gradient)(model, classify, whole, context(groups=1))
        for name in split:
            assert_close(split[name], together[name], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[1:])
def test_relabelling_the_groups_changes_no_score(order):
    model, batches = toy_model().double(), doubles(toy_batches(groups=3))
    renamed = [GroupBatch(b.x, b.y, torch.tensor([*order, -1])[b.g]) for b in batches]
    criterion = Saliency(favour(0.7), gradient=True)
    before = criterion.measure(model, classify, batches, context(3))
    after = criterion.measure(model, classify, renamed, context(3))
    assert before.gradient is not None
    assert after.gradient is not None
    for name in before.diagonal:
        for old, new in enumerate(order):
            assert_close(after.diagonal[name][new], before.diagonal[name][old], rtol=1e-10, atol=0)
            assert_close(after.gradient[name][new], before.gradient[name][old], rtol=1e-10, atol=1e-14)
    scores = criterion.score(model, before, context(3, 1)), criterion.score(model, after, context(3, order[1]))
    for name in scores[0]:
        assert_close(scores[0][name], scores[1][name], rtol=1e-9, atol=1e-14)


def test_one_measurement_serves_every_contrast():
    model, batches = toy_model(), toy_batches()
    measured = Saliency(pooled, gradient=True).measure(model, classify, batches, context())
    for criterion in (Saliency(favour(0.2), gradient=True), Saliency(weighted((0.0, 1.0))), Saliency(pooled)):
        shared, own = criterion.score(model, measured, context()), criterion(model, classify, batches, context())
        assert all(torch.equal(shared[name], own[name]) for name in own)


def test_columns_and_seed_reach_the_curvature():
    model, batches = toy_model(), toy_batches()

    def scores(columns: float | None, seed: int = 0) -> torch.Tensor:
        found = Saliency(pooled, columns=columns)(model, classify, batches, context(seed=seed))
        return torch.cat([score.flatten() for score in found.values()])

    exact, sampled, other_seed = scores(None), scores(1.0), scores(1.0, seed=1)
    assert not torch.equal(sampled, exact)
    assert not torch.equal(sampled, other_seed)
    assert torch.equal(sampled, scores(1.0))
    assert_close(scores(2.0, seed=5), exact, rtol=1e-5, atol=1e-12)  # all C - 1 columns: nothing is drawn


def test_only_the_names_of_the_context_are_scored():
    model, batches = toy_model(), toy_batches()
    every = Saliency(pooled)(model, classify, batches, context())
    some = Saliency(pooled)(model, classify, batches, context(names=("4.weight", "4.bias")))
    assert list(every) == ["0.weight", "4.weight"]
    assert list(some) == ["4.weight", "4.bias"]
    assert_close(some["4.weight"], every["4.weight"])


def test_weights_that_overflowed_are_named():
    model = toy_model()
    with torch.no_grad():
        model[4].weight[0, 0] = float("inf")
    measured = Saliency(pooled).measure(toy_model(), classify, toy_batches(), context())
    with pytest.raises(ModelError, match=r"1 of 192 scores of '4.weight' are not finite"):
        Saliency(pooled).score(model, measured, context())


class Doubled(nn.Linear):
    """A layer with a forward pass of its own: nothing is known about its gradient."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * nn.functional.linear(input, self.weight, self.bias)


def test_a_layer_that_is_not_covered_may_be_left():
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 4), nn.ReLU(), Doubled(4, 3)).eval()
    with pytest.raises(ModelError, match=r"layer '3' \(Doubled\) is not covered(.|\n)*leave = \[\.\.\.\]") as caught:
        Saliency(pooled)(model, classify, toy_batches(), context())
    assert "params" not in str(caught.value)
    left = tuple(compressible(model, leave="3"))
    assert list(Saliency(pooled)(model, classify, toy_batches(), context(names=left))) == ["1.weight"]


@pytest.mark.parametrize("columns", [0, -1.0, "two", True, float("nan")])
def test_columns_that_are_no_number_above_0_are_refused(columns):
    with pytest.raises(ConfigError, match="columns is .* give a number above 0, such as 2, or None"):
        Saliency.__post_init__(SimpleNamespace(columns=columns, gradient=False))


def test_a_gradient_that_is_neither_yes_nor_no_is_refused():
    with pytest.raises(ConfigError, match="gradient is 'yes', but it is yes or no"):
        Saliency.__post_init__(SimpleNamespace(columns=None, gradient="yes"))

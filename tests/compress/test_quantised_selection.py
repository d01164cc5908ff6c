"""Which weights FairQuantize takes, against the slow way: second derivatives, levels by trying, a sorted list."""

import pytest
import torch

from fairshrink.compress.methods import fairquantize
from fairshrink.compress.recipe import compress
from fairshrink.compress.units import compressible
from fairshrink.types import GroupBatch, Splits
from oracles.codebooks import nearest_by_trying, window_by_trying
from oracles.pruning import group_hessian_diagonal
from toys import toy_batches, toy_model

BETA = 7 / 9


def doubles(seed: int) -> list[GroupBatch]:
    return [GroupBatch(b.x.double(), b.y, b.g) for b in toy_batches(seed)]


def slow_scores(model, batches, moved, unprivileged) -> list[tuple[float, str, int]]:
    """1/2 (Q(w) - w)^2 (h_u - beta h_p) of every weight, lowest first."""
    found = []
    for name, weight in compressible(model).items():
        h = [group_hessian_diagonal(model, batches, name, group) for group in range(2)]
        score = 0.5 * (moved[name] - weight.detach()) ** 2 * (h[unprivileged] - BETA * h[1 - unprivileged])
        found += [(float(value), name, place) for place, value in enumerate(score.flatten())]
    return sorted(found, key=lambda one: one[0])


@pytest.mark.parametrize("unprivileged", [0, 1])
@pytest.mark.parametrize(("bits", "rounding"), [(None, "log"), (3, "linear"), (2, "log")])
def test_exactly_the_lowest_scores_go_to_their_levels(bits, rounding, unprivileged):
    model, batches = toy_model().double(), doubles(1)
    moved = {}
    for name, weight in compressible(model).items():
        window = None if bits is None else window_by_trying(weight.detach(), bits)
        moved[name] = nearest_by_trying(weight.detach(), rounding, window)
    scores = slow_scores(model, batches, moved, unprivileged)
    k = round(0.3 * len(scores))
    assert scores[k - 1][0] < scores[k][0]
    recipe = fairquantize(0.3, BETA, 0.3, bits=bits, round=rounding, epochs=0)
    done = compress(model, Splits(batches, doubles(2)), recipe, unprivileged=unprivileged)
    taken = {
        (name, place)
        for name, mask in done.frozen.mask.items()
        for place in mask.flatten().nonzero().flatten().tolist()
    }
    assert taken == {(name, place) for _, name, place in scores[:k]}
    for name, mask in done.frozen.mask.items():
        assert torch.equal(done.model.get_parameter(name)[mask], moved[name][mask])
        assert torch.equal(done.model.get_parameter(name)[~mask], model.get_parameter(name)[~mask])

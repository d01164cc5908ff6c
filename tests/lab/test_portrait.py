"""The numbers of a step's pictures, against the plain sums over every weight."""

import json
import math
from dataclasses import replace

import pytest
import torch

from fairshrink.compress.contrasts import favour
from fairshrink.compress.criteria import Context, Saliency
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.methods import fairprune, obd
from fairshrink.compress.recipe import compress
from fairshrink.compress.units import compressible
from fairshrink.errors import ModelError
from fairshrink.lab import portrait as portrait_module
from fairshrink.lab.portrait import BINS, Parts, _range, portrait
from fairshrink.maths.codebooks import at, power_of_two
from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.maths.tasks import classify
from toys import toy_batches, toy_model, toy_splits

LEVELS = power_of_two()


def quantising(bits=None, beta=1.0, ratio=0.4):
    return replace(fairprune(ratio, beta, ratio), codebook=power_of_two(bits))


def parts(recipe, model=None, batches=None, frozen=None):
    model = model or toy_model()
    done = compress(model, toy_splits(), recipe, unprivileged=1, frozen=frozen)
    return Parts(model, done.model, done.frozen, recipe, batches or toy_batches(1), ("f", "m"), 1)


@pytest.fixture(scope="module")
def quantised():
    given = parts(quantising())
    return given, portrait(given)


def by_hand(given):
    """For every weight, in float64: importance for each group, whether it is fixed."""
    model = given.before
    diagonal, _ = ggn_diagonal(model, given.data, num_groups=2)
    rows = []
    for name, weight in compressible(model).items():
        move = (LEVELS(weight.detach()).double() - weight.detach().double()).flatten().tolist()
        fixed = given.frozen.mask[name].flatten().tolist()
        of_groups = [diagonal[name][g].flatten().tolist() for g in range(2)]
        rows += [[0.5 * p * m * m, 0.5 * u * m * m, f] for p, u, m, f in zip(*of_groups, move, fixed, strict=True)]
    return rows


def test_importance_is_counted_weight_by_weight(quantised):
    given, found = quantised
    rows, axis = by_hand(given), found["importance"]
    for g in range(2):
        wanted = [[0] * len(axis["all"][g]) for _ in range(2)]
        none = outside = 0
        for *importance, fixed in rows:
            if importance[g] == 0:
                none += 1
                continue
            place = math.floor((math.log10(importance[g]) - axis["low"]) / axis["width"])
            if 0 <= place < len(wanted[0]):
                wanted[0][place] += 1
                wanted[1][place] += fixed
            else:
                outside += 1
        assert (axis["all"][g], axis["fixed"][g]) == (wanted[0], wanted[1])
        assert (axis["none"][g], axis["outside"][g]) == (none, outside)
        assert axis["sums"][g] == pytest.approx([sum(r[g] for r in rows), sum(r[g] for r in rows if r[2])], rel=1e-6)
        assert sum(axis["all"][g]) + none + outside == len(rows)


def test_joint_counts_have_the_unprivileged_group_in_the_rows(quantised):
    _, found = quantised
    axis, joint = found["importance"], found["joint"]
    assert [sum(row) for row in joint["all"]] == pytest.approx(axis["all"][1], abs=found["score"]["weights"] // 20)
    columns = [sum(column) for column in zip(*joint["all"], strict=True)]
    assert columns == pytest.approx(axis["all"][0], abs=found["score"]["weights"] // 20)
    assert columns != [sum(row) for row in joint["all"]]
    assert found["unprivileged"] == "m"


def test_scores_below_zero_are_those_that_the_unprivileged_group_needs_less(quantised):
    given, found = quantised
    rows = by_hand(given)
    below = [(u < p, fixed) for p, u, fixed in rows]  # beta 1: the score's sign is that of u - p
    assert found["score"] == {
        "weights": len(rows),
        "fixed": sum(row[2] for row in rows),
        "below": sum(one for one, _ in below),
        "below_fixed": sum(one and fixed for one, fixed in below),
        "coefficients": [-1.0, 1.0],
        "beta": 1.0,
    }


def test_layers_count_every_weight_before_and_after(quantised):
    given, found = quantised
    after = dict(given.after.named_parameters())
    for layer in found["layers"]:
        weight, mask = after[layer["name"]].detach(), given.frozen.mask[layer["name"]]
        assert len(layer["before"]) == len(layer["after"]) == BINS
        counts = [sum(layer[side]) + layer["outside"][i] for i, side in enumerate(("before", "after"))]
        assert counts == [layer["weights"]] * 2 == [weight.numel()] * 2
        assert layer["quantised"] == int((mask & (weight == LEVELS(weight)) & (weight != 0)).sum()) == int(mask.sum())
        assert layer["zero"] == 0
        edges = torch.linspace(-layer["reach"], layer["reach"], BINS + 1)
        middle = edges[BINS // 2], edges[BINS // 2 + 1]
        assert layer["after"][BINS // 2] == int(((weight >= middle[0]) & (weight < middle[1])).sum())


def test_a_score_with_the_first_order_term_is_counted_with_it():
    recipe = replace(quantising(), criterion=Saliency(favour(1.0), gradient=True))
    given = parts(recipe)
    names = tuple(compressible(given.before))
    context = Context(2, 1, given.frozen, LEVELS, 0, names)
    scores = recipe.criterion(given.before, classify, given.data, context)
    found, plain = portrait(given), portrait(parts(quantising()))
    assert found["score"]["below"] == sum(int((score < 0).sum()) for score in scores.values())
    assert found["score"]["below"] != plain["score"]["below"]


def test_a_large_layer_is_counted_in_pieces(monkeypatch):
    whole = portrait(parts(quantising()))["layers"]
    monkeypatch.setattr(portrait_module, "PIECE", 7)
    assert portrait(parts(quantising()))["layers"] == whole


def test_pruned_weights_are_zeros_and_pooled_scores_are_never_below_zero():
    given = parts(obd(0.3))
    found = portrait(given)
    assert sum(layer["zero"] for layer in found["layers"]) == given.frozen.count() == found["score"]["fixed"]
    assert {layer["quantised"] for layer in found["layers"]} == {0}
    assert found["score"]["below"] == 0
    assert found["score"]["beta"] is None
    assert found["score"]["coefficients"] == pytest.approx([0.5, 0.5], abs=0.1)


def test_a_criterion_without_groups_has_no_coefficients():
    given = parts(quantising())
    found = portrait(replace(given, recipe=replace(given.recipe, criterion=lambda *_: {})))
    assert found["score"]["coefficients"] is None
    assert found["score"]["beta"] is None
    assert found["importance"] == portrait(given)["importance"]


def test_a_model_pruned_to_nothing_is_still_drawn():
    pruned = compress(toy_model(), toy_splits(), fairprune(1.0, step=1.0), unprivileged=1)
    found = portrait(Parts(pruned.model, pruned.model, pruned.frozen, quantising(4), toy_batches(1), ("f", "m"), 1))
    assert found["importance"]["none"] == [found["score"]["weights"]] * 2
    assert found["importance"]["all"] == [[0], [0]]


def test_with_bits_every_layer_has_levels_of_its_own():
    model, after = toy_model(), toy_model()
    weights = {name: weight.detach() for name, weight in compressible(model).items()}
    book = power_of_two(4).fit(weights)
    levels = {name: at(book, name)(weight) for name, weight in weights.items()}
    frozen = Frozen().fix({name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}, levels)
    frozen.apply_(after)
    found = portrait(Parts(model, after, frozen, quantising(4), toy_batches(1), ("f", "m"), 1))
    zeros = {name: int((level == 0).sum()) for name, level in levels.items()}
    assert {layer["name"]: layer["zero"] for layer in found["layers"]} == zeros
    assert all(zeros.values())  # a small weight's level is 0
    assert all(layer["quantised"] == layer["weights"] - layer["zero"] for layer in found["layers"])
    diagonal, _ = ggn_diagonal(model, toy_batches(1), num_groups=2)
    moves = {name: (levels[name] - weight).double().square() for name, weight in weights.items()}
    sums = [sum(float((0.5 * diagonal[name][g] * moves[name]).sum()) for name in weights) for g in range(2)]
    assert [pair[1] for pair in found["importance"]["sums"]] == pytest.approx(sums, rel=1e-5)


def test_it_is_json_and_the_same_again(quantised):
    given, found = quantised
    assert json.loads(json.dumps(found, allow_nan=False)) == found == portrait(given)


def test_three_groups_and_another_models_masks():
    model, recipe = toy_model(), replace(quantising(), criterion=replace(quantising().criterion, contrast=favour(0.5)))
    given = Parts(model, model, Frozen(), recipe, toy_batches(1, groups=3), ("a", "b", "c"), 0)
    found = portrait(given)
    assert len(found["importance"]["all"]) == 3
    assert found["samples"] == [7, 9, 6]
    assert found["score"]["coefficients"] == pytest.approx([1, -0.5 * 9 / 15, -0.5 * 6 / 15])
    other = {"0.weight": torch.ones(2, 2, dtype=torch.bool)}
    with pytest.raises(ModelError, match="belongs to another model"):
        portrait(replace(given, frozen=Frozen(other, {"0.weight": torch.zeros(2, 2)})))


def test_the_axis_leaves_out_next_to_nothing():
    counts = torch.tensor([0, 1, 0, 5000, 5000, 0, 0, 1])
    assert _range(counts) == (3, 5)
    assert _range(torch.zeros(4, dtype=torch.long)) == (0, 1)

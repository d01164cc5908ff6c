"""The settings that methods share, in the loop: what is counted, what goes, what stays."""

import pytest
import torch

from fairshrink.compress.contrasts import favour
from fairshrink.compress.methods import fairprune, obd
from fairshrink.compress.recipe import compress
from fairshrink.compress.units import compressible
from fairshrink.errors import ConfigError
from fairshrink.types import GroupBatch, Splits
from toys import toy_batches, toy_model, toy_splits

TOTAL = 4 * 2 * 9 + 64 * 3
ALL = TOTAL + 4 + 4 + 4 + 3  # a bias, a norm's weight and bias, another bias


@pytest.mark.parametrize(("ranking", "norms"), [("global", "reestimate"), ("layer", "keep")])
@pytest.mark.parametrize(
    ("include", "leave", "total"),
    [
        ("weights", (), TOTAL),
        ("all", (), ALL),
        ("weights", ("4",), 72),
        ("all", ("1", "4"), 76),
        ("all", ("0",), ALL - 76),
    ],
)
def test_the_ratio_is_exact_after_every_step_whatever_is_included(include, leave, total, ranking, norms):
    recipe = fairprune(0.5, step=0.17, ranking=ranking, include=include, leave=leave, norms=norms)
    done = compress(shifted(), toy_splits(), recipe)
    assert [(step.fixed, step.total) for step in done.steps] == [(round(r * total), total) for r in recipe.schedule()]
    assert (
        sum(int((w == 0).sum()) for w in compressible(done.model, include, leave).values())
        == done.frozen.count()
        == done.steps[-1].fixed
    )
    before = dict(shifted().named_parameters())
    may = compressible(done.model, include, leave)
    for name, value in done.model.named_parameters():
        mask = done.frozen.mask.get(name, torch.zeros_like(value, dtype=torch.bool))
        assert name in may or not mask.any()
        assert torch.equal(value, torch.where(mask, 0.0, before[name]))


def shifted() -> torch.nn.Module:
    """The toy model without a parameter that is 0 from the start (a fresh norm's biases are)."""
    model = toy_model()
    with torch.no_grad():
        model[1].bias.add_(torch.tensor([0.3, -0.2, 0.1, 0.4]))
    return model


def test_by_layer_every_tensor_gives_the_same_share():
    done = compress(toy_model(), toy_splits(), fairprune(0.5, step=0.25, ranking="layer"))
    assert {name: int(mask.sum()) for name, mask in done.frozen.mask.items()} == {"0.weight": 36, "4.weight": 96}
    everywhere = compress(toy_model(), toy_splits(), fairprune(0.5, step=0.25))
    assert int(everywhere.frozen.mask["0.weight"].sum()) != 36


def test_what_is_fixed_in_a_layer_that_is_left_stays_and_does_not_count():
    first = compress(toy_model(), toy_splits(), obd(0.2))
    second = compress(first.model, toy_splits(), fairprune(0.5, step=0.25, leave="4"), frozen=first.frozen)
    assert second.start.total == 72
    assert second.start.fixed == int(first.frozen.mask["0.weight"].sum())
    assert second.steps[-1].fixed == 36
    assert torch.equal(second.frozen.mask["4.weight"], first.frozen.mask["4.weight"])


def test_groups_by_another_number_give_the_same_weights():
    """Relabelling the groups, and the one that is favoured with them, changes nothing."""
    order = torch.tensor([2, 0, 1, -1])
    data = toy_splits(groups=3)
    renamed = Splits(*([GroupBatch(b.x, b.y, order[b.g]) for b in part] for part in (data.train, data.val)))
    model = toy_model().double()
    recipe = fairprune(0.4, step=0.2, gradient=True)
    one = compress(model, data, recipe)
    two = compress(model, renamed, recipe)
    assert two.unprivileged == int(order[one.unprivileged])
    assert all(torch.equal(mask, two.frozen.mask[name]) for name, mask in one.frozen.mask.items())
    weights = (1.0, -0.2, -0.4)
    one = compress(model, data, fairprune(0.4, step=0.4, weights=weights))
    moved = tuple(weights[int(order[:3].argsort()[g])] for g in range(3))
    two = compress(model, renamed, fairprune(0.4, step=0.4, weights=moved))
    assert all(torch.equal(mask, two.frozen.mask[name]) for name, mask in one.frozen.mask.items())


def test_sex_and_age_as_one_attribute_of_four_groups():
    """Intersectional groups: every combination is a group of its own, and each has its weight."""

    def crossed(batches):
        age = [torch.arange(len(b.g)) % 2 for b in batches]
        return [
            GroupBatch(b.x, b.y, torch.where(b.g < 0, -1, 2 * b.g + old)) for b, old in zip(batches, age, strict=True)
        ]

    data = Splits(crossed(toy_batches(1, samples=60)), crossed(toy_batches(2, samples=60)))
    model, sizes = toy_model(), torch.bincount(torch.cat([b.g[b.g >= 0] for b in data.train]))
    worst = compress(model, data, fairprune(0.3, beta=0.5, step=0.15))
    assert worst.start.counts.num_groups == 4
    spread = favour(0.5)(sizes, worst.unprivileged).tolist()
    own = compress(model, data, fairprune(0.3, step=0.15, weights=tuple(spread)))
    assert all(torch.equal(mask, own.frozen.mask[name]) for name, mask in worst.frozen.mask.items())
    other = compress(model, data, fairprune(0.3, step=0.3, weights=(-1.0, 1.0, 0.0, 0.0)))
    assert any(not torch.equal(mask, other.frozen.mask[name]) for name, mask in worst.frozen.mask.items())


def test_weights_for_another_number_of_groups_are_refused():
    with pytest.raises(ConfigError, match="there are 3 weights for 2 groups"):
        compress(toy_model(), toy_splits(), fairprune(0.3, weights=(1.0, -1.0, 0.0)))


def test_seed_and_columns_reach_the_scores():
    def masks(columns, seed):
        done = compress(toy_model(), toy_splits(), fairprune(0.3, step=0.3, columns=columns), seed=seed)
        return torch.cat([mask.flatten() for mask in done.frozen.mask.values()])

    assert torch.equal(masks(0.5, 0), masks(0.5, 0))
    assert not torch.equal(masks(0.5, 0), masks(0.5, 1))
    assert not torch.equal(masks(0.5, 0), masks(None, 0))


def test_the_first_order_term_changes_what_goes():
    one, two = (compress(toy_model(), toy_splits(), obd(0.3, gradient=gradient)).frozen for gradient in (False, True))
    assert any(not torch.equal(mask, two.mask[name]) for name, mask in one.mask.items())


def test_scores_are_taken_anew_at_every_step():
    once, often = (compress(toy_model(), toy_splits(), obd(0.6, step)).frozen for step in (None, 0.2))
    assert any(not torch.equal(mask, often.mask[name]) for name, mask in once.mask.items())

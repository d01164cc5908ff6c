import numpy as np
import pytest
import torch

from fairshrink.compress.grid import Setting, compress_grid, one_by_one, shares
from fairshrink.compress.keeping import Nowhere
from fairshrink.compress.methods import fairprune, fairquantize, retrain
from fairshrink.compress.recipe import compress
from toys import Kept, same, toy_model, toy_splits

SOFT = {"lr": 0.02, "epochs": 1}


@pytest.mark.parametrize("keep_state", [False, True])
@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_path_that_was_stopped_ends_with_the_same_bits(keep_state, stop_after):
    recipe = fairquantize(0.9, 0.5, 0.3, bits=4, keep_state=keep_state, **SOFT)
    whole = compress(toy_model(), toy_splits(), recipe, seed=2)
    keeper, told = Kept(stop_after), []
    with pytest.raises(KeyboardInterrupt):
        compress(toy_model(), toy_splits(), recipe, seed=2, keeper=keeper)
    keeper.stop_after = None
    again = compress(toy_model(), toy_splits(), recipe, seed=2, keeper=keeper, on_step=told.append)
    assert same(whole, again)
    assert len(told) == 3 - stop_after
    assert all(step.start is again.start for step in again.steps)


def test_a_path_that_does_not_retrain_is_not_kept():
    keeper = Kept()
    compress(toy_model(), toy_splits(), fairprune(0.3, step=0.1), keeper=keeper)
    assert keeper.halfway is None
    assert Nowhere().load() is None
    assert Nowhere().training is None


def test_the_keeper_is_told_of_every_batch():
    keeper = Kept()
    compress(toy_model(), toy_splits(), fairquantize(0.4, 0.5, 0.2, lr=0.01, epochs=2), keeper=keeper)
    places = [place[:4] for place in keeper.batches]
    assert places == [(s, e, b, 4) for s in (0, 1) for e in (0, 1) for b in (1, 2, 3, 4)]
    assert all(np.isfinite(place[4]) for place in keeper.batches)


LINES = {
    "ratios": [fairquantize(ratio, 0.5, 0.2, **SOFT) for ratio in (0.6, 0.2, 0.4, 0.5)],
    "betas": [fairquantize(ratio, beta, 0.3, **SOFT) for beta in (0.0, 1.0) for ratio in (0.3, 0.6)],
    "orders": [fairquantize(0.4, 0.5, 0.2, select=select, epochs=0) for select in ("magnitude", "random", "saliency")],
    "controls": [retrain(ratio, 0.2, **SOFT) for ratio in (0.2, 0.4)],
    "bits": [fairquantize(0.4, 0.5, 0.4, bits=bits, **SOFT) for bits in (None, 3)],
    "none": [fairquantize(0.0, select="random", epochs=0), fairquantize(0.2, select="random", epochs=0)],
}


@pytest.mark.parametrize("name", LINES)
def test_a_grid_of_paths_is_as_each_by_itself(name):
    found = compress_grid(toy_model(), toy_splits(), LINES[name], seed=3)
    for recipe, one in zip(LINES[name], found, strict=True):
        assert same(one, compress(toy_model(), toy_splits(), recipe, seed=3))


def test_ratios_of_one_way_are_trained_once():
    keepers, order = {}, []

    def keeper(number):
        return keepers.setdefault(number, Kept())

    for number, _ in one_by_one(toy_model(), toy_splits(), LINES["ratios"], Setting(keeper=keeper)):
        order.append(number)
    # 0.2, 0.4 and 0.6 are one way, of three steps; 0.5 is 0.2, 0.4, 0.5: another one.
    assert {number: len(kept.batches) for number, kept in keepers.items()} == {0: 12, 3: 12}
    assert order == [1, 2, 0, 3]


def test_a_way_is_gone_on_with_for_what_is_not_there_yet():
    recipes = LINES["ratios"][:3]
    whole = compress_grid(toy_model(), toy_splits(), recipes)
    keeper, told, done = Kept(stop_after=2), [], {}
    setting = Setting(keeper=lambda number: keeper, on_step=lambda number, step: told.append((number, step.ratio)))
    going = one_by_one(toy_model(), toy_splits(), recipes, setting)
    done |= [next(going)]
    with pytest.raises(KeyboardInterrupt):
        next(going)
    assert set(done) == {1}
    keeper.stop_after = None
    setting = Setting(keeper=setting.keeper, on_step=setting.on_step, done=frozenset(done))
    before = len(keeper.batches)
    done |= dict(one_by_one(toy_model(), toy_splits(), recipes, setting))
    assert len(keeper.batches) - before == 4
    assert all(same(done[number], one) for number, one in enumerate(whole))
    assert sorted(told) == [(0, 0.2), (0, 0.6), (1, 0.2), (2, 0.2)]


def test_a_way_keeps_its_keeper_when_its_first_recipe_is_done():
    recipes, keepers = [fairquantize(ratio, 0.5, 0.2, **SOFT) for ratio in (0.2, 0.4)], {}

    def keeper(number):
        return keepers.setdefault(number, Kept())

    whole = dict(one_by_one(toy_model(), toy_splits(), recipes, Setting(keeper=keeper)))
    batches = len(keepers[0].batches)
    again = dict(one_by_one(toy_model(), toy_splits(), recipes, Setting(keeper=keeper, done=frozenset({0}))))
    assert set(keepers) == {0}
    assert len(keepers[0].batches) == batches
    assert same(again[1], whole[1])


def test_a_way_that_went_further_than_what_is_missing_begins_anew():
    recipes, keeper = LINES["ratios"][:3], Kept()
    whole = dict(one_by_one(toy_model(), toy_splits(), recipes, Setting(keeper=lambda number: keeper)))
    again = dict(
        one_by_one(toy_model(), toy_splits(), recipes, Setting(keeper=lambda number: keeper, done=frozenset({0})))
    )
    assert all(same(again[number], whole[number]) for number in (1, 2))


def test_what_is_done_is_passed_over():
    setting = Setting(done=frozenset({0, 1, 2, 3}))
    assert list(one_by_one(toy_model(), toy_splits(), LINES["ratios"], setting)) == []
    pruned = [fairprune(0.2, beta, 0.1) for beta in (0.0, 1.0)]
    found = list(one_by_one(toy_model(), toy_splits(), pruned, Setting(done=frozenset({0}))))
    assert [number for number, _ in found] == [1]
    assert same(found[0][1], compress(toy_model(), toy_splits(), pruned[1]))


def test_only_saliency_without_training_shares_passes():
    assert shares(fairquantize(0.5, epochs=0))
    assert not shares(fairquantize(0.5))
    assert not shares(fairquantize(0.5, epochs=0, select="random"))
    assert not shares(retrain(0.5))


def test_quantising_paths_share_their_first_step():
    recipes = [fairquantize(0.4, beta, 0.2, bits=3, epochs=0) for beta in (0.0, 1.0)]
    for recipe, one in zip(recipes, compress_grid(toy_model(), toy_splits(), recipes), strict=True):
        assert same(one, compress(toy_model(), toy_splits(), recipe))
        weights = torch.cat([one.frozen.value[name][mask] for name, mask in one.frozen.mask.items()])
        assert len(weights.abs().unique()) > 1

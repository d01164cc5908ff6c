"""SCP as a whole: what is removed puts out exactly 0 and stays so, the rule names the iteration that is returned."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from fairshrink.compress.channels import find_layers, removed
from fairshrink.compress.grid import compress_grid
from fairshrink.compress.methods import fairprune, fairprune_channels, fairquantize, obd, scp
from fairshrink.compress.recipe import Recipe, compress
from fairshrink.compress.steps import mean_f1
from fairshrink.compress.units import compressible
from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.maths.tasks import classify
from fairshrink.metrics.tradeoff import fate
from fairshrink.types import GroupBatch, Splits
from toys import Kept, same, toy_batches, toy_splits

X = torch.zeros(2, 2, 4, 4)
HARD = {"lr": 0.05, "weight_decay": 0.1, "fine_tune": 2, "compared": None}
ALL = HARD | {"stop": "none", "take": "last"}


def wide(seed=0, norm=True) -> nn.Module:
    torch.manual_seed(seed)
    norms = [nn.BatchNorm2d(6), nn.BatchNorm2d(10)] if norm else [nn.Identity(), nn.Identity()]
    model = nn.Sequential(
        *[nn.Conv2d(2, 6, 3, padding=1), norms[0], nn.ReLU(inplace=True)],
        *[nn.Conv2d(6, 10, 3, padding=1), norms[1], nn.ReLU(inplace=True)],
        *[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(10, 3)],
    ).eval()
    nn.init.zeros_(model[-1].bias)  # so that it predicts all classes, and has a gap
    return model


def gone(done, layer="3") -> torch.Tensor:
    return removed(find_layers(done.model, layer, X)[layer], done.frozen)


@pytest.mark.parametrize("norm", [True, False])
def test_removed_channels_put_out_exactly_0_and_stay_so_through_fine_tuning(norm):
    model, seen = wide(norm=norm), []
    done = compress(model, toy_splits(), scp(0.2, 3, **ALL), on_step=lambda step: seen.append((step.fixed, step.total)))
    assert seen == [(2, 10), (4, 10), (6, 10)]
    assert int(gone(done).sum()) == 6
    out = done.model[:5](torch.randn(5, 2, 4, 4))
    assert (out[:, gone(done)] == 0).all()
    assert (out[:, ~gone(done)] != 0).any((0, 2, 3)).all()
    names = ["3.weight", "3.bias"] + (["4.weight", "4.bias"] if norm else [])
    assert list(done.frozen.mask) == names
    assert all((done.model.get_parameter(name)[gone(done)] == 0).all() for name in names)
    assert all((done.model.get_parameter(n)[~gone(done)] != model.get_parameter(n)[~gone(done)]).any() for n in names)
    done.model.train()
    assert (done.model[:5](torch.randn(5, 2, 4, 4))[:, gone(done)] == 0).all()


def test_each_iteration_removes_the_lowest_of_those_that_are_left():
    recipe, order = scp(0.2, 3, **ALL | {"fine_tune": 0}), []

    def watched(model, task, batches, context):
        scores = recipe.criterion(model, task, batches, context)
        there = scores["3.weight"].masked_fill(removed(context.layers["3.weight"], context.frozen), torch.inf)
        order.append(set(there.argsort(stable=True)[:2].tolist()))
        return scores

    done = compress(wide(), toy_splits(), replace(recipe, criterion=watched))
    assert set.union(*order) == set(gone(done).nonzero().flatten().tolist())
    assert sum(map(len, order)) == 6


def test_the_model_that_is_returned_has_the_largest_fate():
    taken = []
    for seed in (0, 1, 2):
        done = compress(wide(seed), toy_splits(), scp(0.1, 5, stop="none", **HARD), seed=seed)
        values = [
            fate(mean_f1(step), mean_f1(done.start), step.gaps["eodd"], done.start.gaps["eodd"]) for step in done.steps
        ]
        assert done.taken == values.index(max(values))
        assert int(gone(done).sum()) == done.taken + 1
        again = compress(wide(seed), toy_splits(), scp(0.1, done.taken + 1, **ALL), seed=seed)
        assert all(
            torch.equal(a, b)
            for a, b in zip(done.model.state_dict().values(), again.model.state_dict().values(), strict=True)
        )
        taken.append(done.taken)
    assert taken == [0, 4, 2]


def test_without_a_gap_at_the_start_there_is_no_fate_and_the_first_iteration_is_taken():
    done = compress(wide(3), toy_splits(), scp(0.1, 3, stop="none", **HARD), seed=3)
    assert done.start.gaps["eodd"] == 0
    assert (done.taken, int(gone(done).sum())) == (0, 1)


def test_an_iteration_that_lost_too_much_is_taken_only_where_all_did():
    recipe = scp(0.1, 3, th_acc=0.05, th_fair=None, **HARD)
    assert recipe.best is not None
    start = compress(wide(1), toy_splits(), recipe).start
    perfect = replace(start, start=start)
    worse = replace(perfect, counts=replace(start.counts, counts=start.counts.counts[:, ::-1]))
    assert mean_f1(start) - mean_f1(worse) > 0.05
    assert recipe.best(perfect) == (True, 0.0)
    assert recipe.best(worse)[0] is False
    assert recipe.best(worse) < recipe.best(perfect)
    assert recipe.best(start) == (True, -math.inf)


def test_fine_tuning_alone_is_the_control():
    done = compress(wide(), toy_splits(), scp(0.2, 2, select="none", **ALL))
    assert done.frozen.mask == {}
    assert [(step.ratio, step.fixed) for step in done.steps] == [(0.2, 0), (0.4, 0)]
    assert (done.model[3].weight != wide()[3].weight).any()


def test_what_it_has_to_beat():
    kept = {}
    for select in ("entanglement", "random", "magnitude"):
        done = compress(wide(), toy_splits(), scp(0.3, 1, select=select, **ALL | {"fine_tune": 0}))
        kept[select] = gone(done)
        assert int(kept[select].sum()) == 3
    sums = wide()[3].weight.detach().double().abs().flatten(1).sum(1)
    assert set(sums.argsort()[:3].tolist()) == set(kept["magnitude"].nonzero().flatten().tolist())
    assert len({tuple(mask.tolist()) for mask in kept.values()}) == 3


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_interrupted_it_ends_with_the_same_bits(stop_after):
    for seed, keep_state in ((0, True), (2, False)):
        recipe = scp(0.1, 4, stop="none", keep_state=keep_state, **HARD)
        whole, keeper = compress(wide(seed), toy_splits(), recipe), Kept(stop_after)
        with pytest.raises(KeyboardInterrupt):
            compress(wide(seed), toy_splits(), recipe, keeper=keeper)
        assert keeper.halfway is not None
        keeper.stop_after = None
        again = compress(wide(seed), toy_splits(), recipe, keeper=keeper)
        assert same(whole, again)
        assert whole.taken == again.taken


def test_iterations_of_one_way_are_trained_once():
    recipes = [scp(0.1, n, stop="none", **HARD) for n in (3, 1, 2)]
    for recipe, one in zip(recipes, compress_grid(wide(), toy_splits(), recipes), strict=True):
        alone = compress(wide(), toy_splits(), recipe)
        assert same(one, alone)
        assert one.taken == alone.taken


def test_after_fairprune_the_pruned_weights_stay_0():
    first = compress(wide(), toy_splits(), fairprune(0.4))
    done = compress(first.model, toy_splits(), scp(0.2, 2, **ALL), frozen=first.frozen)
    for name, mask in first.frozen.mask.items():
        assert (done.model.get_parameter(name)[mask] == 0).all()
    assert int(gone(done).sum()) == 4
    assert done.frozen.count() > first.frozen.count()


def test_after_fairquantize_a_removed_channel_is_0_and_the_rest_keeps_its_levels():
    first = compress(wide(), toy_splits(), fairquantize(1.0, step=1.0, epochs=0))
    done = compress(first.model, toy_splits(), scp(0.2, 2, **ALL), frozen=first.frozen)
    assert (done.model[:5](torch.randn(5, 2, 4, 4))[:, gone(done)] == 0).all()
    weight, levels = done.model[3].weight.detach(), first.frozen.value["3.weight"]
    assert torch.equal(weight[~gone(done)], levels[~gone(done)])
    assert torch.equal(done.model[0].weight.detach(), first.frozen.value["0.weight"])


def test_a_pruning_after_it_counts_what_is_gone():
    first = compress(wide(), toy_splits(), scp(0.2, 2, **ALL))
    total = sum(weight.numel() for weight in compressible(first.model).values())
    done = compress(first.model, toy_splits(), obd(0.5), frozen=first.frozen)
    assert done.steps[-1].fixed == round(0.5 * total)
    assert torch.equal(gone(done), gone(first))


def test_whole_channels_by_saliency_go_in_several_layers():
    done = compress(wide(), toy_splits(), fairprune_channels(0.5, step=0.25, layers="all", epochs=1, lr=0.05))
    assert [(step.fixed, step.total) for step in done.steps] == [(4, 16), (8, 16)]
    assert int(gone(done, "0").sum() + gone(done, "3").sum()) == 8
    one = compress(wide(), toy_splits(), fairprune_channels(0.25, step=0.25, layers=("last",), epochs=0))
    assert (int(gone(one, "0").sum()), int(gone(one, "3").sum())) == (0, 2)
    most = compress(wide(), toy_splits(), fairprune_channels(14 / 16, step=1.0, layers=("0", "3"), epochs=0))
    assert (int(gone(most, "0").sum()), int(gone(most, "3").sum())) == (5, 9)  # one is left in each
    norms = compress(wide(), toy_splits(), fairprune_channels(0.25, step=0.25, epochs=0, norms="reestimate"))
    assert int(norms.model[1].num_batches_tracked) == len(toy_batches())


def test_whole_channels_have_to_beat_the_same():
    kept = {}
    for select in ("saliency", "magnitude", "random", "none"):
        recipe = fairprune_channels(0.25, step=0.25, layers="all", select=select, epochs=0)
        done = compress(wide(), toy_splits(), recipe)
        kept[select] = tuple(torch.cat([gone(done, "0"), gone(done, "3")]).tolist()) if done.frozen.mask else ()
    assert [sum(mask) for mask in kept.values()] == [4, 4, 4, 0]
    assert len(set(kept.values())) == 4


def shares(widths=(24, 36), **settings) -> list[int]:
    """How many channels go of two layers; the kernels of the second are much larger."""
    torch.manual_seed(0)
    a, b = widths
    model = nn.Sequential(
        *[nn.Conv2d(2, a, 3, padding=1), nn.ReLU(), nn.Conv2d(a, b, 3, padding=1), nn.ReLU()],
        *[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(b, 3)],
    )
    done = compress(model, toy_splits(), fairprune_channels(layers="all", epochs=0, **settings))
    return [int(gone(done, layer).sum()) for layer in ("0", "2")]


def test_by_lot_each_channel_has_the_same_chance():
    few, more = shares(ratio=0.5, step=0.5, select="random")
    assert few + more == 30
    assert 7 <= few <= 17  # 12 are expected; three standard deviations are 5.8


def test_every_layer_gives_its_share():
    assert shares(ratio=0.25, step=0.25, ranking="layer") == [6, 9]
    assert shares(ratio=0.5, step=0.25, ranking="layer", select="magnitude") == [12, 18]
    lost = r"ratio 0\.96 of every layer would remove the last of the 2 channels of layer '0'"
    with pytest.raises(ConfigError, match=lost):
        shares((2, 100), ratio=0.96, step=1.0, ranking="layer", select="magnitude")


def test_the_score_of_a_channel_is_the_sum_over_its_weights():
    recipe, beta = fairprune_channels(0.1, beta=0.5, layers="last", epochs=0), 0.5
    seen = {}

    def watched(model, task, batches, context):
        seen["channels"] = recipe.criterion(model, task, batches, context)["3.weight"]
        seen["context"] = context
        return {"3.weight": seen["channels"]}

    compress(wide(), toy_splits(), replace(recipe, criterion=watched, schedule=lambda: [0.1]))
    single = fairprune(0.1, beta=beta, include="all").criterion
    names = ("3.weight", "3.bias", "4.weight", "4.bias")
    context = seen["context"]._replace(names=names, layers={})
    scores = single(wide(), classify, toy_splits().train, context)
    for k in range(10):
        expected = sum(float(scores[name][k].sum()) for name in names)
        assert seen["channels"][k] == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_the_unit_is_told():
    assert scp().unit == fairprune_channels().unit == "channels"
    assert fairprune().unit == "weights"
    assert isinstance(scp(), Recipe)


def test_a_layer_with_one_channel_has_none_to_remove():
    model = nn.Sequential(nn.Conv2d(2, 1, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3))
    with pytest.raises(ModelError, match="layer '0' has 1 channel, and without it nothing passes"):
        compress(model, toy_splits(), scp(0.5, 1))
    two = nn.Sequential(nn.Conv2d(2, 1, 3, padding=1), nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3))
    with pytest.raises(ModelError, match="2 layers together have 2 channels, one each, and"):
        compress(two, toy_splits(), fairprune_channels(0.5, layers="all"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"channel_ratio": 0.3, "iterations": 4}, "4 iterations of channel_ratio 0.3 would remove all"),
        ({"channel_ratio": 0.0}, "channel_ratio is 0.0, but it is the share of a layer's channels"),
        ({"channel_ratio": 1.0, "iterations": 1}, "channel_ratio is 1.0"),
        ({"iterations": 0}, "iterations is 0, but a number of iterations from 1 on is expected"),
        ({"fine_tune": -1}, "fine_tune is -1, but a number of epochs"),
        ({"th_acc": -0.1}, "th_acc is -0.1, but it is how far macro F1 may fall"),
        ({"th_fair": float("nan")}, "th_fair is nan, but it is how much a gap has to fall"),
        ({"patience": 0}, "patience is 0, but it is a number of steps"),
        ({"metric": "eop"}, "there is no gap called 'eop'"),
        ({"stop": "never"}, "stop is 'never', but there is no such choice"),
        ({"take": "best"}, "take is 'best', but there is no such choice"),
        ({"select": "saliency"}, "select is 'saliency', but there is no such choice"),
        ({"tap": "behind"}, "tap is 'behind', but there is no such choice"),
        ({"temperature": 0.0}, "temperature is 0.0, but a number above 0 is expected"),
        ({"compared": 1}, "compared is 1, but it is how many images are compared"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        scp(**settings)


def test_steps_that_would_remove_nothing_or_all_are_refused():
    with pytest.raises(
        ConfigError, match=r"layer '3' has 10 channels, and steps of 0\.02 are too small.*Give at least 0\.1"
    ):
        compress(wide(), toy_splits(), scp(0.02, 3))
    with pytest.raises(ConfigError, match="layer '3' has 10 channels, and 10 of them would be removed in the end"):
        compress(wide(), toy_splits(), scp(0.48, 2))
    first = compress(wide(), toy_splits(), scp(0.2, 2, **ALL))
    with pytest.raises(ConfigError, match=r"the ratio 0\.4 is reached before the first step: 4 of 10 channels"):
        compress(first.model, toy_splits(), scp(0.2, 2, **ALL), frozen=first.frozen)


def test_statistics_are_not_measured_anew_beside_a_re_training():
    with pytest.raises(
        ConfigError, match="norms is 'reestimate', but after each step there are 1 epochs of re-training"
    ):
        fairprune_channels(norms="reestimate")


def test_a_gap_that_is_undefined_cannot_stop_it():
    batches = [GroupBatch(b.x, (b.g > 0).long(), b.g) for b in toy_batches()]
    with pytest.raises(DataError, match="th_fair needs eodd, but on the validation data it is undefined|th_acc needs"):
        compress(wide(), Splits(batches, batches), scp(0.2, 1, **HARD))

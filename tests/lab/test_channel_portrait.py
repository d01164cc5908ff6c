from dataclasses import replace

import numpy as np
import pytest
import torch

from fairshrink.compress.channels import find_layers
from fairshrink.compress.entanglement import Entanglement
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.graph import inner
from fairshrink.compress.methods import scp
from fairshrink.compress.recipe import compress
from fairshrink.errors import ModelError
from fairshrink.lab import channel_portrait as channel_portrait_module
from fairshrink.lab.analysis_labels import SHUFFLED, Label, draw
from fairshrink.lab.channel_portrait import DRAWS, Sides, channel_portrait
from fairshrink.types import GroupBatch
from oracles.snnl import snnl_by_pairs
from toys import toy_batches, toy_model, toy_splits

HOW = Entanglement()


def sides():
    model = toy_model()
    first = compress(model, toy_splits(), scp(0.25, 1, fine_tune=0, stop="none", compared=None))
    after = compress(
        first.model,
        toy_splits(),
        scp(0.5, 1, fine_tune=0, stop="none", compared=None, take="last"),
        frozen=first.frozen,
    )
    batches = [
        GroupBatch(batch.x[batch.g >= 0], batch.y[batch.g >= 0], batch.g[batch.g >= 0]) for batch in toy_batches(1)
    ]
    layers = find_layers(model, "last", batches[0].x)
    return Sides((first.model, first.frozen), (after.model, after.frozen), layers, batches, "sex", ("f", "m"), HOW)


@pytest.fixture(scope="module")
def found():
    given = sides()
    return given, channel_portrait(given)


def told_apart(given):
    """The batches with two groups, and their numbers."""
    return [(number, batch) for number, batch in enumerate(given.batches) if len(batch.g.unique()) > 1]


def test_scores_are_those_of_both_models(found):
    given, told = found
    (layer,) = told["layers"]
    for (model, _), name in ((given.before, "before"), (given.after, "after")):
        wanted = [snnl_by_pairs(model[:2](batch.x).detach(), batch.g.tolist()) for _, batch in told_apart(given)]
        np.testing.assert_allclose(layer[name], np.mean(wanted, axis=0), atol=2e-6)


def test_it_says_which_channels_are_gone_and_which_were_before(found):
    _, told = found
    (layer,) = told["layers"]
    assert (layer["name"], layer["channels"]) == ("0", 4)
    assert len(layer["lacked"]) == 1
    assert len(layer["removed"]) == 2
    assert set(layer["lacked"]) < set(layer["removed"])
    assert len(layer["chance"]) == 3
    assert layer["chance"] == sorted(layer["chance"])
    assert told["images"] == sum(len(batch.g) for batch in found[0].batches)
    assert (told["compared"], told["tap"], told["groups"]) == (7, "before", ["f", "m"])


def test_it_counts_what_is_not_compared_and_says_what_can_be_cut(found):
    given, told = found
    (layer,) = told["layers"]
    assert layer["cuttable"] is ("0" in inner(given.before[0], given.batches[0].x))
    assert told["skipped"] == len(given.batches) - len(told_apart(given))
    assert told["alone"] == sum(int((batch.g == g).sum() == 1) for _, batch in told_apart(given) for g in (0, 1))


def test_of_a_model_that_cannot_be_followed_it_is_not_said_what_can_be_cut(monkeypatch):
    def fails(model, example):
        raise ModelError("no trace")

    monkeypatch.setattr(channel_portrait_module, "inner", fails)
    assert [layer["cuttable"] for layer in channel_portrait(sides())["layers"]] == [None]


def test_chance_is_the_mean_by_rank_of_the_draws(found):
    given, told = found
    model, (layer,) = given.before[0], told["layers"]
    drawn = []
    for number in range(DRAWS):
        wanted = []
        for place, batch in told_apart(given):
            codes = draw(Label("sex", ("f", "m"), batch.g.numpy()), slice(0, 7), (0, place), DRAWS)[SHUFFLED][number]
            wanted.append(snnl_by_pairs(model[:2](batch.x).detach(), codes.tolist()))
        drawn.append(np.sort(np.delete(np.mean(wanted, axis=0), layer["lacked"])))
    np.testing.assert_allclose(layer["chance"], np.mean(drawn, axis=0), atol=2e-6)


def test_nothing_fixed_is_nothing_removed():
    given = sides()
    plain = replace(given, before=(toy_model(), Frozen()), after=(toy_model(), Frozen()))
    (layer,) = channel_portrait(plain)["layers"]
    assert (layer["removed"], layer["lacked"], len(layer["chance"])) == ([], [], 4)
    assert layer["before"] == layer["after"]
    assert torch.tensor(layer["before"]).isfinite().all()

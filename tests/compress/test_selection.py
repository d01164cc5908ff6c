import pytest
import torch

from fairshrink.compress.contrasts import pooled
from fairshrink.compress.criteria import Context, Saliency
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.methods import fairquantize
from fairshrink.compress.recipe import compress
from fairshrink.compress.selection import Magnitude, Random, selection
from fairshrink.errors import ConfigError
from fairshrink.maths.codebooks import zero
from fairshrink.maths.tasks import classify
from toys import toy_batches, toy_model, toy_splits

CONTEXT = Context(2, 0, Frozen(), zero, 5)


def scores(criterion, seed=5, model=None):
    return criterion(model or toy_model(), classify, toy_batches(), CONTEXT._replace(seed=seed))


def test_the_largest_weights_go_first():
    found = scores(Magnitude())
    weights = dict(toy_model().named_parameters())
    assert set(found) == {"0.weight", "4.weight"}
    for name, score in found.items():
        assert torch.equal(score, -weights[name].detach().double().abs())


def test_by_lot_the_order_is_the_seeds_and_no_weight_and_no_datum_plays_a_part():
    one, other = scores(Random()), scores(Random(), model=toy_model(seed=1))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["4.weight"], scores(Random(), seed=6)["4.weight"])
    lots = torch.cat([score.flatten() for score in one.values()])
    assert len(lots.unique()) == len(lots)
    assert 0.4 < float(lots.mean()) < 0.6
    assert not torch.equal(one["0.weight"].flatten()[:64], one["4.weight"].flatten()[:64])


def test_by_lot_every_step_adds_to_the_one_before():
    masks = []
    for ratio in (0.2, 0.4, 0.6):
        done = compress(toy_model(), toy_splits(), fairquantize(ratio, step=ratio, select="random", epochs=0), seed=3)
        masks.append(torch.cat([mask.flatten() for mask in done.frozen.mask.values()]))
    assert not (masks[0] & ~masks[1]).any()
    assert not (masks[1] & ~masks[2]).any()


def test_by_name():
    saliency = Saliency(pooled)
    assert selection("saliency", saliency) is saliency
    assert selection("magnitude", saliency) == Magnitude()
    assert selection("random", saliency) == Random()
    with pytest.raises(ConfigError, match=r"select is 'magnitud', but there is no such choice.*'magnitude'"):
        selection("magnitud", saliency)

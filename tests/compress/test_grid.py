import copy

import pytest
import torch

from fairshrink.compress import criteria, steps
from fairshrink.compress.contrasts import favour
from fairshrink.compress.criteria import Saliency
from fairshrink.compress.grid import Setting, compress_grid, one_by_one, shares
from fairshrink.compress.methods import fairprune, obd
from fairshrink.compress.recipe import Recipe, compress
from fairshrink.compress.schedules import linear
from fairshrink.errors import ConfigError
from fairshrink.maths.codebooks import zero
from toys import same, toy_model, toy_splits

TOTAL = 4 * 2 * 9 + 64 * 3


@pytest.fixture
def passes(monkeypatch):
    """How often the data were read for curvature, and for validation."""
    made = {"curvature": 0, "validation": 0}

    def counted(name, function):
        def call(*given, **named):
            made[name] += 1
            return function(*given, **named)

        return call

    monkeypatch.setattr(criteria, "curvature", counted("curvature", criteria.curvature))
    monkeypatch.setattr(steps, "predict", counted("validation", steps.predict))
    return made


GRIDS = {
    "beta": [fairprune(0.2, beta, 0.1) for beta in (0.0, 0.33, 2.0)],
    "ratio": [fairprune(ratio, 0.5, 0.1) for ratio in (0.3, 0.1, 0.2, 0.25)],
    "beta and ratio": [fairprune(ratio, beta, 0.15) for ratio in (0.45, 0.15) for beta in (0.1, 1.0)],
    "ranking": [fairprune(0.2, 0.5, 0.1, ranking=ranking) for ranking in ("global", "layer")],
    "stop": [fairprune(0.6, 0.5, 0.2, target, loss) for target, loss in ((None, "eopp1"), (0.9, "eopp1"))]
    + [fairprune(0.6, 0.5, 0.2, max_f1_loss=0.0)],
    "families": [fairprune(0.2, 0.5, 0.1, columns=columns) for columns in (None, 1.0)]
    + [fairprune(0.2, 0.5, 0.1, gradient=True), fairprune(0.2, 0.5, 0.1, include="all"), obd(0.2)],
    "norms": [fairprune(ratio, beta, 0.1, norms="reestimate") for ratio in (0.1, 0.2) for beta in (0.0, 1.0)],
    "left alone": [fairprune(0.2, beta, 0.1, leave=("4",)) for beta in (0.0, 1.0)] + [fairprune(0.2, 0.0, 0.1)],
    "norms and none": [fairprune(0.2, 0.0, 0.1, norms=norms) for norms in ("keep", "reestimate")],
    "control": [obd(ratio, 0.1, norms="reestimate") for ratio in (0.0, 0.1)],
}


@pytest.mark.parametrize("name", GRIDS)
def test_every_result_is_that_of_compress(name):
    model, data = toy_model(), toy_splits(groups=3)
    found = compress_grid(model, data, GRIDS[name], seed=3)
    for recipe, one in zip(GRIDS[name], found, strict=True):
        assert same(one, compress(model, data, recipe, seed=3))
    weights = {b"".join(w.detach().numpy().tobytes() for w in one.model.parameters()) for one in found}
    assert len(weights) >= 2  # or the test could not tell one recipe from another


def test_what_is_fixed_before_stays_and_the_given_group_is_favoured():
    first = compress(toy_model(), toy_splits(), obd(0.2))
    recipes, given = [fairprune(0.3, beta, 0.1) for beta in (0.0, 1.0)], {"frozen": first.frozen, "unprivileged": 1}
    for recipe, one in zip(recipes, compress_grid(first.model, toy_splits(), recipes, **given), strict=True):
        assert same(one, compress(first.model, toy_splits(), recipe, **given))


def test_what_was_fixed_beside_these_weights_stays_in_the_record():
    first = compress(toy_model(), toy_splits(), obd(0.3, include="all"))
    recipes = [fairprune(0.5, beta, 0.1, leave=("4",)) for beta in (0.0, 1.0)]
    for recipe, one in zip(
        recipes, compress_grid(first.model, toy_splits(), recipes, frozen=first.frozen), strict=True
    ):
        alone = compress(first.model, toy_splits(), recipe, frozen=first.frozen)
        assert same(one, alone)
        assert set(one.frozen.mask) == set(alone.frozen.mask) > {"4.weight"}


def test_a_ratio_that_is_reached_before_the_first_step_is_refused():
    first = compress(toy_model(), toy_splits(), obd(0.2))
    with pytest.raises(ConfigError, match="the ratio 0.1 is reached before the first step"):
        compress_grid(first.model, toy_splits(), [fairprune(0.1), fairprune(0.3)], frozen=first.frozen)


def test_a_group_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="unprivileged is 7"):
        compress_grid(toy_model(), toy_splits(), [fairprune(0.1)], unprivileged=7)


@pytest.mark.parametrize(
    ("recipes", "curvature", "validation"),
    [
        ([fairprune(ratio, 0.5, 0.1) for ratio in (0.1, 0.2, 0.3)], 3, 4),  # one way
        ([fairprune(0.1, 0.5, 0.1)] * 5, 1, 2),  # all the same
        ([fairprune(0.2, beta, 0.1) for beta in (0.0, 0.5)], 3, 5),  # one first step, then two ways
        ([fairprune(0.2, beta, 0.2) for beta in (0.0, 0.5)], 1, 3),
        ([fairprune(0.1, 0.5, 0.1), obd(0.1)], 1, 3),  # OBD is another contrast, no other measurement
        ([fairprune(0.1, 0.5, 0.1), fairprune(0.1, 0.5, 0.1, columns=1.0)], 2, 4),  # other measurements share nothing
    ],
)
def test_one_pass_for_each_state(passes, recipes, curvature, validation):
    compress_grid(toy_model(), toy_splits(), recipes)
    assert passes == {"curvature": curvature, "validation": validation}


def test_ways_that_meet_again_are_one(passes):
    """One step of 0.2 and two of 0.1 meet where the scores of the first step order the weights as those of the second."""

    class Fixed(Saliency):
        def score(self, model, measured, context):
            weights = {name: dict(model.named_parameters())[name] for name in context.names}
            return {name: torch.arange(w.numel(), dtype=torch.float64).view(w.shape) for name, w in weights.items()}

    recipes = [Recipe(Fixed(favour(0.5)), zero, linear(ratio, step)) for ratio, step in ((0.3, 0.1), (0.3, 0.2))]
    compress_grid(toy_model(), toy_splits(), recipes)
    assert passes == {"curvature": 3, "validation": 4}  # at 0, 0.1, 0.2; and 0.3 is looked at once


def test_other_recipes_run_by_themselves(passes):
    def whatever(model, task, batches, context):
        return {name: p.detach().double() for name, p in model.named_parameters() if name in context.names}

    def retrain(model, data, frozen):
        with torch.no_grad():
            model.get_parameter("4.bias").add_(1.0)

    def own(criterion, recover=None):
        return Recipe(criterion, zero, linear(0.2, 0.1), recover)

    recipes = [own(whatever), own(Saliency(favour(0.5)), retrain), fairprune(0.2, 0.5, 0.1)]
    assert [shares(recipe) for recipe in recipes] == [False, False, True]
    found = compress_grid(toy_model(), toy_splits(), recipes)
    assert passes == {"curvature": 4, "validation": 9}
    for recipe, one in zip(recipes, found, strict=True):
        assert same(one, compress(toy_model(), toy_splits(), recipe))


def test_observers_are_told_of_every_step_and_every_result():
    told, ended = {}, {}

    def step(number, what):
        assert number not in ended
        told.setdefault(number, []).append(what)

    found = compress_grid(toy_model(), toy_splits(), GRIDS["ratio"], on_step=step, on_done=ended.__setitem__)
    assert {number: tuple(steps) for number, steps in told.items()} == {n: one.steps for n, one in enumerate(found)}
    assert [ended[number] is one for number, one in enumerate(found)] == [True] * 4


def test_the_smaller_ratios_are_there_first():
    order = [number for number, _ in one_by_one(toy_model(), toy_splits(), GRIDS["ratio"], Setting())]
    assert order == [1, 2, 3, 0]


def test_steps_that_fix_nothing_more_are_steps_all_the_same():
    recipes = [fairprune(ratio, 0.5, 0.4 / TOTAL) for ratio in (1 / TOTAL, 2 / TOTAL)]
    found = compress_grid(toy_model(), toy_splits(), recipes)
    for recipe, one in zip(recipes, found, strict=True):
        assert same(one, compress(toy_model(), toy_splits(), recipe))


def test_the_users_own_model_is_not_touched_and_results_share_no_weights():
    model = toy_model().train()
    before = copy.deepcopy(model.state_dict())
    found = compress_grid(model, toy_splits(), [fairprune(0.1, 0.5, 0.1)] * 2)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    places = [one.get_parameter("0.weight").data_ptr() for one in (model, *(done.model for done in found))]
    assert len(set(places)) == 3


def test_no_recipes_are_no_results():
    assert compress_grid(toy_model(), toy_splits(), []) == []

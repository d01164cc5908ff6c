import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from fairshrink.compress.contrasts import pooled
from fairshrink.compress.criteria import Context, Saliency
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.methods import fairprune, obd
from fairshrink.compress.recipe import Recipe, compress
from fairshrink.compress.schedules import linear
from fairshrink.compress.starting import weakest_group
from fairshrink.compress.units import compressible
from fairshrink.errors import ConfigError, ModelError
from fairshrink.maths.codebooks import zero
from fairshrink.maths.tasks import classify
from fairshrink.train.evaluate import evaluate
from fairshrink.types import Splits
from toys import toy_batches, toy_model, toy_splits

TOTAL = 4 * 2 * 9 + 64 * 3


def zeros(model: torch.nn.Module) -> int:
    return sum(int((w == 0).sum()) for w in compressible(model).values())


@pytest.mark.parametrize(
    "recipe", [obd(0.35), fairprune(0.35), fairprune(0.5, beta=0.0, step=0.17)], ids=["obd", "fp", "fp0"]
)
def test_exactly_round_of_ratio_times_n_weights_are_zero_after_every_step(recipe):
    seen = []
    done = compress(toy_model(), toy_splits(), recipe, on_step=seen.append)
    assert [step.ratio for step in seen] == list(recipe.schedule())
    assert all(step.fixed == round(step.ratio * TOTAL) and step.total == TOTAL for step in seen)
    assert zeros(done.model) == done.frozen.count() == round(list(recipe.schedule())[-1] * TOTAL)
    assert list(done.steps) == seen


def test_the_users_own_model_is_not_touched():
    model = toy_model().train()
    before = copy.deepcopy(model.state_dict())
    compress(model, toy_splits(), fairprune(0.5))
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_what_was_pruned_stays_pruned_and_counts():
    steps = []
    first = compress(toy_model(), toy_splits(), obd(0.2))
    second = compress(first.model, toy_splits(), fairprune(0.35), frozen=first.frozen, on_step=steps.append)
    assert [step.ratio for step in steps] == pytest.approx([0.25, 0.30, 0.35])
    for name, mask in first.frozen.mask.items():
        assert bool(second.frozen.mask[name][mask].all())
        assert bool((compressible(second.model)[name][mask] == 0).all())


def test_a_record_without_its_values_in_the_model_is_applied_first():
    first = compress(toy_model(), toy_splits(), obd(0.2))
    again = compress(toy_model(), toy_splits(), fairprune(0.25), frozen=first.frozen)
    assert again.start.fixed == round(0.2 * TOTAL)
    assert zeros(again.model) == round(0.25 * TOTAL)


def test_the_lowest_scores_go():
    model, data = toy_model(), toy_splits()
    scores = Saliency(pooled)(model, classify, data.train, Context(2, 0, Frozen(), zero, 0))
    done = compress(model, data, obd(0.35))
    gone = torch.cat([scores[name][done.frozen.mask[name]] for name in scores])
    kept = torch.cat([scores[name][~done.frozen.mask[name]] for name in scores])
    assert gone.max() <= kept.min()


def test_biases_and_norms_stay():
    model = toy_model()
    done = compress(model, toy_splits(), obd(1.0))
    assert zeros(done.model) == TOTAL
    for name, value in model.named_parameters():
        if name not in ("0.weight", "4.weight"):
            assert torch.equal(value, dict(done.model.named_parameters())[name])


def test_the_unprivileged_group_is_measured_on_validation_or_given():
    measured = compress(toy_model(), toy_splits(), obd(0.1))
    assert measured.measured
    assert measured.unprivileged == weakest_group(measured.start.counts)
    given = compress(toy_model(), toy_splits(), obd(0.1), unprivileged=1)
    assert (given.unprivileged, given.measured) == (1, False)


def test_everything_is_measured_on_validation():
    data = Splits(toy_batches(1), toy_batches(5, samples=36), [])
    done = compress(toy_model(), data, fairprune(0.2))
    for model, step in ((toy_model(), done.start), (done.model, done.steps[-1])):
        expected = evaluate(model, data.val, num_groups=2, num_classes=3)
        assert np.array_equal(step.counts.counts, expected.counts)


def test_it_stops_when_the_target_is_reached():
    done = compress(toy_model(), toy_splits(), fairprune(0.9, target=1.0))
    assert len(done.steps) == 1
    assert done.stopped is not None
    assert "reached the target" in done.stopped


def test_it_stops_when_too_much_f1_is_lost():
    steps = []

    def rule(so_far):
        steps.append(list(so_far))
        return "enough" if len(so_far) == 3 else None

    recipe = replace(fairprune(0.9), stop=rule)
    done = compress(toy_model(), toy_splits(), recipe)
    assert done.stopped == "enough"
    assert [len(so_far) for so_far in steps] == [1, 2, 3]
    assert steps[-1] == list(done.steps)
    assert all(step.start is done.start for step in done.steps)
    done = compress(toy_model(), toy_splits(), fairprune(1.0, step=1.0, max_f1_loss=0.0))
    assert done.stopped is not None
    assert "below the start, more than 0" in done.stopped


def test_what_is_fixed_stays_fixed_through_recovery():
    def shake(model, data, frozen):
        with torch.no_grad():
            for weight in compressible(model).values():
                weight.add_(1.0)

    done = compress(toy_model(), toy_splits(), Recipe(Saliency(pooled), zero, linear(0.3, 0.1), recover=shake))
    assert zeros(done.model) == round(0.3 * TOTAL)


def test_three_groups_and_five_classes():
    done = compress(toy_model(classes=5), toy_splits(groups=3, classes=5), fairprune(0.1))
    assert done.steps[-1].counts.counts.shape == (3, 5, 5)


def test_same_seed_same_bits():
    one, two = (compress(toy_model(), toy_splits(), fairprune(0.3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True))


def test_a_ratio_that_is_behind_is_refused():
    first = compress(toy_model(), toy_splits(), obd(0.35))
    with pytest.raises(ConfigError, match=r"ratio 0.35 is reached before the first step: 92 of 264 weights"):
        compress(first.model, toy_splits(), fairprune(0.35), frozen=first.frozen)


def test_another_models_record_is_refused():
    frozen = Frozen().fix({"0.weight": torch.ones(1, dtype=torch.bool)}, {"0.weight": torch.zeros(1)})
    with pytest.raises(ModelError, match="belongs to another model"):
        compress(toy_model(), toy_splits(), obd(0.1), frozen=frozen)


def test_a_group_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="unprivileged is 2, but the groups of the data are 0 to 1"):
        compress(toy_model(), toy_splits(), obd(0.1), unprivileged=2)


class Views(torch.nn.Module):
    """A network as many users write them: view() needs contiguous memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = torch.nn.Conv2d(2, 3, 3, padding=1), torch.nn.Linear(48, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).relu().view(-1, 48))


def test_a_users_network_that_calls_view():
    assert zeros(compress(Views(), toy_splits(), fairprune(0.2)).model) == round(0.2 * (2 * 3 * 9 + 48 * 3))


def test_a_model_in_float64_takes_float32_images():
    assert zeros(compress(toy_model().double(), toy_splits(), obd(0.2)).model) == round(0.2 * TOTAL)


def test_norm_parameters_in_a_record_do_not_count_towards_the_ratio():
    norm = Frozen().fix({"1.weight": torch.tensor([True, False, False, False])}, {"1.weight": torch.zeros(4)})
    done = compress(toy_model(), toy_splits(), obd(0.2), frozen=norm)
    assert done.steps[-1].fixed == round(0.2 * TOTAL)
    assert done.model[1].weight[0] == 0


def test_a_model_that_returns_no_logits():
    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = toy_model()

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.inner(x)}

    with pytest.raises(ModelError, match=r"returned a dict, but logits \(N, C\) are expected"):
        compress(Named(), toy_splits(), obd(0.1))

import copy

import numpy as np
import pytest
import torch

from fairshrink.compress.criteria import Saliency, pooled
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.methods import fairprune, obd
from fairshrink.compress.recipe import Recipe, _check_group, compress, weakest_group
from fairshrink.compress.schedules import linear
from fairshrink.compress.units import compressible
from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.maths.codebooks import zero
from fairshrink.metrics.counts import GroupCounts
from fairshrink.train.evaluate import evaluate
from fairshrink.types import GroupBatch, Splits
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
    from fairshrink.compress.criteria import Context
    from fairshrink.maths.tasks import classify

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


def test_the_weakest_group_is_that_of_macro_f1_where_accuracy_says_another():
    accurate, balanced = np.array([[90, 0], [10, 0]]), np.array([[40, 10], [10, 40]])  # 0.90 and 0.80; F1 0.47 and 0.80
    assert weakest_group(GroupCounts(np.stack([accurate, balanced]))) == 0


def test_a_group_from_numpy_will_do():
    _check_group(np.argmax([0, 1]), 2)
    with pytest.raises(ConfigError, match="unprivileged is True"):
        _check_group(True, 2)


def test_the_weakest_group_has_the_lowest_macro_f1():
    good, bad = np.diag([9, 9]), np.array([[9, 0], [9, 0]])
    assert weakest_group(GroupCounts(np.stack([good, bad]))) == 1
    assert weakest_group(GroupCounts(np.stack([good, good]))) == 0


def test_a_group_without_validation_samples_cannot_be_measured():
    with pytest.raises(DataError, match="group 1 has no samples in the validation data"):
        weakest_group(GroupCounts(np.stack([np.diag([9, 9]), np.zeros((2, 2), dtype=np.int64)])))


def test_it_stops_when_the_target_is_reached():
    done = compress(toy_model(), toy_splits(), fairprune(0.9, target=1.0))
    assert len(done.steps) == 1
    assert done.stopped is not None
    assert "reached the target" in done.stopped


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


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_generator_is_refused(part):
    data = {"train": toy_batches(1), "val": toy_batches(2), "test": []}
    with pytest.raises(DataError, match=f"the {part} batches are a generator"):
        compress(toy_model(), Splits(**data | {part: (b for b in toy_batches())}), obd(0.1))


def test_one_group_only_is_refused():
    one = [GroupBatch(b.x, b.y, torch.zeros_like(b.g)) for b in toy_batches()]
    with pytest.raises(DataError, match=r"hold 1 group\(s\), but a gap needs two"):
        compress(toy_model(), Splits(one, one, []), obd(0.1))


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


def unchecked(train: object, val: object) -> Splits:
    """Splits as a program without type checks makes them; in the tests they would be refused at once."""
    splits = object.__new__(Splits)
    for name, batches in (("train", train), ("val", val), ("test", [])):
        object.__setattr__(splits, name, batches)
    return splits


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (None, "the train batches are None, but a list or a loader"),
        ([(1, 2, 3)], r"batch 0 is a tuple, but a GroupBatch\(x, y, g\) is expected"),
        ([GroupBatch(torch.zeros(2, 2, 4, 4), torch.zeros(2, 1), torch.zeros(2))], r"classes of shape \(2, 1\)"),
    ],
)
def test_batches_that_are_none(batches, message):
    with pytest.raises(DataError, match=message):
        compress(toy_model(), unchecked(batches, toy_batches()), obd(0.1))


def test_a_model_that_returns_no_logits():
    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = toy_model()

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"logits": self.inner(x)}

    with pytest.raises(ModelError, match=r"returned a dict, but logits \(N, C\) are expected"):
        compress(Named(), toy_splits(), obd(0.1))

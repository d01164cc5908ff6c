import numpy as np
import pytest

from fairshrink.compress.steps import CRITERIA, Step, look
from fairshrink.compress.stopping import Step as SameStep
from fairshrink.maths.tasks import classify
from fairshrink.metrics.soft import soft_criteria, soft_sums
from fairshrink.train.evaluate import evaluate, predict
from toys import toy_batches, toy_model


def test_a_look_is_what_evaluating_and_adding_up_give():
    model, batches = toy_model(), toy_batches(2)
    seen, direct = look(model, batches, classify, 2), predict(model, batches)
    assert np.array_equal(seen.counts.counts, evaluate(model, batches, num_groups=2, num_classes=3).counts)
    sums = soft_sums(direct.prob, direct.y, direct.g, num_groups=2)
    assert np.array_equal(seen.soft.true_prob, sums.true_prob)
    assert np.array_equal(seen.soft.support, seen.counts.counts.sum(-1))


def test_criteria_are_the_gaps_and_their_soft_forms():
    seen = look(toy_model(), toy_batches(2), classify, 2)
    step = Step(0.1, 1, 10, 0.0, *seen)
    assert tuple(step.criteria) == CRITERIA
    assert step.criteria == step.gaps | soft_criteria(seen.soft)


def test_a_step_without_probabilities_has_the_gaps_alone():
    step = Step(0.1, 1, 10, 0.0, look(toy_model(), toy_batches(2), classify, 2).counts)
    assert step.criteria == pytest.approx(step.gaps, nan_ok=True)
    assert SameStep is Step

import pickle

import pytest
import torch
from torch.testing import assert_close

from cases import EXIT_WEIGHTS, TwoExits, weighted_exits
from fairshrink.errors import ConfigError, ModelError
from fairshrink.maths.curvature import curvature
from fairshrink.maths.factors import softmax_factor
from fairshrink.maths.tasks import Task, classify, multi_exit
from fairshrink.types import GroupBatch
from oracles.exits import leave_one_by_one, loss_of_exits
from oracles.ggn import ggn_diagonal_of_exits

FIVE = [0.3, 0.45, 0.6, 0.75, 0.9]


def outputs_of(exits: int, samples: int = 6, classes: int = 3, seed: int = 0) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(seed)
    return tuple(3 * torch.randn(samples, classes, generator=draw, dtype=torch.float64) for _ in range(exits))


def test_classify_is_the_mean_cross_entropy_and_the_largest_logit():
    logits, y = torch.tensor([[1.0, 3.0], [2.0, 0.0]]), torch.tensor([1, 1])
    p = logits.softmax(1)
    assert_close(classify.loss(logits, y), -(p[0, 1].log() + p[1, 1].log()) / 2)
    assert classify.predict(logits).tolist() == [1, 0]
    assert classify.factor is softmax_factor
    assert classify.answer(logits) is logits
    assert classify.leave(logits).tolist() == [0, 0]


def test_classify_wants_logits():
    with pytest.raises(ModelError, match=r"outputs of shape \(3,\)"):
        classify.predict(torch.zeros(3))
    with pytest.raises(ModelError, match="returns tuple"):
        classify.loss((torch.zeros(3, 2),), torch.zeros(3, dtype=torch.int64))


def test_a_task_of_three_parts_answers_with_the_last_exit():
    task, outputs = Task(classify.loss, classify.predict, classify.factor), outputs_of(3)
    assert task.answer(outputs) is outputs[-1]
    assert task.leave(outputs).tolist() == [2] * 6
    assert task.leave(outputs[0]).tolist() == [0] * 6


@pytest.mark.parametrize("weights", [FIVE, [1.0], [0.0, 2.0, 1.0], [1, 2]])
def test_the_loss_adds_up_the_exits(weights):
    outputs, y = outputs_of(len(weights)), torch.tensor([0, 1, 2, 0, 1, 1])
    slow = loss_of_exits([logits.tolist() for logits in outputs], y.tolist(), weights)
    assert multi_exit(weights).loss(outputs, y).item() == pytest.approx(slow, rel=1e-12)


@pytest.mark.parametrize("threshold", [1e-9, 0.7, 0.95, 1.0])
def test_the_prediction_is_that_of_the_exit_where_a_sample_leaves(threshold):
    task, outputs = multi_exit([1.0, 1.0, 1.0], threshold), outputs_of(3, samples=20)
    places = leave_one_by_one([logits.tolist() for logits in outputs], threshold)
    assert {1e-9: {0}, 0.7: {0, 1, 2}, 0.95: {0, 1, 2}, 1.0: {2}}[threshold] == set(places)
    assert task.leave(outputs).tolist() == places
    expected = torch.stack([outputs[place][sample] for sample, place in enumerate(places)])
    assert torch.equal(task.answer(outputs), expected)
    assert torch.equal(task.predict(outputs), expected.argmax(1))


def test_the_defaults_are_the_papers():
    outputs, y = outputs_of(5), torch.zeros(6, dtype=torch.int64)
    assert multi_exit().loss(outputs, y) == multi_exit(FIVE).loss(outputs, y)
    sure = torch.tensor([[8.0, 0.0], [6.0, 0.0]])  # 0.9997 and 0.9975
    assert multi_exit().leave((sure,) * 5).tolist() == [0, 4]


def test_the_factor_is_that_of_the_weighted_sum():
    outputs = outputs_of(2)
    found, expected = multi_exit(EXIT_WEIGHTS).factor(outputs), weighted_exits(outputs)
    assert_close(found.weights, expected.weights)
    for mine, other in zip(found.columns, expected.columns, strict=True):
        assert_close(mine, other)


@pytest.mark.parametrize("weights", [EXIT_WEIGHTS, (0.0, 1.0)])
def test_curvature_and_gradient_are_those_of_the_weighted_loss(weights):
    torch.manual_seed(0)
    net, g = TwoExits().double(), torch.arange(6) % 2
    batch = GroupBatch(torch.randn(6, 4).double(), torch.tensor([0, 2, 1, 1, 0, 2]), g)
    task = multi_exit(weights)
    found = curvature(net, [batch], num_groups=2, task=task, gradient=True)
    for name, slow in ggn_diagonal_of_exits(net, [batch], 2, weights).items():
        assert_close(found.diagonal[name], slow, rtol=1e-10, atol=1e-15)
    for group in (0, 1):
        loss = task.loss(net(batch.x[g == group]), batch.y[g == group])
        slopes = torch.autograd.grad(loss, list(net.parameters()))
        for (name, _), slope in zip(net.named_parameters(), slopes, strict=True):
            assert_close(found.gradient[name][group], slope, rtol=1e-10, atol=1e-15)


def test_the_factor_is_the_hessian_of_the_loss():
    outputs, y, weights = outputs_of(3, samples=1), torch.tensor([1]), (0.5, 0.0, 2.0)
    task = multi_exit(weights)
    flat = torch.cat(outputs, 1)[0]
    hessian = torch.autograd.functional.hessian(lambda z: task.loss(tuple(z.view(3, 1, 3).unbind()), y), flat)
    columns = torch.cat([part[:, 0] for part in task.factor(outputs).columns], 1)
    assert columns.shape == (6, 9)
    assert_close(columns.T @ columns, hessian, rtol=1e-12, atol=1e-14)
    assert_close(task.factor(outputs).weights[:, 0], columns.square().sum(1))


def test_a_task_goes_to_another_process():
    task, outputs = multi_exit([1.0, 2.0], 0.9), outputs_of(2)
    again = Task(*pickle.loads(pickle.dumps(tuple(task))))
    assert torch.equal(again.predict(outputs), task.predict(outputs))


PARTS = {
    "loss": lambda task, outputs: task.loss(outputs, torch.zeros(4, dtype=torch.int64)),
    "predict": lambda task, outputs: task.predict(outputs),
    "factor": lambda task, outputs: task.factor(outputs),
    "answer": lambda task, outputs: task.answer(outputs),
    "leave": lambda task, outputs: task.leave(outputs),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_outputs_of_another_form_are_refused_by_what_came(part):
    task, logits = multi_exit([1.0, 2.0]), torch.zeros(4, 3)
    with pytest.raises(ModelError, match=r"returns a Tensor, but multi_exit needs a tuple of 2 tensors.*\n.*classify"):
        part(task, logits)
    with pytest.raises(ModelError, match="the model has 3 exits, but there are 2 weights"):
        part(task, (logits, logits, logits))
    with pytest.raises(ModelError, match=r"exits' outputs have the shapes \(4, 3\), \(4, 2\), but logits \(N, C\)"):
        part(task, (logits, torch.zeros(4, 2)))
    with pytest.raises(ModelError, match=r"have the shapes \(4, 1\), \(4, 1\), but logits \(N, C\) with C >= 2"):
        part(task, (torch.zeros(4, 1), torch.zeros(4, 1)))


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -0.1], [1.0, float("nan")], [float("inf"), 1.0], [10**400]])
def test_weights_that_make_no_loss_are_refused(weights):
    with pytest.raises(
        ConfigError, match=r"weights are \[.*\], expected a number of 0 or more for each exit, not all 0"
    ):
        multi_exit(weights)


def test_a_threshold_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"threshold is 1.5, expected a number above 0, at most 1"):
        multi_exit(threshold=1.5)

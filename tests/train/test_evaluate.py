import numpy as np
import pytest
import torch
from torch import nn

from fairshrink.errors import DataError, ModelError
from fairshrink.maths.tasks import classify, multi_exit
from fairshrink.models.backbones import build
from fairshrink.train import precision
from fairshrink.train.evaluate import evaluate, predict
from fairshrink.types import GroupBatch
from oracles.exits import leave_one_by_one


def batches(sizes=(5, 3), seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [
        GroupBatch(
            torch.randn(n, 3, 32, 32, generator=draw),
            torch.randint(0, 4, (n,), generator=draw),
            torch.randint(-1, 2, (n,), generator=draw),
        )
        for n in sizes
    ]


def test_predictions_are_those_of_the_model_in_eval_mode_in_order():
    model, data = build("small_cnn", num_classes=4, size=32), batches()
    seen = predict(model, data)
    model.eval()
    logits = torch.cat([model(batch.x) for batch in data]).detach()
    assert np.allclose(seen.prob, torch.softmax(logits, 1).numpy(), atol=1e-6)
    assert seen.pred.tolist() == logits.argmax(1).tolist()
    assert seen.y.tolist() == torch.cat([batch.y for batch in data]).tolist()
    assert seen.g.tolist() == torch.cat([batch.g for batch in data]).tolist()
    assert [column.dtype for column in seen] == [np.int64, np.int64, np.int64, np.float32, np.int64]
    assert seen.exit.tolist() == [0] * 8


def test_every_layer_is_in_its_mode_again_and_no_statistics_moved():
    model = build("small_cnn", num_classes=4, size=32).train()
    model.features[1].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    predict(model, batches())
    assert model.training
    assert model.features[4].training
    assert not model.features[1].training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_the_mode_comes_back_after_an_error_too():
    model = build("small_cnn", num_classes=4, size=32).train()
    with pytest.raises(RuntimeError):
        predict(model, [GroupBatch(torch.zeros(2, 5, 32, 32), torch.zeros(2).long(), torch.zeros(2).long())])
    assert model.training


def test_outputs_that_are_not_finite_are_counted():
    data = batches((4, 4))
    data[1].x[1, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match=r"not finite for 1 of 4 samples of batch 2\.\n.*check the inputs"):
        predict(build("small_cnn", num_classes=4, size=32), data)


def test_a_model_without_any_outputs_is_refused():
    class Nothing(nn.Module):
        def forward(self, x):
            return ()

    with pytest.raises(ModelError, match=r"(?s)returned a tuple, but logits \(N, C\) are expected.*Wrap the model"):
        predict(Nothing(), batches())


def test_nothing_to_predict_is_an_error():
    with pytest.raises(DataError, match="no batches to predict"):
        predict(nn.Flatten(), [])


def test_a_generator_is_enough_and_a_device_may_be_given():
    model = build("small_cnn", num_classes=4, size=32)
    seen = predict(model, iter(batches()), device=torch.device("cpu"))
    assert seen.prob.shape == (8, 4)


def test_bf16_is_close(monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda device: True)
    model = build("small_cnn", num_classes=4, size=32)
    fine, coarse = predict(model, batches()), predict(model, batches(), precision="bf16")
    assert coarse.prob.dtype == np.float32
    assert not np.array_equal(fine.prob, coarse.prob)
    assert np.allclose(fine.prob, coarse.prob, atol=0.02)


class Exits(nn.Module):
    """Three exits, the later the surer."""

    def __init__(self):
        nn.Module.__init__(self)
        torch.manual_seed(0)
        self.head = nn.Linear(3 * 32 * 32, 4)

    def forward(self, x):
        logits = self.head(x.flatten(1))
        return logits, 1.5 * logits.roll(1, 0), 2 * logits.roll(2, 0)


def test_several_exits_answer_where_each_sample_leaves():
    model, data = Exits(), batches((20, 13))
    task = multi_exit([1.0, 1.0, 1.0], 0.5)
    seen = predict(model, data, task=task)
    model.eval()
    exits = [torch.cat(parts).detach() for parts in zip(*(model(batch.x) for batch in data), strict=True)]
    places = leave_one_by_one([logits.tolist() for logits in exits], 0.5)
    assert set(places) == {0, 1, 2}
    assert seen.exit.tolist() == places
    logits = torch.stack([exits[place][sample] for sample, place in enumerate(places)])
    assert np.allclose(seen.prob, logits.softmax(1).numpy(), atol=1e-6)
    assert seen.pred.tolist() == logits.argmax(1).tolist() == seen.prob.argmax(1).tolist()
    counts = evaluate(model, data, num_groups=2, num_classes=4, task=task)
    assert counts.counts.sum() == (seen.g >= 0).sum()


def test_exits_that_no_task_knows_of_answer_with_the_last():
    model, data = Exits(), batches()
    last = classify._replace(predict=lambda outputs: outputs[-1].argmax(1))
    seen = predict(model, data, task=last)
    assert seen.exit.tolist() == [2] * 8
    assert seen.prob.argmax(1).tolist() == seen.pred.tolist()
    with pytest.raises(ModelError, match="the model has 3 exits, but there are 2 weights"):
        predict(model, data, task=multi_exit([1.0, 1.0]))


def test_counts_leave_out_unknown_groups():
    model, data = build("small_cnn", num_classes=4, size=32), batches((40, 23))
    counts = evaluate(model, data, num_groups=2, num_classes=4)
    seen = predict(model, data)
    slow = np.zeros((2, 4, 4), dtype=np.int64)
    for y, pred, g in zip(seen.y, seen.pred, seen.g, strict=True):
        if g >= 0:
            slow[g, y, pred] += 1
    assert np.array_equal(counts.counts, slow)
    assert counts.counts.sum() == (seen.g >= 0).sum() < 63

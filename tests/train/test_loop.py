import pytest
import torch
from torch import nn
from torch.nn import functional

from fairshrink.errors import DataError, ModelError
from fairshrink.models.backbones import build
from fairshrink.train import precision
from fairshrink.train.loop import Epoch, TrainSettings, fit
from fairshrink.types import GroupBatch

PLAIN = TrainSettings(epochs=2, precision="fp32", schedule="constant", lr=0.01)


class Toy:
    """Two classes that differ in brightness; another order and other noise in every epoch."""

    def __init__(self, batches=3, size=8):
        self.batches, self.size, self.asked = batches, size, []

    def __len__(self):
        return self.batches

    def epoch(self, number):
        self.asked.append(number)
        draw = torch.Generator().manual_seed(number)
        for _ in range(self.batches):
            y = torch.randint(0, 2, (self.size,), generator=draw)
            x = torch.randn(self.size, 3, 32, 32, generator=draw) + 2.0 * y[:, None, None, None]
            yield GroupBatch(x, y, torch.zeros(self.size, dtype=torch.long))


def small(seed=0):
    return build("small_cnn", num_classes=2, size=32, seed=seed)


def test_it_learns_and_leaves_the_model_in_eval_mode():
    model = small()
    history = fit(model, Toy(8), TrainSettings(epochs=4, precision="fp32"), num_groups=1)
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4]
    assert history[-1].loss < 0.1 < history[0].loss
    assert not any(module.training for module in model.modules())
    assert all(parameter.is_contiguous() for parameter in model.parameters())


def test_every_epoch_is_asked_for_once_and_in_order():
    toy = Toy()
    fit(small(), toy, TrainSettings(epochs=3, precision="fp32"), num_groups=1)
    assert toy.asked == [0, 1, 2]


def test_a_list_of_batches_will_do():
    assert len(fit(small(), list(Toy().epoch(0)), PLAIN, num_groups=1)) == 2


def test_the_updates_are_those_of_plain_sgd_written_out():
    """The slow twin: float64, weight decay, Nesterov momentum, by hand."""
    x, y = torch.randn(12, 4, dtype=torch.float64), torch.arange(12) % 3
    batches = [GroupBatch(x[i : i + 4], y[i : i + 4], torch.zeros(4).long()) for i in (0, 4, 8)]
    model = nn.Linear(4, 3).double()
    w, b = (parameter.detach().clone().requires_grad_() for parameter in model.parameters())
    velocity = [torch.zeros_like(w), torch.zeros_like(b)]
    losses = []
    for batch in batches * 2:
        loss = functional.cross_entropy(batch.x @ w.T + b, batch.y)
        losses.append(loss.item())
        for parameter, v, gradient in zip((w, b), velocity, torch.autograd.grad(loss, (w, b)), strict=True):
            gradient = gradient + 0.01 * parameter.detach()
            v.mul_(0.9).add_(gradient)
            parameter.data -= 0.1 * (gradient + 0.9 * v)
    settings = TrainSettings(epochs=2, lr=0.1, schedule="constant", weight_decay=0.01, precision="fp32")
    history = fit(model, batches, settings, num_groups=1)
    torch.testing.assert_close(model.weight, w, rtol=1e-12, atol=0)
    torch.testing.assert_close(model.bias, b, rtol=1e-12, atol=0)
    assert [epoch.loss for epoch in history] == pytest.approx([sum(losses[:3]) / 3, sum(losses[3:]) / 3])


def test_the_loss_of_an_epoch_is_the_mean_over_samples_not_batches():
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    x = torch.tensor([[1.0], [2.0], [5.0]])
    parts = [
        GroupBatch(x[s], torch.zeros(len(x[s])).long(), torch.zeros(len(x[s])).long())
        for s in (slice(0, 2), slice(2, 3))
    ]
    expected = functional.cross_entropy(model(x), torch.zeros(3).long()).item()
    (epoch,) = fit(model, parts, TrainSettings(epochs=1, lr=1e-12, schedule="constant", precision="fp32"), num_groups=1)
    assert epoch.loss == pytest.approx(expected)


def test_the_same_seed_gives_the_same_bits_and_the_callers_numbers_stay():
    """VGG has dropout, so that its training draws."""
    data = [GroupBatch(torch.randn(2, 3, 32, 32), torch.tensor([0, 1]), torch.zeros(2).long())]
    settings = TrainSettings(epochs=1, precision="fp32", lr=1e-3)
    results = []
    for seed, disturbed in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(disturbed)
        expected = torch.rand(1)
        torch.manual_seed(disturbed)
        model = build("vgg11", num_classes=2, size=32)
        fit(model, data, TrainSettings(**{**vars(settings), "seed": seed}), num_groups=1)
        assert torch.equal(torch.rand(1), expected)
        results.append(model.classifier[6].weight.detach())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_observer_and_validation_are_told():
    seen, modes = [], []

    def validate(model):
        modes.append(model.training)
        return {"accuracy": len(modes) / 10}

    history = fit(small(), Toy(), PLAIN, num_groups=1, validate=validate, observer=lambda *what: seen.append(what))
    assert [what[:3] for what in seen] == [(0, 1, 3), (0, 2, 3), (0, 3, 3), (1, 1, 3), (1, 2, 3), (1, 3, 3)]
    assert all(isinstance(what[3], float) for what in seen)
    assert modes == [False, False]
    assert [epoch.val for epoch in history] == [{"accuracy": 0.1}, {"accuracy": 0.2}]


def test_an_epoch_as_a_record():
    epoch = Epoch(1, 0.5, 0.05, 2.0, 100.0)
    assert epoch.record() == {"epoch": 1, "loss": 0.5, "lr": 0.05, "seconds": 2.0, "images_per_second": 100.0}
    assert Epoch(1, 0.5, 0.05, 2.0, 100.0, {"f1": 1.0}).record()["val"] == {"f1": 1.0}


def test_bf16_keeps_the_weights_in_fp32(monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda device: True)
    fine, coarse = small(), small()
    fit(fine, Toy(), PLAIN, num_groups=1)
    fit(coarse, Toy(), TrainSettings(**{**vars(PLAIN), "precision": "bf16"}), num_groups=1)
    assert all(parameter.dtype == torch.float32 for parameter in coarse.parameters())
    assert not torch.equal(fine.classifier.weight, coarse.classifier.weight)
    torch.testing.assert_close(fine.classifier.weight, coarse.classifier.weight, atol=0.02, rtol=0)


def test_bf16_that_a_processor_lacks_is_said_once_and_fp32_is_used(monkeypatch):
    monkeypatch.setattr(precision, "_has_bfloat16", lambda device: False)
    fine, other = small(), small()
    fit(fine, Toy(), PLAIN, num_groups=1)
    with pytest.warns(UserWarning, match="no fast bfloat16") as warned:
        fit(other, Toy(), TrainSettings(**{**vars(PLAIN), "precision": "bf16"}), num_groups=1)
    assert len(warned) == 1
    assert torch.equal(fine.classifier.weight, other.classifier.weight)


def test_frozen_parameters_stay():
    model = small()
    model.features[0].weight.requires_grad_(False)
    before = model.features[0].weight.clone()
    fit(model, Toy(), PLAIN, num_groups=1)
    assert torch.equal(model.features[0].weight, before)


def test_a_loss_that_is_not_finite_stops_before_it_reaches_the_weights():
    data = list(Toy().epoch(0))
    data[1].x[0, 0, 0, 0] = float("nan")
    model = small()
    message = r"the loss is nan in epoch 1, batch 2 of 3, at lr 0\.01\.\n.*lower lr.*check the inputs for NaN"
    with pytest.raises(ModelError, match=message):
        fit(model, data, PLAIN, num_groups=1)
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_an_empty_split_is_an_error():
    with pytest.raises(DataError, match="no batches to train on"):
        fit(small(), [], PLAIN, num_groups=1)


def test_other_errors_of_a_model_are_not_hidden():
    with pytest.raises(ValueError, match="batch_size"):
        fit(
            small(),
            [GroupBatch(torch.zeros(2, 3, 32, 32), torch.zeros(3).long(), torch.zeros(2).long())],
            PLAIN,
            num_groups=1,
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_trains_where_the_model_is(tmp_path):
    expected = torch.cuda.get_rng_state()
    model = small().cuda()
    state = tmp_path / "state"
    history = fit(model, Toy(8), TrainSettings(epochs=3), num_groups=1, state_file=state)
    assert history[-1].loss < history[0].loss
    assert model.classifier.weight.is_cuda
    assert torch.equal(torch.cuda.get_rng_state(), expected)
    again = small(seed=1).cuda()
    fit(again, Toy(8), TrainSettings(epochs=3), num_groups=1, state_file=state)
    assert torch.equal(again.classifier.weight, model.classifier.weight)

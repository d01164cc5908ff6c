import pytest
import torch
from torch import nn

from fairshrink.errors import ModelError
from fairshrink.models.backbones import build
from fairshrink.models.multi_exit import build_multi_exit
from fairshrink.train.objectives import with_features


class Split(nn.Module):
    """Heads that run in another order than they are named in, the first called with a keyword."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.late, self.body, self.early = nn.Linear(5, 3), nn.Linear(4, 5), nn.Linear(4, 3)

    def forward(self, x):
        early = self.early(input=x)
        return early, self.late(self.body(x).relu())


def test_of_each_exit_what_its_linear_layer_reads():
    torch.manual_seed(0)
    model, x = Split(), torch.randn(6, 4)
    seen = with_features(model, x)
    assert [found.shape for found in seen.features] == [(6, 4), (6, 5)]
    assert torch.equal(seen.features[0], x)
    assert torch.equal(seen.features[1], model.body(x).relu())
    assert all(torch.equal(*pair) for pair in zip(seen.logits, model(x), strict=True))
    seen.features[1].sum().backward()
    assert model.body.weight.grad.any()
    assert model.late.weight.grad is None


def test_a_model_of_one_exit_is_a_tuple_of_one():
    model = build("small_cnn", num_classes=4, size=32).eval()
    x = torch.randn(3, 3, 32, 32)
    (logits,), (features,) = with_features(model, x)
    assert torch.equal(logits, model(x))
    assert features.shape == (3, 128)
    assert torch.equal(model.classifier(features), logits)


@pytest.mark.parametrize("heads", ["linear", "conv"])
def test_a_model_with_exits(heads):
    model = build_multi_exit("small_cnn", "auto", heads, num_classes=4, size=32).eval()
    seen = with_features(model, torch.randn(2, 3, 32, 32))
    layers = [*(head.classifier for head in model.heads), model.backbone.classifier]
    assert len(seen.logits) == len(layers) > 2
    for layer, features, logits in zip(layers, seen.features, seen.logits, strict=True):
        assert torch.equal(layer(features), logits)


def test_in_bfloat16_as_the_loop_computes():
    model = build("small_cnn", num_classes=4, size=32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        seen = with_features(model, torch.randn(2, 3, 32, 32))
    assert seen.logits[0].dtype == torch.bfloat16


def test_no_hook_stays_behind_also_after_an_error():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with_features(model, torch.zeros(1, 4))
    with pytest.raises(RuntimeError):
        with_features(model, torch.zeros(1, 5))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_logits_that_no_linear_layer_puts_out_are_refused():
    model = nn.Sequential(nn.Linear(4, 3), nn.Softplus())
    with pytest.raises(ModelError, match=r"exit 1 of 1 are not what one of .* \(Sequential\)\.\n.*objective 'erm'"):
        with_features(model, torch.zeros(2, 4))

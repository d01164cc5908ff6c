import pytest
import torch
from torch import nn
from torch.testing import assert_close

from fairshrink.maths.layers import covered_names, kind_of

LAYERS = [
    (nn.Linear(3, 4), (2, 3)),
    (nn.Linear(3, 4), (2, 5, 3)),
    (nn.Conv1d(2, 4, 3, padding=1, groups=2), (2, 2, 6)),
    (nn.Conv2d(4, 4, (2, 3), stride=2, padding="valid", groups=2), (2, 4, 5, 6)),
    (nn.Conv2d(2, 3, 4, padding="same", padding_mode="circular"), (2, 2, 5, 6)),
    (nn.Conv3d(1, 2, 2, padding=(1, 0, 1), dilation=2), (2, 1, 4, 4, 4)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=str)
def test_rows_and_patches_make_the_weight_gradient(layer, shape):
    torch.manual_seed(0)
    x = torch.randn(shape)
    out = layer(x)
    upstream = torch.randn_like(out)
    expected = torch.autograd.grad(out, [layer.weight, layer.bias], upstream)
    kind = kind_of(layer)
    assert kind is not None
    rows, patches = kind.rows(layer, upstream), kind.features(layer, x)
    rows = rows.unflatten(2, (patches.shape[1], -1))
    weight = torch.einsum("nlqo,nqkl->qok", rows, patches)
    assert_close(weight.reshape(layer.weight.shape), expected[0], rtol=1e-4, atol=1e-4)
    assert_close(rows.sum((0, 1)).flatten(), expected[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.BatchNorm1d(3), (2, 3)), (nn.BatchNorm2d(3), (2, 3, 4, 5)), (nn.LayerNorm((4, 5)), (2, 3, 4, 5))],
    ids=str,
)
def test_rows_and_features_make_the_gradient_of_a_norm(layer, shape):
    torch.manual_seed(0)
    layer = layer.eval()
    x = torch.randn(shape)
    out = layer(x)
    upstream = torch.randn_like(out)
    expected = torch.autograd.grad(out, [layer.weight, layer.bias], upstream)
    kind = kind_of(layer)
    assert kind is not None
    rows, features = kind.rows(layer, upstream), kind.features(layer, x)
    assert_close((rows * features).sum((0, 1)).view(layer.weight.shape), expected[0], rtol=1e-4, atol=1e-4)
    assert_close(rows.sum((0, 1)).view(layer.weight.shape), expected[1], rtol=1e-4, atol=1e-4)


def test_a_subclass_with_the_same_forward_pass_is_covered():
    class Named(nn.Conv2d):
        pass

    assert kind_of(Named(1, 1, 1)) is kind_of(nn.Conv2d(1, 1, 1))
    assert kind_of(nn.ReLU()) is None
    assert covered_names().startswith("Linear, Conv1d")

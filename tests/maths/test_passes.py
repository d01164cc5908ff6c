import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from cases import Case, case_named
from fairshrink.errors import ModelError
from fairshrink.maths import passes
from fairshrink.maths.curvature import Curvature, curvature, ggn_diagonal
from fairshrink.maths.passes import Pass
from fairshrink.maths.taps import evaluating, stand_ins
from fairshrink.maths.targets import layers_of
from fairshrink.maths.tasks import classify
from fairshrink.types import GroupBatch


def watched(model: nn.Module) -> tuple[nn.Module, list[tuple[int, bool]]]:
    """The model, and for each of its forward passes to come the number of samples and whether it has a graph."""
    seen: list[tuple[int, bool]] = []
    model.register_forward_pre_hook(lambda _, args: seen.append((len(args[0]), torch.is_grad_enabled())))
    return model, seen


def both(case: Case, **settings) -> Curvature:
    return curvature(case.model, [case.whole], num_groups=case.num_groups, gradient=True, **settings)


@pytest.mark.parametrize("columns", [None, 1.5])
@pytest.mark.parametrize("limit", ["_HELD", "_FACTOR"])
@pytest.mark.parametrize("name", ["vgg", "resnet", "tokens", "conv, groups", "conv, depthwise"])
def test_limits_on_memory_change_nothing(name, limit, columns, monkeypatch):
    case = case_named(name)
    expected = both(case, columns=columns)
    monkeypatch.setattr(passes, limit, {"cpu": 1} if limit == "_HELD" else 1)
    got = both(case, columns=columns)
    assert got.gradient is not None
    assert expected.gradient is not None
    for parameter, value in got.diagonal.items():
        assert_close(value, expected.diagonal[parameter], rtol=1e-9, atol=1e-18)
        assert_close(got.gradient[parameter], expected.gradient[parameter], rtol=1e-9, atol=1e-15)


def test_a_chunk_holds_what_fits(monkeypatch):
    case = case_named("resnet")
    known = int((case.whole.g >= 0).sum())
    for limit, most in ((1, 1), (2**27, known)):
        monkeypatch.setattr(passes, "_HELD", {"cpu": limit})
        model, seen = watched(case.model)
        ggn_diagonal(model, case.batches, num_groups=2)
        trial, *chunks = seen
        assert trial == (2, True)
        assert [count for count, _ in chunks] == [most] * (known // most)


def cost_of(model: nn.Module, x: Tensor) -> int:
    """Numbers that a chunk holds for each sample."""
    layers = layers_of(model, None)
    work = Pass(model, layers, stand_ins(model, layers), classify)
    with evaluating(model):
        passes.chunk_size(work, x)
    return next(iter(work.held.values()))


def test_what_a_sample_costs_counts_patches_and_activations(monkeypatch):
    case = case_named("vgg")
    x = case.whole.x
    cost = cost_of(case.model, x)
    patches = 2 * 9 * 144 + 4 * 9 * 36 + 6 * 9 * 36 + 54 + 8
    outputs = 4 * 144 + 6 * 36 + 6 * 36 + 8 + 4
    assert cost > patches + 2 * outputs
    assert cost < 4 * (patches + 2 * outputs)
    monkeypatch.setattr(passes, "_HELD", {"cpu": 3 * cost})
    model, seen = watched(case.model)
    ggn_diagonal(model, [case.whole], num_groups=3)
    assert max(count for count, _ in seen) == 3


def test_many_classes_cost_no_passes_worth_of_memory():
    def with_classes(count: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, count)
        )

    x = torch.randn(2, 3, 32, 32)
    few, many = (cost_of(with_classes(count), x) for count in (5, 50))
    assert many - few < 20 * 50**2  # the factor itself, a few copies of C^2 numbers


@pytest.mark.parametrize("gradient", [False, True])
def test_one_sample_at_a_time_is_enough(gradient):
    case = case_named("mlp")
    batch = case.whole
    first = int((batch.g >= 0).nonzero()[0])
    one = GroupBatch(batch.x[first : first + 1], batch.y[first : first + 1], torch.zeros(1, dtype=torch.int64))
    got = curvature(case.model, [one], num_groups=1, gradient=gradient, columns=0.9)
    assert got.sizes.tolist() == [1]


def test_broken_outputs_are_the_models_fault():
    case = case_named("mlp")
    model = case.model
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match="outputs of the model are NaN or infinite, though its inputs are finite"):
        ggn_diagonal(model, case.batches, num_groups=2)


class BatchMixing(nn.Module):
    def __init__(self):
        nn.Module.__init__(self)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        out = self.fc(x)
        return out - out.mean(0)


class SequenceFirst(nn.Module):
    def __init__(self):
        nn.Module.__init__(self)
        self.fc, self.head = nn.Linear(4, 3), nn.Linear(3, 3)

    def forward(self, x):
        return self.head(self.fc(x.transpose(0, 1)).mean(0))


@pytest.mark.parametrize(("model", "shape"), [(BatchMixing(), (4,)), (SequenceFirst(), (2, 4))])
def test_samples_that_mix_are_noticed(model, shape):
    batch = GroupBatch(torch.randn(5, *shape), torch.zeros(5, dtype=torch.int64), torch.tensor([0, 1, 0, 1, 1]))
    with pytest.raises(ModelError, match="layer 'fc' mixes samples"):
        ggn_diagonal(model, [batch], num_groups=2)

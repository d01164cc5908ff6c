import copy

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from cases import CASES, Case, case_named, cut
from fairshrink.maths import passes
from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.types import GroupBatch
from oracles.ggn import ggn_diagonal_by_jacobians


def measured(case: Case, **settings) -> dict[str, Tensor]:
    return ggn_diagonal(case.model, case.batches, num_groups=case.num_groups, task=case.task, **settings)[0]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ggn_diagonal_equals_the_jacobian_of_every_sample(case):
    fast, sizes = ggn_diagonal(case.model, case.batches, num_groups=case.num_groups, task=case.task)
    slow = ggn_diagonal_by_jacobians(case.model, case.batches, case.num_groups)
    assert list(fast) == list(slow)
    assert sizes.tolist() == [int((case.whole.g == g).sum()) for g in range(case.num_groups)]
    for name in slow:
        assert_close(fast[name], slow[name], rtol=1e-9, atol=1e-300, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("pairs", [True, False], ids=["pairs", "products"])
def test_both_forms_of_the_weight_squares_agree(case, pairs, monkeypatch):
    expected = measured(case)
    monkeypatch.setattr("fairshrink.maths.squares.pairs_are_cheaper", lambda *_: pairs)
    for name, value in measured(case).items():
        assert_close(value, expected[name], rtol=1e-6, atol=1e-14 * float(value.max()))


@pytest.mark.parametrize("name", ["vgg", "resnet", "tokens"])
def test_any_cutting_into_batches_gives_the_same(name, monkeypatch):
    case = case_named(name)
    expected, sizes = ggn_diagonal(case.model, [case.whole], num_groups=case.num_groups)
    for places in ([], [1], [2, 3, 4], list(range(1, case.count)), [0, 3]):
        got, got_sizes = ggn_diagonal(case.model, cut(case.whole, places), num_groups=case.num_groups)
        assert got_sizes.equal(sizes)
        for parameter, value in got.items():
            assert_close(value, expected[parameter], rtol=1e-10, atol=1e-18)
    monkeypatch.setattr(passes, "_HELD", {"cpu": 1})  # chunks of one sample
    for parameter, value in measured(case).items():
        assert_close(value, expected[parameter], rtol=1e-10, atol=1e-18)


def test_relabelling_the_groups_permutes_their_rows():
    case = case_named("mlp, 3 groups")
    batch = case.whole
    other = torch.tensor([2, 0, 1, -1])[batch.g]  # the last entry answers for -1
    first = ggn_diagonal(case.model, [batch], num_groups=3)[0]
    second = ggn_diagonal(case.model, [GroupBatch(batch.x, batch.y, other)], num_groups=3)[0]
    for name in first:
        assert_close(second[name][[2, 0, 1]], first[name], rtol=1e-12, atol=0)


def test_doubling_the_samples_changes_no_mean():
    case = case_named("resnet")
    once, sizes = ggn_diagonal(case.model, case.batches, num_groups=2)
    twice, double = ggn_diagonal(case.model, case.batches * 2, num_groups=2)
    assert double.equal(2 * sizes)
    for name in once:
        assert_close(twice[name], once[name], rtol=1e-12, atol=0)


def test_samples_of_no_group_do_not_count_and_cost_nothing():
    case = case_named("mlp")
    batch = case.whole
    seen = []
    model = case.model
    model[0].register_forward_hook(lambda _, args, out: seen.append(len(args[0])))
    got = ggn_diagonal(model, [batch], num_groups=2)[0]
    assert max(seen) == int((batch.g >= 0).sum())
    known = batch.g >= 0
    expected = ggn_diagonal(case.model, [GroupBatch(batch.x[known], batch.y[known], batch.g[known])], num_groups=2)[0]
    for name in got:
        assert got[name].equal(expected[name])


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.name in ("vgg", "resnet", "tokens", "saturated logits")], ids=str
)
def test_float32_stays_close_to_float64(case):
    exact = measured(case)
    small = [GroupBatch(b.x.float(), b.y, b.g) for b in case.batches]
    got = ggn_diagonal(case.model.float(), small, num_groups=case.num_groups)[0]
    for name, value in got.items():
        assert value.dtype == torch.float32
        error = (value.double() - exact[name]).abs().sum((*range(1, value.ndim),)) / exact[name].sum(
            (*range(1, value.ndim),)
        )
        assert float(error.nan_to_num(0).max()) < 1e-4


def test_inputs_are_brought_to_the_dtype_of_the_model():
    case = case_named("vgg")
    small = [GroupBatch(b.x.float(), b.y, b.g) for b in case.batches]
    rounded = [GroupBatch(b.x.float().double(), b.y, b.g) for b in case.batches]
    got = ggn_diagonal(case.model, small, num_groups=3)[0]
    expected = ggn_diagonal(case.model, rounded, num_groups=3)[0]
    for name in got:
        assert got[name].equal(expected[name])


@pytest.mark.parametrize("inplace", [True, False])
def test_of_a_relu_net_it_is_the_diagonal_of_the_hessian(inplace):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.ReLU(inplace=inplace), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3)
    ).double().eval()  # fmt: skip
    x, y = torch.randn(4, 1, 5, 5, dtype=torch.float64), torch.tensor([0, 2, 1, 1])
    got = ggn_diagonal(model, [GroupBatch(x, y, torch.zeros(4, dtype=torch.int64))], num_groups=1)[0]
    params = {name: p.detach() for name, p in model.named_parameters()}
    for name, p in params.items():

        def loss(flat, name=name, shape=p.shape):
            changed = params | {name: flat.view(shape)}
            return nn.functional.cross_entropy(torch.func.functional_call(model, changed, (x,)), y)

        hessian = torch.func.hessian(loss)(p.flatten())
        assert_close(got[name][0].flatten(), hessian.diagonal(), rtol=1e-9, atol=1e-15)


def backpack_diagonal(model: nn.Module, batch: GroupBatch) -> dict[str, Tensor]:
    from backpack import backpack, extend
    from backpack.extensions import DiagGGNExact

    model, loss = extend(copy.deepcopy(model).eval()), extend(nn.CrossEntropyLoss())
    with backpack(DiagGGNExact()):
        loss(model(batch.x), batch.y).backward()
    return {name: p.diag_ggn_exact for name, p in model.named_parameters()}


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_backpack_agrees_where_it_can(kind):
    torch.manual_seed(0)
    mlp = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4))
    conv = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 2, dilation=1, bias=False),
        nn.ReLU(), nn.Flatten(), nn.Linear(16, 4),
    )  # fmt: skip
    model = (mlp if kind == "mlp" else conv).double()
    x = torch.randn(6, *((5,) if kind == "mlp" else (2, 12, 12)), dtype=torch.float64)
    batch = GroupBatch(x, torch.randint(4, (6,)), torch.tensor([0, 1, 0, 1, 1, 1]))
    got = ggn_diagonal(model, [batch], num_groups=2)[0]
    for group in range(2):
        mine = batch.g == group
        for name, value in backpack_diagonal(model, GroupBatch(x[mine], batch.y[mine], batch.g[mine])).items():
            assert_close(got[name][group], value, rtol=1e-9, atol=0)

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from cases import CASES, Case, case_named, cut
from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.maths import passes
from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.maths.factors import Factor
from fairshrink.maths.tasks import classify
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


# ---- what users ask for, and what they find afterwards


def test_params_chooses_and_the_rest_need_not_be_covered():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(9, 4), nn.GroupNorm(1, 5), nn.Flatten(), nn.Linear(20, 3))
    batch = GroupBatch(torch.randint(9, (4, 5)), torch.zeros(4, dtype=torch.int64), torch.tensor([0, 0, 1, 1]))
    got = ggn_diagonal(model, [batch], num_groups=2, params=["3.weight"])[0]
    assert list(got) == ["3.weight"]
    assert got["3.weight"].shape == (2, 3, 20)
    assert ggn_diagonal(model, [batch], num_groups=2, params="3.bias")[0].keys() == {"3.bias"}


@pytest.mark.parametrize("frozen", [["0"], ["0", "1", "3"]])
def test_frozen_parameters_are_measured_and_stay_frozen(frozen):
    case = case_named("resnet")
    model = case.model
    for name in frozen:
        model.get_submodule(name).requires_grad_(False)
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    expected = measured(case)
    for name, value in ggn_diagonal(model, case.batches, num_groups=2)[0].items():
        assert value.equal(expected[name])
    assert flags == {name: p.requires_grad for name, p in model.named_parameters()}


class Counting(nn.Module):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_comes_back_as_it_was(fails):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), Counting(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(18, 3)
    ).train()  # fmt: skip
    model[4].eval()
    nn.functional.cross_entropy(model(torch.randn(4, 1, 5, 5)), torch.tensor([0, 1, 2, 0])).backward()
    state = copy.deepcopy(model.state_dict())
    grads = [p.grad.clone() for p in model.parameters()]
    x = torch.randn(4, 1, 5, 5)
    good = GroupBatch(x, torch.zeros(4, dtype=torch.int64), torch.tensor([0, 0, 1, 1]))
    bad = GroupBatch(x * float("nan"), good.y, good.g)
    if fails:
        with pytest.raises(DataError, match="batch 1: 4 of 4 inputs hold NaN or infinity"):
            ggn_diagonal(model, [good, bad], num_groups=2)
    else:
        ggn_diagonal(model, [good], num_groups=2, columns=1.0)
    assert [m.training for m in model.modules()] == [True, True, True, True, True, False, True]
    assert all(p.grad.equal(g) for p, g in zip(model.parameters(), grads, strict=True))
    assert all(value.equal(state[name]) for name, value in model.state_dict().items())
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in model.modules())
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in model.parameters())
    assert good.x.equal(x)


def test_it_works_where_gradients_are_off():
    case = case_named("mlp")
    expected = measured(case)
    with torch.no_grad():
        assert measured(case)["0.weight"].equal(expected["0.weight"])
    with torch.inference_mode(), torch.autocast("cpu"):
        assert measured(case)["0.weight"].equal(expected["0.weight"])


def test_hooks_of_the_user_count_as_part_of_the_model():
    case = case_named("mlp")
    model, twin = case.model, case.model
    model[0].register_forward_hook(lambda _, args, out: out * 2)
    model[2].register_forward_pre_hook(lambda _, args: (args[0] + 1,))

    class Plain(nn.Module):
        def __init__(self):
            nn.Module.__init__(self)
            self.net = twin

        def forward(self, x):
            return self.net[3:](self.net[2](self.net[1](self.net[0](x) * 2) + 1))

    got = ggn_diagonal(model, case.batches, num_groups=2)[0]
    slow = ggn_diagonal_by_jacobians(Plain(), case.batches, 2)
    for name, value in got.items():
        assert_close(value, slow[f"net.{name}"], rtol=1e-9, atol=0)


class TwoExits(nn.Module):
    def __init__(self):
        nn.Module.__init__(self)
        self.body, self.early, self.late = nn.Linear(4, 5), nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, x):
        features = self.body(x).relu()
        return self.early(features), self.late(features)


def two_exits(outputs) -> Factor:
    """The sum of both exits' losses: the columns of one are nothing at the other."""
    (early, first), (late, second) = (classify.factor(part) for part in outputs)
    nothing = torch.zeros_like(early)
    return Factor((torch.cat([early, nothing]), torch.cat([nothing, late])), torch.cat([first, second]))


class OneExit(nn.Module):
    def __init__(self, net, exit):
        nn.Module.__init__(self)
        self.net, self.exit = net, exit

    def forward(self, x):
        return self.net(x)[self.exit]


@pytest.mark.parametrize("columns", [None, 4])
def test_outputs_may_be_several(columns):
    torch.manual_seed(0)
    net = TwoExits().double()
    batch = GroupBatch(torch.randn(6, 4).double(), torch.zeros(6, dtype=torch.int64), torch.arange(6) % 2)
    task = classify._replace(factor=two_exits)
    got = ggn_diagonal(net, [batch], num_groups=2, task=task, columns=columns)[0]
    shared = ["net.body.weight", "net.body.bias"]
    early = ggn_diagonal(OneExit(net, 0), [batch], num_groups=2, params=[*shared, "net.early.weight"])[0]
    late = ggn_diagonal(OneExit(net, 1), [batch], num_groups=2, params=[*shared, "net.late.weight"])[0]
    for name in shared:
        assert_close(got[name.removeprefix("net.")], early[name] + late[name], rtol=1e-10, atol=0)
    assert_close(got["early.weight"], early["net.early.weight"], rtol=1e-10, atol=0)
    assert_close(got["late.weight"], late["net.late.weight"], rtol=1e-10, atol=0)


# ---- column sampling


def test_a_full_budget_is_exact():
    case = case_named("vgg")
    exact = measured(case)
    for columns in (3, 3.5, float("inf")):
        for name, value in measured(case, columns=columns).items():
            assert_close(value, exact[name], rtol=1e-10, atol=1e-18)


@pytest.mark.parametrize("columns", [0.1, 1.2])
def test_the_mean_of_many_estimates_meets_the_exact_value(columns):
    case = case_named("mlp, 3 groups")
    model, batch = case.model, case.whole
    many = GroupBatch(*(part.repeat(30, *[1] * (part.ndim - 1)) for part in (batch.x, batch.y, batch.g)))
    exact = ggn_diagonal(model, [batch], num_groups=3)[0]
    draws = [ggn_diagonal(model, [many], num_groups=3, columns=columns, seed=seed)[0] for seed in range(25)]
    for name, value in exact.items():
        sample = torch.stack([draw[name].sum((*range(1, value.ndim),)) for draw in draws])
        standard_error = sample.std(0) / len(draws) ** 0.5
        off = (sample.mean(0) - value.sum((*range(1, value.ndim),))).abs()
        assert bool((off <= 4 * standard_error + 1e-12).all())


def test_a_batch_of_which_nothing_is_kept_costs_no_backward_pass():
    case = case_named("mlp")
    batch = case.whole
    seen = []
    model = case.model
    model[0].register_forward_hook(lambda _, args, out: seen.append((len(args[0]), torch.is_grad_enabled())))
    ggn_diagonal(model, cut(batch, list(range(1, 7))), num_groups=2, columns=1e-6)
    known = int((batch.g >= 0).sum())
    assert seen == [(1, False)] * known + [(1, True)]  # one trial pass for the shape


def test_draws_do_not_depend_on_the_batches():
    case = case_named("vgg")
    expected = ggn_diagonal(case.model, [case.whole], num_groups=3, columns=1.2, seed=5)[0]
    other = ggn_diagonal(case.model, [case.whole], num_groups=3, columns=1.2, seed=6)[0]
    assert not all(value.equal(other[name]) for name, value in expected.items())
    for places in ([3], [1, 2, 5]):
        got = ggn_diagonal(case.model, cut(case.whole, places), num_groups=3, columns=1.2, seed=5)[0]
        for name, value in got.items():
            assert_close(value, expected[name], rtol=1e-8, atol=1e-18)


class Shuffled:
    def __init__(self, batch):
        self.batch, self.turn = batch, 0

    def __iter__(self):
        self.turn += 1
        order = torch.arange(len(self.batch.g)).roll(self.turn)
        return iter([GroupBatch(self.batch.x[order], self.batch.y[order], self.batch.g[order])])


def test_batches_in_another_order_are_noticed():
    case = case_named("mlp")
    with pytest.raises(DataError, match="came in another order or number the second time"):
        ggn_diagonal(case.model, Shuffled(case.whole), num_groups=2, columns=1.0)


class Shrinking(Shuffled):
    def __iter__(self):
        self.turn += 1
        return iter(
            [self.batch] if self.turn > 2 else [self.batch, self.batch]
        )  # the check for generators takes a turn


def test_batches_in_another_number_are_noticed():
    case = case_named("mlp")
    with pytest.raises(DataError, match="came in another order or number the second time"):
        ggn_diagonal(case.model, Shrinking(case.whole), num_groups=2, columns=1.0)


# ---- refusals


@pytest.mark.parametrize("columns", [0, -1.0, float("nan")])
def test_a_budget_has_to_be_positive(columns):
    with pytest.raises(ConfigError, match=r"columns is .*has to be above 0"):
        measured(case_named("mlp"), columns=columns)


def test_there_has_to_be_a_group():
    case = case_named("mlp")
    with pytest.raises(ConfigError, match="num_groups is 0"):
        ggn_diagonal(case.model, case.batches, num_groups=0)


def test_a_generator_is_refused():
    case = case_named("mlp")
    with pytest.raises(DataError, match="batches is a generator, which can be read once only"):
        ggn_diagonal(case.model, (b for b in case.batches), num_groups=2)


@pytest.mark.parametrize("columns", [None, 1.0])
def test_an_empty_group_is_named(columns):
    case = case_named("mlp")
    with pytest.raises(DataError, match=r"group 2 has no samples \(2 of 4 groups are empty"):
        ggn_diagonal(case.model, case.batches, num_groups=4, columns=columns)
    with pytest.raises(DataError, match="group 0 has no samples"):
        ggn_diagonal(case.model, [], num_groups=2, columns=columns)


def test_broken_outputs_are_the_models_fault():
    case = case_named("mlp")
    model = case.model
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match="outputs of the model are NaN or infinite, though its inputs are finite"):
        ggn_diagonal(model, case.batches, num_groups=2)


def test_overflowing_gradients_are_named():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with torch.no_grad():
        model[1].weight.fill_(1e25)
        model[0].weight.zero_()
        model[0].bias.zero_()
        model[1].weight[1] *= -1
    batch = GroupBatch(torch.ones(2, 2), torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ModelError, match=r"parameter '0.weight': 4 of 4 curvatures are NaN or infinite"):
        ggn_diagonal(model, [batch], num_groups=1)


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

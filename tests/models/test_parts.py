"""Where a network can be cut, where it cannot, and that the pieces together are the whole."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from fairshrink.errors import ModelError
from fairshrink.models.parts import parts_of, run


class Net(nn.Module):
    """A network whose forward pass is a function of itself and its input."""

    def __init__(self, forward, **modules):
        nn.Module.__init__(self)
        self.body = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return self.body(self, x)


def conv(inputs=3, outputs=3):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Awkward(nn.Module):
    """Arguments with defaults, a parameter and a buffer of its own, a tensor in the code, and another way while training."""

    def __init__(self):
        nn.Module.__init__(self)
        self.first, self.second = conv(), nn.Sequential(conv(), nn.ReLU(inplace=True))
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("shift", torch.tensor(0.5))

    def forward(self, x, both=False, power=None, *, bias: float = 1.0):
        x = self.first(self.scale * x + self.shift)
        x = self.second(x + torch.tensor(bias))
        if both:
            return x, x
        x = functional.dropout(x, 0.5, training=self.training)
        maps = torch.cat([x, self.scale * x], dim=1)
        return maps.mean((2, 3)).clamp_(min=-1)


def whole(parts, network, x):
    for part in parts:
        x = run(part, network, x)
    return x


def test_the_pieces_are_the_whole_in_both_modes():
    torch.manual_seed(0)
    network, x = Awkward(), torch.randn(2, 3, 5, 5)
    parts = parts_of(network, ["second", "first"])
    assert parts.taps == ("first", "second")
    assert [module.training for module in network.modules()] == [True] * 5
    for training, pieces in ((True, parts.training), (False, parts.evaluating)):
        network.train(training)
        torch.manual_seed(1)
        expected = network(x)
        torch.manual_seed(1)
        assert torch.equal(whole(pieces, network, x), expected)
    assert torch.equal(run(parts.evaluating[0], network, x), network.first(2 * x + 0.5))


def test_results_are_let_go_once_they_are_not_needed():
    network = nn.Sequential(*[conv() for _ in range(4)])
    first, last = parts_of(network, ["2"]).evaluating
    assert [step.frees for step in first.steps] == [("x",), ("network_0",), ("network_1",)]
    assert [step.frees for step in last.steps] == [("network_2",)]


def test_a_module_that_holds_another_tap_may_be_one():
    network = nn.Sequential(nn.Sequential(conv(), nn.ReLU()), conv(), nn.ReLU())
    assert parts_of(network, ["1", "0", "0.0"]).taps == ("0.0", "0", "1")


def test_stages_that_cannot_be_traced_may_stand_in_a_row():
    def odd(net, x):
        return net.layer(x) if x.sum() > 0 else x

    network = nn.Sequential(Net(odd, layer=conv()), Net(odd, layer=conv()))
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(whole(parts_of(network, ["0"]).evaluating, network, x), network(x))


def shortcut(net, x):
    y = net.second(net.first(x))
    return net.last(x + y)


def twice(net, x):
    return net.last(net.first(net.first(x)))


def unused(net, x):
    net.second(x)
    return net.last(net.first(x))


def never(net, x):
    return net.last(net.first(x))


def sizes(net, x):
    count = x.shape[0]
    return net.last(net.first(x)).reshape(count, -1)


def many(net, x):
    a, b, c, d = x + 1, x + 2, x + 3, x + 4
    return net.last(net.first(x) + a + b + c + d)


REFUSED = [
    (shortcut, "first", r"cannot be cut at tap 'first': .* also needs the input, from before it \(a shortcut"),
    (shortcut, "second", "also needs the input"),
    (many, "first", "also needs the result of add, the result of add, the result of add and 1 more"),
    (sizes, "first", "cannot be cut at tap 'first': .* needs the result of"),
    (twice, "first", "'first' runs 2 times in a forward pass"),
    (unused, "second", "'second' is not on the way to the output: nothing that the backbone returns"),
    (never, "second", "'second' does not run in the forward pass"),
    (never, "last", "'last' gives the backbone's own output, so nothing is saved there"),
    (lambda net, x: (net.last(net.first(x)), x), "first", r"\(Net\) returns a tuple, but one tensor of logits"),
    (
        lambda net, x: net.first(x) if x.sum() > 0 else x,
        "first",
        "could not be traced by torch.fx.*control flow.*Sequential",
    ),
    (
        lambda net, x: net.last(net.first(x) + torch.randn(3, 1, 1)),
        "first",
        r"makes a tensor of shape \(3, 1, 1\) in its forward pass, used by 'add'.*register_buffer",
    ),
    (lambda net, x: net.last(net.second(net.first(x)) + net.second.weight.sum()), "first", None),
]


@pytest.mark.parametrize(("forward", "tap", "words"), REFUSED)
def test_a_place_where_nothing_can_be_cut_is_refused_by_its_name(forward, tap, words):
    network = Net(forward, first=conv(), second=conv(), last=conv())
    if words is None:
        x = torch.randn(1, 3, 4, 4)
        assert torch.equal(whole(parts_of(network, [tap]).training, network, x), network(x))
        return
    with pytest.raises(ModelError, match=f"(?s){words}"):
        parts_of(network, [tap])


def test_what_lies_before_by_another_layer_is_named():
    def forward(net, x):
        early = net.first(x)
        return net.last(net.second(early) + early)

    with pytest.raises(ModelError, match="also needs the output of 'first', from before it"):
        parts_of(Net(forward, first=conv(), second=conv(), last=conv()), ["second"])


def test_two_names_of_one_place_are_refused():
    network = nn.Sequential(nn.Sequential(conv(), nn.ReLU()), conv(), nn.ReLU())
    with pytest.raises(ModelError, match="taps '0' and '0.1' give the same output.*Leave one out"):
        parts_of(network, ["0", "0.1"])

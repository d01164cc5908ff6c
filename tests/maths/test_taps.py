import pytest
import torch
from torch import nn
from torch.testing import assert_close

from fairshrink.errors import ModelError
from fairshrink.maths.taps import evaluating, forward, gradients, stand_ins
from fairshrink.maths.targets import layers_of


def run(model, x, params=None):
    layers = layers_of(model, params)
    return forward(model, layers, stand_ins(model, layers), x)


class Wired(nn.Module):
    """Two linear layers, put together by a function."""

    def __init__(self, wiring, size=3):
        nn.Module.__init__(self)
        self.a, self.b = nn.Linear(size, size), nn.Linear(size, size)
        self.wiring = wiring

    def forward(self, x):
        return self.wiring(self, x)


def overwriting(net, x):
    first = net.a(x) * 1.0
    second = net.b(first)
    first.relu_()
    return first + second


def without_gradient(net, x):
    with torch.no_grad():
        x = net.a(x)
    return net.b(x)


@pytest.mark.parametrize(
    ("wiring", "message"),
    [
        (lambda net, x: net.b(net.a(net.a(x))), "layer 'a' runs more than once in a forward pass"),
        (lambda net, x: net.b(x), r"layer 'a' \(Linear\) does not run in the forward pass"),
        (lambda net, x: net.b(nn.functional.linear(x, net.a.weight, net.a.bias)), r"layer 'a' \(Linear\) does not run"),
        (lambda net, x: net.b(net.a(x)) + net.b.weight.sum(), "parameter 'b.weight' is used 2 times in a forward pass"),
        (lambda net, x: net.b(net.a(x)) + x @ net.a.weight, "parameter 'a.weight' is used 2 times in a forward pass"),
        (overwriting, "the input of layer 'b' is overwritten in place"),
        (without_gradient, "no gradient of the outputs reaches layer 'a'"),
        (lambda net, x: net.b(net.a(x.T).T), r"layer 'a' sees an input of shape \(3, 4\) for 4 samples"),
        (
            lambda net, x: net.b(net.a(x.repeat(2, 1))[: len(x)]),
            r"layer 'a' sees an input of shape \(8, 3\) for 4 samples",
        ),
    ],
)
def test_wirings_that_would_be_wrong_are_refused(wiring, message):
    size = 4 if "(3, 4)" in message.replace("\\", "") else 3
    with pytest.raises(ModelError, match=message):
        run(Wired(wiring, size), torch.randn(4, size) if size == 3 else torch.randn(4, 3))


@pytest.mark.parametrize(
    "wiring",
    [
        lambda net, x: net.b(net.a(x).detach()),
        lambda net, x: (net.a(x), net.b(x))[1],
        lambda net, x: (net.a(x), (net.b(x), x))[1],  # of several outputs none
    ],
)
def test_a_layer_that_the_outputs_do_not_feel_is_named(wiring):
    with pytest.raises(ModelError, match="no gradient of the outputs reaches layer 'a'"):
        run(Wired(wiring), torch.randn(4, 3))


def test_what_lies_behind_an_early_exit_takes_no_part_in_its_gradient():
    def wiring(net, x):
        early = net.a(x)
        return early, net.b(early)

    torch.manual_seed(0)
    outputs, taps = run(Wired(wiring), torch.randn(4, 3))
    some, none = torch.randn(4, 3), torch.zeros(4, 3)
    early = gradients(outputs, taps, (some, none), keep=True)
    assert list(early) == ["a"]
    assert early["a"].equal(some)
    late = gradients(outputs, taps, (none, some), keep=True)
    assert list(late) == ["a", "b"]
    both = gradients(outputs, taps, (some, some), keep=True)
    assert_close(both["a"], early["a"] + late["a"])
    nothing = gradients(outputs, taps, (none, none), keep=False)
    assert not nothing["a"].any()
    assert not nothing["b"].any()


def test_a_model_that_breaks_its_own_gradient_is_named():
    def wiring(net, x):
        out = net.a(x).sigmoid()
        held = net.b(out * 1.0)
        out.mul_(2.0)
        return held + out

    outputs, taps = run(Wired(wiring), torch.randn(4, 3))
    with pytest.raises(ModelError, match="overwrites in place what its gradient still needs"):
        gradients(outputs, taps, torch.ones(4, 3), keep=False)


def test_layers_that_are_not_asked_for_may_be_shared_or_skipped():
    outputs, taps = run(Wired(lambda net, x: net.b(net.a(net.a(x)))), torch.randn(4, 3), ["b.weight"])
    assert list(taps) == ["b"]
    assert outputs.shape == (4, 3)


@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 3), (4, 2, 2, 3)])
def test_the_gradient_is_that_of_the_output_before_it_is_changed_in_place(shape):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Flatten())
    x = torch.randn(shape)
    outputs, taps = run(model, x)
    found = gradients(outputs, taps, torch.ones_like(outputs), keep=False)["0"]
    assert_close(found, (model[0](x) > 0).float())
    assert outputs.equal(model(x))


def test_keyword_inputs_are_seen():
    _, taps = run(Wired(lambda net, x: net.b(input=net.a(input=x))), torch.randn(4, 3))
    assert taps["a"].x.shape == (4, 3)


def fail_while_evaluating(model):
    with torch.no_grad(), evaluating(model):
        assert not model.training
        assert torch.is_grad_enabled()
        raise ZeroDivisionError


def test_flags_come_back_after_an_error():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout().eval())
    with pytest.raises(ZeroDivisionError):
        fail_while_evaluating(model)
    assert [m.training for m in model.modules()] == [True, True, False]
    assert torch.is_grad_enabled()

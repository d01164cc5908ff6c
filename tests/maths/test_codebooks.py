import pytest
import torch

from fairshrink.errors import ConfigError, ModelError
from fairshrink.maths.codebooks import Codebook, PerTensor, PowerOfTwo, at, check_bits, power_of_two, stay, zero
from oracles.codebooks import nearest_by_trying, window_by_trying

BOOKS = [power_of_two(bits, rounding) for bits in (None, 2, 3, 5, 8) for rounding in ("log", "linear")]
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _weights(dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    w = torch.randn(4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) / 7
    w[0, 0] = torch.tensor([0.0, -0.0, 0.75])
    w[0, 1] = torch.tensor([1e-5, -1e-5, -0.09375])
    return w.to(dtype)


def test_zero_sends_every_weight_to_zero():
    w = torch.randn(3, 2, dtype=torch.float64)
    assert zero(w).equal(torch.zeros(3, 2, dtype=torch.float64))
    assert zero.fit({"w": w}) is zero


def test_stay_moves_no_weight():
    w = torch.tensor([0.3, -0.0, 7.0])
    kept = stay(w)
    assert kept.equal(w)
    assert kept.signbit().equal(w.signbit())
    assert kept.data_ptr() != w.data_ptr()
    assert stay.fit({"w": w}) is stay


def test_all_are_codebooks():
    assert all(isinstance(book, Codebook) for book in (zero, stay, power_of_two(), PerTensor({})))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("book", BOOKS, ids=str)
def test_powers_of_two_are_those_found_by_trying(book, dtype):
    w = _weights(dtype)
    window = window_by_trying(w, book.bits) if book.bits else None
    assert book(w).equal(nearest_by_trying(w, book.round, window))
    assert book(w).dtype == dtype
    assert book(w).shape == w.shape


@pytest.mark.parametrize("book", BOOKS, ids=str)
def test_powers_of_two_are_odd_idempotent_and_have_one_zero(book):
    w = _weights()
    levels = book(w)
    assert book(-w).equal(-levels)
    assert book(levels).equal(levels)
    assert not levels[levels == 0].signbit().any()
    assert (levels == 0).any()
    sizes = levels[levels != 0].abs()
    assert torch.frexp(sizes).mantissa.eq(0.5).all()
    if book.bits:
        n1, n2 = window_by_trying(w, book.bits)
        assert sizes.max() == 2.0**n1
        assert sizes.min() >= 2.0**n2
        assert n1 - n2 + 1 == 2 ** (book.bits - 2)


@pytest.mark.parametrize("bits", [2, 5])
def test_a_fitted_window_does_not_move_with_the_weights(bits):
    w = _weights()
    book = power_of_two(bits, "linear").fit(w)
    assert isinstance(book, PowerOfTwo)
    assert book.window == (0, 1 - 2 ** (bits - 2))
    assert book(w).equal(power_of_two(bits, "linear")(w))
    assert book(1000 * w).abs().max() == 1.0  # saturates
    assert book(1000 * w).equal(nearest_by_trying(1000 * w, "linear", book.window))
    assert book(w / 1000).equal(nearest_by_trying(w / 1000, "linear", book.window))
    assert book.fit(1000 * w) == book
    assert book.fit({"w": 1000 * w}) is book


def test_every_parameter_gets_its_own_window():
    weights = {"a": _weights(), "b": 16 * _weights(seed=1).double(), "empty": torch.zeros(0)}
    book = power_of_two(3).fit(weights)
    assert isinstance(book, PerTensor)
    assert book.fit({"a": torch.zeros(1)}) is book
    for name in ("a", "b"):
        assert at(book, name) == power_of_two(3).fit(weights[name])
        assert at(book, name)(weights[name]).equal(power_of_two(3)(weights[name]))
    assert at(book, "empty")(torch.zeros(0)).shape == (0,)
    assert at(book, "pruned before") is stay
    assert at(zero, "a") is zero
    assert at(power_of_two(), "a") == power_of_two()


def test_no_window_is_needed_without_bits():
    assert power_of_two().fit({"a": _weights(), "b": torch.zeros(3)}) == power_of_two()
    assert power_of_two().fit(_weights()) == power_of_two()
    assert power_of_two()(torch.tensor([0.0, -0.0])).signbit().tolist() == [False, False]
    assert power_of_two(3)(torch.zeros(0, 2)).shape == (0, 2)


def test_several_windows_need_a_name():
    w = _weights()
    assert power_of_two(3).fit({"a": w})(w).equal(power_of_two(3)(w))
    for weights, count in (({"a": w, "b": w}, 2), ({}, 0)):
        with pytest.raises(ConfigError, match=rf"fitted to {count} parameters, and only the name(.|\n)*Call at\("):
            power_of_two(3).fit(weights)(w)


@pytest.mark.parametrize("bits", [1, 0, -3, 17, True, 4.0, "5"])
def test_bits_that_are_no_width_are_refused(bits):
    with pytest.raises(ConfigError, match=r"bits is .*, expected a whole number from 2 to 16; leave it out"):
        check_bits(bits)


def test_a_codebook_checks_its_bits():
    with pytest.raises(ConfigError, match="bits is 1, expected"):
        power_of_two(1)
    assert power_of_two(16).bits == 16


def test_unknown_roundings_and_turned_windows_are_refused():
    with pytest.raises(ConfigError, match=r"round is 'liner', but there is no such rounding. Did you mean 'linear'\?"):
        power_of_two(round="liner")
    with pytest.raises(ConfigError, match=r"window is \(-3, 0\), expected the largest exponent first.*Swap them"):
        PowerOfTwo(window=(-3, 0))


def test_weights_that_have_no_level_are_refused_by_name():
    w = torch.tensor([1.0, float("nan")])
    for book in (power_of_two(), power_of_two(4)):
        with pytest.raises(ModelError, match="the weights: 1 of 2 are NaN or infinite"):
            book(w)
        with pytest.raises(ModelError, match="the weights of 'fc': 1 of 2 are NaN or infinite"):
            book.fit({"fc": w})
    for call, words in (
        (lambda: power_of_two(4)(torch.zeros(3)), "the weights: all 3 weights are 0"),
        (lambda: power_of_two(4).fit({"ok": torch.ones(1), "fc": torch.zeros(3)}), "of 'fc': all 3 weights are 0"),
    ):
        with pytest.raises(ModelError, match=words):
            call()

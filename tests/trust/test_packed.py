"""A packed file that was damaged anywhere is refused, or gives the very same weights."""

import numpy as np
import pytest
import torch

from fairshrink.compress.frozen import Frozen
from fairshrink.deploy.packed import load_packed, save_packed
from fairshrink.errors import ModelError
from toys import toy_model


def state(model):
    return [bytes(tensor.reshape(-1).view(torch.uint8).numpy()) for tensor in model.state_dict().values()]


@pytest.fixture
def whole(tmp_path):
    model = toy_model(classes=40)
    frozen = Frozen()
    for name, weight in model.named_parameters():
        if weight.ndim > 1:
            mask = torch.rand(weight.shape, generator=torch.Generator().manual_seed(0)) < 0.7
            values = torch.ldexp(weight.detach().sign(), weight.detach().abs().log2().round().clamp(-6, -3))
            values[weight.detach().abs() < 2.0**-6] = 0
            frozen = frozen.fix({name: mask}, {name: values})
    frozen.apply_(model)
    content = save_packed(tmp_path / "p", model, frozen).read_bytes()
    return content, state(model)


def damages(content):
    """Every bit of some bytes, exchanged bytes, and files that end early or go on."""
    rng = np.random.default_rng(1)
    for at in [*range(16), *rng.integers(0, len(content), 200).tolist()]:
        yield content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]
        yield content[:at] + bytes([int(rng.integers(256))]) + content[at + 1 :]
    for at in [0, 1, 7, 8, 9, *rng.integers(0, len(content), 60).tolist(), len(content) - 1]:
        yield content[:at]
    yield content + b"\0"
    yield content + content


def test_whatever_is_damaged(whole, tmp_path):
    content, expected = whole
    refused = 0
    for damaged in damages(content):
        (tmp_path / "d").write_bytes(damaged)
        model = toy_model(seed=1, classes=40)
        before = state(model)
        try:
            load_packed(tmp_path / "d", model)
        except ModelError:
            refused += 1
            assert state(model) == before
        else:
            assert state(model) == expected
    assert refused > 300

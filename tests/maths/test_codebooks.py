import torch

from fairshrink.maths.codebooks import Codebook, zero


def test_zero_sends_every_weight_to_zero():
    w = torch.randn(3, 2, dtype=torch.float64)
    assert zero(w).equal(torch.zeros(3, 2, dtype=torch.float64))
    assert zero.fit({"w": w}) is zero
    assert isinstance(zero, Codebook)

import numpy as np
import pytest
import torch

from fairshrink.deploy.bits import pack
from fairshrink.deploy.layouts import Layout, bits_of, decode, from_bits
from fairshrink.deploy.marks import Marks


def test_four_pieces_lie_one_after_the_other():
    """By hand: + marks a zero, then what is free, then the codes, then what stands as it is."""
    layout = Layout(zeros=Marks(count=2), free=Marks(count=1), levels=(0.5, -2.0, 4.0), raw="F16")
    content = b"\x90" + b"\x20" + bytes(pack(np.array([1, 2, 0]), 2)) + np.array([0.75], dtype=np.float16).tobytes()
    assert layout.sizes(6) == (1, 1, 1, 2)
    found = decode(layout, np.frombuffer(content, dtype=np.uint8), 6, "F32")
    assert from_bits(found, "F32").tolist() == [0.0, -2.0, 4.0, 0.0, 0.75, 0.5]


def test_bits_are_those_of_the_numbers():
    w = torch.tensor([[1.0, -0.0], [2.0**-149, 3.0]])
    assert bits_of(w.T).tolist() == [0x3F800000, 1, -0x80000000, 0x40400000]
    assert torch.equal(from_bits(bits_of(w), "F32"), w.reshape(-1))


def test_a_code_out_of_range():
    layout = Layout(levels=(0.5, -2.0, 4.0), raw="F32")
    with pytest.raises(ValueError, match="a code is out of range: there are 3 levels"):
        decode(layout, pack(np.array([0, 3, 1]), 2), 3, "F32")


@pytest.mark.parametrize(
    ("layout", "dtype", "message"),
    [
        (Layout(raw="F32"), "I64", "a tensor of type I64 cannot be stored with 'F32'"),
        (Layout(raw="F64"), "F32", "a tensor of type F32 cannot be stored with 'F64'"),
        (Layout(raw="F99"), "F32", "a tensor of type F32 cannot be stored with 'F99'"),
        (Layout(zeros=Marks(count=9), raw="F32"), "F32", "8 numbers cannot be 0 codes of 0 levels and -1 others"),
        (Layout(free=Marks(count=9), raw="F32"), "F32", "8 numbers cannot be -1 codes"),
        (Layout(free=Marks(count=3), raw="F32"), "F32", "8 numbers cannot be 5 codes of 0 levels and 3 others"),
        (Layout(levels=(0.1,), raw="F32"), "F32", "its levels are not different numbers of the type F32"),
        (Layout(levels=(0.5, 0.5), raw="F32"), "F32", "its levels are not different"),
        (Layout(levels=(2.0**-30,), raw="F16"), "F16", "its levels are not different numbers of the type F16"),
    ],
)
def test_layouts_that_cannot_be(layout, dtype, message):
    with pytest.raises(ValueError, match=message):
        layout.check(8, dtype)

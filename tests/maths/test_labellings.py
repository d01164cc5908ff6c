import pytest
import torch

from fairshrink.errors import DataError
from fairshrink.maths.labellings import snnl_of_labellings
from oracles.snnl import snnl_by_pairs

LABELLINGS = torch.tensor(
    [
        [0, 0, 1, 1, 2, 2, 0, 1, 2],
        [0, -1, 1, 1, 0, -1, 0, 1, 3],
        [4, 4, 4, 0, 0, 0, 0, 4, 4],
        [0, 1, 2, 3, 4, 5, 6, 6, -1],
    ]
)


def maps():
    torch.manual_seed(1)
    found = torch.randn(9, 5, 3, 2, dtype=torch.float64)
    found[:, 3] = 0
    found[2:5, 4] = 0
    return found


def by_hand(given, **how):
    return torch.tensor([snnl_by_pairs(given, one.tolist(), **how) for one in LABELLINGS], dtype=torch.float64)


@pytest.mark.parametrize("how", [{}, {"temperature": 0.5}, {"temperature": 0.02}, {"normalize": False}], ids=str)
def test_every_labelling_is_what_the_double_loop_gives(how):
    wanted = by_hand(maps(), **how)
    called = {"unit" if key == "normalize" else key: value for key, value in how.items()}
    found = snnl_of_labellings(maps(), LABELLINGS, **called)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def test_pieces_of_any_size_give_the_same():
    whole = snnl_of_labellings(maps(), LABELLINGS)
    torch.testing.assert_close(snnl_of_labellings(maps(), LABELLINGS, memory=1), whole, rtol=1e-12, atol=1e-12)


def test_single_precision_is_close_and_plain_features_are_one_number_a_channel():
    torch.testing.assert_close(
        snnl_of_labellings(maps().float(), LABELLINGS).double(), by_hand(maps()), rtol=1e-5, atol=1e-5
    )
    flat = maps().flatten(2)[..., 0]
    torch.testing.assert_close(snnl_of_labellings(flat, LABELLINGS), by_hand(flat), rtol=1e-10, atol=1e-10)


def test_maps_whose_squares_vanish_are_still_maps():
    torch.testing.assert_close(snnl_of_labellings(maps() * 1e-200, LABELLINGS), by_hand(maps()), rtol=1e-10, atol=1e-10)


def test_a_labelling_without_partners_is_refused():
    lonely = torch.stack([LABELLINGS[0], torch.arange(9)])
    with pytest.raises(DataError, match="labelling 1 of 2: none of its 9 samples has a partner.*larger batches"):
        snnl_of_labellings(maps(), lonely)

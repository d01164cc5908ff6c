from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from fairshrink.maths import squares
from fairshrink.maths.squares import matrix_squares, numbers_held, pairs_are_cheaper, vector_squares


def slow(patches, columns, bounds):
    """Every sample's gradient for every column, (F, K), squared and added."""
    _, q, k, _ = patches.shape
    features = columns[0].shape[2]
    totals = torch.zeros(len(bounds) - 1, features, k, dtype=torch.float64)
    for group, (low, high) in enumerate(pairwise(bounds)):
        for n in range(low, high):
            for rows in columns:
                for f in range(features):
                    totals[group, f] += (patches[n, f // (features // q)] @ rows[n, :, f]).square()
    return totals


SIZES = st.tuples(*(st.integers(1, most) for most in (5, 3, 4, 5, 3)))


@settings(max_examples=40, deadline=None)
@given(sizes=SIZES, pairs=st.booleans(), piece=st.sampled_from([1, 50, 2**20]), place=st.integers(0, 5))
def test_matrix_squares_equal_every_samples_gradient(sizes, pairs, piece, place):
    n, q, k, positions, out = sizes
    torch.manual_seed(n + 10 * k)
    patches = torch.randn(n, q, k, positions, dtype=torch.float64)
    columns = [torch.randn(n, positions, q * out, dtype=torch.float64) for _ in range(2)]
    bounds = (0, min(place, n), n)
    totals = torch.ones(2, q * out, k, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(squares, "pairs_are_cheaper", lambda *_: pairs)
        patch.setattr(squares, "_SPOTS", {"cpu": piece})
        patch.setattr(squares, "_GRADIENTS", {"cpu": piece})
        sums = matrix_squares(patches, bounds, columns[0], 2, totals)
        for rows in columns:
            sums.add_(rows)
        sums.close_()
    assert_close(totals - 1, slow(patches, columns, bounds), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scaled", [True, False])
def test_vector_squares_equal_every_samples_gradient(scaled):
    columns = [torch.randn(5, 3, 4) for _ in range(2)]
    features = torch.randn(5, 3, 4) if scaled else None
    totals = torch.zeros(2, 2, 2)
    sums = vector_squares(features, (0, 2, 5), columns[0], totals)
    for rows in columns:
        sums.add_(rows)
    sums.close_()
    each = sum(((rows if features is None else rows * features).sum(1) ** 2 for rows in columns), torch.zeros(5, 4))
    expected = torch.stack([each[:2].sum(0), each[2:].sum(0)])
    assert_close(totals.flatten(1), expected)


def test_pairs_win_at_few_positions_and_many_columns():
    assert pairs_are_cheaper(1, 4096, 25088, 1)
    assert pairs_are_cheaper(4, 512, 4608, 6)
    assert not pairs_are_cheaper(256, 64, 576, 6)
    assert numbers_held(torch.zeros(1, 1, 4608, 4), 512, 6) == 4608 * 4 + 10 * 512
    assert numbers_held(torch.zeros(1, 1, 576, 256), 64, 6) == 576 * 256

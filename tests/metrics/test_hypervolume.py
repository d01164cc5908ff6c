import math

import numpy as np
import pytest

from fairshrink.metrics.hypervolume import WORST, contributions, hypervolume
from oracles.hypervolume import by_cells, by_inclusion_and_exclusion


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("reference", [WORST, (0.3, 0.6)])
def test_equals_inclusion_and_exclusion(seed, reference):
    points = [tuple(point) for point in np.random.default_rng(seed).random((1 + seed, 2))]
    assert hypervolume(points, reference) == pytest.approx(by_inclusion_and_exclusion(points, reference), abs=1e-12)


def test_equals_counting_cells():
    points = [(0.5, 0.06), (0.52, 0.09), (0.48, 0.03), (0.47, 0.2)]
    assert hypervolume(points) == pytest.approx(by_cells(points, WORST), abs=0.005)


def test_one_point_is_a_rectangle_and_none_is_nothing():
    assert hypervolume([(0.5, 0.1)]) == pytest.approx(0.45)
    assert hypervolume([]) == 0.0
    assert hypervolume([(math.nan, 0.1), (0.5, math.nan), (0.0, 0.1), (0.5, 1.0)]) == 0.0


def test_a_beaten_or_repeated_point_adds_nothing():
    points = [(0.5, 0.1), (0.6, 0.2)]
    assert hypervolume([*points, (0.4, 0.3), (0.6, 0.2)]) == pytest.approx(hypervolume(points))


def test_what_a_point_adds_is_what_is_lost_without_it():
    points = [(0.5, 0.1), (0.6, 0.2), (0.4, 0.3), (math.nan, 0.0)]
    added = contributions(points)
    assert added[:3] == pytest.approx([0.05, 0.08, 0.0])
    assert math.isnan(added[3])

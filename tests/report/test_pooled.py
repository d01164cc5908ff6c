from dataclasses import replace

import numpy as np
import pytest

from fairshrink.metrics.counts import GroupCounts
from fairshrink.metrics.gaps import GAPS
from fairshrink.metrics.rates import precision
from fairshrink.metrics.uncertainty import uncertainty
from fairshrink.metrics.units import units_of_rows
from fairshrink.report import grids, pooled


@pytest.fixture
def way(mapped):
    return grids.ways(mapped.stages[2])[1]


def slow(way, ratio):
    """EOpp1, recall and F1 of all folds' images together, image by image."""
    tables = [np.array(steps[ratio].counts) for steps in way.steps.values()]
    groups, classes = tables[0].shape[:2]
    gap, recall, f1 = 0.0, 0.0, 0.0
    for c in range(classes):
        rates = []
        for g in range(groups):
            hits, support = sum(t[g, c, c] for t in tables), sum(t[g, c, k] for t in tables for k in range(classes))
            predicted = sum(t[g, k, c] for t in tables for k in range(classes))
            rates.append(hits / support)
            recall += hits / support / classes / groups
            f1 += 2 * hits / (support + predicted) / classes / groups
        gap += (max(rates) - min(rates)) / classes
    return gap, recall, f1


def test_a_point_is_that_of_all_folds_together(way):
    for point in pooled.points(way.steps, sure=False):
        assert (point.eopp1.value, point.recall.value, point.f1.value) == pytest.approx(slow(way, point.ratio))
        assert np.isnan(point.floor)


def test_intervals_and_floor_are_those_of_the_metrics(way):
    steps = [of[0.2] for of in way.steps.values()]
    point = pooled.point(0.2, steps, sure=True)
    units = units_of_rows(GroupCounts(np.sum([np.array(step.counts) for step in steps], axis=0)))
    found = uncertainty(units, n_boot=pooled.DRAWS, seed=pooled.SEED)
    assert point.eopp1 == (found.value[1], found.low[1], found.high[1])
    assert point.floor == found.null_high[1]
    for value in (point.recall, point.f1):
        assert value.low < value.value < value.high
    assert pooled.point(0.2, steps, sure=True) == point
    assert pooled.point(0.2, steps, sure=False).recall.value == point.recall.value


def test_the_interval_of_recall_has_the_width_of_its_images(way):
    steps = [of[0.0] for of in way.steps.values()]
    counts = np.sum([np.array(step.counts) for step in steps], axis=0)
    support = counts.sum(-1)
    rates = np.diagonal(counts, axis1=-2, axis2=-1) / support
    sd = np.sqrt((rates * (1 - rates) / support).sum()) / rates.size
    recall = pooled.point(0.0, steps, sure=True).recall
    assert recall.high - recall.low == pytest.approx(2 * 1.96 * sd, rel=0.25)


def test_only_what_every_fold_reached_is_a_point(way):
    short = {fold: {r: s for r, s in steps.items() if fold or r < 0.3} for fold, steps in way.steps.items()}
    assert max(pooled.shared_ratios(short)) == 0.25
    bare = {0: {r: replace(s, counts=None) for r, s in way.steps[0].items()}, 1: way.steps[1]}
    assert pooled.shared_ratios(bare) == pooled.shared_ratios({}) == []


def test_precision_and_eodd_are_pooled_alike(way):
    steps = [of[0.2] for of in way.steps.values()]
    counts = np.sum([np.array(step.counts) for step in steps], axis=0)
    units = units_of_rows(GroupCounts(counts))
    found = uncertainty(units, n_boot=pooled.DRAWS, seed=pooled.SEED)
    sure, quick = (pooled.point(0.2, steps, sure=sure) for sure in (True, False))
    place = GAPS.index("eodd")
    assert sure.eodd == (found.value[place], found.low[place], found.high[place])
    assert sure.eodd_floor == found.null_high[place]
    assert quick.eodd.value == pytest.approx(sure.eodd.value)
    assert quick.precision.value == sure.precision.value == pytest.approx(float(precision(counts).mean()))
    assert sure.precision.low < sure.precision.value < sure.precision.high

import numpy as np
import pytest

from fairshrink.errors import ConfigError
from fairshrink.metrics import comparison as module
from fairshrink.metrics.comparison import SCORES, changes, scores_of
from fairshrink.metrics.counts import count, margins
from fairshrink.metrics.draws import draw_within, kind_rates
from fairshrink.metrics.gaps import GAPS, gaps, tpr_gaps
from fairshrink.metrics.pairs import PairedRows, of_model, pair
from fairshrink.metrics.rates import accuracy, f1, precision, recall, worst_group_accuracy
from oracles import paired as oracle

GROUPS, CLASSES = 2, 3
EOPP1 = GAPS.index("eopp1")


def draw_rows(rng, size, hit=((0.8, 0.8, 0.8), (0.8, 0.8, 0.8)), changed=0.1):
    """Rows of A with these TPRs by group and class; B draws some of A's predictions anew."""
    true, groups = rng.integers(0, CLASSES, size), rng.integers(0, GROUPS, size)
    wrong = (true + rng.integers(1, CLASSES, (2, size))) % CLASSES
    a, again = np.where(rng.random((2, size)) < np.array(hit)[groups, true], true, wrong)
    return PairedRows(true, np.stack([a, np.where(rng.random(size) < changed, again, a)]), groups)


def compared(rows, **settings):
    return changes(pair(rows, num_groups=GROUPS, num_classes=CLASSES), **settings)


def listed(rows):
    return list(zip(rows.true.tolist(), *rows.pred.tolist(), rows.groups.tolist(), strict=True))


@pytest.fixture(scope="module")
def rows():
    return draw_rows(np.random.default_rng(0), 240, hit=((0.9, 0.6, 0.8), (0.6, 0.7, 0.8)), changed=0.3)


@pytest.mark.parametrize("convention", ["strict", "published"])
def test_values_are_those_of_each_model_by_itself(rows, convention):
    found = compared(rows, convention=convention, n_boot=1)
    for model, values in enumerate(((found.gaps.a, found.scores.a), (found.gaps.b, found.scores.b))):
        counts = count(rows.true, rows.pred[model], rows.groups, num_groups=GROUPS, num_classes=CLASSES).counts
        means = [float(gap.value) for gap in gaps(counts, convention).values()]
        np.testing.assert_array_equal(values[0], [*means, *tpr_gaps(counts, convention).value])
        by_group = np.stack([score(counts) for score in (accuracy, precision, recall, f1)], axis=-1)
        np.testing.assert_array_equal(values[1], [*by_group.ravel(), f1(counts).mean(), worst_group_accuracy(counts)])


def test_scores_of_a_group_that_nobody_is_in_are_undefined():
    counts = np.zeros((2, 2, 2), dtype=np.int64)
    counts[0] = [[3, 1], [0, 2]]
    found = scores_of(margins(counts))
    assert np.isnan(found[len(SCORES) : 2 * len(SCORES)]).all()
    assert found[-2:] == pytest.approx([found[3], found[0]])


@pytest.mark.parametrize("clustered", [False, True])
def test_draws_are_those_of_rows_resampled_together(rows, clustered):
    """Mean and spread of the resampled change, against a bootstrap of rows (or clusters) with loops."""
    clusters = np.random.default_rng(1).integers(0, 80, 240) if clustered else None
    pairs = pair(rows._replace(clusters=clusters), num_groups=GROUPS, num_classes=CLASSES)
    drawn = pairs.margins(draw_within(pairs.units, kind_rates(pairs.units), np.random.default_rng(2), 4000))
    fast = {
        "eopp1": np.diff([module.statistics(of_model(drawn, m), "strict")[:, EOPP1] for m in (0, 1)], axis=0)[0],
        "f1": np.diff([scores_of(of_model(drawn, m))[:, 3] for m in (0, 1)], axis=0)[0],
    }
    rng, found = np.random.default_rng(3), oracle.strata(listed(rows), clusters)
    samples = [oracle.resample(found, rng) for _ in range(500)]
    slow = {
        "eopp1": np.array([oracle.gap_change(sample, GROUPS, CLASSES, "eopp1") for sample in samples]),
        "f1": np.array([oracle.score_change(sample, 0, 3) for sample in samples]),
    }
    for name, values in fast.items():
        spread = slow[name].std()
        assert values.mean() == pytest.approx(slow[name].mean(), abs=4 * spread / np.sqrt(500))
        assert values.std() == pytest.approx(spread, rel=0.13)


def test_the_interval_of_a_score_is_the_percentile_interval(rows):
    rng, found = np.random.default_rng(4), oracle.strata(listed(rows), None)
    slow = [oracle.score_change(oracle.resample(found, rng), 1, 0) for _ in range(1500)]
    sure = compared(rows, n_boot=2000).scores
    at, width = len(SCORES), np.quantile(slow, 0.975) - np.quantile(slow, 0.025)
    assert sure.low[at] == pytest.approx(np.quantile(slow, 0.025), abs=0.1 * width)
    assert sure.high[at] == pytest.approx(np.quantile(slow, 0.975), abs=0.1 * width)


@pytest.mark.parametrize("size", [150, 900])
def test_the_interval_of_a_gap_equals_the_oracles_on_the_same_draws(size):
    rows = draw_rows(np.random.default_rng(size), size, hit=((0.9, 0.6, 0.8), (0.6, 0.7, 0.8)), changed=0.3)
    pairs = pair(rows, num_groups=GROUPS, num_classes=CLASSES)
    rng = np.random.default_rng([8, module._PAIRED])
    drawn = pairs.margins(draw_within(pairs.units, kind_rates(pairs.units), rng, 80))
    tpr = np.moveaxis(drawn[:, 0] / drawn[:, 1], 1, 0)
    seen = pairs.margins(pairs.units.counts)
    found = changes(pairs, n_boot=80, seed=8).gaps
    for at, chosen in ((EOPP1, range(CLASSES)), *((len(GAPS) + k, [k]) for k in range(CLASSES))):
        ends = oracle.tpr_gap_interval(seen[:, 0].tolist(), seen[0, 1].tolist(), tpr.tolist(), chosen)
        assert (found.low[at], found.high[at]) == pytest.approx(ends, abs=1e-9)


def test_the_same_model_twice_has_not_changed(rows):
    found = compared(rows._replace(pred=rows.pred[[0, 0]]), n_boot=100)
    for part in found:
        np.testing.assert_array_equal(part.a, part.b)
        assert (part.low == 0).all()
        assert (part.high == 0).all()
        assert (part.p == 1).all()


def test_swapping_the_models_turns_every_change_round(rows):
    there, back = compared(rows, n_boot=4000), compared(rows._replace(pred=rows.pred[::-1]), n_boot=4000)
    for one, other in zip(there, back, strict=True):
        np.testing.assert_array_equal(one.a, other.b)
        width = one.high - one.low
        assert (np.abs(one.low + other.high) < 0.1 * width).all()
        assert (np.abs(one.high + other.low) < 0.1 * width).all()


def test_renaming_the_groups_changes_only_their_order(rows):
    one, other = (compared(rows._replace(groups=groups), n_boot=4000) for groups in (rows.groups, 1 - rows.groups))
    np.testing.assert_allclose(one.gaps.a, other.gaps.a, rtol=1e-12)
    np.testing.assert_array_equal(one.scores.b[:4], other.scores.b[4:8])
    assert (np.abs(one.gaps.low - other.gaps.low) < 0.1 * (one.gaps.high - one.gaps.low)).all()


def test_the_seed_fixes_the_draws_and_memory_does_not_matter(rows, monkeypatch):
    first, again, other = (compared(rows, n_boot=200, seed=seed).gaps for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.low, again.low)
    assert (first.low != other.low).any()
    monkeypatch.setattr(module, "_CELLS_AT_ONCE", 1000)
    pieces = compared(rows, n_boot=200, seed=4).gaps
    assert (np.abs(pieces.low - first.low) < 0.35 * (first.high - first.low)).all()


def test_rows_that_repeat_their_cluster_widen_everything(rows):
    again = PairedRows(*(np.repeat(column, 4, axis=-1) for column in rows[:3]))
    alone, together = (
        compared(again, n_boot=500),
        compared(again._replace(clusters=np.repeat(np.arange(240), 4)), n_boot=500),
    )
    for one, other in zip(alone, together, strict=True):
        assert np.median((other.high - other.low) / (one.high - one.low)) == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize(
    ("hit", "wrongly"), [(((0.8,) * 3,) * 2, 0.1), (((0.9, 0.6, 0.8), (0.7, 0.8, 0.7)), 0.1)], ids=["no gap", "a gap"]
)
def test_a_model_that_is_partly_drawn_anew_seldom_seems_changed(hit, wrongly):
    """A small run of benchmarks/comparison.py; the nominal share is 0.05."""
    rng = np.random.default_rng(6)
    found = [compared(draw_rows(rng, 600, hit), n_boot=100, seed=run).gaps for run in range(60)]
    assert np.mean([(one.low[EOPP1] > 0) | (one.high[EOPP1] < 0) for one in found]) <= wrongly


def test_a_gap_that_closes_is_found_and_its_interval_holds_the_truth():
    rng = np.random.default_rng(7)
    held, told = 0, 0
    for run in range(40):
        before = draw_rows(rng, 1500, ((0.9,) * 3, (0.5,) * 3), changed=0)
        lift = (before.groups == 1) & (before.pred[0] != before.true) & (rng.random(1500) < 0.4)
        after = np.where(lift, before.true, before.pred[0])  # TPR 0.5 becomes 0.7: the gap shrinks from 0.4 to 0.2
        sure = compared(before._replace(pred=np.stack([before.pred[0], after])), n_boot=200, seed=run).gaps
        held += sure.low[EOPP1] <= -0.2 <= sure.high[EOPP1]
        told += sure.high[EOPP1] < 0
    assert held >= 34
    assert told == 40


def test_a_class_that_a_group_lacks_cannot_be_compared(rows):
    without = rows._replace(groups=np.where((rows.true == 2) & (rows.groups == 1), -1, rows.groups))
    strict, published = (compared(without, convention=name, n_boot=50).gaps for name in ("strict", "published"))
    for values in (strict.a, strict.low, strict.high, strict.p):
        assert np.isnan(values[len(GAPS) + 2])
        assert not np.isnan(values[: len(GAPS) + 2]).any()
    assert not np.isnan(published.p).any()


def test_one_group_has_scores_but_no_gaps(rows):
    found = changes(pair(rows._replace(groups=np.zeros(240, int)), num_groups=1, num_classes=CLASSES), n_boot=50)
    assert np.isnan(found.gaps.p).all()
    assert not np.isnan(found.scores.p).any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"convention": "lax"}, "convention is 'lax'"), ({"n_boot": 0}, "n_boot is 0"), ({"seed": -1}, "seed is -1")],
)
def test_settings_that_cannot_be_used(rows, settings, words):
    with pytest.raises(ConfigError, match=words):
        compared(rows, **settings)


def test_one_image_that_changed_is_no_change_that_can_be_told():
    """Class 1 has one image in each group, and B loses one of them; group 2 is a single image, which B loses, too."""
    true = np.array([0] * 100 + [1, 1] + [0])
    groups = np.array([0, 1] * 51 + [2])
    b = true.copy()
    b[[100, 102]] = [0, 1]
    found = changes(pair(PairedRows(true, np.stack([true, b]), groups), num_groups=3, num_classes=2), n_boot=200)
    single = found.gaps.b[-1] - found.gaps.a[-1], found.gaps.low[-1], found.gaps.high[-1], found.gaps.p[-1]
    assert single == (1, 0, 1, 1)
    assert (found.gaps.low <= 0).all()
    assert (found.gaps.high >= 0).all()
    accuracy_of_2, lowest = 2 * len(SCORES), -1
    for at in (accuracy_of_2, lowest):
        assert (found.scores.b - found.scores.a)[at] == -1
        assert (found.scores.low[at], found.scores.high[at], found.scores.p[at]) == (-1, 0, 1)

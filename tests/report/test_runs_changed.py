from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from fairshrink.report import paired, runs_changed, runs_exports, runs_tables, runs_words
from fairshrink.report.runs_changed import F1, QUANTITIES, Span, differences, family, pick
from fairshrink.report.runs_page import compare_runs
from fairshrink.report.tables import average_f1


def without_comparison(section, methods):
    """The same section; these methods have no comparison.json."""
    return section._replace(
        methods=tuple(
            method._replace(
                replicates=tuple(r._replace(stage=r.stage._replace(comparison=None)) for r in method.replicates)
            )
            if method.label in methods
            else method
            for method in section.methods
        )
    )


def test_seeds_are_paired_with_their_own_vanilla(seeds):
    section = seeds.sections[0]
    one = pick(seeds.differences, section.methods[2], "sex", F1)
    of = [
        [average_f1(s.audit.attributes["sex"]) for s in (r.stage, r.run.vanilla)] for r in section.methods[2].replicates
    ]
    after, before = np.array(of).T
    known = stats.ttest_rel(after, before)
    assert one.value == pytest.approx((after - before).mean())
    assert one.seeds.ends == pytest.approx(tuple(known.confidence_interval()))
    assert one.seeds.p == pytest.approx(known.pvalue)


def test_images_of_several_seeds_are_merged_without_assuming_independence(seeds):
    method = seeds.sections[0].methods[1]
    one = pick(seeds.differences, method, "sex", "eopp1")
    changes = [r.stage.comparison.attributes["sex"].gaps["eopp1"] for r in method.replicates]
    assert one.images.ends == pytest.approx((np.mean([c.low for c in changes]), np.mean([c.high for c in changes])))
    assert one.images.p == pytest.approx(min(1, 2 * np.mean([c.p for c in changes])))
    assert one.p == max(one.images.p, one.seeds.p)


def test_one_seed_rests_on_its_images_alone(lone):
    method = lone.sections[0].methods[1]
    one = pick(lone.differences, method, "age >= 60", "eodd")
    change = method.first.stage.comparison.attributes["age >= 60"].gaps["eodd"]
    assert one.seeds == Span(None, None, None)
    assert (one.images.low, one.images.high, one.p) == (change.low, change.high, change.p)


def test_holm_is_over_every_difference_of_the_page(lone, seeds):
    both = differences([*lone.sections, *seeds.sections])
    assert family(both) == len(both) == 2 * 2 * len(QUANTITIES) + 2 * len(QUANTITIES)
    known = multipletests([one.p for one in both], method="holm")[1]
    assert [one.p_holm for one in both] == pytest.approx(known)


def test_what_was_not_compared_is_no_member(lone):
    section = without_comparison(lone.sections[0], ["OBD"])
    found = differences([section])
    assert family(found) == 2 * len(QUANTITIES)
    missing = pick(found, section.methods[1], "sex", "eopp1")
    assert (missing.p, missing.p_holm, missing.told, missing.reach) == (None, None, False, None)
    assert missing.value is not None
    assert pick(found, section.methods[0], "sex", "eopp1") is None


def test_a_change_is_told_only_when_all_say_so(seeds):
    one = replace(
        seeds.differences[0],
        value=-0.2,
        seeds=Span(-0.3, -0.1, 0.001),
        images=Span(-0.2, -0.05, 0.01),
        p=0.01,
        p_holm=0.04,
    )
    assert one.told
    assert one.reach == (-0.3, -0.05)
    assert not replace(one, p_holm=0.06).told
    assert not replace(one, images=Span(-0.2, 0.01, 0.01)).told
    assert not replace(one, seeds=Span(-0.3, 0.1, 0.2)).told
    assert replace(one, seeds=Span(None, None, None)).told
    assert not replace(one, images=Span(0.05, 0.2, 0.01)).told  # the images say the opposite
    assert not replace(one, value=0.1).told
    assert replace(one, p=0.05).by_itself
    assert not replace(one, p=0.06).by_itself
    assert replace(one, values=(None, -0.2, None)).defined == 1


def test_an_undefined_gap_is_undefined(seeds):
    section = seeds.sections[0]
    method = section.methods[1]
    first = method.first
    audit = first.stage.audit
    gaps = audit.attributes["sex"].gaps
    broken = replace(
        audit,
        attributes={"sex": replace(audit.attributes["sex"], gaps=gaps | {"eopp1": replace(gaps["eopp1"], value=None)})},
    )
    changed = first._replace(stage=first.stage._replace(audit=broken, comparison=None))
    methods = (section.methods[0], method._replace(replicates=(changed,)))
    one = differences([section._replace(methods=methods)])[0]
    assert (one.value, one.p) == (None, None)


def test_a_control_is_compared_with_its_method_too(quantised_folder):
    found = compare_runs([quantised_folder])
    (section,) = found.sections
    method = next(method for method in section.methods if method.label == "FairQuantize")
    (twin,) = runs_changed.twins_of(section, method)
    assert twin.label == "Re-training only"
    assert runs_changed.twins_of(section, twin) == []
    one = runs_changed.pick(found.differences, method, "sex", "eopp1", twin)
    (pair,) = paired.pairs(method.first.run)
    change = pair.record.attributes["sex"].gaps["eopp1"]
    assert (one.images.low, one.images.high, one.images.p) == (change.low, change.high, change.p)
    audits = [stage.audit.attributes["sex"].gaps["eopp1"].value for stage in (pair.stage, pair.twin)]
    assert one.value == audits[0] - audits[1]
    vanilla = runs_changed.pick(found.differences, method, "sex", "eopp1")
    assert vanilla.twin is None
    assert vanilla.value != one.value
    assert runs_changed.family(found.differences) == 4 * (4 + 1)
    rows = runs_tables.differences(section, "sex", found.differences).bodies
    assert [row[0].text for body in rows for row in body][-3:] == [
        "4 FairQuantize",
        "− 5 Re-training only",
        "5 Re-training only",
    ]
    said = dict(runs_words.verdicts(section, found.differences)[0].methods)["FairQuantize"]
    assert [text.startswith("Against Re-training only, EOpp1 is") for text in said] == [False, False, True, False]
    exported = runs_exports.difference_rows(found.sections, found.differences)
    assert [row["against"] for row in exported].count("Re-training only") == 4


def test_a_replicate_without_its_twin_has_no_difference(quantised_folder):
    found = compare_runs([quantised_folder])
    method = next(method for method in found.sections[0].methods if method.label == "FairQuantize")
    (twin,) = runs_changed.twins_of(found.sections[0], method)
    alone = method.first._replace(run=method.first.run._replace(stages=method.first.run.stages[:4]))
    assert runs_changed.value_of("sex", "eopp1", twin)(alone) == (None, None)

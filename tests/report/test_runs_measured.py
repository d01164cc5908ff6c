from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from fairshrink.report.runs_measured import (
    IMAGES,
    NONE,
    SEEDS,
    accuracy,
    estimate,
    fate,
    gap,
    macro_f1,
    overall_f1,
    zeros,
)
from fairshrink.report.tables import average_f1, fate_of


def test_several_seeds_have_students_interval(seeds):
    method = seeds.sections[0].methods[2]
    values = [r.stage.audit.attributes["sex"].gaps["eopp1"].value for r in method.replicates]
    found = gap(method, "sex", "eopp1")
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert (found.over, found.values) == (SEEDS, tuple(values))
    floors = [r.stage.audit.attributes["sex"].gaps["eopp1"].null_high for r in method.replicates]
    assert found.floor == pytest.approx(np.mean(floors))
    assert found.above == sum(value > floor for value, floor in zip(values, floors, strict=True))


def test_one_seed_has_the_interval_of_its_images_or_none(lone):
    method = lone.sections[0].methods[1]
    known = method.first.stage.audit.attributes["sex"].gaps["eopp0"]
    found = gap(method, "sex", "eopp0")
    assert (found.value, found.low, found.high, found.over) == (known.value, known.low, known.high, IMAGES)
    f1 = macro_f1(method, "sex")
    assert f1.value == average_f1(method.first.stage.audit.attributes["sex"])
    assert (f1.low, f1.over) == (None, NONE)  # no predictions.csv to draw from
    assert accuracy(method).value == method.first.stage.audit.overall.accuracy
    assert overall_f1(method).value == method.first.stage.audit.overall.f1
    assert zeros(method).value == method.first.stage.record.zero_fraction


def test_fate_is_against_the_vanilla_model_of_the_same_seed(seeds):
    method = seeds.sections[0].methods[1]
    known = [fate_of(r.run, r.stage, "sex", "eodd") for r in method.replicates]
    assert fate(method, "sex", "eodd").values == tuple(known)
    assert fate(seeds.sections[0].methods[0], "sex", "eodd").value is None


def test_undefined_values_are_left_out_of_the_mean():
    found = estimate([0.1, None, 0.3])
    assert found.value == pytest.approx(0.2)
    assert found.values == (0.1, None, 0.3)
    assert estimate([None]).value is None


def test_the_floor_is_the_mean_of_the_seeds_floors(seeds):
    method = seeds.sections[0].methods[1]
    floors = iter((0.02, 0.03, 0.10))
    method = method._replace(replicates=tuple(_with_floor(r, next(floors)) for r in method.replicates))
    assert gap(method, "sex", "eopp1").floor == pytest.approx(0.05)


def _with_floor(replicate, floor):
    audit = replicate.stage.audit
    of = audit.attributes["sex"]
    gaps = of.gaps | {"eopp1": replace(of.gaps["eopp1"], null_high=floor)}
    return replicate._replace(
        stage=replicate.stage._replace(audit=replace(audit, attributes={"sex": replace(of, gaps=gaps)}))
    )

import pytest

from fairshrink.metrics.hypervolume import hypervolume
from fairshrink.metrics.tradeoff import pareto_front
from fairshrink.report.runs_front import _beaten_by, front
from fairshrink.report.runs_measured import gap, macro_f1


def test_the_front_is_over_the_means(seeds):
    section = seeds.sections[0]
    found = front(section, "sex")
    points = [(macro_f1(m, "sex").value, gap(m, "sex", "eopp1").value) for m in section.methods]
    assert [i for i, place in enumerate(found.places) if place.front] == pareto_front(points)
    assert found.covered == pytest.approx(hypervolume(points))
    assert found.vanilla == pytest.approx(hypervolume(points[:1]))
    for place, (score, width) in zip(found.places, points, strict=True):
        beaten = [m.number for m, (s, w) in zip(section.methods, points, strict=True) if s >= score and w <= width]
        assert place.beaten_by == tuple(number for number in beaten if number != place.method.number)
        assert bool(place.beaten_by) is not place.front


def test_a_model_that_is_as_good_in_one_and_better_in_the_other_beats(seeds):
    points = [(0.5, 0.10), (0.5, 0.05), (0.4, 0.05)]
    assert [_beaten_by(points, i, seeds.sections[0]) for i in range(3)] == [(2,), (), (2,)]
    assert _beaten_by([points[0]] * 3, 0, seeds.sections[0]) == ()


def test_an_undefined_score_is_beaten_by_nobody_and_on_no_front(seeds):
    section = seeds.sections[0]
    stage = section.methods[1].first.stage
    groups = stage.audit.attributes["sex"].groups
    nobody = {name: type(one)(0, None, None, None, None) for name, one in groups.items()}
    attribute = type(stage.audit.attributes["sex"])(nobody, *_rest(stage.audit.attributes["sex"]))
    audit = type(stage.audit)(stage.audit.overall, {"sex": attribute}, "strict", 3, 0)
    method = section.methods[1]._replace(
        replicates=(section.methods[1].first._replace(stage=stage._replace(audit=audit)),)
    )
    place = front(section._replace(methods=(section.methods[0], method)), "sex").places[1]
    assert (place.front, place.beaten_by, place.adds) == (False, (), None)


def _rest(attribute):
    return attribute.gaps, attribute.classes, attribute.class_gaps

import pytest

from fairshrink.errors import StoreError
from fairshrink.report.exited import ExitRecord, check_exits, check_same
from fairshrink.report.parsing import from_plain
from report.fake_exits import fake_exits, plain

FILE = "stages/00-train/exits.json"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return plain(fake_exits(), tmp_path_factory.mktemp("exits"))


def record(given):
    return from_plain(given, FILE, ExitRecord, "Again.")


def test_a_record_that_fits_is_read(given):
    found = record(given)
    check_exits(found, FILE, "Again.")
    assert found.names == ["layer1", "layer2", "layer3", "layer4", "final"]
    assert found.chosen.theta == found.theta
    assert found.final == found.val.single[4]
    assert found.final.theta is None


def test_whether_the_rule_allowed_a_threshold_is_known(given):
    assert record(given).ruled
    curve = [point | {"f1": 0.1} for point in given["val"]["curve"]]
    assert not record(given | {"val": given["val"] | {"curve": curve}}).ruled
    single = [point | {"gaps": point["gaps"] | {"eopp1": None}} for point in given["val"]["single"]]
    assert not record(given | {"rule": "fate:eopp1", "val": given["val"] | {"single": single}}).ruled
    # What the curve shows beside the grid was not to be chosen: 0.8 lets too much F1 go.
    first = given["val"]["curve"][0]["theta"]
    assert not record(given | {"grid": [first]}).ruled


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"taps": ["layer1"]},
            r"has the exits \['layer1', 'final'\], but \[5\] costs, single exits or shares: expected 2",
        ),
        ({"costs": [1.0]}, r"but \[1, 5\] costs, single exits or shares: expected 5 of each"),
        ({"leave": [[0.2] * 5, [0.2] * 4]}, r"but \[4, 5\] costs"),
        ({"leave": [[0.2] * 5]}, r"has the groups \['female', 'male'\], but shares of \[1, 2\] groups"),
        ({"groups": ["one"]}, r"has the groups \['one'\], but shares of \[2\] groups"),
        ({"costs": [1.0, 2.0, 3.0, 4.0, 0.0]}, r"has the costs \[1.0, .*\], expected numbers above 0"),
        ({"theta": 0.123}, "chose theta 0.123 from .* has not each of them once, ascending, among its .* thresholds"),
        ({"grid": [0.123]}, r"from \[0.123\], but its curve has not each of them"),
        ({"grid": []}, r"from \[\], but its curve has not each of them"),
        ({"rule": "best"}, "there is no rule 'best' to choose a threshold by"),
    ],
)
def test_what_does_not_fit_is_refused(given, change, words):
    with pytest.raises(StoreError, match=f"'{FILE}'.*{words}.*Again"):
        check_exits(record(given | change), FILE, "Again.")


def changed_curve(given, change):
    return given | {"val": given["val"] | {"curve": change(given["val"]["curve"])}}


@pytest.mark.parametrize(
    "change",
    [
        lambda points: points[::-1],
        lambda points: [points[0], *points],
        lambda points: [points[0] | {"theta": 0.0}, *points[1:]],
        lambda points: [*points[:-1], points[-1] | {"theta": 1.5}],
        lambda points: [points[0] | {"theta": None}, *points[1:]],
    ],
)
def test_a_curve_out_of_order_is_refused(given, change):
    with pytest.raises(StoreError, match="has not each of them once, ascending"):
        check_exits(record(changed_curve(given, change)), FILE, "Again.")


def test_every_point_has_the_gap_of_the_rule(given):
    without = changed_curve(given, lambda points: [*points[:-1], points[-1] | {"gaps": {"eodd": 0.1}}])
    with pytest.raises(StoreError, match="went by the rule 'gap:soft_eopp1:0.01', but a point of it has no soft_eopp1"):
        check_exits(record(without), FILE, "Again.")


def test_the_folds_of_a_stage_have_the_same_exits(given):
    other = record(given | {"taps": ["a", "b", "c", "d"]})
    check_same([record(given), record(given)], "stages/00-train", "Again.")
    check_same([], "stages/00-train", "Again.")
    with pytest.raises(
        StoreError, match="its folds have different exits, groups, rules or grids: .*'layer1'.* and .*'a'.*Again"
    ):
        check_same([record(given), other], "stages/00-train", "Again.")

import json

import pytest

from fairshrink.errors import StoreError
from fairshrink.report.parsing import from_json
from fairshrink.report.portrayed import Portrait, check_portrait
from report.fake_quantised import fake_portrait
from report.fake_run import mapped_grid


@pytest.fixture
def given():
    return fake_portrait(mapped_grid())


def check(given):
    record = from_json(json.dumps(given).encode(), "portrait.json", Portrait, "Again.")
    check_portrait(record, "stages/03-fairquantize", "Remove it.")
    return record


def test_a_portrait_that_fits_is_read(given):
    found = check(given)
    assert found.score.beta == 0.8
    assert len(found.importance.all[0]) == len(found.joint.all)


@pytest.mark.parametrize(
    ("part", "key", "value", "words"),
    [
        (None, "unprivileged", "nobody", "favours 'nobody'"),
        (None, "samples", [64], r"has \[1, 2\] values for each number of a group"),
        ("importance", "all", [[1, 2]], "rows of one length"),
        ("joint", "fixed", [[1, 2], [3]], "as wide as they are high"),
        ("layer", "after", [1], "have 61 and 1 bins"),
        ("layer", "reach", 0.0, "up to a value above 0"),
    ],
)
def test_lists_that_do_not_fit_are_refused(given, part, key, value, words):
    place = given if part is None else given["layers"][0] if part == "layer" else given[part]
    place[key] = value
    with pytest.raises(StoreError, match=f"portrait.json.*{words}.*Remove it"):
        check(given)

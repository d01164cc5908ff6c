import dataclasses

import pytest

from fairshrink.report.compared import Change
from fairshrink.report.parsing import comparison_record
from report.fake_audit import fake_audit, fake_comparison

SURE = Change(0.2, 0.1, -0.1, -0.15, -0.05, 0.001, 0.05)


@pytest.mark.parametrize(
    ("values", "told"),
    [({}, True), ({"p_holm": 0.051}, False), ({"p_holm": None}, False), ({"low": None}, False), ({"high": 0.0}, False)],
)
def test_a_change_is_told_when_adjusted_p_and_interval_say_so(values, told):
    assert dataclasses.replace(SURE, **values).told is told


def test_every_change_is_counted_once():
    a = fake_audit({"sex": ["f", "m"]}, ["x", "y", "z"])
    assert len(list(comparison_record(fake_comparison(a, a, ["A", "B"])).changes())) == 4 + 2 * 4 + 2 + 4 + 3

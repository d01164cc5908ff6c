import numpy as np

from fairshrink.report import reliability, style
from fairshrink.report.parsing import audit_record
from report.fake_audit import fake_audit


def curves(groups):
    return audit_record(fake_audit({"g": groups}, ["a", "b"], probabilities=True)).attributes["g"].calibration


def test_few_groups_share_a_field_with_the_diagonal():
    found = curves(["female", "male"])
    with style.drawing():
        (axes,) = reliability.reliability(found).axes
    lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
    known = [(b.confidence, b.accuracy) for b in found["male"].bins if b.confidence is not None]
    np.testing.assert_allclose(np.transpose(lines[1].get_data()), known)
    assert tuple(axes.lines[0].get_xdata()) == (0, 1)


def test_bins_of_few_images_are_hollow():
    with style.drawing():
        (axes,) = reliability.reliability(curves(["female"])).axes
    marks = [line for line in axes.lines if len(line.get_xdata()) == 1][:-1]
    sizes = [b.n for b in curves(["female"])["female"].bins if b.n]
    assert [mark.get_markerfacecolor() == "none" for mark in marks] == [n < 10 for n in sizes]


def test_many_groups_have_a_field_each():
    with style.drawing():
        axes = reliability.reliability(curves([f"g{i}" for i in range(4)])).axes
    assert [one.get_title() or one.get_title(loc="left") for one in axes if one.get_visible()] == [
        "g0",
        "g1",
        "g2",
        "g3",
    ]
    assert sum(not one.get_visible() for one in axes) == 2

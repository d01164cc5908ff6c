import numpy as np
import pytest

from fairshrink.audit.attribute import SCORES, Rows, Settings, audit_attribute, group_scores
from fairshrink.audit.inputs import Coded
from fairshrink.metrics.counts import count

TRUE = np.tile([0, 0, 1, 2], 30)
PRED = np.where(np.arange(120) % 5 == 0, 1, TRUE)
GROUPS = Coded("sex", ("f", "m", "x"), np.repeat([0, 1, 2], [60, 50, 10]))
ROWS = Rows(TRUE, PRED, np.arange(120) // 2, np.full((120, 3), 1 / 3), ("bcc", "mel", "nv"))
SETTINGS = Settings("strict", 60, 0, None)
NOTHING = np.zeros((3, 3), dtype=bool)


def test_rows_can_be_left_out():
    keep = np.arange(120) < 7
    left = ROWS.only(keep)
    assert left.true.tolist() == TRUE[:7].tolist()
    assert left.cluster is not None
    assert left.prob is not None
    assert (left.cluster.tolist(), left.prob.shape, left.classes) == ([0, 0, 1, 1, 2, 2, 3], (7, 3), ROWS.classes)
    plain = Rows(TRUE, PRED, None, None, ROWS.classes).only(keep)
    assert (plain.cluster, plain.prob) == (None, None)


def test_scores_have_a_row_for_each_group():
    table = group_scores(count(TRUE, PRED, GROUPS.codes, num_groups=3, num_classes=3))
    assert list(table.columns) == ["n", *SCORES]
    assert table["n"].to_list() == [60, 50, 10]
    assert table["accuracy"][0] == pytest.approx((TRUE == PRED)[:60].mean())


def test_every_gap_has_its_number_of_images_and_its_sentence():
    found = audit_attribute(ROWS, GROUPS, SETTINGS, NOTHING)
    for name, gap in (found.gaps | found.class_gaps).items():
        assert gap.needed is not None
        assert gap.needed > 9, name
        assert f"about {gap.needed:,} images of the same mix." in gap.verdict, name
    assert [(cell["group"], cell["class"], cell["n"]) for cell in found.small_cells] == [
        ("x", "bcc", 4),
        ("x", "mel", 3),
        ("x", "nv", 3),
    ]


def test_clusters_make_a_gap_harder_to_see():
    doubled = Rows(TRUE.repeat(4), PRED.repeat(4), np.arange(480) // 4, None, ROWS.classes)
    groups = Coded("sex", GROUPS.names, GROUPS.codes.repeat(4))
    by_lesion = audit_attribute(doubled, groups, SETTINGS, NOTHING).gaps["eopp1"].needed
    alone = Rows(doubled.true, doubled.pred, None, None, ROWS.classes)
    by_row = audit_attribute(alone, groups, SETTINGS, NOTHING).gaps["eopp1"].needed
    assert by_lesion is not None
    assert by_row is not None
    assert by_lesion > 2 * by_row


def test_a_hidden_cell_is_neither_nought_nor_lacking():
    codes = np.where((GROUPS.codes == 2) | ((GROUPS.codes == 1) & (TRUE == 2)), -1, GROUPS.codes)
    hidden = np.array([[0, 0, 0], [0, 0, 1], [1, 1, 0]], dtype=bool)
    known = codes >= 0
    groups = Coded("sex", GROUPS.names, codes[known])
    found = audit_attribute(ROWS.only(known), groups, Settings("strict", 60, 0, 5), hidden)
    assert np.isnan(found.by_group["n"].to_numpy()).tolist() == [False, False, True]
    assert found.notes == ("nobody in 'x' has nv (1 of 3 classes): the TPR there is undefined, and it is left out.",)
    assert np.isnan(found.classes["nv"]["m"]["n"])
    assert np.isnan(found.classes["nv"]["m"]["tpr"])
    assert found.classes["nv"]["x"]["n"] == 0
    assert all(np.isnan(gap.value) and gap.needed is None for gap in found.class_gaps.values())
    assert found.calibration is None

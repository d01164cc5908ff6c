import dataclasses

import pytest

from fairshrink.metrics.tradeoff import fate
from fairshrink.report import paired, tables
from fairshrink.report.words import probability


def texts(table):
    return [[cell.text for cell in row] for body in table.bodies for row in body]


def test_the_average_and_the_difference_of_an_undefined_group_are_undefined():
    assert tables.average([0.2, 0.4]) == pytest.approx(0.3)
    assert tables.difference([0.2, 0.5, 0.4]) == pytest.approx(0.3)
    assert tables.average([0.2, None]) is None
    assert tables.difference([None]) is None


def test_fate_compares_with_the_vanilla_model(five):
    before, after = (stage.audit.attributes["sex"] for stage in (five.vanilla, five.stages[2]))
    expected = fate(
        tables.average_f1(after), tables.average_f1(before), after.gaps["eodd"].value, before.gaps["eodd"].value
    )
    assert tables.fate_of(five, five.stages[2], "sex", "eodd") == pytest.approx(expected)
    assert tables.fate_of(five, five.vanilla, "sex", "eodd") is None


@pytest.mark.parametrize("value", [0.0, None])
def test_fate_without_a_gap_to_start_from_is_undefined(five, value):
    audit = five.vanilla.audit.attributes["sex"]
    gaps = audit.gaps | {"eopp1": dataclasses.replace(audit.gaps["eopp1"], value=value)}
    whole = dataclasses.replace(five.vanilla.audit, attributes={"sex": dataclasses.replace(audit, gaps=gaps)})
    run = five._replace(vanilla=five.vanilla._replace(audit=whole))
    assert tables.fate_of(run, five.stages[1], "sex", "eopp1") is None


def test_scores_have_a_row_per_group_then_average_and_difference(three):
    rows = texts(tables.scores(three, "tone"))[:5]
    assert [row[-6] for row in rows] == ["tone 1", "tone 2", "tone 3", "average", "difference"]
    f1 = [scores.f1 for scores in three.vanilla.audit.attributes["tone"].groups.values()]
    assert rows[3][-1] == f"{sum(f1) / 3:.3f}"
    assert rows[4][-1] == f"{max(f1) - min(f1):.3f}"


def test_gaps_have_every_metric_fate_and_zeros(five):
    table = tables.gaps(five, "sex")
    assert [cell.text for cell in table.heads][1:] == [
        *("EOpp1", "EOpp0", "EOdd", "EOdd max"),
        *("FATE EOpp0", "FATE EOpp1", "FATE EOdd", "zero weights"),
    ]
    assert texts(table)[0][5:8] == ["baseline"] * 3
    assert texts(table)[1][-1] == "34.9\u00a0%"


def test_every_table_has_as_many_cells_as_heads(five):
    made = [tables.glance(five), tables.gaps(five, "sex"), tables.classes(five, "sex"), tables.stages(five)]
    for table in made:
        assert {len(row) for row in texts(table)} == {len(table.heads)}


def test_a_class_that_a_group_lacks_has_no_gap(five):
    audit = five.vanilla.audit.attributes["sex"]
    cell = tables._class_cell(dataclasses.replace(audit, class_gaps={}, classes={}), "mel", ["female", "male"])
    assert cell.text == "– / –"
    assert cell.notes == ("gap undefined",)


def test_models_name_what_they_started_from_and_how_long_they_took(five):
    assert texts(tables.stages(five))[2] == [
        *("FairPrune", "Vanilla", "ratio 0.35, beta 0.2 or 0.33 or 0.5 or 0.7"),
        *("11,172,423", "34.9\u00a0%", "170 s"),
    ]


def test_the_terminal_gets_one_row_per_model(five_folder, five):
    rows = tables.summary_rows(five_folder)
    gap = five.stages[1].audit.attributes["sex"].gaps["eopp1"]
    assert [row["model"] for row in rows] == ["Vanilla", "OBD", "FairPrune"]
    assert rows[0]["FATE"] == "baseline"
    assert rows[1]["EOpp1, sex"].replace("\u00a0", " ") == f"{gap.value:.3f} ({gap.low:.3f} to {gap.high:.3f})"
    assert rows[1]["chance"] == f"{gap.null_high:.3f}"


def test_changes_have_their_interval_and_adjusted_p(five):
    table = tables.changes(five, "age >= 60")
    found = paired.change(five, five.stages[2], "age >= 60", "eopp1")
    cell = table.bodies[1][0][1]
    assert [head.text for head in table.heads] == [
        *("model", "EOpp1", "EOpp0", "EOdd"),
        *("macro F1, average", "lowest accuracy"),
    ]
    assert cell.text == f"{found.change:+.3f}".replace("-", "−")
    assert cell.notes[1] == f"p {probability(found.p_holm)}"
    assert cell.strong is found.told
    assert len(table.bodies[1][0][4].notes) == 1


def test_without_a_comparison_there_is_no_table_of_changes(five):
    assert tables.changes(five._replace(stages=[five.vanilla]), "sex") is None
    assert tables._change_cell(None, adjusted=True).notes == ("undefined",)


def test_the_floor_of_single_classes_is_called_corrected(five):
    assert "corrected for the number of classes" in tables.classes(five, "sex").note


def test_the_time_of_the_steps_stands_against_that_of_the_epochs(five):
    rows = [row for body in tables.stages(five).bodies for row in body]
    epochs, steps = 5 * 12 * 21.0, 5 * 7 * 2.5
    assert rows[0][-1].notes == (f"epochs {epochs:.0f} s",)
    assert rows[1][-1].notes == (f"steps {steps:.1f} s", f"{100 * steps / epochs:.1f}\u00a0%")
    trained = five.vanilla._replace(history=[])
    bare = tables.stages(five._replace(stages=[trained, five.stages[1]._replace(steps=[])], vanilla=trained))
    assert [row[-1].notes for body in bare.bodies for row in body] == [(), ()]

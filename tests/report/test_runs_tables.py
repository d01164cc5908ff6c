from dataclasses import replace

from fairshrink.report import runs_tables
from fairshrink.report.runs_front import front
from fairshrink.report.runs_measured import gap, macro_f1
from fairshrink.report.runs_page import compare_runs


def texts(table):
    return {body[0][0].text: body[0] for body in table.bodies}


def heads(table):
    return [cell.text for cell in table.heads]


def test_the_glance_has_interval_floor_and_seeds(seeds):
    section = seeds.sections[0]
    table = runs_tables.glance(section)
    assert heads(table) == ["model", "seeds", "macro F1", "EOpp1, sex", "FATE", "zero weights"]
    rows = texts(table)
    assert list(rows) == ["1 Vanilla", "2 OBD", "3 FairPrune"]
    found = gap(section.methods[1], "sex", "eopp1")
    cell = rows["2 OBD"][3]
    assert cell.text == f"{found.value:.3f}"
    assert cell.notes == (
        f"{found.low:.3f}\u00a0to\u00a0{found.high:.3f}".replace("-", "−"),
        f"chance {found.floor:.3f} ({found.above} of 3 above)",
    )
    assert cell.strong is (found.above == 3)
    assert [row[4].text == "baseline" for row in rows.values()] == [True, False, False]


def test_one_seed_has_no_t_interval(lone):
    cell = texts(runs_tables.glance(lone.sections[0]))["1 Vanilla"][2]
    assert cell.notes == ()
    assert texts(runs_tables.glance(lone.sections[0]))["1 Vanilla"][1].text == "1"


def test_scores_and_gaps_of_an_attribute(seeds):
    table = runs_tables.models(seeds.sections[0], "sex")
    assert heads(table)[2:] == [
        *("macro F1, groups", "macro F1, all", "accuracy", "EOpp1", "EOpp0", "EOdd"),
        *("FATE EOpp1", "FATE EOpp0", "FATE EOdd", "zero weights", "weights"),
    ]
    assert texts(table)["2 OBD"][-1].text == "11,172,423"
    assert "convention 'strict'" in table.note


def test_differences_show_both_intervals_and_what_is_told_is_bold(seeds):
    section, one = seeds.sections[0], seeds.differences[0]
    told = [
        replace(
            one,
            p_holm=0.01,
            seeds=replace(one.seeds, low=-0.2, high=-0.1),
            images=replace(one.images, low=-0.2, high=-0.1),
        )
    ]
    table = runs_tables.differences(section, "sex", [*told, *seeds.differences[1:-1]])
    cells = texts(table)["2 OBD"]
    assert cells[2].strong
    assert cells[2].notes == ("seeds −0.200\u00a0to\u00a0−0.100", "images −0.200\u00a0to\u00a0−0.100", "p 0.010")
    assert not cells[3].strong
    assert texts(table)["3 FairPrune"][-1].notes == ("undefined",)  # left out above
    assert "all 7 comparisons" in table.note
    assert runs_tables.differences(section._replace(methods=section.methods[:1]), "sex", []) is None


def test_what_could_not_be_tested_says_so(seeds):
    one = seeds.differences[0]
    none = replace(one.seeds, low=None, high=None)
    cell = runs_tables._difference(replace(one, seeds=none, images=none, p=None, p_holm=None))
    assert cell.notes == ("no test",)


def test_the_front_names_who_beats_whom(seeds):
    found = front(seeds.sections[0], "sex")
    rows = texts(runs_tables.pareto(found))
    for place, row in zip(found.places, rows.values(), strict=True):
        beaten = f"beaten by {', '.join(map(str, place.beaten_by))}"
        assert row[4].text == ("on the front" if place.front else beaten)
        assert (row[5].text == "–") is not place.front
        assert row[2].text == f"{macro_f1(place.method, 'sex').value:.3f}"
    lost = found.places[0]._replace(gap=found.places[0].gap._replace(value=None), front=False)
    assert texts(runs_tables.pareto(found._replace(places=(lost,))))["1 Vanilla"][4].text == "undefined"
    assert "hypervolume from macro F1 0 and EOpp1 1" in runs_tables.pareto(found).note


def test_undefined_seeds_are_counted(seeds):
    found = macro_f1(seeds.sections[0].methods[0], "sex")
    assert runs_tables._value(found._replace(values=(0.1, None, 0.2))).notes[-1] == "2 of 3 seeds"
    assert runs_tables._value(found._replace(value=None)).notes == ("undefined",)
    assert runs_tables.gap_cell(found._replace(value=None)).notes == ("undefined",)


def test_settings_and_seeds_are_listed(seeds):
    rows = texts(runs_tables.setting_table(seeds.sections[0]))
    assert [cell.text for cell in rows["2 OBD"][1:]] == ["0, 1, 2 (data 0)", "seed-0, seed-1, seed-2", "ratio 0.35"]


def test_quantised_weights_are_fixed_and_not_zero(quantised_folder):
    section = compare_runs([quantised_folder]).sections[0]
    table = runs_tables.glance(section)
    assert heads(table)[-1] == "fixed weights"
    last = {name[2:]: (row[-1].text, row[-1].notes) for name, row in texts(table).items()}
    assert last == {
        "Vanilla": ("0.0\u00a0%", ()),
        "OBD": ("34.9\u00a0%", ("zero",)),
        "FairPrune": ("34.9\u00a0%", ("zero",)),
        "FairQuantize": ("35.0\u00a0%", ("powers of two",)),
        "Re-training only": ("0.0\u00a0%", ()),
    }
    assert "fixed weights" in heads(runs_tables.models(section, "sex"))

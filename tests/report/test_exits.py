import json
import re
from dataclasses import replace

import pytest

from fairshrink.errors import StoreError
from fairshrink.report import card_parts, exits, style
from fairshrink.report.exits import exit_section
from fairshrink.report.page import render
from fairshrink.report.reading import read_run
from fairshrink.report.words import percent
from report.fake_exits import add_exits
from report.fake_run import mapped_grid, three_groups, write_fake_run
from report.pages import EVIL, Elements, check_harmless


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return read_run(add_exits(write_fake_run(tmp_path_factory.mktemp("exits") / "run", mapped_grid()), stages=2))


@pytest.fixture(scope="module")
def found(run):
    with style.drawing():
        return exit_section(run)


def test_a_run_without_exits_has_no_section(mapped):
    assert exit_section(mapped) is None


def test_every_model_with_exits_has_three_pictures_and_a_row(found):
    assert [part.label for part in found.parts] == ["Vanilla", "OBD"]
    assert [len(part.picture.panels) for part in found.parts] == [3, 3]
    assert [body[0][0].text for body in found.table.bodies] == ["Vanilla", "OBD"]
    heads = ["model", "theta", "cost on test", "macro F1 (val)", "EOdd (val)", "soft EOpp1 (val)"]
    assert [cell.text for cell in found.table.heads] == heads
    assert found.further == []


def test_many_models_are_folded_away(run, monkeypatch):
    monkeypatch.setattr(exits, "MOST", 1)
    with style.drawing():
        cut = exit_section(run)
    assert ([part.label for part in cut.parts], [part.label for part in cut.further]) == (["Vanilla"], ["OBD"])
    assert cut.more == "The exits of 1 more model"


def row(run, *folds):
    """The cells of the first stage with other folds."""
    ((cells,),) = exits.table([run.stages[0]._replace(exits=folds)]).bodies
    return cells


def test_the_row_has_the_means_of_the_folds(run):
    folds = run.stages[0].exits
    cells = row(run, *folds)
    own, end = (sum(getattr(one, name).f1 for one in folds) / 3 for name in ("chosen", "final"))
    assert cells[2].text == f"{100 * sum(one.saved for one in folds) / 3:.1f}\u00a0%"
    assert (cells[3].text, cells[3].notes[0]) == (f"{own:.3f}", f"to the end {end:.3f}")
    assert float(cells[3].notes[1].replace("−", "-")) == pytest.approx(own - end, abs=0.0006)


def test_thresholds_that_differ_are_counted(run):
    low, high = (replace(run.stages[0].exits[0], theta=theta) for theta in (0.9, 0.99))
    assert row(run, low, low)[1] == ("0.9", (), "number", False, 1)
    assert row(run, high, low, low)[1][:2] == ("differs", ("in 2 folds: 0.9", "in 1 fold: 0.99"))


def test_what_is_undefined_is_a_dash(run):
    first, *others = run.stages[0].exits
    single = [*first.val.single[:-1], replace(first.final, gaps=first.final.gaps | {"eodd": None})]
    assert row(run, replace(first, val=replace(first.val, single=single)), *others)[4].notes == ("to the end –", "–")


def test_folds_whose_thresholds_broke_the_rule_are_counted(run):
    first, *others = run.stages[0].exits
    assert row(run, first, *others)[0].notes == ()
    poor = replace(first, val=replace(first.val, curve=[replace(point, f1=0.1) for point in first.val.curve]))
    assert row(run, poor, *others)[0].notes == ("in 1 of 3 no theta was within the rule: the largest was taken",)
    assert row(run, replace(poor, grid=[first.theta]), *others)[0].notes == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            "of 0.8, 0.85, 0.9, 0.95, 0.99 and 0.999, the one with the smallest soft EOpp1 (EOpp1 of the mean probability of ",
        ),
        ({}, "whose macro F1 there is at most 0.01 below running to the end"),
        ({"rule": "fate:eodd"}, "the one with the largest FATE in EOdd on validation, relative to running to the end"),
        ({"rule": "cost:0.005"}, "the cheapest on validation among those whose macro F1 there is at most 0.005 below"),
        ({"grid": [0.9]}, "Theta was given: 0.9."),
    ],
)
def test_how_theta_was_chosen_is_said(run, changes, words):
    assert words in exits.sentences(replace(run.stages[0].exits[0], **changes))[0]


def test_the_caption_speaks_of_what_is_there(run):
    first = replace(run.stages[0].exits[0], leave=[[0.1, 0.1, 0.1, 0.1, 0.6], [0.0, 0.2, 0.2, 0.2, 0.4]])
    narrow = replace(first, leave=[[0.05, 0.15, 0.1, 0.1, 0.6], first.leave[1]])
    assert "fold" not in exits.caption([first])
    assert "thin are single folds" in exits.caption([first, first])
    assert "have no number" not in exits.caption([first])
    assert "Shares below 7.5\u00a0% have no number" in exits.caption([narrow])


def test_hostile_names_are_shown_and_do_nothing(run):
    first = replace(run.stages[0].exits[0], taps=EVIL[:4], groups=EVIL[1:3])
    with style.drawing():
        found = exit_section(run._replace(stages=[run.stages[0]._replace(exits=(first,))]))
    for drawn in found.parts[0].picture.panels:
        check_harmless(drawn)
    assert "<script>" not in "".join(found.parts[0].picture.panels)


def test_the_page_of_one_fold_shows_it_once(tmp_path):
    folder = write_fake_run(tmp_path / "run", three_groups())
    add_exits(folder, stages=1, folds=1, groups=("tone 1", "tone 2", "tone 3"))
    found = read_run(folder)
    assert [len(stage.exits) for stage in found.stages] == [1, 0, 0]
    text = render(found)
    check_harmless(text)
    assert text.count('<section id="exits">') == 1
    assert '<a href="#exits">Exits</a>' in text
    labels = [attributes["aria-label"] for tag, attributes in Elements(text).found if tag == "svg"]
    assert sum("Where the test images of each group leave Vanilla. tone 1: " in label for label in labels) == 1
    (folder / "stages/00-train/exits.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StoreError, match="'stages/00-train/exits.json': theta: "):
        read_run(folder)


def test_folds_that_disagree_are_refused(tmp_path):
    folder = add_exits(write_fake_run(tmp_path / "run", mapped_grid()), stages=1)
    file = folder / "stages/00-train/fold-1/exits.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(record | {"taps": list("abcd")}), encoding="utf-8")
    with pytest.raises(
        StoreError,
        match=re.escape("'stages/00-train': the exits.json of its folds have different exits, groups, rules or"),
    ):
        read_run(folder)
    file.write_text(json.dumps(record | {"costs": [1]}), encoding="utf-8")
    with pytest.raises(StoreError, match="'stages/00-train/fold-1/exits.json' has the exits"):
        read_run(folder)


def test_the_model_card_says_who_leaves_where_by_which_rule(run):
    entry = next(line for line in "\n".join(card_parts.details(run)).splitlines() if "**Exits**" in line)
    first = run.stages[0].exits
    thetas = [f"{one.theta:g}" for one in first]
    assert "An image leaves at the first of these whose largest probability reaches the threshold theta" in entry
    assert f"Vanilla: theta {thetas[0]}, {thetas[1]} and {thetas[2]} by fold, " in entry
    cost = percent(sum(one.saved for one in first) / 3).replace("\u00a0", " ")
    assert f"{cost} of the cost of running to the end on test images; OBD: theta" in entry


def test_the_model_card_of_one_fold_has_one_threshold_and_without_exits_none(run, mapped):
    one = run._replace(stages=[run.stages[0]._replace(exits=run.stages[0].exits[:1])])
    assert f"Vanilla: theta {run.stages[0].exits[0].theta:g}, " in "\n".join(card_parts.details(one))
    assert "**Exits**" not in "\n".join(card_parts.details(mapped))

from dataclasses import replace

import pytest

from fairshrink.report import choice_gallery, ending, style
from report.fake_run import named


@pytest.fixture(autouse=True)
def _drawing():
    with style.drawing():
        yield


@pytest.fixture
def stage(mapped):
    return mapped.stages[2]


def with_params(stage, edit):
    choice = replace(stage.choice, candidates=[replace(c, params=edit(c)) for c in stage.choice.candidates])
    return stage._replace(choice=choice, steps=[replace(s, params=edit(s)) for s in stage.steps])


def test_a_choice_has_its_words_map_and_table(stage):
    part = choice_gallery.choice(stage, 0)
    assert part.label == "FairPrune"
    assert len(part.map.panels) == 2
    assert not part.folded
    assert "chosen is " in part.map.panels[0]
    assert "soft EOpp1 on validation by ratio and beta, FairPrune" in part.map.panels[0]
    assert "Struck through: macro F1 falls by more than the rule's 0.02" in part.map.caption


def test_without_a_grid_only_the_sentence_remains(three):
    assert choice_gallery.choice(three.stages[2], 0)[1:] == (
        ["One candidate, nothing to choose."],
        "",
        None,
        None,
        False,
    )


def test_a_long_table_is_folded_away(stage, monkeypatch):
    monkeypatch.setattr(choice_gallery, "MOST_ROWS", 8)
    assert choice_gallery.choice(stage, 0).folded


def test_a_grid_of_names_says_why_there_is_no_map(stage):
    named = with_params(stage, lambda c: {"ranking": f"way {c.candidate}"})
    assert choice_gallery.grid_map(named, 0) == (
        [],
        "No map is drawn: no setting of FairPrune varies as a number (ranking); the table has the values.",
        False,
    )
    assert "FairPrune has no choice.json" in choice_gallery.grid_map(stage._replace(choice=None), 0).caption


def test_further_settings_have_maps_of_their_own_up_to_a_limit(stage, monkeypatch):
    two = with_params(stage, lambda c: c.params | {"ranking": "layer" if c.candidate % 2 else "global"})
    assert len(choice_gallery.grid_map(two, 0).panels) == 4
    monkeypatch.setattr(choice_gallery, "MOST_MAPS", 1)
    picture = choice_gallery.grid_map(two, 0)
    assert len(picture.panels) == 2
    assert "1 of 2 combinations of the further settings are drawn" in picture.caption


def test_one_setting_is_a_line(stage):
    line = with_params(stage, lambda c: {"beta": c.candidate / 10})
    picture = choice_gallery.grid_map(line, 0)
    assert picture.caption.startswith("Thick: on validation, mean of the folds; thin: single folds.")
    assert "No point carries an interval" in picture.caption
    assert "by beta, FairPrune" in picture.panels[0]


def test_without_the_start_the_change_is_left_out(stage):
    old = [replace(c, f1_before=None, within=None) for c in stage.choice.candidates]
    picture = choice_gallery.grid_map(stage._replace(steps=[], choice=replace(stage.choice, candidates=old)), 0)
    assert len(picture.panels) == 1
    assert "The change of macro F1 is left out" in picture.caption


def test_the_settings_have_two_pictures_per_start(mapped):
    trade, along = choice_gallery.ablations(mapped)
    assert "beta 0.33: EOpp1" in trade.panels[0]
    assert "the points are joined in the order of beta" in trade.caption
    assert "past any choice" in along.caption
    assert "Thick with a band: what was chosen, with its interval." in along.caption
    assert "Dashed: Vanilla. Grey: what chance alone reaches (the largest floor of the models drawn" in along.caption
    assert "At the end, OBD: recall" in along.panels[0]


def test_of_more_than_two_stages_the_caption_names_the_bands(mapped):
    third = mapped.stages[1]._replace(label="Other")
    along = choice_gallery.ablations(mapped._replace(stages=[*mapped.stages, third]))[1]
    assert "Thick: what was chosen; bands are intervals, drawn for OBD and FairPrune" in along.caption
    assert "alone, because more of them would hide the lines. Thin:" in along.caption


def test_what_is_left_out_says_why(mapped):
    obd = mapped.stages[1]
    one = obd._replace(steps=[step for step in obd.steps if step.step in (0, 7)])
    trade, along = choice_gallery.ablations(mapped._replace(stages=[mapped.stages[0], one]))
    assert trade.caption == "F1 against EOpp1 along a setting such as beta is left out: OBD tried no two values of one."
    assert along.caption == "Recall and EOpp1 along the ratio are left out: OBD took a single step."
    bare = [stage._replace(steps=[replace(step, counts=None) for step in stage.steps]) for stage in mapped.stages]
    (reason,) = choice_gallery.ablations(mapped._replace(stages=bare))
    assert reason.caption.startswith("Left out of the pictures of the settings. OBD: its steps.jsonl has no counts")
    assert "FairPrune: its steps.jsonl" in reason.caption


def test_removed_channels_are_in_no_picture_of_the_settings(channels):
    run = channels._replace(stages=[channels.vanilla, *channels.stages[3:]])
    assert choice_gallery.ablations(run) == []


def test_where_the_control_ended_is_said_beside(channels):
    stage, control = (named(channels, name) for name in ("scp", "scp-control"))
    assert not any(text.startswith("The control:") for text in choice_gallery.choice(stage, 0).sentences)
    found = choice_gallery.choice(stage, 0, control).sentences
    (said,) = ending.sentences(control)
    assert found[-1] == f"The control: {said[0].lower()}{said[1:]}"

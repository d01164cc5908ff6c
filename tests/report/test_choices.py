from dataclasses import replace

import pytest

from fairshrink.report import choices


@pytest.fixture
def stage(mapped):
    return mapped.stages[2]


def choosing(stage, numbers, **changes):
    """The stage, its folds choosing these candidates."""
    chosen = [replace(one, candidate=number) for one, number in zip(stage.choice.chosen, numbers, strict=True)]
    return stage._replace(choice=replace(stage.choice, chosen=chosen, **changes))


def test_nothing_to_choose_is_one_sentence(three):
    assert choices.sentences(three.stages[2]) == ["One candidate, nothing to choose."]
    assert choices.sentences(three.vanilla) == ["One candidate, nothing to choose."]
    assert choices.warning(three.vanilla) == ""


def test_the_rule_and_its_images_are_named(stage):
    rule = choices.sentences(stage)[0]
    assert rule.startswith(
        "Taken was the smallest soft EOpp1 (EOpp1 of the mean probability of the true class) on validation"
    )
    assert "at most 0.02 below the model it started from" in rule
    assert "all folds together, but for those that it is tested on itself" in rule
    own = choices.sentences(choosing(stage, [0, 0, 0], over="fold"))
    assert "its own validation images alone" in own[0]
    assert "between folds, soft EOpp1 of one and the same setting differs by" in own[-1]
    assert "which share most of their images" in choices.sentences(stage)[-1]


def test_folds_that_agree_need_no_warning(stage):
    agreed = choosing(stage, [4, 4, 4])
    assert "All 3 folds chose the same of 9 candidates: ratio 0.2, beta 0.33." in choices.sentences(agreed)
    assert choices.warning(agreed) == ""


def test_folds_that_differ_are_counted_and_warned_of(stage):
    apart = choosing(stage, [4, 5, 4])
    text = "The folds chose differently among 9 candidates: ratio 0.2, beta 0.33 in 2 of 3 folds; ratio 0.35, beta 0.33 in 1 of 3"
    assert any(one.startswith(text) for one in choices.sentences(apart))
    assert "not that of one setting" in choices.warning(apart)


def test_a_model_that_was_kept_as_it_was_is_said(stage):
    kept = choosing(stage, [None, None, None])
    assert "the model stayed as it was" in choices.sentences(kept)[1]
    assert "in 1 of 3 folds" in choices.sentences(choosing(stage, [None, 4, 4]))[1]


def test_what_the_bound_leaves_is_counted(stage):
    within = [sum(c.within for c in stage.choice.candidates if c.fold == fold) for fold in range(3)]
    several = f"{min(within)} to {max(within)}" if min(within) < max(within) else str(within[0])
    assert f"Within the bound on macro F1 were {several} of them in each fold." in choices.sentences(stage)
    none = [replace(c, within=bool(c.within and c.fold)) for c in stage.choice.candidates]
    told = choices.sentences(stage._replace(choice=replace(stage.choice, candidates=none)))[2]
    assert told.startswith("Within the bound on macro F1 were 0 to")
    assert told.endswith("In 1 fold none was.")


def test_the_front_is_counted(stage):
    marked = [replace(c, front=c.candidate < 2 + c.fold) for c in stage.choice.candidates]
    changed = replace(stage.choice, candidates=marked, rule="pareto:eopp1")
    told = choices.sentences(stage._replace(choice=changed))
    assert "On the Pareto front were 2 to 4 of them in each fold." in told
    assert told[0].startswith(
        "Taken was the point of the Pareto front of macro F1 and EOpp1 on validation, the start included"
    )
    assert not any("Pareto" in text for text in choices.sentences(stage))


def test_the_range_of_the_candidates_is_given(stage):
    values = [cell.value for cell in choices.every_cell(stage)]
    changes = [cell.change for cell in choices.every_cell(stage)]
    assert len(values) == 9
    text = choices.sentences(stage)[-1].replace("−", "-")
    assert f"soft EOpp1 goes from {min(values):.3f} to {max(values):.3f}" in text
    assert f"the change of macro F1 from {min(changes):.3f}" in text
    bare = [replace(c, criteria={}, gap=None) for c in stage.choice.candidates]
    assert len(choices.sentences(stage._replace(choice=replace(stage.choice, candidates=bare)))) == 3


def test_one_split_speaks_of_no_folds(three):
    stage = three.stages[2]
    candidates = [replace(stage.choice.candidates[0], candidate=n, params={"beta": n}) for n in range(2)]
    sentences = choices.sentences(stage._replace(steps=[], choice=replace(stage.choice, candidates=candidates)))
    assert "there is one split, and its validation images decided" in sentences[0]
    assert sentences[1] == "Chosen of 2 candidates: beta 0."
    assert "folds" not in " ".join(sentences)

import dataclasses

import pytest

from fairshrink.report import card_results, verdict
from fairshrink.report.audited import Gap
from fairshrink.report.markdown import escape
from fairshrink.report.words import number


def written(run, place):
    return "\n\n".join(card_results.model(run, run.stages[place]))


def test_every_gap_stands_with_its_interval_and_what_chance_reaches(five):
    gap = five.stages[1].audit.attributes["sex"].gaps["eopp1"]
    row = next(line for line in written(five, 1).splitlines() if line.startswith("| sex | EOpp1 |"))
    above = "yes" if gap.above_chance else "no"
    numbers = f"{number(gap.value)} | {number(gap.low)} to {number(gap.high)} | {number(gap.null_high)} | {above}"
    assert row.startswith(f"| sex | EOpp1 | {numbers} |")
    assert written(five, 1).count("\n| sex | EO") == written(five, 1).count("\n| age >= 60 | EO") == 4
    assert written(five, 0).count("| baseline |") == 8


def test_an_undefined_gap_is_called_so(five):
    stage = five.stages[1]
    audit = stage.audit.attributes["sex"]
    gaps = audit.gaps | {
        "eopp1": Gap(None, None, None, None, None, 7),
        "eopp0": dataclasses.replace(audit.gaps["eopp0"], undefined=1),
    }
    whole = dataclasses.replace(
        stage.audit, attributes=stage.audit.attributes | {"sex": dataclasses.replace(audit, gaps=gaps)}
    )
    text = "\n".join(card_results.model(five, stage._replace(audit=whole)))
    assert "| sex | EOpp1 | – | – | – | undefined | – |" in text
    assert "(1 class undefined) |" in text


def test_scores_of_all_and_of_each_group(five):
    female = five.stages[2].audit.attributes["sex"].groups["female"]
    assert f"| sex | female | {female.n:,} | {number(female.accuracy)} | {number(female.f1)} |" in written(five, 2)
    assert f"| all images |  | {five.stages[2].audit.overall.n:,} |" in written(five, 2)


def test_the_change_is_in_the_words_of_the_page(five):
    for attribute in five.attributes:
        assert escape(verdict.change(five, five.stages[2], attribute)) in written(five, 2)
    assert "Against the vanilla model" not in written(five, 0)


def test_the_choice_and_the_favoured_group_are_named(five, three):
    text = written(five, 2)
    assert "- **Method**: fairprune; tried: ratio 0.35, beta 0.2 or 0.33 or 0.5 or 0.7" in text
    assert "- **Choice**: Taken was the largest FATE in EOpp1 on validation" in text
    assert "- **Favoured group**: female in 5 of 5 folds (measured: the lowest macro F1 on validation)" in text
    assert "- **Started from**: Vanilla" in text
    assert "- **Favoured group**: tone 1 (measured" in written(three, 2)


@pytest.mark.parametrize(
    ("measured", "how"), [(True, "measured: the lowest macro F1"), (False, "set in the experiment")]
)
def test_folds_that_favour_different_groups_are_counted(five, measured, how):
    stage = five.stages[1]
    first, *rest = stage.record.unprivileged
    mixed = [dataclasses.replace(first, group="male", measured=measured), *rest]
    found = card_results.favoured(stage._replace(record=dataclasses.replace(stage.record, unprivileged=mixed)))
    assert found.startswith("female in 4 of 5 folds (measured")
    assert f"male in 1 of 5 folds ({how}" in found
    assert card_results.favoured(stage._replace(record=dataclasses.replace(stage.record, unprivileged=[]))) == ""


def test_notes_of_the_audit_are_kept(five):
    assert "- sex: female has no image of one class" in written(five, 1)


def test_a_quantised_model_stands_beside_its_control(quantised, uncontrolled):
    text = "\n".join(card_results.model(quantised, quantised.stages[3]))
    assert "35.0 % of 11,172,423 weights of convolutions and linear layers are powers of two" in text
    assert "Against models that differ from it in one thing:" in text
    assert "Against the same re-training without quantisation" in text
    assert "has no control" not in text
    assert "has no control" in "\n".join(card_results.model(uncontrolled, uncontrolled.stages[3]))
    control = "\n".join(card_results.model(quantised, quantised.stages[4]))
    assert "it was re-trained just as FairQuantize was, with nothing fixed (its control)" in control


def test_removed_channels_and_what_was_taken_are_on_the_card(channels):
    text = written(channels, 3)
    assert "those of 0 to 20 of 512 channels of layer4.1.conv2 among them" in text
    assert "Taken was: fold 0, step 2 of the 3 that were done" in text
    assert "- **Favoured group**: none: the score treats all groups alike" in text
    assert "was re-trained by the settings of SCP, with no channel removed (its control)" in written(channels, 4)

import dataclasses

from fairshrink.report import verdict
from fairshrink.report.audited import Gap


def with_gap(run, place, gap, attribute="sex", name="eopp1"):
    """The run with another gap in one stage."""
    stage = run.stages[place]
    audit = stage.audit.attributes[attribute]
    changed = dataclasses.replace(audit, gaps=audit.gaps | {name: gap})
    whole = dataclasses.replace(stage.audit, attributes=stage.audit.attributes | {attribute: changed})
    stages = [*run.stages[:place], stage._replace(audit=whole), *run.stages[place + 1 :]]
    return run._replace(stages=stages, vanilla=stages[0])


WIDE, NARROW = Gap(0.20, 0.15, 0.25, 0.03, 0.06), Gap(0.05, 0.02, 0.08, 0.03, 0.06)


def test_a_gap_above_its_floor_is_above_chance_and_never_more(five):
    found = verdict.findings(with_gap(five, 0, WIDE))[0]
    assert found.badge == "EOpp1 above chance"
    assert "20.0 percentage points" in found.sentences[0]
    assert "Chance alone reaches 0.060, so this is above chance." in found.sentences[0]


def test_a_gap_within_its_floor_is_not_distinguishable(five):
    run = five
    for name in ("eopp0", "eopp1", "eodd"):
        run = with_gap(run, 0, NARROW, name=name)
    found = verdict.findings(run)[0]
    assert found.badge == "not distinguishable from chance"
    assert not found.above
    assert "not distinguishable from chance in sex" in verdict.headline(run)


def test_another_gap_above_chance_is_named(five):
    run = with_gap(with_gap(with_gap(five, 0, NARROW), 0, WIDE, name="eodd"), 0, NARROW, name="eopp0")
    assert verdict.findings(run)[0].badge == "EOdd above chance"


def test_an_undefined_gap_is_said(five):
    run = with_gap(five, 0, Gap(None, None, None, None, None, 7))
    assert "EOpp1 is undefined" in verdict.findings(run)[0].sentences[0]
    assert "nothing can be said about the gap" in verdict.change(run, run.stages[1], "sex")


def with_change(run, place, attribute="sex", **values):
    """The run with another change of EOpp1 in one stage."""
    stage = run.stages[place]
    found = stage.comparison.attributes[attribute]
    gaps = found.gaps | {"eopp1": dataclasses.replace(found.gaps["eopp1"], **values)}
    attributes = stage.comparison.attributes | {attribute: dataclasses.replace(found, gaps=gaps)}
    comparison = dataclasses.replace(stage.comparison, attributes=attributes)
    stages = [*run.stages[:place], stage._replace(comparison=comparison), *run.stages[place + 1 :]]
    return run._replace(stages=stages)


SURE = {"low": -0.15, "high": -0.05, "change": -0.10, "p": 1e-6}


def test_a_change_is_claimed_from_the_paired_comparison(five):
    narrower = with_change(five, 2, **SURE)
    sentence = verdict.change(narrower, narrower.stages[2], "sex")
    assert (
        "On the same images the gap is narrower: −0.100 (interval −0.150\u00a0to\u00a0−0.050, p <0.001 after Holm)."
        in sentence
    )
    assert "FairPrune narrows EOpp1 in sex" in verdict.headline(narrower)
    wider = with_change(five, 2, low=0.05, high=0.15, change=0.10, p=1e-6)
    assert "the gap is wider: +0.100" in verdict.change(wider, wider.stages[2], "sex")
    assert "FairPrune widens EOpp1 in sex" in verdict.headline(wider)


def test_overlapping_intervals_do_not_hide_a_paired_change(five):
    run = with_change(with_gap(with_gap(five, 0, WIDE), 2, Gap(0.17, 0.12, 0.22, 0.03, 0.06)), 2, **SURE)
    assert "the gap is narrower" in verdict.change(run, run.stages[2], "sex")


def test_intervals_apart_do_not_make_a_change(five):
    run = with_change(with_gap(with_gap(five, 0, WIDE), 2, NARROW), 2, low=-0.2, high=0.01, change=-0.15, p=0.06)
    assert "not distinguishable from no change: −0.150" in verdict.change(run, run.stages[2], "sex")
    assert "FairPrune narrows EOpp1 in sex" not in verdict.headline(run)


def test_an_interval_that_excludes_0_but_does_not_hold_says_both(five):
    run = with_change(five, 2, low=-0.2, high=-0.01, change=-0.1, p=0.03)
    sentence = verdict.change(run, run.stages[2], "sex")
    assert "the gap is narrower, but among all changes on this page it does not hold: −0.100" in sentence
    assert "narrows EOpp1 in sex" not in verdict.headline(run)


def test_no_sure_change_is_said_to_be_none(five):
    run = five
    for place in (1, 2):
        for attribute in five.attributes:
            run = with_change(run, place, attribute, low=-0.1, high=0.1, change=0.0, p=1.0)
    assert verdict.headline(run).endswith(
        "No shrunk model changes EOpp1 by more than these test images can tell from no change."
    )


def test_an_older_run_without_comparisons_says_so(five):
    bare = [stage._replace(comparison=None) for stage in five.stages]
    run = five._replace(stages=bare, vanilla=bare[0])
    assert "There is no paired comparison (comparison.json)" in verdict.headline(run)
    assert "There is no paired comparison (comparison.json)" in verdict.change(run, run.stages[2], "sex")
    assert "For OBD and FairPrune there is no paired comparison." in " ".join(verdict.limits(run))
    assert "paired change" not in verdict.change(run, run.stages[2], "sex")


def test_an_undefined_change_is_said(five):
    run = with_change(five, 2, change=None, low=None, high=None, p=None)
    assert "The paired change is undefined." in verdict.change(run, run.stages[2], "sex")


def test_a_class_above_chance_is_named_with_its_floor(five):
    sentence = verdict.findings(five)[0].sentences[-1]
    assert "stands out most in the class" in sentence
    assert "corrected for the number of classes)" in sentence


def test_classes_within_chance_are_said_to_be(five):
    audit = five.vanilla.audit.attributes["sex"]
    gaps = {name: dataclasses.replace(gap, null_high=0.9) for name, gap in audit.class_gaps.items()}
    for chosen, words in ((gaps, "No single class exceeds chance; "), ({}, "No single class exceeds chance.")):
        changed = dataclasses.replace(audit, class_gaps=chosen)
        whole = dataclasses.replace(five.vanilla.audit, attributes={"sex": changed})
        run = five._replace(vanilla=five.vanilla._replace(audit=whole))
        assert verdict._class_sentence(run, "sex").startswith(words)


def test_a_single_model_changes_nothing(five):
    assert verdict.headline(five._replace(stages=[five.vanilla])).endswith(").")


def test_what_was_done_names_folds_and_split(five, three):
    assert "5 times on different parts of the data" in verdict.done(five)
    assert "share a lesion_id are never on both sides" in verdict.done(five)
    assert "measured once, on 800 test images" in verdict.done(three)


def test_a_checkpoint_is_not_said_to_be_trained(three):
    run = three._replace(vanilla=three.vanilla._replace(history=[]))
    run = run._replace(stages=[run.vanilla, *three.stages[1:]])
    assert "had been trained before" in verdict.done(run)
    assert verdict.pipeline(run)[1].about == "trained before, taken from a file"


def test_the_pipeline_shows_what_follows_what(five):
    assert [post.follows for post in verdict.pipeline(five)] == [False, True, True, False]


def test_limits_count_the_comparisons_and_say_one_split_is_one_draw(five, three):
    assert "18 comparisons of gaps and 42 of single classes" in verdict.limits(five)[0]
    assert "Changes of EOpp1, EOpp0 and EOdd are adjusted together, 12 of them (Holm)" in verdict.limits(five)[2]
    assert "drawn again 1,000 times by lesion_id (7,470 of them)" in " ".join(verdict.limits(five))
    assert verdict.limits(three)[0].startswith("One split of the data is one draw")
    assert "sex: female has no image of one class" in verdict.limits(five)


def test_limits_say_that_training_is_not_in_the_intervals(five, three):
    for run in (five, three):
        assert "How much another training run, with another seed, would differ is not in them" in " ".join(
            verdict.limits(run)
        )
    assert "the tests of 5 models are pooled, so there are 5 times the images, but each model" in " ".join(
        verdict.limits(five)
    )
    assert "are pooled" not in " ".join(verdict.limits(three))


def test_what_quantisation_did_is_no_zero(quantised, uncontrolled):
    assert "FairQuantize made 35.0\u00a0% of its weights powers of two" in verdict.done(quantised)
    assert "Re-training only was re-trained just as FairQuantize was" in verdict.done(quantised)
    posts = {post.name: post.about for post in verdict.pipeline(quantised)}
    assert posts["FairQuantize"].startswith("from Vanilla; 35.0\u00a0% powers of two;")
    assert posts["Re-training only"] == "from Vanilla; nothing fixed"
    assert "Against the same re-training without quantisation" in verdict.headline(quantised)
    assert "Against" not in verdict.headline(uncontrolled)
    assert "has no control" in verdict.limits(uncontrolled)[0]
    assert not any("has no control" in text for text in verdict.limits(quantised))
    assert any("fairshrink export --packed" in text for text in verdict.limits(quantised))

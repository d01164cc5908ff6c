import doctest

from fairshrink.report import words
from fairshrink.report.audited import Gap


def test_the_examples_hold():
    assert doctest.testmod(words).failed == 0


def test_an_undefined_number_is_a_dash_everywhere():
    assert words.percent(None) == words.signed(None) == words.number(None) == "–"


def test_an_interval_stays_on_one_line():
    assert words.interval(Gap(0.1, 0.05, 0.2, 0.0, 0.0)) == "0.050\u00a0to\u00a00.200"


def test_candidates_that_do_not_differ_keep_their_settings():
    assert words.varying([{"ratio": 0.35}]) == ["ratio 0.35"]
    assert words.varying([{}]) == ["as set"]


def test_lists_and_other_settings_are_readable():
    assert words.settings({"beta": [0.2, 0.5], "mode": "a"}) == "beta 0.2 or 0.5, mode a"


def test_a_rule_without_a_name_says_so():
    assert words.rule(None) == "nothing to choose: one candidate"
    assert words.rule("mine") == "mine"


def test_every_rule_is_told_in_words():
    assert words.rule("pareto:eopp1").startswith("the point of the Pareto front of macro F1 and EOpp1 on validation")
    assert (
        words.rule("worst-group:f1") == "the one with the largest value of the lowest macro F1 of a group on validation"
    )
    names = [
        words.read_rule(name).value_name
        for name in ("gap:eopp1:0", "fate:eopp1", "pareto:eopp1", "worst-group:accuracy")
    ]
    assert names == ["EOpp1", "FATE", "area", "lowest accuracy of a group"]


def test_a_time_that_is_none_is_shown_as_it_came():
    assert words.moment("yesterday") == "yesterday"


def test_what_was_suppressed_is_hidden_whatever_came():
    assert words.counted(None, 10) == words.counted(9, 10) == "hidden"
    assert [words.is_hidden(n, 10) for n in (None, 0, 9, 10)] == [True, False, True, False]
    assert not words.is_hidden(None, None)


def test_a_class_gap_is_named_by_its_class():
    assert words.statistic_name("tpr[a[b]]") == "TPR of a[b]"


def test_criteria_of_choice_have_names_and_say_what_they_are():
    assert words.gap_name("class_loss_gap") == "loss gap by class"
    assert "the difference of the groups' mean losses" in words.rule("gap:loss_gap:0.02")
    assert words.rule("gap:eopp1:much") == "gap:eopp1:much"


def test_the_choice_of_another_step_is_a_rule_without_a_metric_of_its_own():
    assert words.read_rule("as:fairquantize") == words.Rule("as", "eopp1")
    assert words.rule("as:fairquantize") == "what 'fairquantize' chose"

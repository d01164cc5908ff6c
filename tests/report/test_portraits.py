import dataclasses

import pytest

from fairshrink.report import portraits, style


@pytest.fixture(scope="module")
def part(quantised):
    with style.drawing():
        return portraits.portraits(quantised)[0]


def told(run, **score):
    portrait = run.stages[3].portrait
    return portraits._score(dataclasses.replace(portrait, score=dataclasses.replace(portrait.score, **score)))


def test_captions_say_what_was_measured(part, quantised):
    found = quantised.stages[3].portrait
    assert part.label == "FairQuantize"
    assert "moved to the power of two that it would become" in part.groups.caption
    assert "first fold, 64 images a group" in part.groups.caption
    share = 100 * found.score.below / found.score.weights
    assert f"{share:.1f}\u00a0% of all weights" in part.groups.caption
    assert f"for male {portraits._nats(found.importance.sums[1][1])}" in part.groups.caption
    assert [portraits._nats(value) for value in (0.0, 0.0123, 6.66e-5)] == ["0", "0.012", "6.7\u00a0·\u00a010⁻⁵"]


def test_many_layers_are_folded_away(part):
    assert len(part.layers.panels) == 2
    assert "The first 8 of 10 layers" in part.layers.caption
    assert part.more == "The weights of 2 more layers of FairQuantize"
    assert len(part.further.panels) == 1


def test_scores_without_a_contrast_are_left_out(quantised):
    assert told(quantised, coefficients=None) == ""
    assert told(quantised, below=0, below_fixed=0).startswith("No score is below 0")


def test_runs_of_earlier_versions_have_none(mapped):
    assert portraits.portraits(mapped) == []

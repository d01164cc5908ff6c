import dataclasses

import pytest

from fairshrink.report import card_parts, facts, splitting, verdict
from fairshrink.report.runs_grouped import sections


def by_file(run, across=None):
    """The run, split as a file says; across: clusters in several parts."""
    given = {**run.settings.get("data", {}), "split_file": "splits/published.csv"}
    data = dataclasses.replace(run.data, clusters_across=across)
    return run._replace(settings={**run.settings, "data": given}, data=data)


def test_a_split_by_a_file_is_never_said_to_keep_lesions_together(five):
    run = by_file(five, 3220)
    torn = "3,220 of the clusters lie in several parts: test results are optimistic"
    assert facts.splits(run).note == f"As the split file published.csv says; {torn}."
    assert f"- **Kept on one side**: as the split file published.csv says; {torn}" in card_parts.data(run)[1]
    assert f"The data were split as the split file published.csv says; {torn}." in verdict.done(run)
    assert verdict.limits(run)[0].startswith(torn)
    (section,) = sections({"run": run})
    assert section.facts.endswith("5 folds, split as the split file published.csv says")
    for text in (facts.splits(run).note, verdict.done(run), *card_parts.data(run), *verdict.limits(run)):
        assert "lesion_id" not in text or "drawn again" in text


def test_a_split_by_a_rule_is_said_as_before(five):
    assert facts.splits(five).note == "Stratified by class and group. Images that share a lesion_id stay together."
    assert splitting.as_file_says(five) == splitting.limit(five) == ""
    assert splitting.split_file(five._replace(settings={"data": 3})) == ""


@pytest.mark.parametrize(
    ("across", "words", "limit"),
    [
        (None, "", "whether images of one lesion or patient lie in several parts was not counted"),
        (0, "no cluster lies in several parts", ""),
        (1, "1 of the clusters lies in several parts: test results are optimistic", "1 of the clusters lies in"),
    ],
)
def test_what_a_file_tore_apart_is_counted_or_said_to_be_unknown(five, across, words, limit):
    run = by_file(five, across)
    assert splitting.across(run) == words
    assert splitting.as_file_says(run).endswith(words or "published.csv says")
    assert limit in splitting.limit(run)
    assert bool(limit) is bool(splitting.limit(run))

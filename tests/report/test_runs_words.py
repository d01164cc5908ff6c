from dataclasses import replace

import pytest

from fairshrink.report import runs_words
from fairshrink.report.runs_changed import Span, pick
from fairshrink.report.runs_settings import Seeds


@pytest.fixture
def one(seeds):
    """A difference whose numbers tests choose."""
    found = pick(seeds.differences, seeds.sections[0].methods[2], "sex", "eopp1")
    return replace(
        found, value=-0.04, seeds=Span(-0.06, -0.02, 0.004), images=Span(-0.07, -0.01, 0.01), p=0.01, p_holm=0.03
    )


def test_a_change_that_is_told_has_its_intervals_and_p(one):
    assert runs_words.sentence(one) == (
        "EOpp1 is narrower: −0.040 (over 3 seeds −0.060\u00a0to\u00a0−0.020; over the images −0.070\u00a0to\u00a0−0.010; p 0.030 "
        "after Holm)."
    )
    assert runs_words.sentence(replace(one, quantity="f1")).startswith("Macro F1 is lower: −0.040")
    up = replace(one, value=0.04, seeds=Span(0.01, 0.06, 0.01), images=Span(0.02, 0.07, 0.01))
    assert runs_words.sentence(up).startswith("EOpp1 is wider: +0.040")


def test_what_is_not_told_says_what_could_be_hidden(one):
    found = runs_words.sentence(replace(one, images=Span(-0.07, 0.01, 0.2), p_holm=0.6))
    assert "EOpp1 is not distinguishable from vanilla: −0.040" in found
    assert found.endswith("It could be narrower by 0.070 or wider by 0.010.")
    alone = runs_words.sentence(replace(one, p_holm=0.2))
    assert "Alone it would count" not in runs_words.sentence(replace(one, p=0.08, p_holm=0.2))
    assert "not distinguishable from vanilla" in alone
    assert alone.endswith("Alone it would count as narrower; among all comparisons of this page it does not hold.")


def test_what_cannot_be_judged_says_why(one):
    none = Span(None, None, None)
    assert "seeds do not differ at all" in runs_words.sentence(replace(one, seeds=none, images=none, p=None))
    missing = replace(one, seeds=none, images=none, p=None, values=(-0.04, None, None))
    assert "it is defined in 1 of 3 seeds and there is no paired comparison" in runs_words.sentence(missing)
    assert "(over 2 of 3 seeds −0.060" in runs_words.sentence(replace(one, values=(-0.05, None, -0.03)))
    single = replace(one, seeds=none, images=none, p=None, values=(-0.04,))
    assert "one seed and no paired comparison (comparison.json), so it cannot be judged" in runs_words.sentence(single)
    assert "EOpp1 is undefined in one of the two models" in runs_words.sentence(replace(one, value=None))
    told = runs_words.sentence(replace(single, images=Span(-0.07, -0.01, 0.01), p=0.01, p_holm=0.01))
    assert "(over the images −0.070\u00a0to\u00a0−0.010; one seed; p 0.010 after Holm)" in told


def changed(seeds, **values):
    """The page's differences, those in EOpp1 of the methods named with other numbers."""
    return [
        replace(one, **values[one.method.label]) if one.quantity == "eopp1" and one.method.label in values else one
        for one in seeds.differences
    ]


DOWN = {"value": -0.04, "seeds": Span(-0.06, -0.02, 0.0), "images": Span(-0.07, -0.01, 0.0), "p": 0.0, "p_holm": 0.001}
UP = {"value": 0.04, "seeds": Span(0.02, 0.06, 0.0), "images": Span(0.01, 0.07, 0.0), "p": 0.0, "p_holm": 0.001}
LOST = {"seeds": Span(None, None, None), "images": Span(None, None, None), "p": None, "p_holm": None}


def replace_ends(values, low, high):
    """The same change, with other intervals: not told."""
    return values | {"seeds": Span(low, high, 0.3), "images": Span(low, high, 0.3), "p": 0.3, "p_holm": 0.6}


def test_the_headline_names_what_is_told_and_nothing_else(seeds):
    section = seeds.sections
    assert runs_words.headline(section, seeds.differences).startswith(
        "No gap in EOpp1 is distinguishable from that of the vanilla model: none of 2 shrunk models, after Holm over 8 "
    )
    found = runs_words.headline(section, changed(seeds, FairPrune=DOWN, OBD=UP))
    assert "OBD widens EOpp1 in sex and FairPrune narrows EOpp1 in sex (of 2 shrunk models" in found
    price = [replace(one, **DOWN) if one.quantity == "f1" else one for one in seeds.differences]
    assert runs_words.headline(section, price).endswith("Macro F1 is lower than vanilla's in OBD and FairPrune.")
    nothing = runs_words.headline(section, changed(seeds, FairPrune=LOST, OBD=LOST))
    assert nothing.startswith(
        "Whether a gap in EOpp1 is another than that of the vanilla model could not be judged in any of 2"
    )
    alone = [section[0]._replace(methods=section[0].methods[:1])]
    assert "There is no shrunk model in these runs" in runs_words.headline(alone, [])


def test_each_attribute_has_one_sentence(seeds):
    section = seeds.sections[0]
    (verdict,) = runs_words.verdicts(section, changed(seeds, FairPrune=DOWN))
    assert verdict.lead.startswith(
        "FairPrune narrows EOpp1; 1 of 2 shrunk models is not distinguishable from vanilla, but"
    )
    assert verdict.vanilla.startswith("Vanilla (mean of 3 seeds): EOpp1 ")
    assert [label for label, _ in verdict.methods] == ["OBD", "FairPrune"]
    (wider,) = runs_words.verdicts(section, changed(seeds, OBD=UP, FairPrune=UP))
    assert wider.lead == "OBD and FairPrune widen EOpp1."
    (mixed,) = runs_words.verdicts(section, changed(seeds, OBD=UP, FairPrune=DOWN))
    assert mixed.lead == "FairPrune narrows EOpp1; OBD widens it."
    far, near = (replace_ends(DOWN, -0.4, 0.1), replace_ends(DOWN, -0.2, 0.3))
    (hidden,) = runs_words.verdicts(section, changed(seeds, OBD=near, FairPrune=far))
    assert hidden.lead.endswith("could have hidden a narrowing by 0.400 or a widening by 0.300.")
    (lost,) = runs_words.verdicts(section, changed(seeds, OBD=LOST, FairPrune=LOST))
    assert lost.lead == "2 changes of EOpp1 cannot be judged (one seed, or seeds that agree, and no comparison.json)."
    (none,) = runs_words.verdicts(section._replace(methods=section.methods[:1]), [])
    assert none.lead == "There is no shrunk model to judge EOpp1 in sex by."


def test_the_limits_speak_of_the_seeds_that_there_are(seeds, lone):
    many = "\n".join(runs_words.about(seeds.sections, seeds.differences))
    assert "This page compares 8 numbers with the vanilla model" in many
    assert "They do not contain the variance of training" in many
    assert "they do not contain the variance of the images" in many
    assert "Fewer than 5 seeds" in many
    assert "has no interval over the seeds" not in many
    assert "never on the images that the model is tested on" in many
    assert "Nadeau and Bengio" not in many
    single = "\n".join(runs_words.about(lone.sections, lone.differences))
    assert "A model with one seed has no interval over the seeds" in single
    assert "Student's t" not in single


def of_data_seeds(section, split_file=None, source="ham10000", folds=1):
    """The section, its replicates on one split each; its runs with other settings of the data."""
    methods = tuple(
        method._replace(
            replicates=tuple(r._replace(seeds=Seeds(i, i)) for i, r in enumerate(method.replicates)),
        )
        for method in section.methods
    )
    given = {"source": source, **({"split_file": split_file} if split_file else {})}
    runs = {
        name: run._replace(settings=run.settings | {"data": given}, data=replace(run.data, folds=folds))
        for name, run in section.runs.items()
    }
    return section._replace(methods=methods, runs=runs)


def test_splits_that_overlap_are_said_to_make_the_interval_too_narrow(seeds):
    def told(**changes):
        return "\n".join(runs_words.about([of_data_seeds(seeds.sections[0], **changes)], seeds.differences))

    assert "too small, by a factor of about 1 + n × test / training images (Nadeau and Bengio 2003)" in told()
    assert "Nadeau and Bengio" not in told(source="lesions")
    assert "Nadeau and Bengio" not in told(folds=5)
    assert "Nadeau and Bengio" not in told(split_file="published.csv")
    assert "ham10000, shrunk for sex: The split is that of published.csv" in told(split_file="published.csv")

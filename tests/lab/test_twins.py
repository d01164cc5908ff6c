"""Steps that go by another step's choice."""

import tomllib

import pytest

from fairshrink.errors import ConfigError
from fairshrink.lab.chains import chains
from fairshrink.lab.config import Experiment, parse_experiment
from fairshrink.lab.twins import follow, twin_of

QUANTIZE = {"method": "fairquantize", "ratio": [0.5, 1.0], "step": 0.5}


def experiment(*steps) -> Experiment:
    found = parse_experiment({"data": {"source": "lesions"}, "shrink": list(steps)}, "test.toml")
    again = parse_experiment(tomllib.loads(found.text()), "again")
    assert again == found
    assert again.digest() == found.digest()
    return found


def names(*steps) -> list[str]:
    return [step.name for step in experiment(*steps).shrink]


def test_a_method_that_retrains_has_its_control_beside_it():
    quantize, control = experiment(QUANTIZE | {"epochs": 3, "lr": 0.01, "beta": [0.3, 1.0], "bits": 5}).shrink
    assert (control.method, control.name, control.choose) == ("retrain", "fairquantize-control", "as:fairquantize")
    assert (control.parent, control.choose_over) == (quantize.parent, quantize.choose_over)
    assert control.settings["ratio"] == (0.5, 1.0)
    assert control.settings["step"] == (0.5,)
    assert (control.settings["epochs"], control.settings["lr"]) == ((3,), (0.01,))
    assert "beta" not in control.settings
    assert len(control.candidates()) == 2
    assert len(quantize.candidates()) == 4


def test_it_has_none_where_none_is_wanted_or_nothing_is_trained():
    assert names(QUANTIZE | {"control": False}) == ["fairquantize"]
    assert names(QUANTIZE | {"epochs": 0}) == ["fairquantize"]
    assert names({"method": "fairprune"}) == ["fairprune"]
    assert names(QUANTIZE, QUANTIZE | {"name": "lot", "select": "random", "choose": "as:fairquantize"}) == [
        "fairquantize",
        "fairquantize-control",
        "lot",
    ]


def test_a_stage_is_the_same_with_and_without_its_control():
    with_it, without = (chains(experiment(QUANTIZE | more))[1] for more in ({}, {"control": False}))
    assert with_it.key == without.key


def test_with_and_without_epochs_the_control_has_those_with():
    control = experiment(QUANTIZE | {"epochs": [0, 1, 2]}).shrink[1]
    assert control.settings["epochs"] == (1, 2)


def test_the_next_step_goes_on_from_the_method_not_from_its_control():
    steps = experiment({"method": "fairprune"}, QUANTIZE, {"method": "obd", "ratio": 1.0}).shrink
    assert [(step.name, step.parent) for step in steps] == [
        ("fairprune", "train"),
        ("fairquantize", "fairprune"),
        ("fairquantize-control", "fairprune"),
        ("obd", "fairquantize"),
    ]


def test_a_stage_that_goes_by_another_needs_it():
    found = chains(experiment({"method": "fairprune"}, QUANTIZE))
    for chain in found:
        assert parse_experiment(tomllib.loads(chain.experiment.text()), "again") == chain.experiment
    lines = [[step.name for step in chain.experiment.shrink] for chain in found]
    assert lines[-1] == ["fairprune", "fairquantize", "fairquantize-control"]
    assert lines[-2] == ["fairprune", "fairquantize"]
    assert found[-1].parent is not None
    assert found[-1].parent.key == found[-2].key


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"choose": "as:fairquantise"}, "there is no earlier step of that name"),
        ({"choose": "as:fairquantize-control"}, "goes by another step's choice itself"),
        ({"choose": "as:fairquantize", "parent": "fairquantize"}, "which starts from 'train', but this step from"),
        (
            {"choose": "as:fairquantize", "ratio": [0.5, 0.75]},
            r"may choose ratio = 1.0, and this step has ratio = \[0.5",
        ),
        (
            {"choose": "as:fairquantize", "choose_over": "fold"},
            "choose_over is 'fold', but choose is 'as:fairquantize'",
        ),
        ({"choose": "as:fairquantize", "method": "obd", "norms": ["keep", "reestimate"]}, "has no norms"),
    ],
)
def test_what_cannot_follow_is_refused(second, words):
    with pytest.raises(ConfigError, match=words):
        experiment(QUANTIZE, QUANTIZE | {"name": "second", "control": False} | second)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_it_follows_the_very_candidate(at):
    ratios = (0.2, 0.4, 0.6)
    assert follow([{"ratio": ratio} for ratio in ratios], {"ratio": ratios[at]}).best == at


def test_it_follows_what_differs_in_its_own_settings():
    own = [{"ratio": ratio, "beta": 1.0, "select": "random"} for ratio in (0.2, 0.4)]
    assert follow(own, {"ratio": 0.4, "beta": 0.3, "select": "saliency"}).best == 1
    assert follow(own, None).best is None
    assert follow(own[:1], {"ratio": 0.2}).best == 0
    idle = [one | {"epochs": 0} for one in own]
    assert follow(idle, {"ratio": 0.4, "epochs": 0}).best == 1


def test_a_control_follows_nobody_who_did_not_train():
    own = [{"ratio": 0.2, "epochs": epochs} for epochs in (1, 2)]
    assert follow(own, {"ratio": 0.2, "epochs": 2}, control=True).best == 1
    assert follow(own, {"ratio": 0.2, "epochs": 0}, control=True).best is None
    assert follow(own[:1], {"ratio": 0.2, "epochs": 0}, control=True).best is None


def test_a_step_of_the_same_method_has_the_settings_of_the_one_that_it_follows():
    own = QUANTIZE | {"epochs": 3, "alpha": 0.2, "bits": 5, "beta": [0.3, 1.0], "columns": 2, "leave": ["a", "b"]}
    _, control, lot, plain = experiment(
        own | {"leave": [["a", "b"]]},
        {"method": "fairquantize", "name": "lot", "select": "random", "choose": "as:fairquantize"},
        {"method": "fairquantize", "name": "plain", "bits": 3, "choose": "as:fairquantize"},
    ).shrink
    assert control.settings["alpha"] == (0.2,)
    for step, bits in ((lot, 5), (plain, 3)):
        assert (step.settings["epochs"], step.settings["alpha"]) == ((3,), (0.2,))
        assert (step.settings["ratio"], step.settings["bits"]) == ((0.5, 1.0), (bits,))
        assert step.settings["leave"] == (("a", "b"),)
    # A score that plays no part has no settings worth a grid.
    assert len(lot.settings["beta"]) == 1
    assert "columns" not in lot.settings
    assert plain.settings["beta"] == (0.3, 1.0)
    assert plain.settings["columns"] == (2,)


def test_another_method_has_its_own_settings():
    steps = experiment(
        {"method": "fairprune", "ratio": [0.2, 0.4]}, {"method": "obd", "ratio": [0.2, 0.4], "choose": "as:fairprune"}
    )
    assert "step" not in steps.shrink[1].settings


def test_its_control_keeps_candidates_where_the_method_does():
    assert [step.keep_candidates for step in experiment(QUANTIZE | {"keep_candidates": True}).shrink] == [True, True]


def test_its_control_counts_the_same_weights():
    for settings in ({"leave": "classifier"}, {"include": "all"}):
        quantize, control = experiment(QUANTIZE | settings).shrink
        recipes = [step.recipe(step.candidates()[-1]) for step in (quantize, control)]
        assert recipes[0].include == recipes[1].include
        assert recipes[0].leave == recipes[1].leave


def test_control_is_yes_or_no():
    with pytest.raises(ConfigError, match="control is 'no', but true or false is expected"):
        experiment(QUANTIZE | {"control": "no"})


def test_whose_choice():
    assert twin_of("as:obd") == "obd"
    assert twin_of("gap:eopp1:0.01") is None
    assert twin_of(3) is None

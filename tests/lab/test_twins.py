"""Steps that go by another step's choice."""

import tomllib

import pytest

from fairshrink.errors import ConfigError
from fairshrink.lab.chains import chains
from fairshrink.lab.config import Experiment, parse_experiment
from fairshrink.lab.twins import control_name, follow, is_control, twin_of

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
    assert follow(own, {"ratio": 0.2, "epochs": 2}, epochs="epochs").best == 1
    assert follow(own, {"ratio": 0.2, "epochs": 0}, epochs="epochs").best is None
    assert follow(own[:1], {"ratio": 0.2, "epochs": 0}, epochs="epochs").best is None
    removing = {"channel_ratio": 0.02, "fine_tune": 0}
    assert follow([removing], removing, epochs="fine_tune").best is None
    assert follow([removing], removing).best == 0


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


SCP = {"method": "scp", "channel_ratio": [0.01, 0.02], "iterations": 2, "fine_tune": 3, "lr": 0.02, "metric": "eopp1"}


def test_the_control_of_what_removes_channels_is_the_same_method_that_removes_none():
    scp, control = experiment(SCP | {"compared": 64, "tap": "after", "batch": 32}).shrink
    assert (control.method, control.name, control.choose) == ("scp", "scp-control", "as:scp")
    assert (control.parent, control.samples, control.batch) == (scp.parent, scp.samples, 32)
    assert control.settings["select"] == ("none",)
    same = {key: values for key, values in scp.settings.items() if key not in ("select", "channel_ratio")}
    idle = {key: same.pop(key) for key in ("tap", "temperature", "normalize", "compared")}
    assert {key: control.settings[key] for key in same} == same
    # Where nothing is removed, one ratio is as good as another, and nothing is scored.
    assert control.settings["channel_ratio"] == (0.01,)
    assert {key: control.settings[key] for key in idle} != idle
    assert [len(step.candidates()) for step in (scp, control)] == [2, 1]
    recipes = [step.recipe(step.candidates()[0]) for step in (scp, control)]
    assert [recipe.fixes for recipe in recipes] == [True, False]
    assert recipes[0].recover == recipes[1].recover
    assert recipes[0].stop == recipes[1].stop
    assert recipes[0].best == recipes[1].best
    assert [is_control(step) for step in (scp, control)] == [False, True]


def test_one_control_serves_all_layers():
    scp, control = experiment(SCP | {"layer": ["features.0", "last"], "fine_tune": [0, 1]}).shrink
    assert len(scp.candidates()) == 8
    assert (control.settings["layer"], control.settings["fine_tune"]) == (("features.0",), (1,))


def test_what_removes_channels_has_no_control_where_nothing_is_trained_or_nothing_is_removed():
    assert names(SCP | {"fine_tune": 0}) == ["scp"]
    assert names(SCP | {"select": "none"}) == ["scp"]
    assert names(SCP, {"method": "scp", "name": "lot", "select": "random", "choose": "as:scp"}) == [
        "scp",
        "scp-control",
        "lot",
    ]


def test_channels_by_lot_have_the_settings_of_those_that_were_chosen():
    own = SCP | {"layer": ["features.0", "last"], "tap": "after", "temperature": [1.0, 2.0]}
    scp, _, lot = experiment(own, {"method": "scp", "name": "lot", "select": "random", "choose": "as:scp"}).shrink
    for key in ("channel_ratio", "layer", "iterations", "fine_tune", "lr", "metric"):
        assert lot.settings[key] == scp.settings[key]
    assert len(lot.candidates()) == 4
    assert lot.settings["tap"] == ("before",)  # it has no maps to read


def test_a_control_that_somebody_wrote_follows_as_well():
    written = {"method": "scp", "name": "idle", "select": "none", "choose": "as:scp"}
    scp, control = experiment(SCP | {"control": False}, written).shrink
    assert control.settings["channel_ratio"] == (0.01,)
    assert control_name((scp, control), scp) == "idle"


def test_after_fairprune_it_is_built_on_that_and_its_control_too():
    found = chains(experiment({"method": "fairprune"}, SCP, {"method": "fairprune", "name": "again", "ratio": 0.5}))
    lines = [[step.name for step in chain.experiment.shrink] for chain in found]
    assert lines[2] == ["fairprune", "scp"]
    assert lines[3] == ["fairprune", "scp", "scp-control"]
    assert lines[4] == ["fairprune", "scp", "again"]


def test_whole_channels_by_their_saliency_are_their_own_control():
    table = {
        "method": "fairprune_channels",
        "ratio": [0.1, 0.2],
        "step": 0.1,
        "beta": [0.3, 0.7],
        "layers": [["a", "b"], "all"],
    }
    method, control = experiment(table).shrink
    assert (control.method, control.name) == ("fairprune_channels", "fairprune_channels-control")
    assert (len(method.candidates()), len(control.candidates())) == (8, 2)
    assert not control.recipe(control.candidates()[0]).fixes
    recipes = [step.recipe(step.candidates()[-1]) for step in (method, control)]
    assert recipes[0].recover == recipes[1].recover
    assert list(recipes[0].schedule()) == list(recipes[1].schedule())
    assert [is_control(step) for step in (method, control)] == [False, True]


def test_whose_choice():
    assert twin_of("as:obd") == "obd"
    assert twin_of("gap:eopp1:0.01") is None
    assert twin_of(3) is None

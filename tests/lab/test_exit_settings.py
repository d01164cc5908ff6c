"""Settings of exits and of objectives that compare groups; experiments without them are what they were."""

import tomllib

import pytest

from fairshrink.errors import ConfigError
from fairshrink.lab.chains import chains
from fairshrink.lab.config import parse_experiment
from fairshrink.metrics.thresholds import THETAS
from tiny import tiny


def parse(**sections):
    return parse_experiment({"data": {"source": "lesions"}} | sections, "test.toml")


def test_the_digests_of_experiments_without_exits_are_those_from_before_there_were_any():
    """Folders of earlier runs and sweeps bear them."""
    assert tiny().digest() == "f371cd8bcd1b"
    assert [chain.key for chain in chains(tiny())] == [
        "train-a05621f1383a",
        "obd-92fc53a7317b",
        "fairprune-23f41e790e93",
    ]


def test_what_decides_nothing_is_not_written_down():
    for name in ("exits", "heads", "strength", "teacher", "exit_weights"):
        assert name not in tiny().text()
    written = tomllib.loads(parse(model={"exits": "auto"}).text())
    assert (written["model"]["exits"], written["model"]["heads"]) == ("auto", "linear")
    assert written["exits"] == {"thresholds": list(THETAS), "choose": "gap:soft_eopp1:0.01"}
    assert not {"strength", "exit_weights"} & set(written["train"])
    weighted = parse(model={"exits": "auto"}, train={"exit_weights": [0.5, 1.0]})
    assert tomllib.loads(weighted.text())["train"]["exit_weights"] == [0.5, 1.0]
    assert tomllib.loads(parse(train={"objective": "hsic"}).text())["train"]["strength"] == 0.01


@pytest.mark.parametrize(
    "sections",
    [
        {"model": {"exits": "auto"}},
        {"model": {"exits": ["layer2", "layer3"], "heads": "conv"}, "train": {"exit_weights": [0.5, 0.5, 1]}},
        {"model": {"exits": "auto"}, "exits": {"thresholds": [0.9], "choose": "fate:eodd"}},
        {"train": {"objective": "hsic", "strength": 0.5}},
        {"train": {"objective": "mfd", "teacher": "runs/vanilla"}},
    ],
)
def test_the_text_reads_back_as_the_same_experiment(sections):
    experiment = parse(**sections)
    again = parse_experiment(tomllib.loads(experiment.text()), "again")
    assert (again, again.digest()) == (experiment, experiment.digest())
    assert experiment.digest() != parse().digest()


def test_defaults_that_are_written_out_change_no_digest():
    plain = parse(model={"exits": "auto"})
    written = parse(model={"exits": "auto", "heads": "linear"}, exits={"thresholds": list(THETAS)})
    assert written.digest() == plain.digest()


def test_no_exits_can_be_said_where_a_sweep_has_to_say_something():
    assert parse(model={"exits": "none"}).digest() == parse().digest()


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"model": {"exits": "all"}},
            r"model.exits: it is 'all', but \"auto\", \"none\" or a list of different layers",
        ),
        ({"model": {"exits": []}}, r"it is \[\], but \"auto\", \"none\" or a list"),
        ({"model": {"exits": ["layer1", "layer1"]}}, "a list of different layers is expected"),
        ({"model": {"exits": ["layer1", 3]}}, "a list of different layers is expected"),
        ({"model": {"heads": "linear"}}, "model.heads is 'linear', but the model has no exits. Set model.exits = "),
        ({"model": {"exits": "auto", "heads": "deep"}}, "model.heads is 'deep', but 'linear' or 'conv' is expected"),
        ({"train": {"exit_weights": [1, 1]}}, r"train.exit_weights is \(1.0, 1.0\), but the model has no exits"),
        ({"model": {"exits": "auto"}, "train": {"exit_weights": [-1]}}, r"exit_weights.0 is -1, but 0 or more"),
        (
            {"model": {"checkpoint": "mine.safetensors"}, "train": {"objective": "hsic"}},
            "train.objective is 'hsic', but model.checkpoint is a trained model, so nothing is trained",
        ),
        ({"exits": {"thresholds": [0.9]}}, r"\[exits\] is there, but the model has no exits.* or leave \[exits\] out"),
        ({"train": {"strength": 1}}, "strength is 1.0, but the objective is 'erm', .* objective = 'hsic' or 'mfd'"),
        (
            {"train": {"objective": "hsic", "teacher": "a"}},
            "teacher is 'a', but .*'hsic', .* Set objective = 'mfd', or",
        ),
        ({"train": {"objective": "mdf"}}, r"no objective called 'mdf'. Did you mean 'mfd'\?"),
        ({"model": {"exits": "auto"}, "exits": {"thresholds": []}}, r"thresholds is \[\], but one or more different"),
        ({"model": {"exits": "auto"}, "exits": {"thresholds": [0.9, 0.9]}}, "one or more different numbers"),
        ({"model": {"exits": "auto"}, "exits": {"thresholds": [1.5]}}, "exits.thresholds.0 is 1.5, but 1 or less"),
        (
            {"model": {"exits": "auto"}, "exits": {"choose": "best:eodd"}},
            "no rule 'best:eodd' to choose a threshold by",
        ),
        ({"model": {"exits": "auto"}, "exits": {"choos": "fate:eodd"}}, r"no setting 'exits.choos'. Did you mean"),
    ],
)
def test_what_cannot_be_used_is_named(sections, message):
    with pytest.raises(ConfigError, match=message):
        parse(**sections)

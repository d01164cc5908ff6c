"""A run that removes channels: its control, channels by lot, which iteration is taken, and what is left when it is stopped."""

from typing import Any

import pytest
import torch

from fairshrink.compress.channels import find_layers, removed
from fairshrink.files import read_json
from fairshrink.lab.masks import load_frozen
from fairshrink.lab.run import run
from fairshrink.lab.store import read_lines
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import load_into, read_weights
from lab.test_quantising import Interrupts, outputs
from sweeping import Lines
from tiny import tiny

SCP = {"method": "scp", "channel_ratio": [0.05, 0.1], "iterations": 2, "fine_tune": 1, "lr": 0.02, "stop": "none"}
STEPS = (
    {"method": "fairprune", "ratio": 0.35, "step": 0.35},
    SCP | {"samples": "all", "compared": 32, "choose": "worst-group:accuracy"},
    {"method": "scp", "name": "lot", "select": "random", "choose": "as:scp"},
)
OURS: dict[str, Any] = {"data": {"groups": ["tone"]}, "train": {"epochs": 1}, "shrink": list(STEPS)}
PRUNED, NAMES = "01-fairprune", ("02-scp", "03-scp-control", "04-lot")
CHANNELS = 128  # of the last convolution


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tiny(**OURS), tmp_path_factory.mktemp("run") / "run").root


def stage(root, name: str) -> dict[str, Any]:
    return read_json(root / "stages" / name / "stage.json")


def taken(root, name: str) -> dict[str, Any]:
    """The record of the candidate that was chosen."""
    (one,) = read_json(root / "stages" / name / "choice.json")["chosen"]
    return read_json(root / "stages" / name / "result.json")["runs"][one["candidate"]]


def gone(root, name: str) -> int:
    """How many channels the model of a stage lacks: all that belongs to them is 0."""
    folder = root / "stages" / name
    model, weights = build("small_cnn", num_classes=5, size=32), read_weights(folder / "model.safetensors")
    load_into(model, weights)
    (layer,) = find_layers(model, "last", torch.zeros(2, 3, 32, 32)).values()
    found = removed(layer, load_frozen(folder / "frozen.safetensors", model))
    for part in layer.parameters:
        assert not weights[part][found].any()
    return int(found.sum())


def test_every_stage_says_what_it_counts_and_whether_it_is_a_control(whole):
    records = [stage(whole, name) for name in (PRUNED, *NAMES)]
    assert [record["title"] for record in records] == ["FairPrune", "SCP", "SCP control", "SCP (lot)"]
    assert [record["unit"] for record in records] == ["weights", "channels", "channels", "channels"]
    assert [record["controls"] for record in records] == [False, False, True, False]
    assert [record["control"] for record in records] == [None, "scp-control", None, None]
    assert [record["of"] for record in records] == [None, None, "scp", "scp"]
    assert {record["parent"] for record in records[1:]} == {"fairprune"}


def test_steps_count_channels_and_the_control_removes_none(whole):
    removing = [[round(ratio * step * CHANNELS) for step in range(3)] for ratio in (0.05, 0.1)]
    for name, expected in zip(NAMES, (removing, [[0, 0, 0]], removing), strict=True):
        lines = read_lines(whole / "stages" / name / "steps.jsonl")
        assert {line["total"] for line in lines} == {CHANNELS}
        numbers = sorted({line["candidate"] for line in lines})
        assert [[line["fixed"] for line in lines if line["candidate"] == number] for number in numbers] == expected


def test_the_model_is_that_of_the_iteration_that_was_taken(whole):
    for name in NAMES:
        record = taken(whole, name)
        assert (record["stopped"], len(record["steps"])) == (None, 3)
        assert 1 <= record["taken"] <= 2
        assert gone(whole, name) == record["steps"][record["taken"]]["fixed"]
    assert gone(whole, NAMES[0]) > 0


def test_what_fairprune_set_to_zero_stays_so(whole):
    before, after = (read_weights(whole / "stages" / name / "model.safetensors") for name in (PRUNED, NAMES[0]))
    dead = {name: weight == 0 for name, weight in before.items() if weight.dim() == 4}
    assert sum(int(mask.sum()) for mask in dead.values()) > 10_000
    assert all(not after[name][mask].any() for name, mask in dead.items())
    assert stage(whole, NAMES[0])["zero_fraction"] > stage(whole, PRUNED)["zero_fraction"]


def test_another_lot_is_another_choice_of_channels(whole):
    weights = [read_weights(whole / "stages" / name / "model.safetensors") for name in (NAMES[0], NAMES[2])]
    last = max((name for name in weights[0] if weights[0][name].dim() == 4), key=lambda name: weights[0][name].numel())
    ours, lot = (set((~one[last].flatten(1).any(1)).nonzero().flatten().tolist()) for one in weights)
    assert ours != lot


def test_the_twins_are_compared_on_the_same_test_images(whole):
    for name, title in zip(NAMES[1:], ("SCP control", "SCP (lot)"), strict=True):
        assert read_json(whole / "stages" / name / "twin.json")["models"] == [title, "SCP"]


# Every round makes it worse, so that the first one is the best.
WORSE: dict[str, Any] = OURS | {
    "shrink": [SCP | {"channel_ratio": 0.05, "iterations": 3, "alpha": 1.0, "lr": 5.0, "control": False}]
}


@pytest.fixture(scope="module")
def heard():
    return Lines()


@pytest.fixture(scope="module")
def worse(tmp_path_factory, heard):
    return run(tiny(**WORSE), tmp_path_factory.mktemp("run") / "run", observer=heard).root


def test_the_line_of_a_step_counts_channels(worse, heard):
    said = [line for line in heard.said if line.startswith("fold 0: scp (channel_ratio 0.05, ")]
    assert [line.partition(") ")[2].partition(":")[0] for line in said] == [
        f"without {count} of 128 channels" for count in (6, 13, 19)
    ]


def test_the_best_iteration_may_be_an_earlier_one_and_is_what_a_choice_sees(worse):
    record = taken(worse, "01-scp")
    assert (record["taken"], len(record["steps"])) == (1, 4)
    assert gone(worse, "01-scp") == record["steps"][1]["fixed"] < record["steps"][3]["fixed"]
    (row,) = read_json(worse / "stages" / "01-scp" / "choice.json")["candidates"]
    assert row["criteria"]["eodd"] == record["steps"][1]["criteria"]["eodd"]


def test_interrupted_after_the_best_iteration_it_ends_with_the_same_bits(worse, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tiny(**WORSE), tmp_path / "run", observer=Interrupts(7))  # in the third round, of three batches each
    (halfway,) = (tmp_path / "run").rglob("halfway.state")
    kept = torch.load(halfway, weights_only=True)
    assert (len(kept["steps"]), kept["best"]["step"]) == (2, 0)
    run(tiny(**WORSE), tmp_path / "run")
    assert outputs(tmp_path / "run") == outputs(worse)
    assert not list((tmp_path / "run").rglob("*.state"))

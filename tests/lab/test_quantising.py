"""A run that quantises and re-trains: its control, what goes by its choice, and what is left of it when it is stopped."""

import shutil
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file

from fairshrink.files import read_json
from fairshrink.lab.models import find_models
from fairshrink.lab.run import run
from fairshrink.lab.store import read_lines
from fairshrink.models.checkpoint import read_weights
from tiny import tiny

GRID = {"ratio": [0.5, 1.0], "step": 0.5, "lr": 0.02}
STEPS = (
    {"method": "fairquantize", "beta": [0.0, 1.0], "bits": 4, "choose": "worst-group:accuracy"} | GRID,
    {"method": "fairquantize", "name": "lot", "select": "random", "choose": "as:fairquantize"} | GRID,
)
OURS: dict[str, Any] = {"data": {"groups": ["tone"]}, "train": {"epochs": 1}, "shrink": list(STEPS)}
NAMES = ("01-fairquantize", "02-fairquantize-control", "03-lot")


class Interrupts:
    """Presses Ctrl-C at the nth batch of a re-training."""

    def __init__(self, at: int) -> None:
        self.left = at

    def say(self, message: str) -> None:
        pass

    def advance(self, what: str, done: int, total: int) -> None:
        self.left -= "loss" in what and "training" not in what
        if self.left < 0:
            raise KeyboardInterrupt(what)


def outputs(root) -> dict[str, bytes]:
    names = ("*.safetensors", "predictions.csv", "audit.json", "comparison.json", "twin.json", "choice.json")
    return {str(path.relative_to(root)): path.read_bytes() for name in names for path in sorted(root.rglob(name))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tiny(**OURS), tmp_path_factory.mktemp("run") / "run").root


def chosen(root, name: str) -> dict[str, Any]:
    (one,) = read_json(root / "stages" / name / "choice.json")["chosen"]
    return one["params"] | {"candidate": one["candidate"]}


def test_every_stage_is_there_and_says_what_it_goes_by(whole):
    records = {name: read_json(whole / "stages" / name / "stage.json") for name in NAMES}
    assert [record["title"] for record in records.values()] == [
        "FairQuantize",
        "FairQuantize control",
        "FairQuantize (lot)",
    ]
    assert [record["of"] for record in records.values()] == [None, "fairquantize", "fairquantize"]
    assert [record["control"] for record in records.values()] == ["fairquantize-control", None, None]
    assert {record["parent"] for record in records.values()} == {"train"}


def test_what_goes_by_a_choice_has_the_same_ratio(whole):
    ratio = chosen(whole, NAMES[0])["ratio"]
    assert ratio is not None
    assert chosen(whole, NAMES[1])["ratio"] == chosen(whole, NAMES[2])["ratio"] == ratio
    fractions = [read_json(whole / "stages" / name / "stage.json")["fixed_fraction"] for name in NAMES]
    assert fractions[0] == pytest.approx(ratio, abs=1e-4)
    assert fractions == [fractions[0], 0.0, fractions[0]]


def test_every_step_has_as_many_rounds_as_its_control(whole):
    steps = {name: read_lines(whole / "stages" / name / "steps.jsonl") for name in NAMES}
    longest = {name: max(line["step"] for line in lines) for name, lines in steps.items()}
    assert set(longest.values()) == {2}
    assert {line["fixed"] for line in steps[NAMES[1]]} == {0}


def test_what_fixes_weights_has_its_portrait(whole):
    portraits = {name: (whole / "stages" / name / "portrait.json").exists() for name in NAMES}
    assert portraits == {NAMES[0]: True, NAMES[1]: False, NAMES[2]: True}
    drawn = read_json(whole / "stages" / NAMES[0] / "portrait.json")
    line = read_lines(whole / "stages" / NAMES[0] / "steps.jsonl")[-1]
    assert sum(layer["weights"] for layer in drawn["layers"]) == line["total"]
    ratio = chosen(whole, NAMES[0])["ratio"]
    assert sum(layer["zero"] + layer["quantised"] for layer in drawn["layers"]) == round(ratio * line["total"])


def test_the_twins_are_compared_on_the_same_test_images(whole):
    for name, title in zip(NAMES[1:], ("FairQuantize control", "FairQuantize (lot)"), strict=True):
        assert read_json(whole / "stages" / name / "twin.json")["models"] == [title, "FairQuantize"]
    assert not (whole / "stages" / NAMES[0] / "twin.json").exists()


def test_the_weights_are_levels_and_the_controls_are_not(whole):
    ours, control = (read_weights(whole / "stages" / name / "model.safetensors") for name in NAMES[:2])
    masks = read_weights_bits(whole / "stages" / NAMES[0] / "frozen.safetensors", ours)
    assert masks
    for name, mask in masks.items():
        mantissa, _ = torch.frexp(ours[name][mask])
        assert ((mantissa.abs() == 0.5) | (mantissa == 0)).all()
        mantissa, _ = torch.frexp(control[name][mask])
        assert not ((mantissa.abs() == 0.5) | (mantissa == 0)).all()


def read_weights_bits(path, weights):
    found = {}
    for name, bits in load_file(path).items():
        flat = torch.from_numpy(bits)[:, None].bitwise_right_shift(torch.arange(7, -1, -1)).bitwise_and(1).flatten()
        found[name] = flat[: weights[name].numel()].bool().view(weights[name].shape)
    return found


@pytest.mark.parametrize("at", [3, 9])
def test_interrupted_in_a_round_it_ends_with_the_same_bits(whole, tmp_path, at):
    with pytest.raises(KeyboardInterrupt):
        run(tiny(**OURS), tmp_path / "run", observer=Interrupts(at))
    run(tiny(**OURS), tmp_path / "run")
    assert outputs(tmp_path / "run") == outputs(whole)
    assert not list((tmp_path / "run").rglob("*.state"))


def test_candidates_are_kept_where_that_is_asked_for(whole, tmp_path):
    assert not list(whole.rglob("candidates"))
    steps = [STEPS[0] | {"keep_candidates": True, "control": False}]
    root = run(tiny(**(OURS | {"shrink": steps})), tmp_path / "run").root
    folders = sorted(path.name for path in (root / "stages" / NAMES[0] / "candidates").iterdir())
    assert folders == ["00", "01", "02", "03"]
    assert len(list(root.rglob("candidates/*/model.safetensors"))) == 4
    # Stopped when all candidates were there, but before the choice: what a way left goes, too.
    stage = root / "stages" / NAMES[0]
    (stage / "candidates" / "00" / "halfway.state").write_bytes(b"left over")
    for name in ("result.json", "stage.json"):
        (stage / name).unlink()
    run(tiny(**(OURS | {"shrink": steps})), root)
    assert not list(root.rglob("*.state"))


def test_a_step_whose_twin_keeps_its_start_keeps_it_too(tmp_path):
    never = STEPS[0] | {"choose": "gap:eopp1:0", "alpha": 1.0, "lr": 5.0}
    root = run(tiny(**(OURS | {"shrink": [never, STEPS[1]]})), tmp_path / "run").root
    if chosen(root, NAMES[0])["candidate"] is not None:
        shutil.rmtree(root)
        pytest.fail("the settings were to be so bad that none is taken")
    start = (root / "stages" / "00-train" / "model.safetensors").read_bytes()
    for name in NAMES:
        assert (root / "stages" / name / "model.safetensors").read_bytes() == start
    said = read_json(root / "stages" / NAMES[2] / "choice.json")["chosen"][0]["said"]
    assert said == "as 'fairquantize' chose its start, or was not re-trained, the model is the start's"


def test_the_model_of_a_run_is_no_control(whole):
    assert find_models(whole).files == (whole / "stages" / NAMES[0] / "model.safetensors",)
    named = find_models(whole, "fairquantize-control").files
    assert named == (whole / "stages" / NAMES[1] / "model.safetensors",)

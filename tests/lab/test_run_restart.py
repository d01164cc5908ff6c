"""A run that is started again, and whose folder it is."""

import shutil

import pytest

from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import read_json, write_json
from fairshrink.lab.data import prepare
from fairshrink.lab.observer import Quiet
from fairshrink.lab.run import Part, run
from tiny import tiny


class Interrupts:
    """An observer that presses Ctrl-C at the nth thing it is told."""

    def __init__(self, at: int) -> None:
        self.left = at

    def say(self, message: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt(message)

    def advance(self, what: str, done: int, total: int) -> None:
        self.say(what)


def outputs(root) -> dict[str, bytes]:
    """Everything that has to be the same again: models, masks, predictions, audits."""
    names = ("*.safetensors", "predictions.csv", "audit.json", "comparison.json", "choice.json", "saliency.json")
    return {str(path.relative_to(root)): path.read_bytes() for name in names for path in sorted(root.rglob(name))}


def test_started_again_it_does_nothing(done):
    before = {path: path.stat().st_mtime_ns for path in (done.root / "stages").rglob("*") if path.is_file()}
    run(tiny(), done.root)
    assert before == {path: path.stat().st_mtime_ns for path in (done.root / "stages").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name",
    [
        "00-train/audit.json",
        "00-train/result.json",
        "01-obd/steps.jsonl",
        "01-obd/frozen.safetensors",
        "02-fairprune/test.csv",
        "02-fairprune/model.safetensors",
    ],
)
def test_a_damaged_file_that_was_removed_is_made_again(done, tmp_path, name):
    shutil.copytree(done.root, tmp_path / "run")
    path = tmp_path / "run" / "stages" / name
    before, others = path.read_bytes(), outputs(tmp_path / "run")
    path.unlink()
    run(tiny(), tmp_path / "run")
    assert path.read_bytes() == before
    assert outputs(tmp_path / "run") == others


@pytest.mark.parametrize("at", [1, 4, 9, 12, 15])
def test_interrupted_and_started_again_it_ends_with_the_same_bits(done, tmp_path, at):
    with pytest.raises(KeyboardInterrupt):
        run(tiny(), tmp_path / "run", observer=Interrupts(at))
    run(tiny(), tmp_path / "run")
    assert outputs(tmp_path / "run") == outputs(done.root)


def test_another_checkpoint_may_not_take_the_place_of_the_first(done, tmp_path):
    weights = (done.root / "stages" / "00-train" / "model.safetensors").read_bytes()
    other = (done.root / "stages" / "01-obd" / "model.safetensors").read_bytes()
    checkpoint = tmp_path / "mine.safetensors"
    checkpoint.write_bytes(weights)
    experiment = tiny(model={"checkpoint": str(checkpoint)}, shrink=[])
    stage = run(experiment, tmp_path / "run").root / "stages" / "00-train"
    (stage / "stage.json").unlink()
    checkpoint.write_bytes(other)
    with pytest.raises(StoreError, match="is not the one that this run began with"):
        run(experiment, tmp_path / "run")


def test_data_that_changed_stop_the_run(done, tmp_path):
    shutil.copytree(done.root, tmp_path / "run")
    card = read_json(tmp_path / "run" / "data.json")
    write_json(tmp_path / "run" / "data.json", card | {"digest": "0" * 64})
    with pytest.raises(StoreError, match="the data changed since this run began"):
        run(tiny(), tmp_path / "run")


def test_a_leftover_of_the_very_first_write_does_not_block_the_folder(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".tmp-12345678-config.toml").write_text("[da")
    assert run(tiny(train={"epochs": 1}, shrink=[]), tmp_path / "run").config.exists()


def test_time_is_added_up_over_sessions(done, tmp_path):
    shutil.copytree(done.root, tmp_path / "run")
    before = read_json(tmp_path / "run" / "environment.json")
    run(tiny(), tmp_path / "run")
    after = read_json(tmp_path / "run" / "environment.json")
    assert after["started"] == before["started"]
    assert after["seconds"] >= before["seconds"]


def test_the_time_of_finished_stages_is_kept_when_a_run_is_stopped(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tiny(), tmp_path / "run", observer=Interrupts(15))
    took = read_json(tmp_path / "run" / "stages" / "00-train" / "stage.json")["seconds"]
    assert 0 < took <= read_json(tmp_path / "run" / "environment.json")["seconds"]


def test_what_comes_last_is_called_while_the_folder_is_held(tmp_path):
    called, experiment = [], tiny(train={"epochs": 1}, shrink=[])

    def last(folder):
        called.append(folder)
        with pytest.raises(StoreError, match="is at work in"):
            run(experiment, folder)

    run(experiment, tmp_path / "run", then=last)
    assert called == [tmp_path / "run"]


def test_another_experiment_may_not_use_the_folder(done):
    with pytest.raises(ConfigError, match=r"another experiment: train.epochs is 2 there and 3 here"):
        run(tiny(train={"epochs": 3}), done.root)
    with pytest.raises(ConfigError, match=r"another experiment: shrink"):
        run(tiny(shrink=[]), done.root)


def test_a_folder_with_something_else_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(ConfigError, match="is not empty and no run folder"):
        run(tiny(), tmp_path)


def test_another_split_file_of_the_same_name_stops_the_run(tmp_path):
    experiment = tiny(data={"count": 50, "split_file": str(tmp_path / "split.csv")})
    ids = prepare(tiny(data={"count": 50}).data, tmp_path, tmp_path / "store", Quiet()).dataset.ids
    parts = ["train", "train", "train", "val", "test"] * 10
    for turn in (0, 1):
        rows = [f"{name},{part}" for name, part in zip(ids, parts[turn:] + parts[:turn], strict=True)]
        (tmp_path / "split.csv").write_text("\n".join(["image,split", *rows]) + "\n")
        if turn == 0:
            run(experiment, tmp_path / "run", part=Part(None))
    with pytest.raises(StoreError, match="the splits changed since this run began: their digest is .*, and was "):
        run(experiment, tmp_path / "run", part=Part(None))
    card = read_json(tmp_path / "run" / "data.json")
    write_json(tmp_path / "run" / "data.json", {key: card[key] for key in card if key != "split_digest"})
    run(experiment, tmp_path / "run", part=Part(None))  # a folder from before it was written down


def test_other_weights_of_the_same_name_stop_a_run_that_is_not_complete(done, tmp_path):
    weights = tmp_path / "weights.safetensors"
    shutil.copy(done.root / "stages" / "00-train" / "model.safetensors", weights)
    experiment = tiny(model={"weights": str(weights)}, train={"epochs": 1}, shrink=[])
    stage = run(experiment, tmp_path / "run").root / "stages" / "00-train"
    (stage / "stage.json").unlink()
    shutil.copy(done.root / "stages" / "01-obd" / "model.safetensors", weights)
    with pytest.raises(StoreError, match="the weights file '.*' is not the one that this run began with"):
        run(experiment, tmp_path / "run")
    result = read_json(stage / "result.json")
    write_json(stage / "result.json", {key: result[key] for key in result if key != "weights"})
    run(experiment, tmp_path / "run")  # a folder from before they were written down


def test_where_all_was_computed_stays_whoever_looks_again(done, tmp_path):
    shutil.copytree(done.root, tmp_path / "run")
    place = tmp_path / "run" / "environment.json"
    before = read_json(place) | {"torch": "1.0", "device": "elsewhere", "precision": "bf16"}
    write_json(place, before)
    run(tiny(), tmp_path / "run")
    after = read_json(place)
    assert {key: after[key] for key in before if key not in ("finished", "seconds")} == {
        key: before[key] for key in before if key not in ("finished", "seconds")
    }
    (tmp_path / "run" / "stages" / "01-obd" / "model.safetensors").unlink()
    run(tiny(), tmp_path / "run")
    assert (read_json(place)["torch"], read_json(place)["precision"]) != ("1.0", "bf16")
    assert read_json(place)["device"] != "elsewhere"

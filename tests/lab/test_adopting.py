import shutil

import pytest

from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import read_json, write_json
from fairshrink.lab.run import run
from fairshrink.lab.sweep import Options, sweep
from sweeping import Here, Lines, outputs, sweep_file
from tiny import tiny


def from_(*sources) -> Options:
    return Options(sources=sources)


def test_finished_stages_of_a_run_are_not_done_again(done, tmp_path):
    engine, lines = Here(), Lines()
    file = sweep_file(grid={"shrink.0.ratio": [0.1, 0.3]})
    states = sweep(file, tmp_path, engine, observer=lines, options=from_(done.root))
    assert [unit.split("-")[0] for unit in engine.begun] == ["data", "obd", "run", "run"]
    assert [state.state for state in states] == ["done", "done"]
    said = [line for line in lines.said if line.startswith(f"from {done.root}: train-")]
    assert len(said) == 1
    assert said[0].count("obd-") == said[0].count("fairprune-") == 1
    assert outputs(tmp_path / "runs" / "ratio-0.3") == outputs(done.root)
    link = tmp_path / "runs/ratio-0.3/stages/00-train/model.safetensors"
    assert link.samefile(done.root / "stages/00-train/model.safetensors")
    again = Here()
    sweep(file, tmp_path, again, options=from_(done.root))
    assert again.begun == []
    other = Here()
    sweep(sweep_file(grid={"shrink.0.ratio": [0.1]}), tmp_path / "other", other, options=from_(tmp_path))
    assert [unit.split("-")[0] for unit in other.begun] == ["data", "run"]


def test_a_stage_that_is_not_complete_is_left_there(done, tmp_path):
    shutil.copytree(done.root, tmp_path / "from")
    (tmp_path / "from/stages/00-train/model.safetensors").unlink()
    engine, lines = Here(Stop()), Lines()
    with pytest.raises(KeyboardInterrupt):
        sweep(sweep_file(), tmp_path / "to", engine, observer=lines, options=from_(tmp_path / "from"))
    assert any("nothing: no finished stage there is one of this sweep" in line for line in lines.said)


class Stop:
    """Ctrl-C at the first unit that is more than data."""

    def __call__(self, job):
        if not job.unit.startswith("data"):
            raise KeyboardInterrupt


@pytest.mark.parametrize(("name", "what"), [("digest", "data"), ("split_digest", "splits")])
def test_stages_of_other_data_or_splits_are_refused(done, tmp_path, name, what):
    shutil.copytree(done.root, tmp_path / "from")
    card = read_json(tmp_path / "from" / "data.json")
    write_json(tmp_path / "from" / "data.json", card | {name: "0" * 64})
    with pytest.raises(
        StoreError, match=f"was made from other {what} than this sweep's: their digest is 000000000000, and "
    ):
        sweep(sweep_file(), tmp_path / "to", Here(), options=from_(tmp_path / "from"))


def test_a_card_from_before_splits_were_written_down_is_taken(done, tmp_path):
    shutil.copytree(done.root, tmp_path / "from")
    card = read_json(tmp_path / "from" / "data.json")
    write_json(tmp_path / "from" / "data.json", {key: card[key] for key in card if key != "split_digest"})
    engine = Here()
    sweep(sweep_file(), tmp_path / "to", engine, options=from_(tmp_path / "from"))
    assert [unit.split("-")[0] for unit in engine.begun] == ["data", "run"]


def test_what_was_made_elsewhere_is_noted_and_stays_written_down(done, tmp_path):
    shutil.copytree(done.root, tmp_path / "from")
    other = {"torch": "1.0", "torchvision": "1.1", "device": "a board", "processes": 7, "precision": "bf16"}
    write_json(tmp_path / "from" / "environment.json", read_json(tmp_path / "from" / "environment.json") | other)
    lines = Lines()
    sweep(sweep_file(), tmp_path / "to", Here(), observer=lines, options=from_(tmp_path / "from"))
    for name, value in other.items():
        assert any(f"{name} {value} (here " in line for line in lines.said)
    found = read_json(tmp_path / "to" / "runs" / "run" / "environment.json")
    assert {name: found[name] for name in other} == other
    stages = list((tmp_path / "to" / "stages").glob("*/environment.json"))
    assert len(stages) == 3
    again = Lines()
    sweep(sweep_file(), tmp_path / "again", Here(), observer=again, options=from_(tmp_path / "to"))
    assert read_json(tmp_path / "again" / "runs" / "run" / "environment.json")["device"] == "a board"


@pytest.mark.parametrize("name", ["checkpoint", "weights"])
def test_a_file_with_other_content_under_the_same_name_is_refused(done, tmp_path, name):
    file = tmp_path / "mine.safetensors"
    shutil.copy(done.root / "stages" / "00-train" / "model.safetensors", file)
    base = {"model": {name: str(file)}, "train": {"epochs": 1}, "shrink": []}
    source = run(tiny(**base), tmp_path / "from").root
    engine = Here()
    sweep(sweep_file(base), tmp_path / "same", engine, options=from_(source))
    assert [unit.split("-")[0] for unit in engine.begun] == ["data", "run"]
    shutil.copy(done.root / "stages" / "01-obd" / "model.safetensors", file)
    with pytest.raises(StoreError, match=f"was made from another file than model.{name} of this sweep, under the same"):
        sweep(sweep_file(base), tmp_path / "to", Here(), options=from_(source))


def test_a_teacher_with_other_models_under_the_same_name_is_refused(done, tmp_path):
    shutil.copytree(done.root, tmp_path / "teacher")
    taught = {"objective": "mfd", "teacher": str(tmp_path / "teacher"), "epochs": 1}
    base = {"train": taught, "shrink": []}
    source = run(tiny(**base), tmp_path / "from").root
    card = tmp_path / "teacher" / "stages" / "00-train" / "model.json"
    write_json(card, read_json(card) | {"weights_sha256": "1" * 64})
    with pytest.raises(StoreError, match="was made from another run than train.teacher of this sweep, under the same"):
        sweep(sweep_file(base), tmp_path / "to", Here(), options=from_(source))


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "from").mkdir()
    with pytest.raises(ConfigError, match="that is no run folder and no sweep folder: it has no config.toml"):
        sweep(sweep_file(), tmp_path / "to", Here(), options=from_(tmp_path / "from"))

import shutil

import pytest

from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import read_json, write_json
from fairshrink.lab.sweep import Options, sweep
from sweeping import Here, Lines, outputs, sweep_file


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


def test_stages_of_other_data_are_refused(done, tmp_path):
    shutil.copytree(done.root, tmp_path / "from")
    card = read_json(tmp_path / "from" / "data.json")
    write_json(tmp_path / "from" / "data.json", card | {"digest": "0" * 64})
    with pytest.raises(
        StoreError, match="was made from other data than this sweep's: their digest is 000000000000, and "
    ):
        sweep(sweep_file(), tmp_path / "to", Here(), options=from_(tmp_path / "from"))


def test_what_was_made_elsewhere_is_noted(done, tmp_path):
    shutil.copytree(done.root, tmp_path / "from")
    before = read_json(tmp_path / "from" / "environment.json")
    write_json(tmp_path / "from" / "environment.json", before | {"torch": "1.0"})
    lines = Lines()
    sweep(sweep_file(), tmp_path / "to", Here(), observer=lines, options=from_(tmp_path / "from"))
    assert any("was made with torch 1.0 (here " in line for line in lines.said)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "from").mkdir()
    with pytest.raises(ConfigError, match="that is no run folder and no sweep folder: it has no config.toml"):
        sweep(sweep_file(), tmp_path / "to", Here(), options=from_(tmp_path / "from"))

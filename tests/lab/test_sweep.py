import json

import pytest

from fairshrink.errors import ConfigError
from fairshrink.files import read_json
from fairshrink.lab.engines import Ended
from fairshrink.lab.run import run
from fairshrink.lab.sweep import Options, sweep
from fairshrink.lab.variants import variants
from sweeping import Here, Lines, mark, outputs, refuse_first, sweep_file

REPORT = Options(then=mark, leaves=("report.html",))
THREE_FOLDS = {"data": {"folds": 3}, "train": {"epochs": 1}}
SHORT = {"train": {"epochs": 1}, "shrink": [{"method": "obd", "ratio": 0.3}]}
CLOCKS = ("seconds", "images_per_second")
RATIOS = {"shrink.0.ratio": [0.2, 0.3]}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of two runs with three folds and two shrink steps, of which the second is the same in both."""
    root, engine, lines = tmp_path_factory.mktemp("sweep") / "sweep", Here(), Lines()
    states = sweep(sweep_file(THREE_FOLDS, grid=RATIOS), root, engine, observer=lines, options=REPORT)
    return root, engine, lines, states


def test_every_run_is_done_and_said_in_the_file_that_others_read(swept):
    root, _, _, states = swept
    assert [state.state for state in states] == ["done", "done"]
    told = read_json(root / "sweep.json")
    assert told["name"] == "tiny sweep"
    assert [one["name"] for one in told["runs"]] == ["ratio-0.2", "ratio-0.3"]
    assert told["runs"][0] == {
        "name": "ratio-0.2",
        "folder": "runs/ratio-0.2",
        "digest": states[0].run.experiment.digest(),
        "varied": {"shrink.0.ratio": 0.2},
        "seed": None,
        "state": "done",
        "error": None,
    }


def test_what_two_runs_share_is_done_once(swept):
    root, engine, _, _ = swept
    stages = sorted(path.name.split("-")[0] for path in (root / "stages").iterdir())
    assert stages == ["fairprune", "obd", "obd", "train"]
    assert len(engine.begun) == len(set(engine.begun)) == 1 + 4 * (3 + 1) + 2
    models = [root / "runs" / name / "stages/00-train/fold-1/model.safetensors" for name in ("ratio-0.2", "ratio-0.3")]
    assert models[0].samefile(models[1])


def test_nothing_of_the_single_folds_is_left(swept):
    root, _, _, _ = swept
    assert list((root / "folds").iterdir()) == []
    assert list(root.rglob("candidates")) == []
    assert list(root.rglob(".tmp-*")) == []


def test_a_run_is_what_it_would_be_by_itself(swept, tmp_path):
    root, _, _, states = swept
    alone = run(states[0].run.experiment, tmp_path / "alone").root
    folder = root / "runs" / "ratio-0.2"
    assert outputs(folder) == outputs(alone)
    for name in ("history.jsonl", "steps.jsonl", "stage.json", "result.json"):
        found = [[_untimed(path) for path in sorted(place.rglob(name))] for place in (folder, alone)]
        assert found[0] == found[1]
    names = [
        {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()} for place in (folder, alone)
    ]
    assert names[0] - names[1] == {"report.html"}
    assert all(name.startswith("store/") for name in names[1] - names[0])


def _untimed(path):
    def clean(value):
        if isinstance(value, dict):
            return {key: clean(one) for key, one in value.items() if key not in CLOCKS}
        return [clean(one) for one in value] if isinstance(value, list) else value

    text = path.read_text(encoding="utf-8")
    return [clean(json.loads(line)) for line in (text.splitlines() if path.suffix == ".jsonl" else [text])]


def test_the_plain_command_finds_everything_done_in_a_run(swept):
    root, _, _, states = swept
    folder, lines = root / "runs" / "ratio-0.3", Lines()
    before = {path: path.stat().st_mtime_ns for path in (folder / "stages").rglob("*") if path.is_file()}
    run(states[1].run.experiment, folder, observer=lines, store=root / "store")
    assert lines.said == ["00-train: done before", "01-obd: done before", "02-fairprune: done before"]
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "stages").rglob("*") if path.is_file()}


def test_the_time_of_a_run_is_that_of_its_stages(swept):
    root, _, _, _ = swept
    folder = root / "runs" / "ratio-0.2"
    stages = [read_json(path)["seconds"] for path in sorted(folder.glob("stages/*/stage.json"))]
    assert len(stages) == 3
    assert read_json(folder / "environment.json")["seconds"] >= sum(stages) > 0
    assert read_json(folder / "environment.json")["started"] <= read_json(folder / "environment.json")["finished"]


def test_progress_counts_units_and_tells_what_is_left(swept):
    _, engine, lines, _ = swept
    assert lines.moved[-1][1:] == (len(engine.begun), len(engine.begun))
    assert any("left" in what for what, _, _ in lines.moved)
    assert f"runs: 2; units to do: {len(engine.begun)} of {len(engine.begun)}, 1 at a time" in lines.said[0]


def test_started_again_it_does_nothing(swept):
    root, _, _, _ = swept
    engine = Here()
    states = sweep(sweep_file(THREE_FOLDS, grid=RATIOS), root, engine, options=REPORT)
    assert engine.begun == []
    assert engine.stopped
    assert [state.state for state in states] == ["done", "done"]


def test_a_run_whose_folder_was_removed_is_put_together_again(swept):
    root, _, _, _ = swept
    page = root / "runs" / "ratio-0.2" / "report.html"
    page.unlink()
    engine = Here()
    sweep(sweep_file(THREE_FOLDS, grid=RATIOS), root, engine, options=REPORT)
    assert engine.begun == ["run-ratio-0.2"]
    assert page.exists()


class Presses:
    """Ctrl-C before the nth unit."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, job: object) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def test_interrupted_and_started_again_it_does_what_is_missing(tmp_path):
    file = sweep_file(SHORT, grid=RATIOS)
    whole = Here()
    sweep(file, tmp_path / "whole", whole)
    first = Here(Presses(3))
    with pytest.raises(KeyboardInterrupt):
        sweep(file, tmp_path / "cut", first)
    assert first.stopped
    again = Here()
    sweep(file, tmp_path / "cut", again)
    assert [*first.begun[:3], *again.begun] == whole.begun
    assert outputs(tmp_path / "cut" / "runs") == outputs(tmp_path / "whole" / "runs")


def test_a_failed_run_is_kept_and_does_not_stop_the_others(tmp_path):
    file, failing = sweep_file(SHORT, grid=RATIOS), Options(then=refuse_first, leaves=("report.html",))
    lines = Lines()
    states = sweep(file, tmp_path, Here(), observer=lines, options=failing)
    assert [state.state for state in states] == ["failed", "done"]
    assert states[0].error == "DataError: 'ratio-0.2' cannot be drawn."
    assert any("failed: run-ratio-0.2: DataError: 'ratio-0.2' cannot be drawn." in line for line in lines.said)
    kept = read_json(tmp_path / "failed" / "run-ratio-0.2.json")
    assert "refuse_first" in kept["trace"]
    assert "cannot be drawn" in (tmp_path / "log" / "run-ratio-0.2.log").read_text(encoding="utf-8")
    again = Here()
    states = sweep(file, tmp_path, again, options=REPORT)
    assert again.begun == []
    assert [state.state for state in states] == ["failed", "done"]
    assert read_json(tmp_path / "sweep.json")["runs"][0]["error"] == states[0].error
    states = sweep(file, tmp_path, again, options=Options(retry_failed=True, then=mark, leaves=("report.html",)))
    assert again.begun == ["run-ratio-0.2"]
    assert [state.state for state in states] == ["done", "done"]
    assert not list((tmp_path / "failed").iterdir())


def test_what_needs_something_that_failed_is_blocked(tmp_path):
    file = sweep_file(SHORT, grid={"train.lr": [1e38, 0.02], **RATIOS})
    states = sweep(file, tmp_path, Here())
    assert [state.state for state in states] == ["failed", "blocked", "done", "done"]
    assert "lr" in str(states[0].error)
    assert str(states[1].error).startswith(f"needs {states[0].unit}, which failed: ModelError: ")


class Idle(Here):
    """An engine that does nothing and says that all is well."""

    def start(self, job):
        self.ended.append(Ended(job.unit, None))


def test_a_unit_that_ends_without_its_results_has_failed(tmp_path):
    states = sweep(sweep_file(SHORT), tmp_path, Idle())
    assert states[0].state == "failed"
    assert "it ended without its results in" in str(states[0].error)


def test_a_folder_that_cannot_be_filled_is_a_failure_of_its_unit(tmp_path):
    def block(job):
        if job.unit.startswith("train"):
            (tmp_path / "runs").write_text("in the way", encoding="utf-8")

    states = sweep(sweep_file(SHORT), tmp_path, Here(block))
    assert states[0].state == "failed"
    assert "could not be written" in str(states[0].error)


def test_another_sweep_is_refused(swept):
    root, _, _, _ = swept
    with pytest.raises(ConfigError, match=r"holds another sweep: 1 run\(s\) only there, such as ratio-0.2"):
        sweep(sweep_file(THREE_FOLDS, grid={"shrink.0.ratio": [0.3]}), root, Here())


def test_equal_runs_are_one(tmp_path):
    file = sweep_file(SHORT, list=[{"train.lr": 0.02, "name": "a"}, {"name": "b"}])
    runs, said = variants(file.sweep, "here")
    assert [run.name for run in runs] == ["a"]
    assert said == ["b is the same experiment as a (train.lr = 0.02): one run"]

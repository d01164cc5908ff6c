"""A sweep over models with and without exits gives what runs of their own give."""

import pytest

from fairshrink.files import read_json
from fairshrink.lab.chains import chains
from fairshrink.lab.run import run
from fairshrink.lab.store import RunPaths
from fairshrink.lab.sweep import sweep
from fairshrink.lab.units import fold_is_done
from fairshrink.lab.variants import variants
from sweeping import Here, sweep_file

PARTS = {
    "grid": {
        "data.folds": [3],
        "train.epochs": [1],
        "model.exits": ["none", "auto"],
        "shrink": [[{"method": "obd", "ratio": [0.1, 0.2], "choose": "gap:eopp1:1"}]],
    }
}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder, file = tmp_path_factory.mktemp("sweep"), sweep_file(**PARTS)
    engine = Here()
    states = sweep(file, folder, engine)
    assert {state.state for state in states} == {"done"}
    again = Here()
    sweep(file, folder, again)
    assert again.begun == []
    runs = {run.experiment.model.exits: run for run in variants(file.sweep, "here")[0]}
    return folder, runs


def test_it_is_what_a_run_of_its_own_is(swept, tmp_path):
    folder, runs = swept
    own = run(runs["auto"].experiment, tmp_path / "run")
    names = [str(path.relative_to(own.root)) for path in own.root.rglob("exits.json")]
    assert len(names) == 2 * 3
    for name in (*names, "stages/01-obd/predictions.csv", "stages/01-obd/audit.json"):
        assert (folder / "runs" / runs["auto"].name / name).read_bytes() == (own.root / name).read_bytes()
    assert not list((folder / "runs" / runs[None].name).rglob("exits.json"))


def test_a_fold_whose_threshold_is_gone_is_not_done(swept):
    folder, runs = swept
    paths = RunPaths(folder / "runs" / runs["auto"].name)
    training = chains(runs["auto"].experiment)[0]
    place = training.stage(paths).fold(1)
    assert "leave" in read_json(place.exits)
    assert fold_is_done(training, paths, 1)
    assert training.done(paths)
    place.exits.rename(place.exits.with_suffix(".gone"))
    assert not fold_is_done(training, paths, 1)
    assert not training.done(paths)

from pathlib import Path

import pytest

from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.lab import foreseen
from fairshrink.lab.foreseen import check_runs
from fairshrink.lab.variants import variants
from sweeping import sweep_file


def runs(base=None, **parts):
    return variants(sweep_file(base, **parts).sweep, "here")[0]


def test_what_runs_have_in_common_is_looked_at_once(monkeypatch):
    opened, checked = [], []
    open_source, check_steps = foreseen.open_source, foreseen.check_steps
    monkeypatch.setattr(foreseen, "open_source", lambda *a: opened.append(a) or open_source(*a))
    monkeypatch.setattr(foreseen, "check_steps", lambda *a: checked.append(a) or check_steps(*a))
    check_runs(runs(seeds=[0, 1], grid={"train.lr": [0.1, 0.2], "shrink.0.ratio": [0.1, 0.2]}), Path.cwd())
    assert len(opened) == 1
    assert len(checked) == 2


@pytest.mark.parametrize(
    ("grid", "kind", "message"),
    [
        ({"shrink.0.leave": [["no.such"]]}, ConfigError, r"run leave-no.such: \[\[shrink\]\] 1 \('obd'\)"),
        ({"model.weights": ["no.safetensors"]}, DataError, "run weights-no.safetensors: 'no.safetensors' is not there"),
        ({"data.groups": [["tone", "colour"]]}, DataError, r"run groups-tone\+colour: "),
    ],
)
def test_the_run_is_named(grid, kind, message):
    with pytest.raises(kind, match=message):
        check_runs(runs(grid=grid), Path.cwd())


def test_a_checkpoint_of_another_network_is_found(tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="run checkpoint-mine.safetensors: "):
        check_runs(runs(grid={"model.checkpoint": ["mine.safetensors"]}), tmp_path)

"""`fairshrink run` in a process that torchrun started beside the first one: it says nothing, process 0 does."""

import pytest
import typer

from fairshrink.cli import experiment
from fairshrink.cli.stopping import Terminated
from fairshrink.errors import ConfigError, ModelError


@pytest.fixture(autouse=True)
def _second(monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("stop", "status"),
    [(KeyboardInterrupt(), 130), (Terminated(), 143), (ModelError("the loss is nan"), 2)],
    ids=["Ctrl-C", "SIGTERM", "error"],
)
def test_it_stops_as_process_0_does_and_leaves_the_words_to_it(tmp_path, monkeypatch, capsys, stop, status):
    def follow(load, beside):
        raise stop

    monkeypatch.setattr(experiment, "follow", follow)
    with pytest.raises(typer.Exit) as ended:
        experiment.run(tmp_path / "mine.toml")
    assert ended.value.exit_code == status
    assert capsys.readouterr() == ("", "")


def test_it_reads_the_experiment_only_when_it_is_called(tmp_path, monkeypatch):
    loads = []
    monkeypatch.setattr(experiment, "follow", lambda load, beside: loads.append((load, beside)))
    experiment.run(tmp_path / "mine.toml", out=tmp_path / "run")
    ((load, beside),) = loads
    assert beside == tmp_path
    with pytest.raises(ConfigError, match="cannot read the experiment"):
        load()
    (tmp_path / "mine.toml").write_text('[data]\nsource = "lesions"\n', encoding="utf-8")
    assert load()[1] == tmp_path / "run"


def test_a_dry_run_is_process_0_s(tmp_path, capsys):
    experiment.run(tmp_path / "mine.toml", dry_run=True)
    assert capsys.readouterr().out == ""

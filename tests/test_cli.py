import json

import pandas as pd
import pytest
import tomli_w
from typer.testing import CliRunner

from fairshrink import cli
from fairshrink.cli import experiment as experiment_commands
from tiny import TINY


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Runs `fairshrink ...` in an empty folder; returns the exit status and what was printed on both channels."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["fairshrink", *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        out = capsys.readouterr()
        return status, out.out, out.err

    return call


@pytest.fixture
def predictions(tmp_path):
    """Class b is found in every woman and in no man."""
    rows = [("f", "a", "a"), ("f", "b", "b"), ("m", "a", "a"), ("m", "b", "a")] * 20
    pd.DataFrame(rows, columns=["sex", "label", "prediction"]).to_csv(tmp_path / "p.csv", index=False)
    return str(tmp_path / "p.csv")


def test_help_names_the_commands():
    shown = CliRunner().invoke(cli.app, ["--help"]).output
    assert all(name in shown for name in ("demo", "run", "audit"))


def test_an_audit_prints_and_writes(command, predictions, tmp_path):
    arguments = (
        "--label",
        "label",
        "--prediction",
        "prediction",
        "--group",
        "sex",
        "--json",
        "a.json",
        "--n-boot",
        "50",
    )
    status, out, _ = command("audit", predictions, *arguments)
    assert status == 0
    assert "eopp1" in out
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["attributes"]["sex"]["gaps"]["eopp1"]["value"] == 0.5


@pytest.mark.parametrize(("rule", "expected"), [("eopp1>0.2", 1), ("eopp1>0.9", 0), ("tpr[b]>0.9", 1), ("epp1>0.2", 2)])
def test_fail_if_decides_the_exit_status(command, predictions, rule, expected):
    arguments = (
        "--label",
        "label",
        "--prediction",
        "prediction",
        "--group",
        "sex",
        "--n-boot",
        "20",
        "--fail-if",
        rule,
    )
    assert command("audit", predictions, *arguments)[0] == expected


def test_classes_may_be_declared(command, predictions, tmp_path):
    arguments = (
        "--label",
        "label",
        "--prediction",
        "prediction",
        "--group",
        "sex",
        "--classes",
        "a, b, c",
        "--json",
        "a.json",
    )
    assert command("audit", predictions, *arguments, "--n-boot", "20")[0] == 0
    assert json.loads((tmp_path / "a.json").read_text())["num_classes"] == 3


def test_a_column_that_is_named_like_a_rule_is_taken_as_it_is(command, tmp_path):
    rows = [("young", "a", "a"), ("old", "a", "b"), ("young", "b", "b"), ("old", "b", "b")] * 10
    pd.DataFrame(rows, columns=["age >= 60", "label", "prediction"]).to_csv(tmp_path / "q.csv", index=False)
    arguments = (
        "--label",
        "label",
        "--prediction",
        "prediction",
        "--group",
        "age >= 60",
        "--json",
        "a.json",
        "--n-boot",
        "20",
    )
    assert command("audit", "q.csv", *arguments)[0] == 0
    assert set(json.loads((tmp_path / "a.json").read_text())["attributes"]["age >= 60"]["groups"]) == {"young", "old"}


def test_errors_are_words_on_the_error_channel_with_status_2(command, predictions):
    status, out, err = command("audit", predictions, "--label", "lable", "--prediction", "prediction", "--group", "sex")
    assert (status, out) == (2, "")
    assert "DataError" in err
    assert "Did you mean 'label'?" in err
    assert "Traceback" not in err


def test_a_wrong_setting_is_an_error(command, tmp_path):
    (tmp_path / "x.toml").write_text('[data]\nsource = "lesions"\n')
    status, _, err = command("run", "x.toml", "--set", "train.epoch=3")
    assert status == 2
    assert "Did you mean 'epochs'?" in err


def test_a_dry_run_writes_nothing(command, tmp_path):
    (tmp_path / "x.toml").write_text(tomli_w.dumps(TINY))
    status, out, _ = command("run", "x.toml", "--dry-run")
    assert status == 0
    assert "150 images of 5 classes" in out
    assert "02-fairprune" in out
    assert [path.name for path in tmp_path.iterdir()] == ["x.toml"]


def test_a_run_ends_with_its_report(command, tmp_path):
    (tmp_path / "x.toml").write_text(tomli_w.dumps(TINY))
    status, out, _ = command("run", "x.toml", "--set", "train.epochs=1", "--out", "r")
    assert status == 0
    assert "report.html" in out
    assert (tmp_path / "r" / "report.html").stat().st_size > 10_000


def test_ctrl_c_says_what_is_kept(command, monkeypatch, tmp_path):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment_commands, "run_experiment", stopped)
    (tmp_path / "x.toml").write_text(tomli_w.dumps(TINY))
    status, _, err = command("run", "x.toml", "--out", "r")
    assert status == 130
    assert "are kept in r; the same command goes on from there" in err

import pytest
from typer import Typer
from typer.testing import CliRunner

from fairshrink.cli.report import report
from fairshrink.errors import StoreError
from report.fake_runs import write_sweep


@pytest.fixture(scope="module")
def app():
    app = Typer()
    app.command()(report)
    return app


def test_the_command_says_what_it_found_and_where_it_wrote_it(app, tmp_path):
    folder = write_sweep(tmp_path / "sweep", 2)
    done = CliRunner().invoke(app, [str(folder), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0
    told = " ".join(done.output.split())
    for words in (
        "Vanilla",
        "FairPrune",
        "p (Holm)",
        "No gap in EOpp1 is distinguishable",
        "not compared: broken (failed): DataError",
    ):
        assert words in told
    assert f"page: {tmp_path / 'out' / 'comparison.html'}" in told
    assert (tmp_path / "out" / "tradeoff.png").exists()


def test_what_is_no_run_is_refused(app, tmp_path):
    failed = CliRunner().invoke(app, [str(tmp_path)])
    assert isinstance(failed.exception, StoreError)
    assert "neither a run folder" in str(failed.exception)

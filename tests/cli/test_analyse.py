import shutil
import sys

import pytest
from typer import Typer
from typer.testing import CliRunner

from fairshrink.cli.analyse import analyse
from fairshrink.cli.stopping import stoppable
from fairshrink.lab.run import run
from fairshrink.report.page import write_report
from tiny import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("run") / "run"
    run(tiny(train={"epochs": 1}, shrink=[{"method": "obd", "ratio": 0.3}]), root)
    write_report(root)
    return root


@pytest.fixture
def app():
    app = Typer()
    app.command()(stoppable(analyse))
    return app


def test_the_command_says_what_it_found_and_where_it_wrote_it(app, folder):
    done = CliRunner().invoke(app, [str(folder), "--samples", "32", "--layer", "features.0", "--layer", "last"])
    assert done.exit_code == 0
    told = " ".join(done.output.split())
    assert "tone: Of the channels of features.0, " in told
    assert "tell the classes apart better than in every one of 19 draws by lot" in told
    assert f"page: {folder / 'analysis.html'}" in told
    page = (folder / "analysis.html").read_text(encoding="utf-8")
    assert "before (train)" in page
    assert "after (obd)" in page
    assert '<a href="analysis.html">' in (folder / "report.html").read_text(encoding="utf-8")


def test_ctrl_c_says_what_is_kept(app, folder, tmp_path, monkeypatch):
    copy = shutil.copytree(folder, tmp_path / "run")

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["fairshrink.cli.analyse"], "look", stopped)
    done = CliRunner().invoke(app, [str(copy)])
    assert done.exit_code == 130
    assert "Models that were looked at are kept in" in " ".join(done.output.split())

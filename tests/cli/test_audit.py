import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from fairshrink.cli import app


@pytest.fixture
def arguments(tmp_path):
    """Class b is found in every woman and in no man; two men have c."""
    rows = [("f", "a", "a"), ("f", "b", "b"), ("m", "a", "a"), ("m", "b", "a")] * 20 + [("m", "c", "a")] * 2
    pd.DataFrame(rows, columns=["sex", "label", "prediction"]).to_csv(tmp_path / "p.csv", index=False)
    return ["audit", str(tmp_path / "p.csv"), "--label", "label", "--prediction", "prediction", "--group", "sex"]


def test_a_page_is_written(arguments, tmp_path):
    page = tmp_path / "pages" / "audit.html"
    result = CliRunner().invoke(app, [*arguments, "--html", str(page), "--n-boot", "50"])
    assert result.exit_code == 0, result.output
    assert "Audit of p.csv" in page.read_text()


def test_small_cells_are_not_shown_anywhere(arguments, tmp_path):
    files = {name: tmp_path / f"a.{name}" for name in ("json", "html")}
    options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    result = CliRunner().invoke(app, [*arguments, *options, "--min-cell", "5", "--n-boot", "50"])
    assert result.exit_code == 0, result.output
    assert "<5" in result.output
    found = json.loads(files["json"].read_text())["attributes"]["sex"]
    assert found["classes"]["c"]["m"] == {"n": None, "tpr": None, "tnr": None, "fpr": None}
    assert found["classes"]["c"]["f"]["n"] == 0
    assert found["class_gaps"]["tpr[c]"]["verdict"].startswith("The gap of c is not shown")
    assert "The gap of c is not shown" in files["html"].read_text()


@pytest.mark.parametrize(("condition", "status"), [("tpr[b]>chance", 1), ("tpr[a]>chance", 0)])
def test_a_condition_on_chance_sets_the_exit_status(arguments, condition, status):
    assert CliRunner().invoke(app, [*arguments, "--fail-if", condition, "--n-boot", "50"]).exit_code == status

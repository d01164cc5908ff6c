import json

import pytest
from typer.testing import CliRunner

from data.pictures import csv_of, folder_of
from fairshrink.cli import app
from fairshrink.errors import ConfigError, DataError

ROWS = [f"p{at:02d},{'ab'[at % 2]},{'fm'[at // 2 % 2]}" for at in range(12)]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Twelve images and their table, here."""
    monkeypatch.chdir(tmp_path)
    for name in ("FAIRSHRINK_DATA", "FAIRSHRINK_CACHE"):
        monkeypatch.delenv(name, raising=False)
    folder_of(tmp_path / "images", [f"p{at:02d}" for at in range(12)])
    csv_of(tmp_path / "table.csv", "image,label,sex", *ROWS)
    (tmp_path / "mine.toml").write_text(
        '[data]\nsource = "table"\nimages = "images"\nmetadata = "table.csv"\ngroups = ["sex"]\n'
    )
    return tmp_path


def called(*arguments):
    result = CliRunner().invoke(app, ["data", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


OPTIONS = ["--metadata", "table.csv", "--images", "images", "--group", "sex"]


@pytest.mark.parametrize("named", [["mine.toml"], OPTIONS])
def test_good_data_pass_and_bad_data_exit_with_2(data, named):
    good = called("check", *named)
    assert good.exit_code == 0
    assert "table.csv: 12 rows, 12 images decoded: 0 errors" in good.output
    (data / "images" / "p03.png").write_bytes(b"")
    bad = called("check", *named, "--json", "found.json")
    assert bad.exit_code == 2
    assert "row 5 'p03': 'p03.png': not a JPEG or PNG image" in bad.output
    found = json.loads((data / "found.json").read_text())
    assert found["counts"]["error"] == 1
    assert found["findings"][0]["row"] == 5


def test_settings_and_options_reach_the_check(data):
    lenient = called("check", "mine.toml", "--set", "data.missing=exclude", "--set", "data.groups=['sex', 'age']")
    assert lenient.exit_code == 2
    assert "'age': 'table.csv' has no column 'age'" in lenient.output
    csv_of(data / "split.csv", "image,split", *(f"p{at:02d},{['train', 'val', 'test'][at % 3]}" for at in range(12)))
    more = called(
        "check", *OPTIONS, "--split-file", "split.csv", "--split-by", "sex", "--classes", "a,c", "--no-images"
    )
    assert "0 images decoded" in more.output
    assert "error: cluster across parts (2)" in more.output
    assert "row 3 'p01': label is 'b'" in more.output
    other = called("check", "--metadata", "table.csv", "--no-images", "--image", "sex", "--label", "image")
    assert "error: repeated name (10)" in other.output


def test_ten_of_a_kind_are_shown_or_all(data):
    for path in (data / "images").iterdir():
        path.write_bytes(b"")
    assert "  and 2 more" in called("check", "mine.toml").output
    assert "more\n" not in called("check", "mine.toml", "--all").output


def test_names_cannot_steer_the_terminal(data):
    csv_of(data / "table.csv", "image,label,sex", *ROWS, "\x1b[2J[red]p99,a,f")
    output = called("check", "mine.toml").output
    assert "\x1b" not in output
    assert "[2J[red]p99" in output


def test_import_writes_the_store_and_says_where(data, monkeypatch):
    first = called("import", "mine.toml", "--cache", "cache")
    assert first.exit_code == 0
    folder = next((data / "cache").iterdir())
    assert f"stored: cache/{folder.name}" in first.output
    assert f"Runs find it with  FAIRSHRINK_CACHE={data / 'cache'}" in first.output
    monkeypatch.setenv("FAIRSHRINK_CACHE", str(data / "cache"))
    again = called("import", "mine.toml")
    assert "FAIRSHRINK_CACHE=" not in again.output
    assert f"{folder.name}" in again.output
    assert (folder / "store.json").exists()


def test_import_refuses_what_a_run_would_refuse(data):
    (data / "images" / "p03.png").write_bytes(b"")
    result = called("import", "mine.toml", "--cache", "cache")
    assert result.exit_code == 2
    assert "Nothing was stored: a run would refuse these data" in result.output
    assert not list(data.rglob("store.json"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "mine.toml"], "no place for the decoded images is named. Set FAIRSHRINK_CACHE"),
        (["check", "mine.toml", "--size", "32"], "both an experiment file and options that name data are given"),
        (["check", "--set", "data.size=32", *OPTIONS], "--set changes an experiment file, but none is named"),
        (["check", "--group", "sex"], "no data are named. Give an experiment file"),
        (["check", "--metadata", "table.csv"], "no images are named. Give  --images"),
        (["check", "--source", "tabel", *OPTIONS], "no source called 'tabel'. Did you mean 'table'?"),
        (["check", "--source", "lesions"], "the source 'lesions' is drawn: it has no files to check"),
        (["check", *OPTIONS, "--group", "age >> 1"], "cannot read the group"),
    ],
)
def test_what_cannot_be_checked_says_what_to_do(data, arguments, message):
    with pytest.raises(ConfigError) as error:
        called(*arguments)
    assert message in str(error.value)


def test_a_file_that_is_not_there_says_where_it_was_looked_for(data):
    with pytest.raises(DataError, match="'tabel.csv' is not there"):
        called("check", "--metadata", "tabel.csv", "--images", "images")


def test_ctrl_c_leaves_nothing_behind(data, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("fairshrink.data.checks.pixels.examine", stop)
    result = called("import", "mine.toml", "--cache", "cache")
    assert result.exit_code == 130
    assert "Nothing was left half-written; the same command starts anew" in result.output
    assert not list(data.rglob("images.npy"))

"""Names from users are shown, in pages, pictures, tables and terminals, and never obeyed."""

import io
import json
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import tomli_w
from PIL import Image
from rich.console import Console

from fairshrink import cli
from fairshrink.audit import audit
from fairshrink.audit.terminal import show
from fairshrink.errors import DataError, suggest
from fairshrink.files import write_json, write_text
from fairshrink.lab.run import run
from fairshrink.report import style
from fairshrink.report.audit_page import render_audit
from fairshrink.report.page import write_report
from fairshrink.report.svg import inline_svg
from fairshrink.report.writing import write_all
from fairshrink.tables import read_safe_csv, safe_csv
from fairshrink.terminal import Screen, plain, table
from report.fake_run import Plan, write_fake_run
from report.read_markdown import CELLS, PLAIN, kinds, lines
from tiny import tiny
from trust.hostile import NAMES, acts, formulas, steers

ALL = list(NAMES.values())
EACH = pytest.mark.parametrize("name", ALL, ids=list(NAMES))


@pytest.fixture(scope="module")
def audited():
    """An audit whose classes and groups are hostile names, a few of each."""
    rng = np.random.default_rng(0)
    label, prediction, group = (rng.integers(0, len(ALL), 3000) for _ in range(3))
    names = np.array(ALL, dtype=object)
    features = pd.DataFrame({NAMES["attribute"]: names[group]})
    return audit(names[label], names[prediction], features, n_boot=10)


def test_a_runs_page(tmp_path):
    attributes = {NAMES["script"]: tuple(ALL[:3]), NAMES["bidi"]: tuple(ALL[3:6])}
    plan = Plan(NAMES["attribute"], dict.fromkeys(ALL, 200), attributes, 1, (0.2, 0.5), NAMES["style"], "a = 1\n")
    folder = write_fake_run(tmp_path / "run", plan)
    write_text(folder / "config.toml", tomli_w.dumps({f"k{at}": name for at, name in enumerate(ALL)}))
    card = json.loads((folder / "data.json").read_text())
    excluded = [{"row": at, "id": name, "reason": name} for at, name in enumerate(ALL)]
    write_json(folder / "data.json", card | {"excluded": excluded})
    page = write_report(folder).read_text(encoding="utf-8")
    assert acts(page) == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_an_audits_page(audited):
    page = render_audit(audited.to_dict(), NAMES["script"])
    assert acts(page) == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@EACH
def test_a_picture(name):
    with style.drawing():
        figure = style.canvas(1.0)
        figure.subplots().set_title(style.plain(name))
        picture = str(inline_svg(figure, "p", style.plain(name)))
    assert acts(picture) == []
    assert {element.tag for element in ElementTree.fromstring(picture).iter()} <= {
        "svg", "g", "path", "use", "text", "defs", "clipPath", "rect"
    }  # fmt: skip


@EACH
def test_a_table_for_spreadsheets(tmp_path, name):
    frame = pd.DataFrame({"id": [name, "b"], f"prob_{name}": [0.5, -0.5], name: ["x", name]})
    assert formulas(safe_csv(frame[["id", name]])) == []
    back = read_safe_csv(write_text(tmp_path / "a.csv", safe_csv(frame)))
    assert back["id"].tolist() == [name, "b"]
    assert list(back.columns) == list(frame.columns)


@EACH
def test_lines_tables_and_progress_in_the_terminal(name):
    console = Console(file=io.StringIO(), width=120)
    with Screen(console) as screen:
        screen.say(f"fold 0: {name}")
        screen.advance(f"training, {name}", 1, 2)
    console.print(table(name, [{name: name, "value": 1}]))
    console.print(plain(DataError(f"'{name}' is not there.{suggest(name, [name, 'b'])}")))
    assert steers(console.file.getvalue()) == set()


def test_an_audit_in_the_terminal(audited):
    console = Console(file=io.StringIO(), width=200)
    show(audited, console)
    shown = console.file.getvalue()
    assert steers(shown) == set()
    assert steers(str(audited)) == set()
    assert "[red]a[/red]" in shown


def test_errors_of_the_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = [name.replace("\0", "") for name in ALL]
    pd.DataFrame([names], columns=names).to_csv("a.csv", index=False)
    strange = "\x1b[31m\udcff[bold].csv"
    for arguments in (("a.csv", "--label", names[0][:-3]), (strange, "--label", "y")):
        monkeypatch.setattr(sys, "argv", ["fairshrink", "audit", *arguments, "--prediction", "p", "--group", "g"])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert stopped.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("DataError")
        assert steers(said) == set()


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A whole run on images, classes, groups and lesions with hostile names, and its page."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "images").mkdir()
    names = [name for name in ALL if "\0" not in name and len(name) < 200]
    rng, rows = np.random.default_rng(0), []
    for number in range(120):
        stem = f"{names[number % len(names)].strip().replace('/', '')}{number}"
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / "images" / f"{stem}.png")
        label, group = (NAMES["formula"], NAMES["inner return"])[number % 2], (NAMES["script"], "@b")[number // 2 % 2]
        rows.append((f"{stem}.png", label, group, f"{names[number // 2 % len(names)]}{number // 2}"))
    frame = pd.DataFrame(rows, columns=["image", "label", "@tone", "+lesion"])
    frame.to_csv(folder / "table.csv", index=False, quoting=1)
    data = {
        "source": "table",
        "images": str(folder / "images"),
        "metadata": str(folder / "table.csv"),
        "groups": ["@tone"],
        "split_by": "+lesion",
    }
    step = {"method": "obd", "ratio": 0.1}
    return run(tiny(data=data, train={"epochs": 1}, shrink=[step]), folder / "run", then=write_all).root


def test_a_whole_run_has_a_harmless_page(ran):
    page = (ran / "report.html").read_text(encoding="utf-8")
    assert acts(page) == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_whole_run_has_a_card_in_which_names_are_text(ran):
    card = (ran / "card.md").read_text(encoding="utf-8")
    assert kinds(card) <= PLAIN | CELLS
    assert NAMES["script"] in " ".join(lines(card))


def test_a_whole_run_has_tables_that_nothing_computes(ran):
    for stage in ("00-train", "01-obd"):
        text = (ran / "stages" / stage / "predictions.csv").read_bytes().decode()
        assert formulas(text) == []


def test_a_whole_run_keeps_the_names_as_they_are(ran):
    found = json.loads((ran / "stages" / "01-obd" / "audit.json").read_text())["attributes"]["@tone"]
    assert set(found["groups"]) == {NAMES["script"], "@b"}
    assert set(found["classes"]) == {NAMES["formula"], NAMES["inner return"]}

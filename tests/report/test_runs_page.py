import re
import shutil

import pytest

from fairshrink.report.runs_page import compare_runs, render, summary_rows, write_comparison
from report.fake_run import write_fake_run
from report.fake_runs import seed_plan
from report.pages import EVIL, Elements


@pytest.fixture(scope="module")
def written(sweep_folder, tmp_path_factory):
    folder = shutil.copytree(sweep_folder, tmp_path_factory.mktemp("page") / "sweep")
    (folder / "runs" / "seed-1" / "report.html").write_text("its own page", encoding="utf-8")
    return write_comparison([folder])


@pytest.fixture(scope="module")
def page(written):
    return written.page.read_text(encoding="utf-8")


def check_self_contained(text):
    found = Elements(text).found
    assert not {tag for tag, _ in found} & {"script", "img", "link", "iframe", "object", "embed", "base", "form"}
    assert not [name for _, attributes in found for name in attributes if name.startswith("on")]
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org)", text)
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for tag, attributes in found if tag == "a"]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    return [link for link in links if not link.startswith("#")]


def test_the_page_is_self_contained_and_links_to_the_pages_of_its_runs(page):
    assert check_self_contained(page) == ["runs/seed-1/report.html"]


def test_everything_is_written_into_the_sweep(written):
    folder = written.page.parent
    assert folder.name == "sweep"
    names = {path.relative_to(folder).as_posix() for path in [written.page, written.picture, *written.tables]}
    tables = ("models", "seeds", "differences", "pareto", "published", "runs")
    assert names == {"comparison.html", "tradeoff.png"} | {
        f"tables/{name}.{end}" for name in tables for end in ("csv", "md")
    }
    assert all((folder / name).exists() for name in names)


def test_the_page_has_what_a_reader_needs(page):
    for part in ("verdict", "part-1", "part-1-1", "published-1", "runs", "limits"):
        assert f'<section id="{part}">' in page
    assert "No gap in EOpp1 is distinguishable from that of the vanilla model" in page
    assert "8 comparisons with vanilla, adjusted together (Holm) · 2 runs not compared" in page
    assert "DataError: row 3 of &lt;b&gt;x&lt;/b&gt; has no label" in page
    assert "No published table for ham10000; nearest: isic2019." in page
    assert "A processor with two cores" in page
    assert page.count("<figure") == page.count("<figcaption") == 3
    assert "They do not contain the variance of training" in page


def test_the_same_records_give_the_same_bytes(written, page):
    assert render(compare_runs([written.page.parent]), written.page.parent) == page


def test_runs_go_into_a_folder_of_their_own(sweep_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [sweep_folder / "runs" / "seed-0", sweep_folder / "runs" / "seed-1"]
    assert write_comparison(runs).page.as_posix() == "report/comparison.html"
    assert write_comparison(runs, tmp_path / "there").page == tmp_path / "there" / "comparison.html"


def test_the_terminal_has_one_row_per_model(seeds):
    rows = summary_rows(seeds.sections[0], seeds.differences)
    assert [row["model"] for row in rows] == ["Vanilla", "OBD", "FairPrune"]
    assert [row["change"] == "baseline" for row in rows] == [True, False, False]


def test_hostile_names_are_shown_and_do_nothing(tmp_path):
    plan = seed_plan(0, name=EVIL[2], classes=dict.fromkeys(EVIL, 300), attributes={EVIL[0]: (EVIL[1], EVIL[3])})
    folder = write_fake_run(tmp_path / "javascript:alert(1)", plan)
    (folder / "report.html").write_text("", encoding="utf-8")
    text = write_comparison([folder], tmp_path / "out").page.read_text(encoding="utf-8")
    assert check_self_contained(text) == ["../javascript%3Aalert%281%29/report.html"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    table = (tmp_path / "out" / "tables" / "models.md").read_text(encoding="utf-8")
    assert "\\<script>" in table

import shutil
from dataclasses import replace

import pytest

from fairshrink.report.analysed import read_analysis
from fairshrink.report.analysis_page import render_analysis, write_analysis
from report.fake_analysis import write_fake_analysis
from report.fake_run import three_groups, write_fake_run
from report.pages import Elements, check_harmless


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = write_fake_analysis(tmp_path_factory.mktemp("run"))
    return write_analysis(folder).read_text(encoding="utf-8")


def test_the_page_is_self_contained_and_has_every_picture(page):
    check_harmless(page)
    pictures = [attributes["aria-label"] for tag, attributes in Elements(page).found if tag == "svg"]
    assert pictures == [
        "Sorted SNNL of the channels of conv2 by sex",
        "Sorted SNNL of the channels of conv2 by class",
        "Channels by layer, sex",
        "Channels by layer, class",
        "SNNL of the whole feature by depth, sex",
        "SNNL of the whole feature by depth, class",
    ]
    for part in ("findings", "channels", "layers", "depth", "reading", "limits", "settings"):
        assert f'<section id="{part}">' in page
    assert "published, ISIC 2019" in page


def test_the_same_records_give_the_same_bytes(tmp_path):
    folder = write_fake_analysis(tmp_path / "one", folds=1, against=False)
    first = write_analysis(folder).read_bytes()
    shutil.copytree(folder, tmp_path / "two")
    assert write_analysis(tmp_path / "two").read_bytes() == first


def test_names_from_outside_stay_text(tmp_path):
    evil = "<script>alert(1)</script>"
    found = read_analysis(write_fake_analysis(tmp_path, folds=1))
    check_harmless(render_analysis(found._replace(asked=replace(found.asked, by=evil, backbone=evil))))


def test_the_report_of_the_run_points_to_it(tmp_path):
    folder = write_fake_analysis(write_fake_run(tmp_path / "run", three_groups()))
    (folder / "report.html").write_text("old", encoding="utf-8")
    page = write_analysis(folder)
    assert '<a href="analysis.html">' in (folder / "report.html").read_text(encoding="utf-8")
    assert '<a href="report.html">' in page.read_text(encoding="utf-8")

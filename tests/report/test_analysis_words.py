from dataclasses import replace

import pytest

from fairshrink.report import analysis_words
from fairshrink.report.analysed import read_analysis
from report.fake_analysis import write_fake_analysis


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return read_analysis(write_fake_analysis(tmp_path_factory.mktemp("run")))


def texts(table):
    return [[cell.text for cell in row] for row in table.bodies[0]]


def test_findings_count_channels_against_chance(found):
    sex, classes = analysis_words.findings(found)
    assert sex.sentences[0] == (
        "Of the channels of conv2, 50.0\u00a0% in 'train' and 50.0\u00a0% in 'scp' tell the groups of sex apart better than in "
        "every one of 19 draws by lot (by chance 5.0\u00a0%); with the groups drawn within the classes, 10.0\u00a0% in 'train' "
        "and 12.5\u00a0% in 'scp'."
    )
    assert "tell the classes apart" in classes.sentences[0]
    assert "within" not in classes.sentences[0]


def test_findings_say_how_it_changes_with_depth(found):
    said = analysis_words.findings(found)[0].sentences[-1]
    assert said.startswith(
        "From layer1 to layer3, the SNNL of the whole feature changes at each position by −1.00\u00a0%"
    )
    assert "−2.00\u00a0% (−2.00\u00a0% to −2.00\u00a0% in the folds) in 'scp'" in said
    single = found._replace(after=[replace(one, depth=one.depth[:1]) for one in found.after])
    assert "one place only" in analysis_words.findings(single)[0].sentences[-1]


def test_layers_are_those_asked_for_or_those_that_lack_channels_or_the_last(found, tmp_path):
    assert analysis_words.shown_layers(found) == ["conv2"]
    assert analysis_words.shown_layers(found._replace(after=found.before)) == ["conv2"]
    asked = read_analysis(write_fake_analysis(tmp_path / "asked", layers=["conv1"]))
    assert analysis_words.shown_layers(asked) == ["conv1"]


def test_the_table_of_depths_has_what_was_published_for_attributes_only(found):
    rows = texts(analysis_words.depth_table(found))
    assert [row[:2] for row in rows] == [
        ["sex", "−1.00\u00a0%"],
        ["sex", "−2.00\u00a0%"],
        ["class", "−10.00\u00a0%"],
        ["class", "−11.00\u00a0%"],
    ]
    assert [row[-1] for row in rows] == ["−1.10\u00a0% (ISIC 2019)"] * 2 + [""] * 2
    other = found._replace(asked=replace(found.asked, backbone="small_cnn"))
    assert analysis_words.published(other, "sex") == {}


def test_the_table_of_layers_has_every_layer(found):
    rows = texts(analysis_words.layer_table(found))
    assert [row[:3] for row in rows] == [["conv1", "6", "0"], ["conv2", "10", "2"]]
    assert rows[1][3:] == ["50.0\u00a0%", "50.0\u00a0%", "100.0\u00a0%", "100.0\u00a0%"]


def test_settings_say_what_was_read(found):
    said = analysis_words.settings(found)
    assert said["models"] == "scp against train"
    assert said["images"].startswith("512 training images a fold")
    assert "one of each lesion_id" in said["images"]
    assert said["batches that count"] == "sex: 4 batches, class: 4 batches"

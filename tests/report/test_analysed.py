import json

import pytest

from fairshrink.errors import StoreError
from fairshrink.report.analysed import analysis_link, read_analysis
from report.fake_analysis import write_fake_analysis


def edit(folder, name, change):
    path = folder / "analysis" / name
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_what_was_found_is_read_fold_by_fold(tmp_path):
    found = read_analysis(write_fake_analysis(tmp_path / "run"))
    assert [[(one.stage, one.fold) for one in side] for side in found.sides] == [
        [("train", 0), ("train", 1)],
        [("scp", 0), ("scp", 1)],
    ]
    assert found.labels == ["sex", "class"]
    assert found.after[0].layers[1].there == 8
    alone = read_analysis(write_fake_analysis(tmp_path / "alone", against=False))
    assert alone.sides == [alone.after]


def test_a_run_has_a_link_once_the_page_is_there(tmp_path):
    assert analysis_link(tmp_path) is None
    (tmp_path / "analysis.html").write_text("x", encoding="utf-8")
    assert analysis_link(tmp_path) == "analysis.html"


def test_a_reading_that_is_not_there_is_refused(tmp_path):
    folder = write_fake_analysis(tmp_path)
    (folder / "analysis/scp-1.json").unlink()
    with pytest.raises(StoreError, match="scp-1.json' cannot be read.*start `fairshrink analyse` again"):
        read_analysis(folder)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("asked.json", lambda v: v["readings"]["train"].pop(), "names 2 and 1 readings: one for each fold"),
        ("asked.json", lambda v: v.update(attributes=["age"]), r"not the labels \['age', 'class'\]"),
        ("scp-1.json", lambda v: v["layers"].pop(), "of 'scp', fold 1, are of other layers"),
        ("scp-1.json", lambda v: v.update(depth=[]), "has no layers, no depths"),
        (
            "train-0.json",
            lambda v: v["layers"][0]["labels"]["sex"]["scores"].pop(),
            "6 channels, but 5 scores by 'sex'",
        ),
        ("train-0.json", lambda v: v.update(images="many"), "analysis/train-0.json': images"),
    ],
)
def test_records_that_do_not_fit_are_refused(tmp_path, file, change, words):
    folder = write_fake_analysis(tmp_path)
    edit(folder, file, change)
    with pytest.raises(StoreError, match=words):
        read_analysis(folder)

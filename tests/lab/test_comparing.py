import json

import pandas as pd
import pytest

from fairshrink.audit import compare
from fairshrink.errors import StoreError
from fairshrink.files import read_json
from fairshrink.lab.run import run
from tiny import tiny

SHORT = {
    "train": {"epochs": 1},
    "shrink": [{"method": "obd", "ratio": 0.6}, {"method": "obd", "name": "more", "ratio": 0.9}],
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return run(tiny(**SHORT), tmp_path_factory.mktemp("run") / "run")


def test_every_shrunk_model_is_compared_with_the_trained_one(done):
    tables = [pd.read_csv(done.stage(n, name, 1).predictions) for n, name in enumerate(("train", "obd", "more"))]
    groups = {name: tables[0][name] for name in ("tone", "age >= 60")}
    for number, name in ((1, "obd"), (2, "more")):
        found = read_json(done.stage(number, name, 1).comparison)
        title = read_json(done.stage(number, name, 1).record)["title"]
        direct = compare(tables[0].label, tables[0].prediction, tables[number].prediction, groups)
        assert found["models"] == ["Vanilla", title]
        for attribute, changes in found["attributes"].items():
            for gap, change in changes["gaps"].items():
                assert change["change"] == pytest.approx(direct.attributes[attribute].gaps[gap].change, abs=1e-12)
        assert found["overall"]["f1"]["b"] == read_json(done.stage(number, name, 1).audit)["overall"]["f1"]
    assert not done.stage(0, "train", 1).comparison.exists()


def test_a_stage_of_an_older_version_gets_one_and_nothing_else_is_touched(done):
    path = done.stage(1, "obd", 1).comparison
    before = path.read_bytes()
    path.unlink()
    others = {file: file.stat().st_mtime_ns for file in (done.root / "stages").rglob("*") if file.is_file()}
    run(tiny(**SHORT), done.root)
    assert path.read_bytes() == before
    assert {file: file.stat().st_mtime_ns for file in others} == others


def test_other_images_than_the_trained_model_was_tested_on(done):
    stage = done.stage(2, "more", 1)
    stage.comparison.unlink()
    whole = stage.predictions.read_text()
    stage.predictions.write_text("\n".join(whole.splitlines()[:-1]) + "\n")
    with pytest.raises(StoreError, match="are not of the same images in the same order"):
        run(tiny(**SHORT), done.root)
    stage.predictions.write_text(whole)
    run(tiny(**SHORT), done.root)
    assert json.loads(stage.comparison.read_text())["models"][0] == "Vanilla"

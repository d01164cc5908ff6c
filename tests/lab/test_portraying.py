"""What a run writes about the channels of a step that removes some, in every fold."""

import json

import pytest

from fairshrink.files import read_json
from fairshrink.lab.run import run
from tiny import tiny

SCP = {
    "method": "scp",
    "channel_ratio": 0.1,
    "iterations": 1,
    "fine_tune": 1,
    "stop": "none",
    "take": "last",
    "compared": 16,
}
WHOLE = {"method": "fairprune_channels", "parent": "train", "ratio": 0.1, "step": 0.1, "epochs": 0, "columns": 1}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    experiment = tiny(data={"folds": 3, "groups": ["tone"]}, train={"epochs": 1}, shrink=[SCP, WHOLE])
    root = tmp_path_factory.mktemp("run") / "run"
    done = run(experiment, root)
    before = {path: path.stat().st_mtime_ns for path in root.glob("stages/*/fold-*/channels.json")}
    run(experiment, root)
    return done, before


def test_every_fold_has_the_channels_of_its_model(paths):
    done, _ = paths
    for fold in range(3):
        found = read_json(done.root / f"stages/01-scp/fold-{fold}/channels.json")
        (layer,) = found["layers"]
        assert (layer["name"], layer["channels"], len(layer["removed"]), layer["lacked"]) == (
            "features.11",
            128,
            13,
            [],
        )
        assert (found["attribute"], found["compared"], found["tap"]) == ("tone", 16, "before")
        assert found["images"] % 16 == 0
    assert (done.root / "stages/01-scp/portrait.json").exists()


def test_the_control_has_them_too_and_lacks_none(paths):
    done, _ = paths
    place = done.root / "stages/02-scp-control"
    found = read_json(place / "fold-0/channels.json")
    assert found["layers"][0]["removed"] == []
    assert (
        found["layers"][0]["before"]
        == read_json(done.root / "stages/01-scp/fold-0/channels.json")["layers"][0]["before"]
    )
    assert found["layers"][0]["after"] != found["layers"][0]["before"]
    assert not (place / "portrait.json").exists()


def test_they_are_written_once(paths):
    done, before = paths
    assert len(before) == 9
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    assert all(json.loads(path.read_text(encoding="utf-8")) for path in before)
    assert not list(done.root.glob("stages/00-train/**/channels.json"))


def test_channels_that_go_by_saliency_are_looked_at_too(paths):
    done, _ = paths
    found = read_json(done.root / "stages/03-fairprune_channels/fold-0/channels.json")
    assert sum(len(layer["removed"]) for layer in found["layers"]) == 24
    assert (found["attribute"], found["compared"], found["tap"]) == ("tone", 128, "before")

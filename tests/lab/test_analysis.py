import shutil
from dataclasses import replace

import pytest
import torch

from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import read_json, write_json
from fairshrink.lab import analysis
from fairshrink.lab.analysis import Asked, analyse
from fairshrink.lab.analysis_labels import drawn_rows, labels_of
from fairshrink.lab.config import load_experiment
from fairshrink.lab.data import Prepared, prepare
from fairshrink.lab.observer import Quiet
from fairshrink.lab.work import Work


@pytest.fixture(scope="module")
def folder(done, tmp_path_factory):
    """A copy of the run, looked at once."""
    root = tmp_path_factory.mktemp("analysed") / "run"
    shutil.copytree(done.root, root)
    analyse(root, Asked(stage="obd", samples=32), Quiet())
    return root


def readings(folder):
    return sorted(path.name for path in (folder / "analysis").glob("0*.json"))


def test_a_stage_is_read_with_the_one_that_it_started_from(folder):
    asked = read_json(folder / "analysis/asked.json")
    assert (asked["stage"], asked["against"], asked["attributes"]) == ("obd", "train", ["tone", "age >= 60"])
    assert [len(files) for files in asked["readings"].values()] == [1, 1]
    assert list(asked["readings"]) == ["train", "obd"]
    found = read_json(folder / "analysis" / asked["readings"]["obd"][0])
    assert (found["stage"], found["fold"], found["images"], found["compared"]) == ("obd", 0, 32, 32)
    assert [layer["channels"] for layer in found["layers"]] == [16, 32, 64, 128]
    assert [place["name"] for place in found["depth"]] == ["features.6", "features.10", "pool"]


def test_what_is_there_is_not_read_again(folder, monkeypatch):
    before = readings(folder)
    monkeypatch.setattr(analysis, "read_model", lambda *_: pytest.fail("it was read again"))
    analyse(folder, Asked(stage="obd", samples=32, layers=("all",), attribute="tone"), Quiet())
    assert readings(folder) == before
    asked = read_json(folder / "analysis/asked.json")
    assert len(asked["layers"]) == 4
    assert asked["attributes"] == ["tone"]


def test_other_settings_are_read_anew_and_the_training_stands_alone(folder):
    analyse(folder, Asked(stage="train", samples=24), Quiet())
    asked = read_json(folder / "analysis/asked.json")
    assert asked["against"] is None
    assert read_json(folder / "analysis" / asked["readings"]["train"][0])["images"] == 24


def test_any_two_stages_can_be_compared(folder):
    analyse(folder, Asked(stage="fairprune", against="obd", samples=32), Quiet())
    asked = read_json(folder / "analysis/asked.json")
    assert list(asked["readings"]) == ["obd", "fairprune"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"stage": "odb"}, "no stage 'odb'.*obd"),
        ({"stage": "obd", "against": "obd"}, "against is 'obd', which is the stage itself"),
        ({"fold": 3}, "fold is 3, but .* has 1 fold"),
        ({"attribute": "tones"}, "no attribute 'tones'.*tone"),
        ({"layers": ("features.2",)}, "'features.2' is no convolution"),
    ],
)
def test_what_is_not_there_is_refused(folder, asked, words):
    with pytest.raises(ConfigError, match=words):
        analyse(folder, Asked(**asked), Quiet())


def test_too_few_images_and_other_folders_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="samples is 7, but at least 8 images"):
        Asked(samples=7)
    with pytest.raises(ConfigError, match="is no run folder: it has no config.toml"):
        analyse(tmp_path, Asked(), Quiet())


def test_other_data_are_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "run")
    write_json(copy / "data.json", read_json(copy / "data.json") | {"digest": "0" * 64})
    with pytest.raises(StoreError, match="their digest is [0-9a-f]{12}, and was 000000000000"):
        analyse(copy, Asked(stage="obd", samples=32), Quiet())


def test_images_are_training_images_in_whole_batches_one_of_each_cluster(done):
    experiment = load_experiment(done.config)
    prepared = prepare(experiment.data, done.root, done.store, Quiet())
    work = Work(experiment, prepared, done, done.root, Quiet(), torch.device("cpu"))
    rows = drawn_rows(work, 0, 70, 32)
    assert len(rows) == 64
    assert set(rows) <= set(prepared.rows(0, 0))
    assert len(drawn_rows(work, 0, 10, 32)) == 10
    clusters = prepared.dataset.ids.copy()
    clusters[:] = [f"lesion {number // 3}" for number in range(len(clusters))]
    grouped = Work(
        experiment, Prepared(replace(prepared.dataset, clusters=clusters), prepared.splits), done, done.root,
        Quiet(), work.device,
    )  # fmt: skip
    chosen = clusters[drawn_rows(grouped, 0, 10_000, 8)]
    assert len(set(chosen)) == len(chosen)
    assert [label.name for label in labels_of(work, rows)] == ["tone", "age >= 60", "class"]

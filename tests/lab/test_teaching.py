"""Trainings that compare groups: HSIC, and MFD with its teacher, trained first or taken from a finished run."""

import shutil

import pytest

from fairshrink.data.sources.lesions import lesions
from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import read_json, write_json
from fairshrink.lab.observer import Quiet
from fairshrink.lab.plan import check_models
from fairshrink.lab.run import run
from fairshrink.lab.store import read_lines
from tiny import tiny

MFD = {"model": {"exits": "auto"}, "train": {"epochs": 1, "objective": "mfd", "strength": 5.0}, "shrink": []}


def taught_by(path, **changed):
    return tiny(**MFD | {"train": MFD["train"] | {"teacher": str(path)}} | changed)


@pytest.fixture(scope="module")
def vanilla(tmp_path_factory):
    plain = MFD | {"train": {"epochs": 1}}
    return run(tiny(**plain), tmp_path_factory.mktemp("vanilla") / "run")


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    return run(tiny(**MFD), tmp_path_factory.mktemp("taught") / "run")


def training(paths):
    return paths.stage(0, "train", 1).fold(0)


def weights(path):
    return read_json(path.with_suffix(".json"))["weights_sha256"]


def test_a_teacher_is_the_same_model_trained_plainly_and_kept(vanilla, taught):
    folder = training(taught)
    assert weights(folder.teacher) == weights(training(vanilla).model)
    assert weights(folder.model) != weights(folder.teacher)
    assert [line["epoch"] for line in read_lines(folder.taught.history)] == [1]
    assert not folder.taught.state.exists()
    record = read_json(taught.stage(0, "train", 1).record)
    assert (record["method"], record["title"]) == ("mfd", "ME-MFD")


def test_the_teacher_of_a_finished_run_gives_the_same_model(vanilla, taught, tmp_path):
    paths = run(taught_by(vanilla.root), tmp_path / "run")
    assert weights(training(paths).model) == weights(training(taught).model)
    assert not training(paths).taught.root.exists()


class Stops(Quiet):
    """An observer that stops a run at the nth batch."""

    def __init__(self, at):
        self.left = at

    def advance(self, what, done, total):
        self.left -= what.startswith("training")
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", [2, 4])
def test_stopped_while_the_teacher_or_the_model_trains_it_ends_with_the_same_bits(taught, tmp_path, at):
    with pytest.raises(KeyboardInterrupt):
        run(tiny(**MFD), tmp_path / "run", observer=Stops(at))
    paths = run(tiny(**MFD), tmp_path / "run")
    assert [training(paths).teacher.exists(), (tmp_path / "run" / ".lock").exists()] == [True, True]
    for name in ("teacher.safetensors", "model.safetensors", "test.csv", "exits.json"):
        assert (training(paths).root / name).read_bytes() == (training(taught).root / name).read_bytes()


def test_hsic_trains_another_model_with_exits_and_without(vanilla, tmp_path):
    sections = {"train": {"epochs": 1, "objective": "hsic", "strength": 5.0}, "shrink": []}
    own = run(tiny(**sections | {"model": {"exits": "auto"}}), tmp_path / "exits")
    assert weights(training(own).model) != weights(training(vanilla).model)
    assert read_json(own.stage(0, "train", 1).record)["title"] == "ME-HSIC"
    plain = run(tiny(**sections), tmp_path / "plain")
    assert read_json(plain.stage(0, "train", 1).record)["title"] == "HSIC"
    assert not list(plain.root.rglob("exits.json"))


def test_a_teacher_that_is_no_run_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    experiment = taught_by(tmp_path / "empty")
    with pytest.raises(ConfigError, match=r"train.teacher is '.*empty', which is no run folder: it has no config.toml"):
        run(experiment, tmp_path / "run")
    with pytest.raises(ConfigError, match="which is no run folder"):  # before a night of training, too
        check_models(experiment, lesions(60), tmp_path)


def test_a_teacher_of_another_form_cannot_be_compared_with(vanilla, tmp_path):
    for model in ({"exits": "none"}, {"exits": ["pool"]}, {"exits": "auto", "heads": "conv"}):
        with pytest.raises(ConfigError, match="has another backbone, exits, size or normalisation than"):
            run(taught_by(vanilla.root, model=model), tmp_path / str(len(str(model))))


@pytest.mark.parametrize(("name", "what"), [("digest", "data"), ("split_digest", "splits")])
def test_a_teacher_that_may_have_seen_test_images_is_refused(vanilla, tmp_path, name, what):
    shutil.copytree(vanilla.root, tmp_path / "teacher")
    card = tmp_path / "teacher" / "data.json"
    write_json(card, read_json(card) | {name: "0" * 64})
    with pytest.raises(StoreError, match=f"was trained on other {what} than this run's: it may have seen"):
        run(taught_by(tmp_path / "teacher"), tmp_path / "run")


def test_a_run_stays_with_the_teacher_that_it_began_with(vanilla, tmp_path):
    shutil.copytree(vanilla.root, tmp_path / "teacher")
    paths = run(taught_by(tmp_path / "teacher"), tmp_path / "run")
    training(paths).predictions.unlink()
    card = tmp_path / "teacher" / "stages" / "00-train" / "model.json"
    write_json(card, read_json(card) | {"weights_sha256": "1" * 64})
    with pytest.raises(StoreError, match=r"the teacher '.*teacher' is not the one that this run began with"):
        run(taught_by(tmp_path / "teacher"), tmp_path / "run")


def test_a_fold_that_was_stopped_stays_with_its_teacher(vanilla, tmp_path):
    shutil.copytree(vanilla.root, tmp_path / "teacher")
    with pytest.raises(KeyboardInterrupt):
        run(taught_by(tmp_path / "teacher"), tmp_path / "run", observer=Stops(1))
    card = tmp_path / "teacher" / "stages" / "00-train" / "model.json"
    write_json(card, read_json(card) | {"weights_sha256": "1" * 64})
    with pytest.raises(StoreError, match=r"the teacher '.*teacher' is not the one that fold 0 began with"):
        run(taught_by(tmp_path / "teacher"), tmp_path / "run")


def test_a_teacher_whose_training_is_not_finished(vanilla, tmp_path):
    shutil.copytree(vanilla.root, tmp_path / "teacher")
    (tmp_path / "teacher" / "stages" / "00-train" / "stage.json").unlink()
    with pytest.raises(StoreError, match="the stage 'train' of '.*teacher' is not finished"):
        run(taught_by(tmp_path / "teacher"), tmp_path / "run")


@pytest.mark.parametrize("objective", ["hsic", "mfd"])
def test_several_processes_are_refused_before_a_teacher_is_trained(tmp_path, monkeypatch, objective):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        ConfigError, match=f"train.objective is '{objective}', which compares the images of a batch, of which 2"
    ):
        run(tiny(train={"objective": objective}, shrink=[]), tmp_path / "run")

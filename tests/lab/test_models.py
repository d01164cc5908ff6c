import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fairshrink.data.sources.lesions import lesions
from fairshrink.deploy.predictor import Predictor
from fairshrink.errors import ConfigError, ModelError, StoreError
from fairshrink.lab.models import find_models
from fairshrink.lab.run import run
from tiny import tiny

OBD = [{"method": "obd", "ratio": 0.3}]


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Path:
    """A run with one fold, and a normalisation of its own."""
    model = {"mean": [0.5, 0.4, 0.3], "std": [0.3, 0.2, 0.25]}
    return run(tiny(model=model, train={"epochs": 1}, shrink=OBD), tmp_path_factory.mktemp("one") / "run").root


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Path:
    """A run with three folds."""
    experiment = tiny(data={"folds": 3}, train={"epochs": 1}, shrink=OBD)
    return run(experiment, tmp_path_factory.mktemp("three") / "run").root


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Every image of both runs as a file, at their size."""
    folder = tmp_path_factory.mktemp("images")
    manifest = lesions(150)
    for name, pixels in zip(manifest.frame["id"], manifest.images.read(np.arange(150), 32), strict=True):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def furthest(chosen, table, images) -> float:
    """Largest difference between a model's probabilities for the test images and those that the run wrote down."""
    found = Predictor.load(*chosen.files)([images / f"{name}.png" for name in table["id"]])
    return np.abs(found - table.filter(like="prob_").to_numpy()).max()


@pytest.mark.parametrize(("wanted", "folder"), [(None, "01-obd"), ("train", "00-train"), ("00-train", "00-train")])
def test_a_stage_of_a_run_predicts_what_the_run_wrote_down(one, images, wanted, folder):
    table = pd.read_csv(one / "stages" / folder / "predictions.csv")
    chosen = find_models(one, wanted)
    assert chosen.said == f"{one}, stage {folder[3:]}"
    assert furthest(chosen, table, images) < 1e-6


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_each_fold_predicts_what_the_run_wrote_down_for_its_test_images(three, images, fold):
    table = pd.read_csv(three / "stages" / "01-obd" / "predictions.csv")
    chosen = find_models(three, fold=fold)
    assert chosen.said.endswith(f"stage obd, fold {fold}")
    assert furthest(chosen, table[table["fold"] == fold], images) < 1e-6


@pytest.mark.parametrize("inside", [".", "stages/01-obd"])
def test_several_folds_are_averaged_and_it_is_said(three, images, inside):
    chosen = find_models(three / inside)
    assert [file.parent.name for file in chosen.files] == ["fold-0", "fold-1", "fold-2"]
    assert chosen.said.endswith(": the mean of its 3 folds' probabilities")
    paths = sorted(images.iterdir())[:4]
    each = [Predictor.load(find_models(three / inside, fold=fold).files[0])(paths) for fold in range(3)]
    assert np.abs(Predictor.load(*chosen.files)(paths) - np.mean(each, axis=0)).max() < 1e-6


def test_a_stages_folder_and_a_file_are_themselves(one, tmp_path):
    shutil.copytree(one / "stages" / "01-obd", tmp_path / "stage")
    assert find_models(tmp_path / "stage").files == (tmp_path / "stage" / "model.safetensors",)
    file = one / "stages" / "00-train" / "model.safetensors"
    assert find_models(file) == ((file,), str(file))


def test_a_stage_that_is_not_there(one):
    with pytest.raises(ConfigError, match=r"has no stage 'odb'. Did you mean 'obd'\?"):
        find_models(one, "odb")


def test_a_stage_that_is_not_finished(one, tmp_path):
    shutil.copytree(one, tmp_path / "run")
    (tmp_path / "run" / "stages" / "01-obd" / "stage.json").unlink()
    with pytest.raises(StoreError, match="the stage 'obd' of .* is not finished. Start the run again, or name a stage"):
        find_models(tmp_path / "run")
    assert find_models(tmp_path / "run", "train").files


@pytest.mark.parametrize(("path", "fold"), [("one", 1), ("three", 3), ("three", -1)])
def test_a_fold_that_is_not_there(request, path, fold):
    with pytest.raises(ConfigError, match=rf"fold is {fold}, but .* has \d fold\(s\), numbered from 0"):
        find_models(request.getfixturevalue(path), fold=fold)


@pytest.mark.parametrize("options", [{"stage": "train"}, {"fold": 0}])
def test_a_file_has_no_stages_and_folds(one, options):
    with pytest.raises(ConfigError, match=r"--(stage|fold) is (train|0), but .* is no run folder"):
        find_models(one / "stages" / "00-train" / "model.safetensors", **options)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_path_without_a_model(tmp_path, name):
    with pytest.raises(ModelError, match="is no model: a run folder, a stage's folder in it, model.safetensors"):
        find_models(tmp_path / name)

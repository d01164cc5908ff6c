import io
import json
import shutil
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fairshrink import cli
from fairshrink.cli import model as commands
from fairshrink.compress.frozen import Frozen
from fairshrink.deploy.card import Card
from fairshrink.deploy.export import Exported
from fairshrink.lab.masks import save_frozen
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import save_model


@pytest.fixture
def command(monkeypatch, tmp_path, capfdbinary):
    """Runs `fairshrink ...` beside a model and four images; returns the exit status and both channels."""
    monkeypatch.chdir(tmp_path)
    card = Card("small_cnn", ("a", "b"), 32)
    save_model(tmp_path / "model.safetensors", build("small_cnn", num_classes=2, size=32).eval(), card.to_dict())
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["fairshrink", *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        out, err = capfdbinary.readouterr()
        return status, out.decode(), err.decode()

    return call


def test_predictions_go_into_a_file(command, tmp_path):
    status, out, err = command("predict", "model.safetensors", "0.png", "1.png", "--csv", "p.csv", "--threads", "1")
    assert (status, out) == (0, "")
    assert "2 predictions into p.csv" in err
    assert pd.read_csv(tmp_path / "p.csv")["image"].tolist() == ["0.png", "1.png"]


def test_or_to_standard_output_and_nothing_else_does(command):
    status, out, err = command("predict", "model.safetensors", "*.png", "--batch-size", "3")
    table = pd.read_csv(io.StringIO(out))
    assert status == 0
    assert table["image"].tolist() == ["0.png", "1.png", "2.png", "3.png"]
    assert "4 images, model.safetensors" in err


def test_an_unreadable_image_is_named_and_the_status_is_2(command, tmp_path):
    (tmp_path / "1.png").write_text("no image")
    status, out, err = command("predict", "model.safetensors", "0.png", "1.png")
    assert status == 2
    assert "1.png: not a JPEG or PNG image" in err
    assert "1 predictions; 1 could not be read and have no prediction." in err
    assert len(out.splitlines()) == 3


def test_many_unreadable_images_are_counted(command, tmp_path):
    for number in range(25):
        (tmp_path / f"bad{number:02d}.png").write_text("no image")
    status, _, err = command("predict", "model.safetensors", "bad*.png")
    assert status == 2
    assert "bad19.png:" in err
    assert "bad20.png:" not in err
    assert "and 5 more; the column 'error' has them all" in err


def test_files_beside_the_images_are_noted(command, tmp_path):
    (tmp_path / "folder").mkdir()
    shutil.move(tmp_path / "0.png", tmp_path / "folder")
    (tmp_path / "folder" / "scan.tif").write_text("...")
    _, _, err = command("predict", "model.safetensors", "folder")
    assert "note: 'folder': 1 file(s) left aside that do not end in .jpg, .jpeg or .png." in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "0.png"], "ModelError: 'nowhere' is no model"),
        (["model.safetensors", "nowhere.png"], "DataError: there is no file, folder or zip archive 'nowhere.png'"),
        (["model.safetensors", "0.png", "--csv", "."], "--csv is the folder '.'"),
        (["model.safetensors", "0.png", "--threads", "0"], "threads is 0, but at least 1 is needed"),
    ],
)
def test_what_cannot_work_is_said_at_once(command, arguments, message):
    status, out, err = command("predict", *arguments)
    assert (status, out) == (2, "")
    assert message in err


def test_ctrl_c_leaves_no_half_file(command, monkeypatch, tmp_path):
    def stopped(predictor, images, write, **options):
        write("half a line")
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "write_predictions", stopped)
    before = set(tmp_path.iterdir())
    status, _, err = command("predict", "model.safetensors", "0.png", "--csv", "p.csv")
    assert status == 130
    assert "Stopped. p.csv was not written." in err
    assert set(tmp_path.iterdir()) == before


def test_names_cannot_steer_a_terminal(command, monkeypatch, tmp_path):
    strange = "\x1b[31mred.png"
    shutil.copy(tmp_path / "0.png", tmp_path / strange)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out, _ = command("predict", "model.safetensors", "*red.png")
    assert "[31mred.png" in out
    assert "\x1b" not in out


def test_an_export_says_what_it_wrote(command, monkeypatch, tmp_path):
    def exported(model, target, *, whole):
        target.write_bytes(b"onnx" * 1_000_000)
        return Exported(target, Card("small_cnn", ("a", "b"), 32), 30, 100, 2e-7, 10)

    monkeypatch.setattr(commands, "export_onnx", exported)
    status, out, _ = command("export", "model.safetensors", "--onnx", "m.onnx")
    assert status == 0
    for words in (
        "m.onnx: small_cnn from model.safetensors, 4.0 MB",
        "pixels (N, 32, 32, 3)",
        "logits and probabilities (N, 2): a, b",
        "30 of 100 weights are 0",
        "largest difference of a probability 2.0e-07",
    ):
        assert words in out


def test_several_models_are_not_exported_as_one(command, tmp_path):
    for fold in range(2):
        (tmp_path / "stage" / f"fold-{fold}").mkdir(parents=True)
        for ending in (".safetensors", ".json"):
            shutil.copy(tmp_path / f"model{ending}", tmp_path / "stage" / f"fold-{fold}")
    status, _, err = command("export", "stage", "--onnx", "m.onnx")
    assert status == 2
    assert "has one model for each of 2 folds, and a file holds one. Name it:  --fold 0" in err


@pytest.fixture
def narrowed(tmp_path):
    """Three channels of the first layer and one of the last put out 0; the second norm's scale is 0, its shift is not."""
    model: Any = build("small_cnn", num_classes=2, size=32).eval()
    with torch.no_grad():
        for norm, channels in (("1", [0, 4, 15]), ("12", [100]), ("4", [3])):
            module = model.features[int(norm)]
            module.weight[channels] = 0
            module.bias[channels] = 1.0 if norm == "4" else 0.0
    mask = torch.zeros(32, 16, 3, 3, dtype=torch.bool)
    mask[:, :8] = True
    frozen = Frozen().fix({"features.3.weight": mask}, {"features.3.weight": torch.zeros(32, 16, 3, 3)})
    frozen.apply_(model)
    save_model(tmp_path / "model.safetensors", model, Card("small_cnn", ("a", "b"), 32).to_dict() | {"note": "mine"})
    save_frozen(tmp_path / "frozen.safetensors", frozen)
    return tmp_path / "model.safetensors"


def probabilities(command, model: str) -> pd.DataFrame:
    status, out, err = command("predict", model, "*.png")
    assert status == 0, err
    return pd.read_csv(io.StringIO(out))


def test_a_cut_model_is_smaller_and_predicts_the_same(command, narrowed, tmp_path):
    status, out, err = command("export", "model.safetensors", "--cut", "small.safetensors")
    assert status == 0, err
    for words in (
        "small.safetensors: small_cnn from model.safetensors, 0.39 MB of 0.40 MB",
        "features.0: 3 of 16 channels cut out",
        "features.11: 1 of 128 channels cut out",
        "parameters of 97,938",
        "million multiplications an image",
        "compared with the whole model on 2 random images: largest difference of a logit",
    ):
        assert words in out
    assert "features.3: " not in out
    meta = json.loads((tmp_path / "small.json").read_text())
    assert meta["cut"] == {"features.0": [0, 4, 15], "features.11": [100]}
    assert (
        meta["cut_from"]
        == json.loads((tmp_path / "model.json").read_text())["weights_sha256"]
        != meta["weights_sha256"]
    )
    assert meta["note"] == "mine"
    expected = probabilities(command, "model.safetensors")
    pd.testing.assert_frame_equal(probabilities(command, "small.safetensors"), expected, atol=2e-6)
    status, out, _ = command("inspect", "small.safetensors")
    assert "note: 4 channels of 2 layers were cut out of it" in out
    assert "32x13x3x3" in out
    assert "46.2%" in out  # six of the 13 inputs that the second convolution still reads are pruned


def test_a_packed_file_is_cut_by_itself(command, narrowed, tmp_path):
    expected = probabilities(command, "model.safetensors")
    status, out, _ = command("export", "model.safetensors", "--packed", "p.safetensors")
    assert status == 0
    assert "features.0: 3 of 16 channels cut out" in out
    pd.testing.assert_frame_equal(probabilities(command, "p.safetensors"), expected, atol=2e-6)
    status, out, _ = command("inspect", "p.safetensors")
    assert "4 channels of 2 layers were cut out of it" in out
    assert "46.2%" in out
    status, out, _ = command("export", "model.safetensors", "--packed", "w.safetensors", "--whole")
    assert "whole: nothing was to be cut" in out
    assert (tmp_path / "w.safetensors").stat().st_size > (tmp_path / "p.safetensors").stat().st_size


def test_a_cut_file_can_be_packed_with_what_is_fixed_of_it(command, narrowed, tmp_path):
    command("export", "model.safetensors", "--cut", "small.safetensors")
    status, out, err = command("export", "small.safetensors", "--packed", "p.safetensors")
    assert status == 0, err
    assert "1,728 of" in out
    assert "4 channels of 2 layers were cut out of it before" in out
    expected = probabilities(command, "model.safetensors")
    pd.testing.assert_frame_equal(probabilities(command, "p.safetensors"), expected, atol=2e-6)


def test_where_nothing_can_be_cut_that_is_said(command, tmp_path):
    (tmp_path / "small.frozen.safetensors").write_text("of an earlier export")
    status, out, _ = command("export", "model.safetensors", "--cut", "small.safetensors")
    assert status == 0
    assert "nothing could be cut: no channel is 0 wherever it is read" in out
    assert "cut" not in json.loads((tmp_path / "small.json").read_text())
    assert not (tmp_path / "small.frozen.safetensors").exists()
    assert (tmp_path / "small.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--cut", "small.pt"],
            "--cut is 'small.pt': a name that ends in .safetensors was expected, such as small.saf",
        ),
        (["--cut", "model.safetensors"], "--cut is 'model.safetensors', which is the model itself"),
        (["--cut", "a.safetensors", "--packed", "a.safetensors"], "--packed and --cut name the same file"),
        (["--stages", "a", "--onnx", "a"], "--onnx is 'a': a name that ends in .onnx was expected"),
        (["--stages", "."], "'.' is there and is no folder of stages. Name a new folder."),
        (
            ["--cut", "small.safetensors", "--whole"],
            "--whole leaves every channel where it is, and --cut takes some out",
        ),
    ],
)
def test_a_cut_that_cannot_be_written_is_said_at_once(command, arguments, message):
    status, out, err = command("export", "model.safetensors", *arguments)
    assert (status, out) == (2, "")
    assert message in err

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fairshrink import cli
from fairshrink.cli.exported import notes_of, said_of_onnx, said_of_stages
from fairshrink.deploy.card import Card, Exits
from fairshrink.deploy.export import Exported
from fairshrink.deploy.predictor import Predictor
from fairshrink.models.checkpoint import save_model
from fairshrink.models.multi_exit import build_multi_exit

EXITS = Exits(("features.6",), "linear", (0.3, 0.9), 0.55)
CARD = Card("small_cnn", ("a", "b"), 32, exits=EXITS)


@pytest.fixture
def model(tmp_path) -> Path:
    network = build_multi_exit("small_cnn", EXITS.taps, num_classes=2, size=32).eval()
    return save_model(tmp_path / "model.safetensors", network, CARD.to_dict())


@pytest.fixture
def command(monkeypatch, tmp_path, model, capfdbinary):
    """Runs `fairshrink ...` beside a model with exits and two images; returns the exit status and both channels."""
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")

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


def exported(path, **changes):
    return Exported(path, CARD, 30, 100, 2e-7, 10, macs=(250, 1000), **changes)


def test_of_one_file_the_exits_are_named(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"12")
    said = "\n".join(said_of_onnx(exported(tmp_path / "m.onnx"), "mine"))
    assert "out: logits and probabilities (N, 2, 2): a, b" in said
    assert "exits: features.6, final; an image leaves at the first that is at least 0.55 sure" in said


def test_of_stages_it_is_said_what_each_costs(tmp_path):
    for number in range(2):
        (tmp_path / f"stage-{number}.onnx").write_bytes(b"x" * 1_500_000)
    said = "\n".join(said_of_stages(exported(tmp_path), "mine"))
    assert ": small_cnn from mine, 3.0 MB" in said
    assert "stage-0.onnx: to exit 'features.6', 1.5 MB, 25.0% of all multiplications so far" in said
    assert "stage-1.onnx: to exit 'final', 1.5 MB, 100.0% of all" in said
    assert "largest difference of a probability 2.0e-07" in said


def test_where_images_leave_is_noted_and_why_the_table_does_not_say(model):
    assert notes_of(Predictor.load(model)) == [
        "an image leaves at the first that is at least 0.55 sure of its class: features.6, final"
    ]
    assert notes_of(Predictor.load(model, model)) == [
        "no column 'exit': in each of the 2 models an image has an exit of its own"
    ]


def test_the_table_of_predictions_has_the_exits(command, model):
    status, out, err = command("predict", "model.safetensors", "*.png")
    assert status == 0
    table = pd.read_csv(io.StringIO(out))
    pixels = np.stack([np.asarray(Image.open(name)) for name in ("0.png", "1.png")])
    assert list(table) == ["image", "prediction", "prob_a", "prob_b", "exit", "error"]
    assert table["exit"].tolist() == [EXITS.names[exit] for exit in Predictor.load(model).answer(pixels).exit]
    assert "note: an image leaves at the first that is at least 0.55 sure" in err


def test_an_inspected_model_says_its_exits(command):
    status, out, err = command("inspect", "model.safetensors")
    assert status == 0, err
    assert "heads.0.classifier.weight" in out
    assert "note: exits: features.6, final; an image leaves at the first that is at least 0.55 sure" in out
    command("export", "model.safetensors", "--packed", "p.safetensors")
    assert "note: exits: features.6, final" in command("inspect", "p.safetensors")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "stages"], "'stages' is a folder of ONNX files, which do not say what is quantised"),
        (["export", "stages", "--onnx", "m.onnx"], "'stages' is exported already"),
        (["predict", "stages", "0.png", "--fold", "1"], "--fold is 1, but 'stages' is no run folder"),
        (["predict", "stages", "0.png"], "ModelError: 'stages/stages.json' does not say how its model is used"),
    ],
)
def test_a_folder_of_stages_is_known_as_such(command, tmp_path, arguments, message):
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "stages.json").write_text("{}")
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert message in err

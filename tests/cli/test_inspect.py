import json
import shutil

import pytest
import torch

from fairshrink import cli
from fairshrink.compress.frozen import Frozen
from fairshrink.deploy.card import Card
from fairshrink.deploy.predictor import load_network
from fairshrink.lab.masks import save_frozen
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import save_model


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Runs `fairshrink ...` beside a model half of whose last layer is pruned; returns the exit status and both channels."""
    monkeypatch.chdir(tmp_path)
    model = build("small_cnn", num_classes=2, size=32).eval()
    weight = model.classifier.weight
    mask = torch.arange(weight.numel()).reshape(weight.shape) % 2 == 0
    frozen = Frozen().fix({"classifier.weight": mask}, {"classifier.weight": torch.zeros_like(weight)})
    frozen.apply_(model)
    save_model(tmp_path / "model.safetensors", model, Card("small_cnn", ("a", "[red]b\x1b"), 32).to_dict())
    save_frozen(tmp_path / "frozen.safetensors", frozen)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["fairshrink", *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        out = capsys.readouterr()
        return status, out.out, out.err

    return call


def test_a_packed_file_and_the_model_that_it_came_from(command, tmp_path):
    status, out, _ = command("export", "model.safetensors", "--packed", "m.packed.safetensors")
    assert status == 0
    for words in (
        "m.packed.safetensors: small_cnn from model.safetensors",
        "128 of",
        "unpacked",
        "in theory",
        "the same bits",
    ):
        assert words in out
    for name, said in (("m.packed.safetensors", "packed, checked"), ("model.safetensors", "not packed")):
        status, out, _ = command("inspect", name, "--json", "i.json")
        assert status == 0
        assert said in out
        row = next(line for line in out.splitlines() if "classifier.weight" in line)
        assert "2x128" in row
        assert "50.0%" in row
        found = json.loads((tmp_path / "i.json").read_text())
        assert found["packed"] == (name != "model.safetensors")
        assert {row["name"]: row["pruned"] for row in found["tensors"]}["classifier.weight"] == 128
        assert found["bytes"] == (tmp_path / name).stat().st_size
    assert all(
        torch.equal(one, other)
        for one, other in zip(
            load_network(tmp_path / "m.packed.safetensors")[1].state_dict().values(),
            load_network(tmp_path / "model.safetensors")[1].state_dict().values(),
            strict=True,
        )
    )


def test_without_a_record_it_says_so(command, tmp_path):
    (tmp_path / "frozen.safetensors").unlink()
    status, out, _ = command("inspect", "model.safetensors")
    assert status == 0
    assert "note: no frozen.safetensors lies beside it" in out
    assert command("export", "model.safetensors", "--packed", "m.safetensors")[0] == 0


def test_names_of_files_are_shown_and_do_nothing(command, tmp_path):
    strange = "[red]\x1b[31m.safetensors"
    shutil.copy(tmp_path / "model.safetensors", tmp_path / strange)
    (tmp_path / "frozen.safetensors").unlink()
    _, out, _ = command("inspect", strange)
    assert "[red][31m.safetensors" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "m.onnx"], "'m.onnx' is an ONNX file, which does not say what is quantised. Give the packed file"),
        (["inspect", "model.safetensors", "--json", "."], "--json is the folder '.'"),
        (["inspect", "nowhere"], "'nowhere' is no model"),
        (["export", "model.safetensors"], "nothing is to be written: name a file with --onnx model.onnx or --packed"),
        (["export", "model.safetensors", "--packed", "m.bin"], "--packed is 'm.bin': a name that ends in .safetensors"),
        (["export", "model.safetensors", "--packed", "model.safetensors"], "which is the model itself"),
        (["export", "model.safetensors", "--onnx", "m.bin"], "--onnx is 'm.bin': a name that ends in .onnx"),
    ],
)
def test_what_cannot_work_is_said_at_once(command, arguments, message):
    status, _, err = command(*arguments)
    assert status == 2
    assert message in err


def test_a_packed_file_is_not_packed_again(command):
    command("export", "model.safetensors", "--packed", "m.safetensors")
    status, _, err = command("export", "m.safetensors", "--packed", "n.safetensors")
    assert status == 2
    assert "'m.safetensors' is exported already" in err

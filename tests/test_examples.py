"""The example scripts run as they stand, and so does the Python in the methods' cards."""

import re
import runpy
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from toys import toy_batches, toy_model

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def test_a_users_own_model(capsys):
    runpy.run_path(str(EXAMPLES / "own_model.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "favoured: group 1; on validation:"
    assert [line.partition(" zeros: EOpp1 0.")[0].strip() for line in lines[1:]] == ["0%", "20%", "40%", "60%", "80%"]


def test_a_users_own_model_in_powers_of_two(capsys):
    runpy.run_path(str(EXAMPLES / "quantise_own_model.py"), run_name="__main__")
    *steps, packed = capsys.readouterr().out.splitlines()
    assert [re.sub(r"0\.\d{3}", "x", line) for line in steps] == [
        f"{ratio:4.0%} quantised: EOpp1 x, macro F1 x; only re-trained: EOpp1 x, macro F1 x"
        for ratio in (0.25, 0.5, 0.75, 1.0)
    ]
    written, whole = map(int, re.findall(r"(\d+) ", packed.replace(",", "")))
    assert packed.endswith("unpacked bit for bit: True")
    assert written < 5 / 32 * whole


def test_scripts_stay_short():
    scripts = list(EXAMPLES.glob("*.py"))
    assert scripts
    assert all(len(script.read_text(encoding="utf-8").splitlines()) <= 60 for script in scripts)


def _many_channels() -> torch.nn.Module:
    """Enough of them that each step of a card removes one."""
    torch.manual_seed(0)
    convs = [torch.nn.Conv2d(2, 64, 3), torch.nn.ReLU(), torch.nn.Conv2d(64, 64, 2), torch.nn.ReLU()]
    return torch.nn.Sequential(*convs, torch.nn.Flatten(), torch.nn.Linear(64, 3)).eval()


@pytest.mark.parametrize(
    ("card", "batched"),
    [
        ("fairprune", False),
        ("obd", True),
        ("fairquantize", False),
        ("scp", False),
        ("fairprune_channels", False),
        ("multi_exit", False),
    ],
)
def test_the_python_in_a_card_runs(card, batched, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a block may write a file
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "methods" / f"{card}.md").read_text("utf-8"), re.DOTALL
    )
    batches = toy_batches(samples=48)
    data = TensorDataset(*(torch.cat([getattr(b, part) for b in batches]) for part in "xyg"))
    model = _many_channels() if card in ("scp", "fairprune_channels") else toy_model()
    here = {"model": model, "train": data, "val": data, "taps": ["2"], "example": batches[0].x}
    if batched:
        here |= {"train": DataLoader(data, 16), "val": DataLoader(data, 16)}
    assert blocks
    for block in blocks:
        exec(compile(block, card, "exec"), here)
    assert here["shrunk"].steps
    assert capsys.readouterr().out

"""FairQuantize on your own PyTorch model, beside its control, and the file that it becomes.

python examples/quantise_own_model.py
"""

import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from fairshrink import Splits, compress, fairquantize, retrain
from fairshrink.deploy.packed import load_packed, save_packed
from fairshrink.metrics.rates import f1


def pictures(count: int, seed: int) -> TensorDataset:
    """Made up: pictures (N, 1, 8, 8), a class and a group for each. The classes' signal is fainter in group 1."""
    draw = torch.Generator().manual_seed(seed)
    y, g = torch.randint(2, (count,), generator=draw), (torch.rand(count, generator=draw) < 0.3).long()
    x = torch.randn(count, 1, 8, 8, generator=draw)
    strength = (2 * y - 1) * torch.where(g == 0, 0.5, 0.3)
    x[g == 0, :, :4] += strength[g == 0].view(-1, 1, 1, 1)
    x[g == 1, :, 4:] += strength[g == 1].view(-1, 1, 1, 1)
    return TensorDataset(x, y, g)


def network() -> nn.Module:
    body = (nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(*body, nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 2))


def main() -> None:
    train, val = DataLoader(pictures(600, 0), 50, shuffle=True), DataLoader(pictures(400, 1), 100)
    torch.manual_seed(0)
    optimizer = torch.optim.Adam((model := network()).parameters(), lr=0.001)
    for x, y, _ in train:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    data = Splits(DataLoader(train.dataset, 100), val, retrain=train)  # scores need a fixed order, training does not
    done = compress(model, data, fairquantize(beta=0.33, step=0.25, bits=5, epochs=2, lr=0.01))
    control = compress(model, data, retrain(step=0.25, epochs=2, lr=0.01))
    for both in zip(done.steps, control.steps, strict=True):
        words = [f"EOpp1 {step.gaps['eopp1']:.3f}, macro F1 {f1(step.counts.counts).mean():.3f}" for step in both]
        print(f"{both[0].ratio:4.0%} quantised: {words[0]}; only re-trained: {words[1]}")

    with tempfile.TemporaryDirectory() as folder:
        path = save_packed(Path(folder) / "model.packed.safetensors", done.model, done.frozen)
        load_packed(path, again := network())
        pairs = list(zip(done.model.parameters(), again.parameters(), strict=True))
        same, whole = all(torch.equal(a, b) for a, b in pairs), sum(4 * a.numel() for a, _ in pairs)
        print(f"packed: {path.stat().st_size:,} bytes for {whole:,}, unpacked bit for bit: {same}")


if __name__ == "__main__":
    main()

"""FairPrune on your own PyTorch model and data: no image folder, no configuration.

python examples/own_model.py

The data are made up: two classes, told apart by a signal that is fainter in group 1 and sits elsewhere in the picture. The gap
narrows in the last step only, and by what group 0 loses.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from fairshrink import Splits, compress, fairprune
from fairshrink.metrics.rates import f1


def pictures(count: int, seed: int) -> TensorDataset:
    """Pictures (N, 1, 8, 8), a class and a group for each: any data set whose items are (x, y, g) will do."""
    draw = torch.Generator().manual_seed(seed)
    y, g = torch.randint(2, (count,), generator=draw), (torch.rand(count, generator=draw) < 0.3).long()
    x = torch.randn(count, 1, 8, 8, generator=draw)
    strength = (2 * y - 1) * torch.where(g == 0, 0.7, 0.4)
    for group, rows in enumerate((slice(0, 4), slice(4, 8))):
        x[g == group, :, rows] += strength[g == group].view(-1, 1, 1, 1)
    return TensorDataset(x, y, g)


def trained(train: TensorDataset) -> nn.Module:
    """Your training, as it is."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 2)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for x, y, _ in DataLoader(train, batch_size=50, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def main() -> None:
    train, val = pictures(600, seed=0), pictures(400, seed=1)
    model = trained(train)

    data = Splits(DataLoader(train, batch_size=100), DataLoader(val, batch_size=100))
    shrunk = compress(model, data, fairprune(ratio=0.8, beta=1.0, step=0.2))
    print(f"favoured: group {shrunk.unprivileged}; on validation:")
    for step in (shrunk.start, *shrunk.steps):
        print(
            f"{step.ratio:4.0%} zeros: EOpp1 {step.gaps['eopp1']:.3f}, macro F1 of the groups {f1(step.counts.counts).round(2)}"
        )


if __name__ == "__main__":
    main()

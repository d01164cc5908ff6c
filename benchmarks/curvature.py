"""Samples per second of the GGN diagonal, beside a plain training pass and BackPACK's DiagGGNExact, all in one run.

    python benchmarks/curvature.py            # under two minutes on two cores
    python benchmarks/curvature.py --full     # 512 samples of ResNet-18 at 64 px, and 114 classes

Random weights and inputs; the last layer is scaled until the mean confidence is 0.85, since the error of column sampling
depends on it.
"""

import argparse
import copy
import platform
import time
from collections.abc import Callable

import torch
from backpack import backpack, extend
from backpack.extensions import DiagGGNExact
from torch import Tensor, nn
from torchvision.models import resnet18

from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.types import GroupBatch


def plain_conv_net(classes: int) -> nn.Sequential:
    """What BackPACK can differentiate too: no residual, no adaptive pool, no norm."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128), (128, 256)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 16, 256), nn.ReLU(), nn.Linear(256, classes))


def confident(model: nn.Module, last: nn.Linear, x: Tensor) -> nn.Module:
    """Scales the last layer until the mean largest probability is 0.85."""
    low, high = 1e-3, 1e6
    with torch.no_grad():
        logits = model.eval()(x)
        for _ in range(60):
            middle = (low * high) ** 0.5
            enough = (logits * middle).softmax(1).amax(1).mean() > 0.85
            low, high = (low, middle) if enough else (middle, high)
        last.weight *= low
        last.bias *= low
    return model


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def training_pass(model: nn.Module, batches: list[GroupBatch]) -> None:
    for batch in batches:
        nn.functional.cross_entropy(model(batch.x), batch.y).backward()
        model.zero_grad()


def by_backpack(model: nn.Module, batches: list[GroupBatch]) -> dict[str, Tensor]:
    """The pooled diagonal; BackPACK averages over each batch."""
    model, loss = extend(copy.deepcopy(model)), extend(nn.CrossEntropyLoss())
    count = sum(len(batch.y) for batch in batches)
    totals = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for batch in batches:
        with backpack(DiagGGNExact()):
            loss(model(batch.x), batch.y).backward()
        for name, p in model.named_parameters():
            totals[name] += p.diag_ggn_exact * len(batch.y) / count
        model.zero_grad()
    return totals


def error(got: dict[str, Tensor], exact: dict[str, Tensor]) -> float:
    return sum(float((got[n] - exact[n]).abs().sum()) for n in exact) / sum(float(exact[n].sum()) for n in exact)


def row(name: str, took: float, count: int, base: float, off: float | None) -> None:
    shown = "" if off is None else f"{100 * off:10.4f} %"
    print(f"  {name:28} {count / took:10.1f} {took / base:10.1f} {shown:>12}", flush=True)


def table(title: str, model: nn.Module, batches: list[GroupBatch], *, peer: bool) -> None:
    count = sum(len(batch.y) for batch in batches)
    training_pass(model, batches[:1])
    base = seconds(lambda: training_pass(model, batches))
    print(f"\n{title}, {count} samples in batches of {len(batches[0].y)}")
    print(f"  {'':28} {'samples/s':>10} {'x plain':>10} {'error':>12}")
    row("plain forward and backward", base, count, base, None)
    kept: dict[str, dict[str, Tensor]] = {}

    def ours(columns: float | None) -> None:
        kept["got"] = ggn_diagonal(model, batches, num_groups=2, columns=columns)[0]

    took = seconds(lambda: ours(None))
    exact = kept["got"]
    row("fairshrink, exact", took, count, base, None)
    for columns in (1.0, 2.0):
        took = seconds(lambda columns=columns: ours(columns))
        row(f"fairshrink, {columns:g} columns", took, count, base, error(kept["got"], exact))
    if peer:
        sizes = torch.bincount(torch.cat([batch.g for batch in batches])).float()
        pooled = {n: torch.tensordot(sizes / sizes.sum(), h, dims=1) for n, h in exact.items()}
        took = seconds(lambda: kept.update(peer=by_backpack(model, batches)))
        row("BackPACK DiagGGNExact", took, count, base, error(kept["peer"], pooled))


def data(count: int, size: int, classes: int, batch: int) -> list[GroupBatch]:
    x, y = torch.randn(count, 3, size, size), torch.randint(classes, (count,))
    return [GroupBatch(*part) for part in zip(*(t.split(batch) for t in (x, y, torch.arange(count) % 2)), strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="512 samples, and 114 classes")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {platform.machine()}, {options.threads} threads, {time.strftime('%Y-%m-%d')}")
    count = 512 if options.full else 32
    for classes in (7, 114) if options.full else (7,):
        some = min(count, 64) if classes == 114 else count
        batches = data(some, 64, classes, 32)
        net = plain_conv_net(classes)
        confident(net, net[-1], batches[0].x)
        table(f"plain conv net, 64 px, {classes} classes", net, batches, peer=True)
        model = resnet18(num_classes=classes)
        confident(model, model.fc, batches[0].x)
        table(f"ResNet-18, 64 px, {classes} classes (BackPACK: not possible)", model, batches, peer=False)


if __name__ == "__main__":
    main()

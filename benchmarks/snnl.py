"""SNNL of all channels of the last convolution against the forward pass that feeds it and against a loop over channels.

    python -m benchmarks.snnl [--models resnet18 vgg11] [--size 64] [--batch 128] [--threads 1 2] [--rounds 7] [--busy]

Untrained weights, images of noise, two groups, evaluation mode, fp32, on a graphics card where there is one. A round runs
the forward pass (with the hook that hands the maps on), ours, ours on maps as they are (in double precision), ours with its
gradient, and the loop, one after the other; the table gives medians of the rounds and, since the machine may be busy, medians
of each round's ratio to its own forward pass and loop. `--busy`: processor time in place of wall time, for a machine that
other work keeps busy, and one thread.

The loop computes what Sensitive-Channel-Pruning's code does, written anew: for each channel a cosine distance matrix, its
exponential, and two masked sums. That code's numerator holds i = j; ours does not, so the loop here leaves it out as well, and
"apart" is the largest difference of the two.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fairshrink.maths.snnl import snnl
from fairshrink.models.backbones import build

LAST = {"resnet18": "layer4.1.bn2", "vgg11": None}
COLUMNS = ("forward", "ours", "as they are", "gradient", "loop")


def last_maps(model: nn.Module, name: str) -> list[Tensor]:
    """Filled anew by every forward pass: what the last convolution, or the norm behind it, puts out."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, given: tuple[Tensor, ...], maps: Tensor) -> None:
        # Copied: the ReLU behind it works in place.
        kept[:] = [maps.clone()]

    found = LAST[name] or [key for key, module in model.named_modules() if isinstance(module, nn.Conv2d)][-1]
    model.get_submodule(found).register_forward_hook(keep)
    return kept


def loop(maps: Tensor, groups: Tensor) -> Tensor:
    """Channel by channel, cosine distance at T = 1."""
    others = 1 - torch.eye(len(groups), device=maps.device)
    same = (groups[:, None] == groups).float() * others
    values = []
    for channel in maps.flatten(2).unbind(1):
        unit = functional.normalize(channel)
        near = torch.exp(unit @ unit.T - 1)
        values.append(-torch.log((near * same).sum(1) / (near * others).sum(1)).mean())
    return torch.stack(values)


def gradient(maps: Tensor, groups: Tensor) -> Tensor:
    maps = maps.clone().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(snnl(maps, groups).sum(), maps)[0]


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    began = clock()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - began


@torch.no_grad()
def measure(name: str, given: argparse.Namespace, threads: int) -> str:
    """One row of the table."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build(name, num_classes=7, size=given.size).eval().to(device)
    x, groups = torch.randn(given.batch, 3, given.size, given.size, device=device), torch.arange(given.batch) % 2
    kept = last_maps(model, name)
    model(x)
    maps, groups = kept[0], groups.to(device)
    apart = float((snnl(maps, groups) - loop(maps, groups)).abs().max())
    works: tuple[Callable[[], object], ...] = (
        lambda: model(x),
        lambda: snnl(maps, groups),
        lambda: snnl(maps, groups, normalize=False),
        lambda: gradient(maps, groups),
        lambda: loop(maps, groups),
    )
    clock = time.process_time if given.busy else time.perf_counter
    rounds = [[seconds(work, clock) for work in works] for _ in range(given.rounds + 1)][1:]
    times = " | ".join(f"{1e3 * statistics.median(column):,.0f}" for column in zip(*rounds, strict=True))
    share = statistics.median(ours / forward for forward, ours, *_ in rounds)
    gain = statistics.median(looped / ours for _, ours, _, _, looped in rounds)
    shape = " x ".join(str(number) for number in maps.shape[1:])
    return f"| {name}, {given.size} px, {shape} | {threads} | {times} | **{100 * share:.1f} %** | {gain:.1f}x | {apart:.0e} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=LAST, default=list(LAST))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--busy", action="store_true", help="processor time instead of wall time")
    given = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    print(
        f"| maps | threads | {' | '.join(f'{column}, ms' for column in COLUMNS)} | of forward | loop / ours | apart |"
    )
    print("|---|---|" + "---:|" * (len(COLUMNS) + 3))
    for name in given.models:
        for threads in given.threads:
            print(measure(name, given, threads), flush=True)


if __name__ == "__main__":
    main()

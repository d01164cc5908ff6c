"""What leaving early saves: the time of `exit_early` against the same backbone run to its end, in the same run.

    python -m benchmarks.exits [--models resnet18 vgg11] [--batches 1 64] [--shares 0 0.5 0.9 1] [--rounds 9]

A share of the images is made to leave at one exit, all others run to the end: that exit's head is freshly drawn and the
threshold lies between two of its confidences, all other heads are sure of nothing. Against: the backbone by itself, without
heads, on the same images in the same batches. The two take turns; the median of the rounds' ratios, because other work may run
beside. Multiplications: the mean over the images of what `MultiExit.costs` counts, against the backbone's. Images of 64 px,
single precision, eval mode.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fairshrink.maths.exits import confidence
from fairshrink.models.multi_exit import MultiExit, build_multi_exit

SIZE, CLASSES, IMAGES = 64, 7, 64


def only(name: str, exit: int, device: torch.device) -> MultiExit:
    """A model whose heads are sure of nothing, but for one."""
    model = build_multi_exit(name, num_classes=CLASSES, size=SIZE).eval().to(device)
    for number, head in enumerate(model.heads):
        if number != exit:
            for parameter in head.parameters():
                nn.init.zeros_(parameter)
        else:
            nn.init.normal_(head.get_submodule("classifier").weight, std=3)
    return model


def threshold(model: MultiExit, exit: int, x: Tensor, share: float) -> float:
    """Above the confidences of all but the share, and above 1 / C."""
    if share == 0:
        return 1.0
    with torch.inference_mode():
        sure = confidence(model(x)[exit]).sort(descending=True).values
    count = round(share * len(x))
    return float(sure[count - 1] + (sure[count] if count < len(x) else 1 / CLASSES)) / 2


def timed(run: Callable[[Tensor], object], batches: Sequence[Tensor]) -> float:
    began = time.perf_counter()
    with torch.inference_mode():
        for x in batches:
            run(x)
    if batches[0].is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def row(name: str, exit: int, share: float, how: tuple[Sequence[int], int, torch.device]) -> str:
    sizes, rounds, device = how
    model = only(name, exit, device)
    x = torch.randn(IMAGES, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).to(device)
    sure = threshold(model, exit, x, share)
    left = model.exit_early(x, sure)[1].tolist()
    costs = model.costs(x)
    whole = costs[-1] - CLASSES * sum(head.get_submodule("classifier").in_features for head in model.heads)
    mean = statistics.mean(costs[at] for at in left) / whole
    cells = []
    for size in sizes:
        batches = x.split(size)
        for run in (model.backbone, lambda x: model.exit_early(x, sure)):
            timed(run, batches[:2])
        pairs = [
            (timed(model.backbone, batches), timed(lambda x: model.exit_early(x, sure), batches)) for _ in range(rounds)
        ]
        faster = statistics.median(one / two for one, two in pairs)
        cells.append(f"{1e3 * statistics.median(one for one, _ in pairs) / IMAGES:.2f} | {faster:.2f}")
    at = f"{model.taps[exit]}" if share else "none"
    done = sum(one == exit for one in left) / IMAGES
    return f"| {name} | {at} | {done:.0%} | {1 / mean:.2f} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="What leaving early saves.")
    parser.add_argument("--models", nargs="+", default=["resnet18", "vgg11"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 64])
    parser.add_argument("--shares", nargs="+", type=float, default=[0, 0.5, 0.9, 1])
    parser.add_argument("--exits", nargs="+", type=int, default=[0, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    machine = torch.cuda.get_device_name() if device.type == "cuda" else platform.machine()
    load = os.getloadavg()[0]
    print(f"{machine}, {os.cpu_count()} cores, {given.threads} threads, load {load:.1f}, torch {torch.__version__}\n")
    heads = " | ".join(f"batch {size}: ms an image to the end | times faster" for size in given.batches)
    print(f"| | leave at | share | times fewer MACs | {heads} |\n|{'---|' * (4 + 2 * len(given.batches))}")
    for name in given.models:
        for exit in given.exits:
            for share in given.shares:
                if share or exit == given.exits[0]:
                    print(row(name, exit, share, (given.batches, given.rounds, device)), flush=True)


if __name__ == "__main__":
    main()

"""What cutting channels out of a model saves: size, multiplications, and CPU time against the whole model in the same run.

    python -m benchmarks.cut [--models resnet18 vgg11] [--batches 1 32] [--threads 1 2] [--rounds 15]

Random channels of freshly initialised models are put to 0 (kernel, bias, scale and shift): the time does not depend on
which. "last": channels of the last convolution, as SNNL channel pruning removes them; "inner": of every convolution whose
channels can be cut alone, as filter-wise FairPrune does. Times: whole and cut model take turns; the median of the rounds'
ratios, because other work may run beside. Images of 64 px; single precision, eval mode.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

import safetensors.torch
import torch
from torch import Tensor, nn

from fairshrink.compress.graph import inner
from fairshrink.compress.streams import CONVOLUTIONS
from fairshrink.deploy.cut import Cut, cut
from fairshrink.models.backbones import build

SIZE, CLASSES = 64, 7
NORMS = {"conv1": "bn1", "conv2": "bn2"}  # in ResNet-18's blocks


class Setting(NamedTuple):
    name: str
    layers: str
    share: float


SETTINGS = (
    Setting("last, 2 %", "last", 0.02),
    Setting("last, 6 %", "last", 0.06),
    Setting("inner, 30 %", "inner", 0.3),
    Setting("inner, 50 %", "inner", 0.5),
)


def emptied(name: str, setting: Setting) -> nn.Module:
    """A model some of whose channels are 0."""
    model = build(name, num_classes=CLASSES, size=SIZE).eval()
    known = [layer for layer, module in model.named_modules() if isinstance(module, CONVOLUTIONS)]
    layers = inner(model, torch.zeros(1, 3, SIZE, SIZE)) if setting.layers == "inner" else known[-1:]
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in layers:
            above, _, local = layer.rpartition(".")
            width = len(model.get_parameter(f"{layer}.weight"))
            gone = torch.randperm(width, generator=draw)[: round(setting.share * width)]
            for part in (layer, f"{above}.{NORMS[local]}") if local in NORMS else (layer,):
                for parameter in model.get_submodule(part).parameters():
                    parameter[gone] = 0
    return model


def timed(model: nn.Module, x: Tensor, passes: int) -> float:
    began = time.perf_counter()
    with torch.inference_mode():
        for _ in range(passes):
            model(x)
    return (time.perf_counter() - began) / passes


def ratio(whole: nn.Module, small: nn.Module, batch: int, rounds: int) -> tuple[float, float]:
    """Milliseconds of the whole model, and the cut one's time against it: medians."""
    x = torch.randn(batch, 3, SIZE, SIZE)
    passes = max(1, 16 // batch)
    for model in (whole, small):
        timed(model, x, 1)
    pairs = [(timed(whole, x, passes), timed(small, x, passes)) for _ in range(rounds)]
    return 1e3 * statistics.median(one for one, _ in pairs), statistics.median(two / one for one, two in pairs)


def sizes(done: Cut, whole: nn.Module) -> str:
    before, after = (len(safetensors.torch.save(model.state_dict())) for model in (whole, done.model))
    return (
        f"{sum(map(len, done.removed.values()))} | {before / 1e6:.1f} -> {after / 1e6:.1f} | "
        f"{done.before.macs / 1e6:.0f} -> {done.after.macs / 1e6:.0f} ({done.after.macs / done.before.macs:.0%})"
    )


def row(name: str, setting: Setting, ways: Sequence[tuple[int, int]], rounds: int) -> str:
    whole = emptied(name, setting)
    done = cut(whole, torch.zeros(1, 3, SIZE, SIZE))
    times = []
    for batch, threads in ways if done.removed else ():
        torch.set_num_threads(threads)
        milliseconds, part = ratio(whole, done.model, batch, rounds)
        times.append(f"{part:.2f} of {milliseconds:.0f}")
    return f"| {name}, {setting.name} | {sizes(done, whole)} | {' | '.join(times or ['the same'] * len(ways))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="What cutting channels out of a model saves.")
    parser.add_argument("--models", nargs="+", default=["resnet18", "vgg11"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    ways = [(batch, threads) for batch in given.batches for threads in given.threads]
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}")
    heads = " | ".join(f"batch {batch}, {threads} thread{'s' * (threads > 1)}" for batch, threads in ways)
    print(f"| | channels cut | MB | million MACs | {heads} |\n|{'---|' * (4 + len(ways))}")
    for name in given.models:
        for setting in SETTINGS:
            print(row(name, setting, ways, given.rounds), flush=True)


if __name__ == "__main__":
    main()

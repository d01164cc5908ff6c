"""Packed files against the fp32 file and against zlib: sizes, and how long unpacking takes, in one run.

    python -m benchmarks.packed [--models resnet18 vgg11-45m vgg11-129m] [--rounds 3]

Random weights as torchvision initialises them; quantised to the nearest power of two, at 5 bits with INQ's window for each
tensor or at any exponent; pruned at random places. "theory": `fairshrink.deploy.inspect.theoretical_bits`. The peer is zlib
at level 6 on the whole fp32 file, which needs no knowledge of what was fixed. Times: `load_packed` into a model that is
there, checks and copies included, in seconds of the clock and of the processors (where other work runs beside, the clock
says how much of the machine was left). Every loaded model is compared with the saved one, bit for bit.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from torch import Tensor, nn
from torchvision import models

from fairshrink.compress.frozen import Frozen
from fairshrink.compress.units import compressible
from fairshrink.deploy.inspect import inspect_packed
from fairshrink.deploy.packed import load_packed, save_packed
from fairshrink.models.backbones import build

MODELS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": lambda: build("resnet18", num_classes=7, size=64),
    "vgg11-45m": lambda: build("vgg11", num_classes=7, size=96),
    "vgg11-129m": lambda: models.vgg11(num_classes=7),
}


class Setting(NamedTuple):
    name: str
    pruned: float
    quantised: bool
    bits: int | None = 5


SETTINGS = (
    Setting("5 bits", 0.0, True),
    Setting("exponents in use", 0.0, True, None),
    Setting("35 % pruned", 0.35, False),
    Setting("35 % pruned, rest 5 bits", 0.35, True),
)


def fix(model: nn.Module, setting: Setting) -> Frozen:
    """Fix the model's weights as the setting says."""
    draw, frozen = torch.Generator().manual_seed(0), Frozen()
    for name, weight in compressible(model).items():
        gone = torch.rand(weight.shape, generator=draw) < setting.pruned
        chosen = torch.ones_like(gone) if setting.quantised else gone
        values = levels(weight.detach(), setting.bits) if setting.quantised else torch.zeros_like(weight)
        frozen = frozen.fix({name: chosen}, {name: torch.where(gone, 0.0, values)})
    frozen.apply_(model)
    return frozen


def levels(w: Tensor, bits: int | None) -> Tensor:
    """The nearest powers of two; with bits in INQ's window, and 0 below half its smallest level."""
    if bits is None:
        return torch.ldexp(w.sign(), w.abs().log2().round())
    high = int(torch.floor(torch.log2(4 / 3 * w.abs().max())))
    low = high + 1 - 2 ** (bits - 1) // 2
    found = torch.ldexp(w.sign(), torch.floor(torch.log2(4 / 3 * w.abs())).clamp(low, high))
    return torch.where(w.abs() < 2.0**low / 2, 0.0, found)


def measure(name: str, setting: Setting, rounds: int, folder: Path) -> str:
    """One row of the table."""
    model = MODELS[name]()
    frozen = fix(model, setting)
    path = folder / "model.packed.safetensors"
    began = time.process_time()
    save_packed(path, model, frozen)
    packing = time.process_time() - began
    again = MODELS[name]()
    clock, processors = zip(*(timed(lambda: load_packed(path, again)) for _ in range(rounds)), strict=True)
    same = all(torch.equal(t, again.state_dict()[key]) for key, t in model.state_dict().items())
    full = safetensors.torch.save(model.state_dict())
    found = inspect_packed(path)
    sizes = f"{len(full) / 1e6:.1f} | {found.size / 1e6:.2f} | **{found.size / len(full):.4f}** | {found.theory / len(full):.4f}"
    peer = len(zlib.compress(full, 6)) / len(full)
    times = f"{packing:.1f} | {statistics.median(clock):.2f} | {statistics.median(processors):.2f}"
    return f"| {name}, {setting.name} | {sizes} | {peer:.4f} | {times} | {'yes' if same else 'NO'} |"


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of the processors."""
    clock, processors = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}"
    )
    print(
        "| | fp32, MB | packed, MB | of fp32 | theory | zlib 6 | packing, CPU s | loading, s | loading, CPU s | same bits |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in given.models:
            for setting in SETTINGS:
                print(measure(name, setting, given.rounds, Path(folder)), flush=True)


if __name__ == "__main__":
    main()

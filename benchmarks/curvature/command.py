"""The command line."""

import argparse
import json
import os
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.curvature.clock import Clock
from benchmarks.curvature.measure import measure
from benchmarks.curvature.setting import FULL, QUICK, Setting
from benchmarks.curvature.table import table
from benchmarks.curvature.trained import setting_of


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a table for each setting; the file is written anew after each of them."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    # Convolutions in TF32 would differ between methods by more than the errors that are measured.
    torch.backends.cudnn.allow_tf32 = False
    device = "cuda" if torch.cuda.is_available() else "cpu"
    record: dict[str, Any] = {"machine": _machine(options, device), "settings": []}
    print(", ".join(f"{name} {value}" for name, value in record["machine"].items()), flush=True)
    for setting in _settings(options):
        found = measure(setting, threads=options.threads, clock=Clock(device, options.busy and device == "cpu"))
        record["settings"].append(found)
        print(f"\n{table(found)}", flush=True)
        if options.json:
            options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curvature", description="The GGN diagonal beside BackPACK's."
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="ResNet-18 at 64 px, few samples (the default)")
    length.add_argument("--full", action="store_true", help="also 128 px and VGG-11, 100 samples a group")
    length.add_argument("--trained", type=Path, metavar="RUN", help="a run folder's model on its training images")
    parser.add_argument("--fold", type=int, default=0, help="with --trained")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--model", choices=sorted({setting.model for setting in FULL}), help="only this one")
    parser.add_argument("--size", type=int, help="only this many pixels a side")
    parser.add_argument("--classes", type=int, help="only this many classes")
    parser.add_argument("--peer-batch", type=int, help="samples a batch for BackPACK's exact diagonal")
    parser.add_argument("--few", type=int, help="samples that exact diagonals are timed on")
    parser.add_argument("--rounds", type=int, help="how often each method is timed; errors are medians over them too")
    parser.add_argument(
        "--reference", type=float, help="columns a sample that errors are held against; 0: the exact diagonal"
    )
    parser.add_argument("--busy", action="store_true", help="processor time, not wall time; with --threads 1 only")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if options.busy and options.threads != 1:
        parser.error("--busy counts the processor time of all threads: it needs --threads 1")
    return options


def _settings(options: argparse.Namespace) -> list[Setting]:
    wanted = {name: getattr(options, name) for name in ("model", "size", "classes")}
    changed = {name: getattr(options, name) for name in ("peer_batch", "few", "rounds") if getattr(options, name)}
    chosen = [setting_of(options.trained, options.fold)] if options.trained else FULL if options.full else QUICK
    if options.reference is not None:
        changed["reference"] = options.reference or None
    return [
        replace(setting, **changed)
        for setting in chosen
        if all(value in {None, getattr(setting, name)} for name, value in wanted.items())
    ]


def _machine(options: argparse.Namespace, device: str) -> dict[str, Any]:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text(encoding="utf-8")) if info.exists() else []
    return {
        "on": torch.cuda.get_device_name() if device == "cuda" else (names or [platform.machine()])[0],
        "threads": options.threads,
        "time": "of the processor" if options.busy else "on the wall",
        "load": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
        "BackPACK": version("backpack-for-pytorch"),
        "date": time.strftime("%Y-%m-%d"),
    }

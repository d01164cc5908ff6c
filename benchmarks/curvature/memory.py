"""Peak memory of one method, in a process of its own."""

import ctypes
import multiprocessing
import re
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.curvature.methods import ALL
from benchmarks.curvature.setting import Case, Setting, noise, scale_
from benchmarks.curvature.trained import trained

STATUS = Path("/proc/self/status")
SHARE = 0.9  # of the memory that is free: what a method may take before it counts as not fitting


@dataclass(frozen=True)
class Probe:
    """What is asked of the process: a method on `count` samples in batches of `batch`, its logits multiplied by `factor`."""

    setting: Setting
    method: str
    count: int
    batch: int
    factor: float
    threads: int
    device: str


def peak(probe: Probe) -> int | None:
    """Bytes above the model and the data at the worst moment; None: more than there is."""
    # Forked from a server that has imported everything and computed nothing: quick, and without this process's threads.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_measure, probe).result()
        except BrokenProcessPool:  # killed by the kernel, which had no memory left
            return None


def case_of(setting: Setting) -> Case:
    """The model and the samples of a setting, as they are without a scale."""
    return trained(setting) if setting.trained else noise(setting)


def moved(case: Case, device: str) -> Case:
    return Case(case.model.to(device), case.x.to(device), case.y.to(device))


def _measure(probe: Probe) -> int | None:
    torch.set_num_threads(probe.threads)
    method = ALL[probe.method]
    case = moved(case_of(probe.setting), probe.device).some(probe.count)
    scale_(case.model, probe.factor)
    model = method.ready(case.model)
    before = _start(probe.device)
    try:
        method.run(model, case, probe.batch, 0)
    except (RuntimeError, MemoryError) as error:  # torch's CPU allocator raises a plain RuntimeError
        if "memory" not in str(error) and "bad_alloc" not in str(error):
            raise
        return None
    return _highest(probe.device) - before


def _start(device: str) -> int:
    """Bytes held now; the highest so far is forgotten."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    if not STATUS.exists():
        return _highest(device)
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets VmHWM, see proc(5)
    free = int(re.findall(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (int(SHARE * free) + _kilobytes("VmData") * 1024, -1))
    return _kilobytes("VmRSS") * 1024


def _highest(device: str) -> int:
    """Not ru_maxrss on Linux: that of a child begins at its parent's."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated()
    if STATUS.exists():
        return _kilobytes("VmHWM") * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _kilobytes(field: str) -> int:
    return int(re.findall(rf"{field}:\s+(\d+) kB", STATUS.read_text(encoding="ascii"))[0])

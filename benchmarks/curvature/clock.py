"""How long something takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Clock:
    """Wall time on a device; or, on a machine that others keep busy, the processor time that this process got."""

    device: str
    processor: bool = False

    def seconds(self, work: Callable[[], Any]) -> tuple[float, Any]:
        """Seconds, and what the work gives."""
        start = self._now()
        result = work()
        return self._now() - start, result

    def _now(self) -> float:
        if self.device != "cpu":
            torch.cuda.synchronize()
        return time.process_time() if self.processor else time.perf_counter()

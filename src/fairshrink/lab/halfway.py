"""A way that re-trains, kept in files after every step, so that a run that was stopped goes on with it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fairshrink.compress.frozen import Frozen
from fairshrink.compress.keeping import Best, Halfway
from fairshrink.errors import StoreError
from fairshrink.files import write_bytes
from fairshrink.lab.observer import Observer
from fairshrink.lab.records import read_step, step_record
from fairshrink.lab.store import FoldPaths

FORMAT = 2


@dataclass(frozen=True)
class FileKeeper:
    """Keeps a way in the folder of the candidate that names it.

    Attributes:
        folder: The candidate's.
        groups: Names of the groups.
        observer: Told how far a re-training has got.
        what: Which step of which fold it is, for the observer.
        steps: How many steps the way has at most.
        epochs: Epochs after each step.
    """

    folder: FoldPaths
    groups: tuple[str, ...]
    observer: Observer
    what: str
    steps: int
    epochs: int

    @property
    def training(self) -> Path:
        """The state of the re-training under way."""
        return self.folder.state

    def save(self, halfway: Halfway) -> None:
        """Keep this in place of what was kept before.

        Raises:
            StoreError: It cannot be written.
        """
        content = {
            "format": FORMAT,
            "weights": halfway.weights,
            "mask": halfway.frozen.mask,
            "value": halfway.frozen.value,
            "steps": [step_record(step, self.groups) for step in halfway.steps],
            "memory": halfway.memory,
            "best": None if halfway.best is None else _written(halfway.best),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_bytes(self.folder.halfway, buffer.getvalue())

    def load(self) -> Halfway | None:
        """What was kept last; None where nothing was.

        Raises:
            StoreError: The file is damaged.
        """
        path = self.folder.halfway
        if not path.exists():
            return None
        try:
            kept = torch.load(io.BytesIO(path.read_bytes()), weights_only=True)
            if kept["format"] != FORMAT:
                raise ValueError("another version wrote it")
            steps = tuple(read_step(record) for record in kept["steps"])
            frozen, best = Frozen(kept["mask"], kept["value"]), kept["best"]
            return Halfway(kept["weights"], frozen, steps, kept["memory"], None if best is None else _read(best))
        except Exception as error:  # Damaged bytes make torch.load raise nearly anything.
            raise StoreError(
                f"'{path}' cannot be read as a way that was begun: {type(error).__name__}.\n"
                "  It is damaged or something else: remove it, and the way is begun anew."
            ) from error

    def batch(self, step: int, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Tell how far the re-training is, of all steps of this way."""
        done = (step * self.epochs + epoch) * batches + batch
        self.observer.advance(
            f"{self.what}: step {step + 1}, loss {loss:.3f}", done, self.steps * self.epochs * batches
        )


def _written(best: Best) -> dict[str, Any]:
    return {"step": best.step, "weights": best.weights, "mask": best.frozen.mask, "value": best.frozen.value}


def _read(best: Mapping[str, Any]) -> Best:
    return Best(best["step"], best["weights"], Frozen(best["mask"], best["value"]))

"""The state file: everything an interrupted training needs to go on to the same bits."""

import io
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fairshrink.errors import StoreError
from fairshrink.files import write_bytes
from fairshrink.train.objectives import Objective, State
from fairshrink.train.settings import TrainSettings

FORMAT = 1
ADDED = ("step_epochs", "step_factor")  # Settings that older state files do not know: written only where they are set.


@dataclass(frozen=True)
class Session:
    """A training under way.

    Attributes:
        model: The model that is trained.
        optimizer: Of the model's parameters, and of the objective's that it does not own itself.
        schedule: Of the optimiser's learning rate.
        state: What the objective keeps.
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    state: State


def describe(settings: TrainSettings, objective: Objective, num_groups: int, batches: int) -> dict[str, str]:
    """What must be the same for a training to be gone on with."""
    plain = asdict(TrainSettings())
    written = {
        name: repr(value) for name, value in asdict(settings).items() if name not in ADDED or value != plain[name]
    }
    return written | {
        "objective": _in_words(objective),
        "num_groups": str(num_groups),
        "batches per epoch": str(batches),
    }


def save_state(path: Path, session: Session, history: list[dict[str, Any]], described: dict[str, str]) -> None:
    """Write the state after an epoch, atomically.

    Raises:
        StoreError: It could not be written.
    """
    content = {
        "format": FORMAT,
        "described": described,
        "history": history,
        "model": session.model.state_dict(),
        "optimizer": session.optimizer.state_dict(),
        "schedule": session.schedule.state_dict(),
        "modules": {name: module.state_dict() for name, module in session.state.modules.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in session.state.optimizers.items()},
        "tensors": session.state.tensors,
    }
    buffer = io.BytesIO()  # torch.save hides a full disk behind a RuntimeError; bytes written by ourselves do not.
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def read_state(path: Path) -> bytes | None:
    """The bytes of a state file; None where there is none yet.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        return path.read_bytes() if path.exists() else None
    except OSError as error:
        raise StoreError(
            f"'{path}' cannot be read as the state of a training: {error.strerror or error}.\n"
            "  Mend that, or remove it to train from the beginning."
        ) from error


def load_state(path: Path, content: bytes, session: Session, described: dict[str, str]) -> list[dict[str, Any]]:
    """Put a session back to where a state file left it.

    Args:
        path: The file, for messages; another process may have read it.
        content: Its bytes.
        session: Changed in place.
        described: What must be the same.

    Returns:
        The history so far, one record per finished epoch.

    Raises:
        StoreError: The file is damaged, or it belongs to other settings or another model.
    """
    state = _read(path, content)
    _check_same(path, state["described"], described)
    try:
        session.model.load_state_dict(state["model"])
        session.optimizer.load_state_dict(state["optimizer"])
        session.schedule.load_state_dict(state["schedule"])
        for name, module in session.state.modules.items():
            module.load_state_dict(state["modules"][name])
        for name, optimizer in session.state.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        for name, tensor in state["tensors"].items():
            session.state.tensors[name] = tensor.to(session.state.tensors[name].device)
    except (RuntimeError, ValueError, KeyError) as error:
        raise StoreError(
            f"'{path}' is the state of another model: {str(error).splitlines()[0]}\n"
            "  Remove it to train from the beginning, or go on with the model it was written for."
        ) from error
    return state["history"]


def _read(path: Path, content: bytes) -> dict[str, Any]:
    try:
        state = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        known = isinstance(state, dict) and state.get("format") == FORMAT
    except Exception as error:  # Damaged bytes make torch.load raise nearly anything.
        raise StoreError(
            f"'{path}' cannot be read as the state of a training: {type(error).__name__}.\n"
            "  It is damaged or something else: remove it to train from the beginning."
        ) from error
    if not known:
        raise StoreError(f"'{path}' is not the state of a training: remove it, or give another state_file.")
    return state


def _check_same(path: Path, written: dict[str, str], now: dict[str, str]) -> None:
    other = [
        f"{name} {written.get(name, 'not set')} (now {now.get(name, 'not set')})"
        for name in {**now, **written}
        if written.get(name) != now.get(name)
    ]
    if other:
        raise StoreError(
            f"'{path}' was written by a training with other settings: {', '.join(other)}.\n"
            "  Go back to those settings to finish it, or remove the file to train from the beginning."
        )


def _in_words(objective: Objective) -> str:
    """Its name and plain settings; functions are left out, because their text holds an address."""
    named = fields(objective) if is_dataclass(objective) else ()
    values = {field.name: getattr(objective, field.name) for field in named}
    plain = {name: value for name, value in values.items() if _is_plain(value)}
    return type(objective).__name__ + (f" {plain}" if plain else "")


def _is_plain(value: object) -> bool:
    """A number or a text, or several numbers."""
    numbers = isinstance(value, tuple) and all(isinstance(part, int | float) for part in value)
    return numbers or isinstance(value, int | float | str | None)

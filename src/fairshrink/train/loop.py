"""The one training loop: any objective, CPU or CUDA, interrupted or not."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from fairshrink.errors import DataError, ModelError
from fairshrink.train.objectives import Objective, erm
from fairshrink.train.precision import autocast, device_of, to_device, usable
from fairshrink.train.resume import Session, describe, load_state, save_state
from fairshrink.train.schedules import make_optimizer, make_schedule
from fairshrink.train.settings import TrainSettings
from fairshrink.types import GroupBatch

__all__ = ["Epoch", "EpochLoader", "TrainSettings", "fit"]

Validate = Callable[[nn.Module], Mapping[str, float]]
Observer = Callable[[int, int, int, float], object]  # epoch from 0, batches done, batches in the epoch, loss


@runtime_checkable
class EpochLoader(Protocol):
    """Data whose order and augmentation depend on the epoch's number and nothing else."""

    def epoch(self, number: int) -> Iterable[GroupBatch]:
        """The batches of an epoch, from 0."""
        ...

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...


@dataclass(frozen=True)
class Epoch:
    """What one pass over the data came to.

    Attributes:
        epoch: Its number, from 1.
        loss: Mean over the samples, as seen while training.
        lr: Learning rate of its first batch.
        seconds: Time for training, without validation.
        images_per_second: Samples trained in a second.
        val: What `validate` returned, or None.
    """

    epoch: int
    loss: float
    lr: float
    seconds: float
    images_per_second: float
    val: dict[str, float] | None = None

    def record(self) -> dict[str, Any]:
        """As a dictionary, for a line of JSON; `val` only where there is one."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def fit(
    model: nn.Module,
    loader: EpochLoader | Sequence[GroupBatch],
    settings: TrainSettings,
    *,
    num_groups: int,
    objective: Objective = erm,
    state_file: Path | None = None,
    validate: Validate | None = None,
    observer: Observer | None = None,
) -> list[Epoch]:
    """Train a model where it is (CPU or CUDA), and leave it in eval mode.

    >>> fit(model, loader, TrainSettings(epochs=12, lr=0.05), num_groups=2)                      # doctest: +SKIP
    >>> fit(model, loader, settings, num_groups=2, state_file=Path("training.state"))            # doctest: +SKIP

    The second form writes all state after every epoch. Called again after an interruption, with the same settings and a
    model of the same form (its weights come from the file), it ends with the same bits as without one. The caller's random
    numbers are not touched.

    Args:
        model: Changed in place.
        loader: Gives `epoch(k)`; or a list of batches, the same for every epoch.
        settings: How to train.
        num_groups: G.
        objective: What is minimised.
        state_file: Where the state is kept between epochs; None: nowhere.
        validate: Called after every epoch with the model in eval mode; its numbers go into the history.
        observer: Called after every batch as observer(epoch, batches done, batches, loss).

    Returns:
        One record per epoch, those before an interruption included.

    Raises:
        DataError: There are no batches.
        ModelError: The loss is not finite.
        StoreError: The state file cannot be written, is damaged, or belongs to other settings.
    """
    if len(loader) == 0:
        raise DataError("there are no batches to train on: the training split is empty.")
    session = _begin(model, objective, settings, num_groups, len(loader))
    described = describe(settings, objective, num_groups, len(loader))
    history: list[Epoch] = []
    if state_file is not None and state_file.exists():
        history = [Epoch(**record) for record in load_state(state_file, session, described)]
    elif state_file is not None:
        save_state(
            state_file, session, [], described
        )  # So that an interruption of the first epoch is one as any other.
    how = _Pass(objective, usable(settings.precision, device_of(model)), observer)
    for number in range(len(history), settings.epochs):
        with _own_randomness(settings.seed, number + 1, device_of(model)):
            done = _epoch(session, loader, number, how)
            model.eval()
            val = {name: float(value) for name, value in validate(model).items()} if validate else None
        history.append(replace(done, val=val))
        if state_file is not None:
            save_state(state_file, session, [asdict(epoch) for epoch in history], described)
    model.to(
        memory_format=torch.contiguous_format
    )  # As a model from a file has it, so that both compute the same bits.
    model.eval()
    return history


@dataclass(frozen=True)
class _Pass:
    """What holds for every batch of a pass."""

    objective: Objective
    precision: str
    observer: Observer | None


def _begin(model: nn.Module, objective: Objective, settings: TrainSettings, num_groups: int, batches: int) -> Session:
    model.to(memory_format=torch.channels_last)
    with _own_randomness(settings.seed, 0, device_of(model)):
        state = objective.begin(model, num_groups)
    owned = {id(p) for own in state.optimizers.values() for group in own.param_groups for p in group["params"]}
    extra = (p for module in state.modules.values() for p in module.parameters() if p.requires_grad)
    trained = [p for p in model.parameters() if p.requires_grad] + [p for p in extra if id(p) not in owned]
    optimizer = make_optimizer(trained, settings)
    return Session(model, optimizer, make_schedule(optimizer, settings, batches), state)


def _epoch(session: Session, loader: EpochLoader | Sequence[GroupBatch], number: int, how: _Pass) -> Epoch:
    session.model.train()
    session.state.epoch = number
    device, lr = device_of(session.model), float(session.optimizer.param_groups[0]["lr"])
    total, seen, start = 0.0, 0, time.perf_counter()
    batches = loader.epoch(number) if isinstance(loader, EpochLoader) else loader
    for index, batch in enumerate(batches, start=1):
        here = GroupBatch(to_device(batch.x, device), batch.y.to(device), batch.g.to(device))
        loss = _update(session, here, how, f"epoch {number + 1}, batch {index} of {len(loader)}")
        total, seen = total + loss * len(batch.y), seen + len(batch.y)
        if how.observer is not None:
            how.observer(number, index, len(loader), loss)
    seconds = time.perf_counter() - start
    return Epoch(number + 1, total / seen, lr, seconds, seen / seconds)


def _update(session: Session, batch: GroupBatch, how: _Pass, where: str) -> float:
    """One step of the optimiser; no weight is changed when the loss is not finite."""
    with autocast(how.precision, batch.x.device):
        loss = how.objective.step(session.model, batch, session.state)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ModelError(
            f"the loss is {value} in {where}, at lr {session.optimizer.param_groups[0]['lr']:.3g}.\n"
            "  Train with a lower lr (a tenth of it, say), with precision fp32, or check the inputs for NaN."
        )
    session.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    session.optimizer.step()
    session.schedule.step()
    return value


@contextmanager
def _own_randomness(seed: int, number: int, device: torch.device) -> Iterator[None]:
    """Random numbers that depend on the seed and the pass only; the caller's go on as if nothing had been drawn."""
    key = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(key)  # torch.manual_seed would seed every other device as well.
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(key)
        yield

"""The one training loop: any objective, CPU or CUDA, interrupted or not."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fairshrink.data.portions import ALONE, Portion
from fairshrink.errors import ConfigError, DataError, ModelError
from fairshrink.maths.sharing import Share
from fairshrink.train.held import Held, check_held, hold, in_words, mask_gradients_, put_back_
from fairshrink.train.loading import Counted, EpochLoader, portions
from fairshrink.train.objectives import Objective, State, erm
from fairshrink.train.precision import autocast, device_of, to_device, usable
from fairshrink.train.processes import agreed, parallel, share_buffers_, spread
from fairshrink.train.resume import Session, describe, load_state, read_state, save_state
from fairshrink.train.schedules import make_optimizer, make_schedule, taken_over
from fairshrink.train.settings import TrainSettings
from fairshrink.types import GroupBatch

__all__ = ["Epoch", "EpochLoader", "TrainSettings", "fit"]

Validate = Callable[[nn.Module], Mapping[str, float]]
Observer = Callable[[int, int, int, float], object]  # epoch from 0, batches done, batches in the epoch, loss


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


def fit(  # noqa: PLR0913  # Each is a choice of its own, and all but three are named.
    model: nn.Module,
    loader: EpochLoader | Counted,
    settings: TrainSettings,
    *,
    num_groups: int,
    objective: Objective = erm,
    state_file: Path | None = None,
    validate: Validate | None = None,
    observer: Observer | None = None,
    share: Share = ALONE,
    held: Mapping[str, Tensor] | None = None,
    first: int = 0,
    optimizer: Optimizer | None = None,
) -> list[Epoch]:
    """Train a model where it is (CPU or CUDA), and leave it in eval mode.

    >>> fit(model, loader, TrainSettings(epochs=12, lr=0.05), num_groups=2)                      # doctest: +SKIP
    >>> fit(model, loader, settings, num_groups=2, state_file=Path("training.state"))            # doctest: +SKIP

    The second form writes all state after every epoch. Called again after an interruption, with the same settings and a
    model of the same form (its weights come from the file), it ends with the same bits as without one. The caller's random
    numbers are not touched.

    With a share, all processes of torch.distributed's default group call it with the same arguments. Each computes on its own
    samples of every batch, and the weights are those of one process up to rounding, but for what a layer does over a batch
    (batch norm, dropout). All end with the same model and history; process 0 alone reads and writes the file.

    A training can be one round of several: what is `held` stays, `first` counts the epochs of the rounds before, and the
    `optimizer` can be that of the round before.

    Args:
        model: Changed in place.
        loader: Gives `epoch(k)`; or batches that can be counted, such as a list or a DataLoader.
        settings: How to train.
        num_groups: G.
        objective: What is minimised.
        state_file: Where the state is kept between epochs; None: nowhere.
        validate: Called after every epoch with the model in eval mode; its numbers go into the history.
        observer: Called after every batch as observer(epoch, batches done, batches, loss).
        share: Which process of how many this is; one process by default, whatever group there is.
        held: Parameter name -> True where a weight must stay, bit by bit, what it is when the training begins: no gradient,
            momentum or weight decay reaches it, and the optimiser's state there is 0.
        first: Number of the first epoch: order, augmentation and random numbers are those of epochs first, first + 1, ...
            The records, the observer and the schedule count from this training's own beginning.
        optimizer: Gone on with, its state and settings kept, but for the learning rate, which is that of `settings`; it must
            have just the parameters that are trained. None: a new one, as `settings` say.

    Returns:
        One record per epoch, those before an interruption included.

    Raises:
        DataError: There are no batches.
        ModelError: The loss is not finite, another process could not go on, or `held` or `optimizer` is of another model.
        ConfigError: Several processes, and an objective that keeps something between batches or needs whole ones; or `first`
            is below 0.
        StoreError: The state file cannot be written, is damaged, or belongs to other settings.
    """
    if len(loader) == 0:
        raise DataError("there are no batches to train on: the training split is empty.")
    if first < 0:
        raise ConfigError(f"first is {first}, expected the number of an epoch, counted from 0.")
    check_held(model, held or {})
    state = _state(model, objective, settings, num_groups)
    session = _session(model, state, settings, len(loader), optimizer)
    _check_shareable(state, objective, share)
    described = describe(settings, objective, num_groups, len(loader)) | _round(first, held or {})
    history = _gone_on_with(session, state_file, described, share)
    precision = usable(settings.precision, device_of(model))
    shared = parallel(model, share)  # Every process's weights are process 0's from here on: these are held.
    how = _Pass(objective, precision, observer, share, shared, hold(model, held or {}), first)
    for number in range(len(history), settings.epochs):
        with _own_randomness((settings.seed, first + number + 1, share.rank), device_of(model)):
            done = _epoch(session, loader, number, how)
            model.eval()
            val = {name: float(value) for name, value in validate(model).items()} if validate else None
        history.append(replace(done, val=val))
        if state_file is not None and share.rank == 0:
            save_state(state_file, session, [asdict(epoch) for epoch in history], described)
    model.to(
        memory_format=torch.contiguous_format
    )  # As a model from a file has it, so that both compute the same bits.
    model.eval()
    return history


def _gone_on_with(session: Session, path: Path | None, described: dict[str, str], share: Share) -> list[Epoch]:
    """Every process's session as the state file left it; where there is none, it is written: the first stop is as any other."""
    if path is None:
        return []
    content = spread(read_state(path) if share.rank == 0 else None, share, device_of(session.model))
    if content is not None:
        return [Epoch(**record) for record in load_state(path, content, session, described)]
    if share.rank == 0:
        save_state(path, session, [], described)
    return []


@dataclass(frozen=True)
class _Pass:
    """What holds for every batch of a pass."""

    objective: Objective
    precision: str
    observer: Observer | None
    share: Share
    model: nn.Module
    held: Sequence[Held]
    first: int


def _round(first: int, held: Mapping[str, Tensor]) -> dict[str, str]:
    """What makes a training one round of several; nothing for others, whose state files know nothing of rounds."""
    said = {"first": str(first) if first else "", "held": in_words(held)}
    return {name: words for name, words in said.items() if words}


def _check_shareable(state: State, objective: Objective, share: Share) -> None:
    if share.count > 1 and (state.modules or state.optimizers or state.tensors):
        raise ConfigError(
            f"the objective {type(objective).__name__} keeps something between batches, which {share.count} processes would each "
            "have of their own. Train with one process."
        )
    if share.count > 1 and state.whole_batches:
        raise ConfigError(
            f"the objective {type(objective).__name__} compares samples of a batch, of which {share.count} processes would each "
            "have a part. Train with one process."
        )


def _state(model: nn.Module, objective: Objective, settings: TrainSettings, num_groups: int) -> State:
    model.to(memory_format=torch.channels_last)
    with _own_randomness((settings.seed, 0, 0), device_of(model)):
        return objective.begin(model, num_groups)


def _session(
    model: nn.Module, state: State, settings: TrainSettings, batches: int, optimizer: Optimizer | None
) -> Session:
    owned = {id(p) for own in state.optimizers.values() for group in own.param_groups for p in group["params"]}
    extra = (p for module in state.modules.values() for p in module.parameters() if p.requires_grad)
    trained = [p for p in model.parameters() if p.requires_grad] + [p for p in extra if id(p) not in owned]
    used = make_optimizer(trained, settings) if optimizer is None else taken_over(optimizer, trained, settings)
    return Session(model, used, make_schedule(used, settings, batches), state)


def _epoch(session: Session, loader: EpochLoader | Counted, number: int, how: _Pass) -> Epoch:
    session.model.train()
    session.state.epoch = how.first + number
    device, lr = device_of(session.model), float(session.optimizer.param_groups[0]["lr"])
    total, seen, start = 0.0, 0, time.perf_counter()
    for index, (batch, whole) in enumerate(portions(loader, how.first + number, how.share), start=1):
        here = GroupBatch(to_device(batch.x, device), batch.y.to(device), batch.g.to(device))
        loss = _update(session, Portion(here, whole), how, f"epoch {number + 1}, batch {index} of {len(loader)}")
        total, seen = total + loss * whole, seen + whole
        if how.observer is not None:
            how.observer(number, index, len(loader), loss)
    share_buffers_(session.model, how.share)
    seconds = time.perf_counter() - start
    return Epoch(number + 1, total / seen, lr, seconds, seen / seconds)


def _update(session: Session, portion: Portion, how: _Pass, where: str) -> float:
    """One step of the optimiser; no weight is changed when the loss is not finite."""
    device = portion.batch.x.device
    weight = len(portion.batch.y) / portion.whole

    def forward() -> tuple[Tensor, float]:
        with autocast(how.precision, device):
            loss = _nothing(how.model, portion.batch.x) if weight == 0 else _loss(session, portion.batch, how)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ModelError(
                f"the loss is {value} in {where}, at lr {session.optimizer.param_groups[0]['lr']:.3g}.\n"
                "  Train with a lower lr (a tenth of it, say), with precision fp32, or check the inputs for NaN."
            )
        return loss, value * weight

    loss, value = agreed(forward, how.share, device)
    session.optimizer.zero_grad(set_to_none=True)
    if how.share.count > 1:  # Gradients are averaged over processes, however much each has of the batch.
        loss = loss * (weight * how.share.count)
    loss.backward()
    mask_gradients_(how.held)
    session.optimizer.step()
    put_back_(how.held, session.optimizer)
    session.schedule.step()
    return value


def _loss(session: Session, batch: GroupBatch, how: _Pass) -> Tensor:
    return how.objective.step(how.model, batch, session.state)


def _nothing(model: nn.Module, like: Tensor) -> Tensor:
    """Zero, whose gradient is zero: for a process that has no sample, but must take part in the exchange of gradients."""
    model.eval()  # No statistics of an input that is nobody's.
    outputs = model(like.new_zeros(1, *like.shape[1:]))
    model.train()
    return torch.stack([part.sum() * 0 for part in (outputs if isinstance(outputs, tuple) else (outputs,))]).sum()


@contextmanager
def _own_randomness(words: tuple[int, int, int], device: torch.device) -> Iterator[None]:
    """Random numbers that depend on seed, pass and process only; the caller's go on as if nothing had been drawn."""
    named = words if words[2] else words[:2]
    key = int(np.random.SeedSequence(named).generate_state(1, np.uint64)[0] >> np.uint64(1))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(key)  # torch.manual_seed would seed every other device as well.
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(key)
        yield

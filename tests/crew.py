"""What two processes do that train and evaluate together; a test starts them and compares with one."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn

from fairshrink.errors import FairshrinkError
from fairshrink.maths.sharing import Share
from fairshrink.metrics.counts import GroupCounts
from fairshrink.train.evaluate import evaluate
from fairshrink.train.loop import TrainSettings, fit
from fairshrink.train.objectives import Erm, State
from fairshrink.train.objectives.group_gap import GroupGap
from fairshrink.train.processes import is_lost, spread
from fairshrink.types import GroupBatch

COUNT = 2
SIZES = (6, 5, 3, 1)  # The second is uneven; the second process has nothing of the last two.
TOTALS = (1, 2, 3, 7, 12)  # Samples to evaluate.
SETTINGS = TrainSettings(epochs=2, precision="fp32", lr=0.1, schedule="cosine")
SETTINGS_OF = {"sgd": SETTINGS, "adam": TrainSettings(epochs=2, optimizer="adam", precision="fp32", lr=0.01)}


class StoppedError(Exception):
    pass


@dataclass(frozen=True)
class WithMean:
    """An objective that keeps something."""

    def begin(self, model, num_groups):
        return State(tensors={"mean": torch.zeros(())})

    def step(self, model, batch, state):
        return Erm().step(model, batch, state)


@dataclass(frozen=True)
class Broken:
    """An objective that fails where there are two samples."""

    def begin(self, model, num_groups):
        return State()

    def step(self, model, batch, state):
        if len(batch.y) == 2:
            raise ValueError("two of a kind")
        return Erm().step(model, batch, state)


def batches(sizes=SIZES, dtype=torch.float64) -> list[GroupBatch]:
    draw = torch.Generator().manual_seed(5)
    return [
        GroupBatch(
            torch.randn(size, 2, 3, 3, generator=draw, dtype=dtype),
            torch.randint(0, 3, (size,), generator=draw),
            torch.randint(-1, 2, (size,), generator=draw),
        )
        for size in sizes
    ]


def plain() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(18, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def normed() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(2, 4, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)).double()


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def train(settings: TrainSettings, share: Share, **how: Any) -> tuple[dict[str, Tensor], list[float]]:
    model = plain()
    history = fit(model, batches(), settings, num_groups=2, share=share, **how)
    return weights(model), [epoch.loss for epoch in history]


def held() -> dict[str, Tensor]:
    """Half of the weights of both layers."""
    draw = torch.Generator().manual_seed(6)
    return {
        name: torch.rand(plain().get_parameter(name).shape, generator=draw) < 0.5 for name in ("1.weight", "3.weight")
    }


def interrupted(folder: Path, share: Share) -> None:
    """Stopped in the second epoch; the state of the first is there."""
    seen = []

    def observer(*what):
        seen.append(what)
        if len(seen) == len(SIZES) + 2:
            raise StoppedError

    try:
        fit(plain(), batches(), SETTINGS, num_groups=2, share=share, state_file=folder / "state", observer=observer)
    except StoppedError:
        return
    raise AssertionError("it was not stopped")


def counts(total: int, share: Share) -> GroupCounts:
    sizes = (*[5] * (total // 5), total % 5) if total % 5 else (5,) * (total // 5)
    return evaluate(plain(), batches(sizes), num_groups=2, num_classes=3, share=share)


def poisoned(places: dict[int, float]) -> list[GroupBatch]:
    """One batch of six; in some samples all inputs are one number."""
    whole = batches()[0]
    for place, value in places.items():
        whole.x[place] = value
    return [whole]


def said(work: Callable[[], object]) -> str:
    try:
        work()
    except (FairshrinkError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was said"


def refusals(share: Share) -> dict[str, str]:
    nan = poisoned({1: float("nan")})  # The second process's first.
    how: dict[str, Any] = {"settings": SETTINGS, "num_groups": 2, "share": share}
    return {
        "loss": said(lambda: fit(plain(), nan, **how)),
        "objective": said(lambda: fit(normed(), batches((5,)), objective=Broken(), **how)),
        "compares": said(lambda: fit(plain(), batches(), objective=GroupGap(alpha=0.5), **how)),
        "keeps": said(lambda: fit(plain(), batches(), objective=WithMean(), **how)),
        "outputs": said(lambda: evaluate(plain(), nan, num_groups=2, num_classes=3, share=share)),
        "empty": said(lambda: evaluate(plain(), [], num_groups=2, num_classes=3, share=share)),
    }


def stats(share: Share) -> dict[str, Tensor]:
    """A model with batch norm; the processes begin with different ones."""
    model = normed()
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(share.rank)
    fit(model, batches(), SETTINGS, num_groups=2, share=share)
    return weights(model)


def everything(share: Share, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {name: train(settings, share) for name, settings in SETTINGS_OF.items()}
    found["held"] = train(SETTINGS, share, held=held(), objective=GroupGap())
    found["counts"] = [counts(total, share).counts for total in TOTALS]
    found["spread"] = [
        spread(content if share.rank == 0 else None, share, torch.device("cpu")) for content in (b"abc", b"", None)
    ]
    found["refusals"] = refusals(share)
    found["stats"] = stats(share)
    interrupted(folder, share)
    found["resumed"] = train(SETTINGS, share, state_file=folder / "state" if share.rank == 0 else folder / "nowhere")
    (folder / "state").unlink(missing_ok=True)
    interrupted(folder, share)  # For one process to go on with.
    return found


def _work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=COUNT, timeout=timedelta(seconds=300)
    )
    found = everything(Share(rank, COUNT), Path(folder))
    distributed.barrier()
    if rank == 0:
        try:
            distributed.all_reduce(torch.zeros(1))
        except RuntimeError as error:
            found["lost"] = is_lost(error)
    torch.save(found, Path(folder) / f"{rank}.pt")
    os._exit(0)  # The second ends here, while the first waits for it.


def run(folder: Path) -> list[dict[str, Any]]:
    """Starts the processes; what each of them found."""
    spawn(_work, (str(folder),), nprocs=COUNT)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(COUNT)]

"""What two processes do that share a curvature between them; a test starts them and compares."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import spawn

from cases import Case, case_named
from fairshrink.errors import FairshrinkError
from fairshrink.maths.curvature import curvature
from fairshrink.types import GroupBatch

COUNT = 2
SETTINGS = {
    "exact": {},
    "sampled": {"columns": 1.2, "seed": 3},
    "gradient": {"gradient": True},
    "sampled gradient": {"columns": 1.2, "seed": 3, "gradient": True},
}


def numbers(case: Case, batches: list[GroupBatch], groups: int, **settings) -> dict[str, Tensor]:
    """Everything that a curvature holds, by name."""
    found = curvature(case.model, batches, num_groups=groups, **settings)
    slopes = {f"gradient {name}": value for name, value in (found.gradient or {}).items()}
    return found.diagonal | slopes | {"sizes": found.sizes}


def alone(batches: list[GroupBatch]) -> list[GroupBatch]:
    """One sample of group 0 only: a second process has nothing to do."""
    whole = batches[0]
    return [GroupBatch(whole.x[:1], whole.y[:1], torch.zeros(1, dtype=torch.int64))]


def all_numbers() -> dict[str, dict[str, Tensor]]:
    """By setting, with as many processes as there are."""
    case = case_named("vgg")
    found = {name: numbers(case, case.batches, case.num_groups, **chosen) for name, chosen in SETTINGS.items()}
    return found | {"one sample": numbers(case, alone(case.batches), 1, columns=1.2, gradient=True)}


def _said(work: Callable[[], object]) -> str:
    try:
        work()
    except FairshrinkError as error:
        return str(error)
    return "nothing was said"


def all_refusals(rank: int) -> dict[str, str]:
    """What each process says when they are given different things."""
    case = case_named("mlp")
    whole = case.whole
    turned = GroupBatch(whole.x.roll(rank, 0), whole.y, whole.g)
    broken = GroupBatch(whole.x * (float("nan") if rank else 1.0), whole.y, whole.g)
    other: nn.Module = case.model
    with torch.no_grad():
        next(other.parameters()).add_(rank)
    said = {}
    for columns in (None, 1.0):
        for name, model, batch in (
            ("turned", case.model, turned),
            ("broken", case.model, broken),
            ("other", other, whole),
        ):
            said[f"{name} {columns}"] = _said(
                lambda model=model, batch=batch, columns=columns: curvature(
                    model, [batch], num_groups=2, columns=columns
                )
            )
    for name, settings in (
        ("seed", {"columns": 1.0, "seed": rank}),
        ("columns", {"columns": 1.0 + rank if rank else None}),
        ("params", {"params": ["0.weight", "2.weight"][rank:]}),
    ):
        said[name] = _said(lambda settings=settings: curvature(case.model, [whole], num_groups=2, **settings))
    unread = iter([whole]) if rank else [whole]
    said["generator"] = _said(lambda: curvature(case.model, unread, num_groups=2))
    return said


def _work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=COUNT, timeout=timedelta(seconds=60)
    )
    torch.save((all_refusals(rank), all_numbers()), Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


def run(folder: Path) -> list[tuple[dict[str, str], dict[str, dict[str, Tensor]]]]:
    """Starts the processes; what each of them said and found."""
    spawn(_work, (str(folder),), nprocs=COUNT)
    return [torch.load(folder / f"{rank}.pt") for rank in range(COUNT)]

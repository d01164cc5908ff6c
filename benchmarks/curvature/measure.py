"""One table: memory first, then all methods in turn, round after round."""

import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from benchmarks.curvature.clock import Clock
from benchmarks.curvature.memory import Probe, case_of, moved, peak
from benchmarks.curvature.methods import ALL, EXACT, PEER_EXACT, PEER_MC, PLAIN, SAMPLED, Diagonal, Method
from benchmarks.curvature.setting import Case, Setting, confidence, logits, scale_, scale_to
from fairshrink.compress.units import compressible
from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.maths.select import lowest

LOWEST = 0.05
PROBED = 64  # samples that memory of sampled columns is measured with: more than a batch, since columns are packed


@dataclass
class Row:
    """What was found of one method: seconds a sample and errors, one for each round."""

    method: Method
    samples: int
    batch: int
    memory: int | None
    seconds: list[float] = field(default_factory=list)
    pooled: list[float] = field(default_factory=list)
    worst: list[float] = field(default_factory=list)
    overlap: list[float] = field(default_factory=list)


def measure(setting: Setting, *, threads: int, clock: Clock) -> dict[str, Any]:
    """The record of one setting, for `table` and `picture`."""
    case = moved(case_of(setting), clock.device)
    factor = 1.0 if setting.trained else scale_to(logits(case))
    scale_(case.model, factor)
    rows, extra = _memory(setting, factor, threads, clock.device)
    models = {name: ALL[name].ready(case.model) for name in rows}
    _say(setting, "the exact diagonal")
    took, reference = clock.seconds(lambda: _reference(case, setting))
    few = case.some(setting.few)
    exact = ggn_diagonal(few.model, few.batches(setting.batch), num_groups=2)[0]
    marks = _Marks(case, reference, _chosen(case.model, reference), exact)
    backward: list[float] = []
    for number in range(setting.rounds):
        _say(setting, f"round {number + 1} of {setting.rounds}")
        backward.append(_backward(case, setting.batch, clock))
        for name, row in rows.items():
            _once(row, models[name], marks, few if row.method.columns == 0 else case, (number, clock))
    return {
        **{key: getattr(setting, key) for key in ("model", "size", "classes", "per_group", "trained", "name")},
        "confidence": confidence(logits(case)),
        "unused": _share_of_zeros(case.model, reference),
        "backward": statistics.median(backward),
        "reference": {
            "columns": setting.reference,
            "seconds": took / len(case.y),
            "error": None if setting.reference is None else _error(_reference(few, setting), exact)[0],
        },
        "rows": [_record(row, rows, backward, setting.classes) for row in rows.values()],
        "memory_of_small_batches": {"batch": setting.peer_batch, **extra},
    }


@dataclass(frozen=True)
class _Marks:
    """What results are held against: the exact diagonal of all samples, the weights that it chooses, that of a few."""

    case: Case
    reference: Diagonal
    chosen: dict[str, Tensor]
    exact: Diagonal


def _say(setting: Setting, what: str) -> None:
    print(f"  {time.strftime('%H:%M:%S')} {setting.name}: {what}", file=sys.stderr, flush=True)


def _memory(setting: Setting, factor: float, threads: int, device: str) -> tuple[dict[str, Row], dict[str, int | None]]:
    """A row for each method with its peak memory; and ours at BackPACK's batch size. What does not fit gets no rounds."""

    def of(method: Method, count: int, batch: int) -> int | None:
        _say(setting, f"memory of {method.name}, batches of {batch}")
        count = min(count, 2 * setting.per_group)
        return peak(Probe(setting, method.name, count, batch, factor, threads, device))

    batch, small, all_ = setting.batch, setting.peer_batch, 2 * setting.per_group
    rows = [
        Row(PLAIN, all_, batch, of(PLAIN, batch, batch)),
        Row(SAMPLED[0], all_, batch, of(SAMPLED[0], PROBED, batch)),
    ]
    rows.append(Row(PEER_MC, all_, batch, of(PEER_MC, 2 * batch, batch)))
    rows.append(Row(SAMPLED[1], all_, batch, of(SAMPLED[1], PROBED, batch)))
    rows.append(Row(PEER_EXACT, setting.few, small, of(PEER_EXACT, 2 * small, small)))
    rows.append(Row(SAMPLED[2], all_, batch, of(SAMPLED[2], PROBED, batch)))
    rows.append(Row(EXACT, setting.few, batch, of(EXACT, batch, batch)))
    extra: dict[str, int | None] = {}
    if small != batch:
        for method, count in ((PLAIN, small), (EXACT, 2 * small), (SAMPLED[1], PROBED)):
            extra[method.name] = of(method, count, small)
    return {row.method.name: row for row in rows}, extra


def _reference(case: Case, setting: Setting) -> Diagonal:
    return ggn_diagonal(
        case.model, case.batches(setting.batch), num_groups=2, columns=setting.reference, seed=1_000_003
    )[0]


def _backward(case: Case, batch: int, clock: Clock) -> float:
    """Seconds a sample of plain backward passes, without the forward passes."""
    total = 0.0
    for part in case.batches(batch):
        loss = nn.functional.cross_entropy(case.model(part.x), part.y)
        total += clock.seconds(loss.backward)[0]
        case.model.zero_grad()
    return total / len(case.y)


def _once(row: Row, model: nn.Module, marks: _Marks, case: Case, turn: tuple[int, Clock]) -> None:
    """One round of one method; a method that does not fit has none."""
    if row.memory is None:
        return
    seed, clock = turn
    took, found = clock.seconds(lambda: row.method.run(model, case, row.batch, seed))
    row.seconds.append(took / len(case.y))
    if found is None:
        return
    pooled, worst = _error(found, marks.exact if row.method.columns == 0 else marks.reference)
    row.pooled.append(pooled)
    row.worst.append(worst)
    if row.method.columns:
        row.overlap.append(_shared(_chosen(marks.case.model, found), marks.chosen))


def _error(found: Diagonal, exact: Diagonal) -> tuple[float, float]:
    """Of the mean of both groups, which are of one size, and of the group where it is larger."""
    pooled = sum(float((found[n].mean(0) - h.mean(0)).abs().double().sum()) for n, h in exact.items())
    groups = [sum(float((found[n][g] - h[g]).abs().double().sum()) for n, h in exact.items()) for g in (0, 1)]
    sums = [sum(float(h[g].double().sum()) for h in exact.values()) for g in (0, 1)]
    return 2 * pooled / sum(sums), max(off / total for off, total in zip(groups, sums, strict=True))


def _chosen(model: nn.Module, diagonal: Diagonal) -> dict[str, Tensor]:
    """The lowest weights by w^2 h / 2."""
    scores = {name: w.detach().square() * diagonal[name].mean(0) / 2 for name, w in compressible(model).items()}
    return lowest(scores, round(LOWEST * sum(score.numel() for score in scores.values())))


def _shared(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    both = sum(int((first[name] & mask).sum()) for name, mask in second.items())
    return both / sum(int(mask.sum()) for mask in second.values())


def _share_of_zeros(model: nn.Module, diagonal: Diagonal) -> float:
    """Of weights without any curvature: they are all equally low, and ties go to the first."""
    names = list(compressible(model))
    return sum(int((diagonal[n].sum(0) == 0).sum()) for n in names) / sum(diagonal[n][0].numel() for n in names)


def _record(row: Row, rows: dict[str, Row], backward: list[float], classes: int) -> dict[str, Any]:
    """Ratios are taken within a round; medians over the rounds."""
    exact, plain = rows[PEER_EXACT.name].seconds, rows[PLAIN.name].seconds
    columns = row.method.columns or (classes if row.method is PEER_EXACT else classes - 1)
    return {
        "method": row.method.name,
        "columns": columns,
        "samples": row.samples,
        "batch": row.batch,
        "memory": row.memory,
        "seconds": _middle(row.seconds),
        "rounds": row.seconds,
        "to_plain": _middle([mine / one for mine, one in zip(row.seconds, plain, strict=False)]),
        "to_backward": _middle([mine / columns / one for mine, one in zip(row.seconds, backward, strict=False)]),
        "faster": _middle([theirs / mine for theirs, mine in zip(exact, row.seconds, strict=False)]),
        **{name: _middle(getattr(row, name)) for name in ("pooled", "worst", "overlap")},
    }


def _middle(values: list[float]) -> float | None:
    return statistics.median(values) if values else None

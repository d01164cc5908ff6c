"""The loop that every method shares: score, pick the lowest, fix, recover, evaluate, tell, ask."""

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from fairshrink.compress.criteria import Context, Criterion, Scores
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.schedules import Schedule
from fairshrink.compress.stopping import Step, StopRule, never
from fairshrink.compress.units import compressible
from fairshrink.errors import ConfigError, DataError
from fairshrink.maths.codebooks import Codebook
from fairshrink.maths.samples import check_parts
from fairshrink.maths.select import lowest
from fairshrink.maths.tasks import Task, classify
from fairshrink.metrics.counts import GroupCounts, count
from fairshrink.metrics.rates import f1
from fairshrink.train.evaluate import predict
from fairshrink.types import Batches, Splits

Recover = Callable[[nn.Module, Splits, Frozen], None]


@dataclass(frozen=True)
class Recipe:
    """A method: a choice of parts.

    Attributes:
        criterion: Which weights go first.
        codebook: Where a chosen weight goes.
        schedule: How far each step goes.
        recover: What is done to the model after each step, such as fine-tuning; None for nothing.
        stop: When to stop before the schedule ends.
    """

    criterion: Criterion
    codebook: Codebook
    schedule: Schedule
    recover: Recover | None = None
    stop: StopRule = never


@dataclass(frozen=True)
class Compressed:
    """What came out.

    Attributes:
        model: A shrunk copy; the model that was given is as it was.
        frozen: What is fixed, for the next method.
        steps: One record per step, measured on validation.
        start: The model before the first step, measured the same way.
        unprivileged: The group that was favoured.
        measured: Whether that group was measured (lowest macro F1 on validation) or given.
        stopped: Why it stopped before the schedule's end; None when it did not.
    """

    model: nn.Module
    frozen: Frozen
    steps: tuple[Step, ...]
    start: Step
    unprivileged: int
    measured: bool
    stopped: str | None


def ignore(step: Step) -> None:
    """The observer that does nothing."""


def compress(
    model: nn.Module,
    data: Splits,
    recipe: Recipe,
    *,
    task: Task = classify,
    unprivileged: int | None = None,
    frozen: Frozen | None = None,
    seed: int = 0,
    on_step: Callable[[Step], None] = ignore,
) -> Compressed:
    """Shrink a model by a recipe.

    Args:
        model: Any classifier; it is copied, never changed.
        data: Batches; scoring uses train, measuring uses val; test is not touched.
        recipe: The method, such as fairprune().
        task: What the outputs mean.
        unprivileged: The group to favour; None measures it: the lowest macro F1 on validation.
        frozen: What an earlier method fixed; it stays, and counts towards the ratio.
        seed: For every random draw.
        on_step: Told of each step as it is done.

    Raises:
        DataError: Batches cannot be iterated twice or hold fewer than two groups, or a group has no samples.
        ModelError: The model has nothing to shrink, a layer is not covered, or `frozen` is another model's.
        ConfigError: The group is not there, or the ratio is reached before the first step.

    Source: the loop of Wu et al. 2022 (Alg. 1), which the other methods share.
    """
    num_groups = _num_groups(data)
    compressible(model)  # before it is copied: torch cannot copy a model that it prunes itself
    model, frozen = copy.deepcopy(model).eval(), frozen or Frozen()
    weights, steps, stopped = compressible(model), [], None
    frozen.apply_(model)
    start = _start(frozen, weights, _measure(model, data.val, task, num_groups))
    favoured = unprivileged if unprivileged is not None else weakest_group(start.counts)
    _check_group(favoured, num_groups)
    codebook = recipe.codebook.fit({name: w.detach() for name, w in weights.items()})
    for ratio in _ahead(recipe.schedule(), start):
        began = time.perf_counter()
        scores = recipe.criterion(model, task, data.train, Context(num_groups, favoured, frozen, codebook, seed))
        frozen = _fix_lowest(scores, round(ratio * start.total), frozen, weights, codebook)
        frozen.apply_(model)
        if recipe.recover is not None:
            recipe.recover(model, data, frozen)
            frozen.apply_(model)
        counts = _measure(model, data.val, task, num_groups)
        steps.append(Step(ratio, _fixed(frozen, weights), start.total, time.perf_counter() - began, counts))
        on_step(steps[-1])
        if stopped := recipe.stop(steps):
            break
    return Compressed(model, frozen, tuple(steps), start, favoured, unprivileged is None, stopped)


def _start(frozen: Frozen, weights: Mapping[str, nn.Parameter], counts: GroupCounts) -> Step:
    """The model before the first step."""
    total, fixed = sum(w.numel() for w in weights.values()), _fixed(frozen, weights)
    return Step(fixed / total, fixed, total, 0.0, counts)


def _fix_lowest(
    scores: Scores, wanted: int, frozen: Frozen, weights: Mapping[str, nn.Parameter], codebook: Codebook
) -> Frozen:
    """Fix the lowest scores, where the codebook puts them, until `wanted` weights are fixed in all."""
    taken = {name: mask for name, mask in frozen.mask.items() if name in scores}
    chosen = lowest(scores, wanted - _fixed(frozen, weights), taken=taken)
    return frozen.fix(chosen, {name: codebook(weights[name].detach()) for name in chosen})


def _fixed(frozen: Frozen, weights: Mapping[str, nn.Parameter]) -> int:
    """How many of the weights are fixed; norm parameters of removed channels are in the record, but not in the ratio."""
    return sum(int(mask.sum()) for name, mask in frozen.mask.items() if name in weights)


def weakest_group(counts: GroupCounts) -> int:
    """The unprivileged group: the lowest macro F1; the first one when two are equal.

    Raises:
        DataError: A group has no samples.
    """
    sizes = counts.counts.sum(axis=(1, 2))
    if (sizes == 0).any():
        empty = ", ".join(str(g) for g in np.flatnonzero(sizes == 0))
        raise DataError(
            f"group {empty} has no samples in the validation data, so it cannot be measured which group is unprivileged. "
            "Give validation data with every group, or name the group with unprivileged=."
        )
    return int(np.argmin(f1(counts.counts)))


def _ahead(ratios: Iterable[float], start: Step) -> list[float]:
    """The ratios that are still ahead of what is fixed already; an error when all of them are behind."""
    ratios = list(ratios)
    ahead = [ratio for ratio in ratios if round(ratio * start.total) > start.fixed]
    if start.fixed and not ahead:
        raise ConfigError(
            f"the ratio {max(ratios, default=0):g} is reached before the first step: {start.fixed:,} of {start.total:,} weights "
            f"({start.ratio:.3f}) are fixed already, and ratios are cumulative. Give a larger ratio, or start from a model "
            "with less fixed."
        )
    return ahead


def _num_groups(data: Splits) -> int:
    """The number of groups in the scoring and validation data together.

    A validation set that lacks a group of the scoring data must not make that group vanish, nor the reverse.
    """
    for name, batches in (("train", data.train), ("val", data.val)):
        if not isinstance(batches, Iterable):
            raise DataError(f"the {name} batches are {batches!r}, but a list or a loader of GroupBatches is expected.")
        if isinstance(batches, Iterator):
            raise DataError(
                f"the {name} batches are a generator, which is empty after one pass, but every step needs a pass. "
                "Give a list or a loader."
            )
    largest = -1
    for batches in (data.train, data.val):
        for number, batch in enumerate(batches):
            check_parts(number, batch)
            largest = max(largest, int(batch.g.max()) if batch.g.numel() else -1)
    if largest < 1:
        raise DataError(
            f"the data hold {largest + 1} group(s), but a gap needs two. Give each sample its group in g: 0, 1, ..., "
            "or -1 where it is unknown."
        )
    return largest + 1


def _check_group(group: object, num_groups: int) -> None:
    if isinstance(group, bool) or not isinstance(group, int | np.integer) or not 0 <= group < num_groups:
        raise ConfigError(
            f"unprivileged is {group!r}, but the groups of the data are 0 to {num_groups - 1}. Give one of them."
        )


def _measure(model: nn.Module, batches: Batches, task: Task, num_groups: int) -> GroupCounts:
    seen = predict(model, batches, task=task)
    return count(seen.y, seen.pred, seen.g, num_groups=num_groups, num_classes=seen.prob.shape[1])

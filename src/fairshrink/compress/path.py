"""The loop that every method shares: score, pick the lowest, fix, recover, evaluate, tell, ask."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import nn

from fairshrink.compress.bench import Bench
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.keeping import Best, Halfway, Keeper
from fairshrink.compress.retraining import FineTune, Round
from fairshrink.compress.schedules import Schedule
from fairshrink.compress.starting import ahead, check_group, weakest_group
from fairshrink.compress.steps import Step


@dataclass(frozen=True)
class Compressed:
    """What came out.

    Attributes:
        model: A shrunk copy; the model that was given is as it was.
        frozen: What is fixed in it, for the next method.
        steps: One record per step, measured on validation.
        start: The model before the first step, measured the same way.
        unprivileged: The group that was favoured.
        measured: Whether that group was measured (lowest macro F1 on validation) or given.
        stopped: Why it stopped before the schedule's end; None when it did not.
        taken: The number of the step, from 0, whose model this is: the last one, unless the recipe says which is best. None: no
            step was done, and it is the start's.
    """

    model: nn.Module
    frozen: Frozen
    steps: tuple[Step, ...]
    start: Step
    unprivileged: int
    measured: bool
    stopped: str | None
    taken: int | None = None


class Root(NamedTuple):
    """Where a path begins.

    Attributes:
        bench: The model under work.
        frozen: What is fixed in it.
        start: It, on validation.
        favoured: The group to favour.
        measured: Whether that was measured.
    """

    bench: Bench
    frozen: Frozen
    start: Step
    favoured: int
    measured: bool


class Reached(NamedTuple):
    """How far a path has come; its model is the bench's.

    Attributes:
        frozen: What is fixed.
        steps: One record per step.
        stopped: Why it goes no further; None where it may.
        memory: What the recovery hands on.
        taken_up: Whether its last step was done before, and only read back now.
        best: The step that would be returned now; None where that is the last one, whatever it is worth.
    """

    frozen: Frozen
    steps: tuple[Step, ...] = ()
    stopped: str | None = None
    memory: dict[str, Any] | None = None
    taken_up: bool = False
    best: Best | None = None


def root_of(bench: Bench, frozen: Frozen, unprivileged: int | None) -> Root:
    """Look at the model, and see which group is to be favoured.

    Raises:
        DataError: A group has no samples.
        ConfigError: The group is not there.
    """
    start = bench.seen(frozen)
    favoured = unprivileged if unprivileged is not None else weakest_group(start.counts)
    check_group(favoured, bench.num_groups)
    return Root(bench, frozen, start, favoured, unprivileged is None)


def ratios_of(root: Root, schedule: Schedule | None = None) -> list[float]:
    """The ratios that are ahead of a root, by its own recipe's schedule or another one.

    Raises:
        ConfigError: All of them are behind.
    """
    recipe = root.bench.recipe
    return ahead((schedule or recipe.schedule)(), root.start, idle=recipe.recover is not None, unit=recipe.unit)


def walk(root: Root, keeper: Keeper, latest: int | None = None) -> Iterator[Reached]:
    """Step by step to the end of the schedule, or to where the recipe's rule stops it.

    Args:
        root: Where it begins; its model is changed.
        keeper: A path that re-trains is kept here after each step, and gone on with from here.
        latest: How many steps may have been done before; None: all. What was kept after more begins anew.

    Yields:
        After each step how far it has come; after one that was kept, that first.
    """
    bench, ratios = root.bench, ratios_of(root)
    keeps = isinstance(bench.recipe.recover, FineTune)
    most = len(ratios) if latest is None else latest
    now = _taken_up(root, keeper, most) if keeps else Reached(root.frozen)
    if now.steps:
        yield now
    for number, ratio in enumerate(ratios):
        if number < len(now.steps) or now.stopped:
            continue
        now = _step(root, now, ratio, keeper)
        if keeps:
            earlier = now.best if now.best and now.best.step < len(now.steps) - 1 else None
            keeper.save(Halfway(bench.model.state_dict(), now.frozen, now.steps, now.memory, earlier))
        yield now


def end(root: Root, now: Reached, model: nn.Module) -> Compressed:
    """What came out, when a path ends where it has come to; the model is the bench's, or a copy, and may be changed."""
    frozen, taken = now.frozen, len(now.steps) - 1 if now.steps else None
    if now.best is not None:
        model.load_state_dict(now.best.weights)
        frozen, taken = now.best.frozen, now.best.step
    return Compressed(model, frozen, now.steps, root.start, root.favoured, root.measured, now.stopped, taken)


def _step(root: Root, now: Reached, ratio: float, keeper: Keeper) -> Reached:
    bench, began, frozen = root.bench, time.perf_counter(), now.frozen
    if bench.recipe.fixes:
        context = bench.context(root.favoured, frozen)
        frozen = bench.fix_lowest(
            bench.recipe.criterion(bench.model, bench.task, bench.data.train, context), ratio, frozen
        )
    at = (len(now.steps), bench.task, bench.num_groups, root.favoured, bench.seed, now.memory, keeper)
    memory = bench.settle(frozen, Round(*at))
    steps = (*now.steps, replace(bench.seen(frozen, ratio, began), start=root.start))
    return Reached(frozen, steps, bench.recipe.stop(steps), memory, best=_best(bench, now.best, steps, frozen))


def _best(bench: Bench, before: Best | None, steps: tuple[Step, ...], frozen: Frozen) -> Best | None:
    """The better of the last step and the best one before it, with its model; None where the last one is returned anyhow."""
    worth = bench.recipe.best
    if worth is None:
        return None
    if before is not None and worth(steps[-1]) <= worth(steps[before.step]):
        return before
    weights = {name: tensor.detach().clone() for name, tensor in bench.model.state_dict().items()}
    return Best(len(steps) - 1, weights, frozen)


def _taken_up(root: Root, keeper: Keeper, most: int) -> Reached:
    """Where the keeper has it, with the model as it was there; at the beginning where that is too far."""
    found = keeper.load()
    if found is None or not 1 <= len(found.steps) <= most:
        return Reached(root.frozen)
    root.bench.model.load_state_dict(found.weights)
    steps = tuple(replace(step, start=root.start) for step in found.steps)
    best = found.best or _best(root.bench, None, steps, found.frozen)
    return Reached(found.frozen, steps, root.bench.recipe.stop(steps), found.memory, True, best)

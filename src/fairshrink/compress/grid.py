"""Many recipes on one model: what they share is computed once."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from fairshrink.compress.bench import Bench, Recipe, set_up
from fairshrink.compress.criteria import Saliency, Scores
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.keeping import Keeper, Nowhere
from fairshrink.compress.path import Compressed, Reached, Root, end, ratios_of, root_of, walk
from fairshrink.compress.recover import repeatable
from fairshrink.compress.steps import Step
from fairshrink.maths.tasks import Task, classify
from fairshrink.types import Splits

Done = tuple[int, Compressed]


def ignore(number: int, what: object) -> None:
    """The observer that does nothing."""


def compress_grid(  # noqa: PLR0913  # Each is a choice of its own, and all but three are named.
    model: nn.Module,
    data: Splits,
    recipes: Sequence[Recipe],
    *,
    task: Task = classify,
    unprivileged: int | None = None,
    frozen: Frozen | None = None,
    seed: int = 0,
    on_step: Callable[[int, Step], None] = ignore,
    on_done: Callable[[int, Compressed], None] = ignore,
) -> list[Compressed]:
    """Shrink a model by several recipes: what `compress` gives for each of them, bit for bit, for fewer passes.

    What is fixed says all about a model that is not re-trained, so recipes that have fixed the same weights share one
    curvature pass and one validation pass: recipes that differ in beta share the first step, recipes that differ in their
    ratio share the whole way. Recipes of another kind (other criteria than Saliency, a recovery that re-trains) share a way
    as far as they differ in nothing but where it ends.

    Args:
        model: Any classifier; it is copied, never changed.
        data: Batches; scoring uses train, measuring uses val; test is not touched.
        recipes: The methods, each with its settings.
        task: What the outputs mean.
        unprivileged: The group to favour; None measures it: the lowest macro F1 on validation.
        frozen: What an earlier method fixed.
        seed: For every random draw.
        on_step: Told the recipe's number and each of its steps as it is done; steps of several recipes come mixed.
        on_done: Told the recipe's number and its result, as soon as it is there.

    Returns:
        One result for each recipe, in their order. The seconds of a step count in full what it shares.

    Raises:
        DataError, ModelError, ConfigError: As `compress`.
    """
    found = {}
    for number, compressed in one_by_one(model, data, recipes, Setting(task, unprivileged, frozen, seed, on_step)):
        on_done(number, compressed)
        found[number] = compressed
    return [found[number] for number in range(len(recipes))]


@dataclass(frozen=True)
class Setting:
    """What holds for all recipes of a grid: arguments of `compress_grid`, and two more.

    Attributes:
        done: Numbers of recipes whose result is there already; they are passed over.
        keeper: The number of the recipe that names a way -> what keeps it. It is the first of those that share the way,
            done or not, so that a grid that is gone on with finds what it kept.
    """

    task: Task = classify
    unprivileged: int | None = None
    frozen: Frozen | None = None
    seed: int = 0
    on_step: Callable[[int, Step], None] = ignore
    done: frozenset[int] = frozenset()
    keeper: Callable[[int], Keeper] = lambda number: Nowhere()


def one_by_one(model: nn.Module, data: Splits, recipes: Sequence[Recipe], setting: Setting) -> Iterator[Done]:
    """Each recipe's number and its result as soon as it is there: models that the caller has let go are not held."""
    paths = [_Path(number, recipe) for number, recipe in enumerate(recipes)]
    for family in _alike([path for path in paths if not shares(path.recipe)], _but_for_its_end):
        yield from _in_a_line(model, data, family, setting)
    sharing = [path for path in paths if shares(path.recipe) and path.number not in setting.done]
    for family in _alike(sharing, _measured):
        yield from _walk(_root(model, data, family[0].recipe, setting), family, setting)


def shares(recipe: Recipe) -> bool:
    """Whether the weights that it has fixed say all about its model, so that it can share passes with others."""
    return isinstance(recipe.criterion, Saliency) and repeatable(recipe.recover)


class _Path(NamedTuple):
    """How far a recipe has come, and the seconds that went into its way to a mask that nobody has looked at yet."""

    number: int
    recipe: Recipe
    ahead: tuple[float, ...] = ()
    steps: tuple[Step, ...] = ()
    stopped: str | None = None
    seconds: float = 0.0


class _Waiting(NamedTuple):
    """A mask, a bit for each weight, and the paths that have come to it."""

    fixed: int
    mask: bytes
    paths: list[_Path]


def _measured(path: _Path) -> tuple[object, ...]:
    """What paths of a family have in common: the same parameters, moved alike, measured alike."""
    recipe, criterion = path.recipe, _saliency(path)
    return criterion.columns, criterion.gradient, recipe.codebook, recipe.recover, recipe.include, recipe.leave


def _but_for_its_end(path: _Path) -> Recipe:
    return replace(path.recipe, schedule=tuple)


def _in_a_line(model: nn.Module, data: Splits, family: list[_Path], setting: Setting) -> Iterator[Done]:
    """Recipes that differ in how far they go, the shorter ones' results taken on the way of the longest; others by themselves."""
    if all(path.number in setting.done for path in family):
        return
    family = sorted(family, key=lambda path: -len(list(path.recipe.schedule())))
    root = _root(model, data, family[0].recipe, setting)
    line = {path.number: ratios_of(root, path.recipe.schedule) for path in family}
    counts = {number: [round(ratio * root.start.total) for ratio in ratios] for number, ratios in line.items()}
    longest = counts[family[0].number]
    on_it = [path for path in family if counts[path.number] == longest[: len(counts[path.number])]]
    yield from _along(root, {path.number: line[path.number] for path in on_it}, setting)
    if rest := [path for path in family if path not in on_it]:
        yield from _in_a_line(model, data, rest, setting)


def _along(root: Root, ratios: dict[int, list[float]], setting: Setting) -> Iterator[Done]:
    """One way; each recipe on it ends where its own ratios end, or where the rule stops all of them."""
    left = {number: own for number, own in ratios.items() if number not in setting.done}

    def own_steps(number: int, now: Reached) -> tuple[Step, ...]:
        # 3 * 0.1 and 0.3 are the same weights, but each recipe is told its own.
        return tuple(replace(step, ratio=ratio) for step, ratio in zip(now.steps, left[number], strict=False))

    def ended(now: Reached) -> Iterator[Done]:
        for number in [n for n, own in left.items() if now.stopped or len(now.steps) >= len(own)]:
            own = now._replace(steps=own_steps(number, now))
            yield number, end(root, own, copy.deepcopy(root.bench.model))
            del left[number]

    yield from ended(Reached(root.frozen))
    latest = min((len(own) for own in left.values()), default=0)  # a model further on is none of the shortest one's
    for now in walk(root, setting.keeper(min(ratios)), latest):
        for number in () if now.taken_up else left:
            setting.on_step(number, own_steps(number, now)[-1])
        yield from ended(now)
        if not left:
            return


def _root(model: nn.Module, data: Splits, like: Recipe, setting: Setting) -> Root:
    frozen = setting.frozen or Frozen()
    return root_of(set_up(model, data, like, frozen, (setting.task, setting.seed)), frozen, setting.unprivileged)


def _walk(root: Root, family: list[_Path], setting: Setting) -> Iterator[Done]:
    """From mask to mask, the fewest fixed weights first: whoever else comes to a mask has come when it is looked at.

    Besides the start, one model and one curvature are held at a time, and a bit for each weight of a mask that waits.
    """
    bench, frozen = root.bench, root.frozen
    paths = [path._replace(ahead=tuple(ratios_of(root, path.recipe.schedule))) for path in family]
    waiting: dict[bytes, _Waiting] = {}
    while True:
        yield from ((path.number, _result(root, (bench, frozen), path)) for path in paths if not path.ahead)
        _send(root, (bench, frozen), [path for path in paths if path.ahead], waiting)
        if not waiting:
            return
        found = waiting.pop(min(waiting.values(), key=lambda one: one.fixed).mask)
        began = time.perf_counter()
        frozen = _unpacked(root, found.mask)
        bench = _at(root.bench, frozen)
        step = bench.seen(frozen, 0.0, began)
        paths = [_further(root, path, step, setting) for path in found.paths]


def _send(root: Root, here: tuple[Bench, Frozen], paths: list[_Path], waiting: dict[bytes, _Waiting]) -> None:
    """Measure a model once for all paths that are there, and send each to its next mask."""
    if not paths:
        return
    began, (bench, frozen) = time.perf_counter(), here
    context = bench.context(root.favoured, frozen)
    measured = _saliency(paths[0]).measure(bench.model, bench.task, bench.data.train, context)
    measuring = time.perf_counter() - began
    for same in _alike(paths, _saliency):
        began = time.perf_counter()
        scores = _saliency(same[0]).score(bench.model, measured, context)
        scoring = time.perf_counter() - began
        for together in _alike(same, lambda path: (path.ahead[0], path.recipe.ranking)):
            began = time.perf_counter()
            at = _next(here, together[0], scores)
            seconds = measuring + scoring + time.perf_counter() - began
            there = waiting.setdefault(at.mask, at)
            there.paths.extend(path._replace(seconds=seconds) for path in together)


def _next(here: tuple[Bench, Frozen], path: _Path, scores: Scores) -> _Waiting:
    bench = replace(here[0], recipe=path.recipe)
    frozen = bench.fix_lowest(scores, path.ahead[0], here[1])
    bits = torch.cat([frozen.mask[name].flatten().cpu() for name in bench.weights])
    return _Waiting(bench.fixed(frozen), np.packbits(bits.numpy()).tobytes(), [])


def _unpacked(root: Root, mask: bytes) -> Frozen:
    """What is fixed at the start, and this mask: the same record as one that grew step by step."""
    weights = root.bench.weights
    sizes = [weight.numel() for weight in weights.values()]
    bits = np.unpackbits(np.frombuffer(mask, dtype=np.uint8), count=sum(sizes))
    parts = torch.from_numpy(bits.astype(bool)).split(sizes)
    chosen = {name: part.view(w.shape).to(w.device) for (name, w), part in zip(weights.items(), parts, strict=True)}
    return root.frozen.fix(chosen, root.bench.places())


def _at(start: Bench, frozen: Frozen) -> Bench:
    """A copy of the model at the start, with this fixed in it and recovered from it."""
    bench = start.of(copy.deepcopy(start.model))
    bench.settle(frozen)
    return bench


def _further(root: Root, path: _Path, seen: Step, setting: Setting) -> _Path:
    """The path with one step more; nothing is ahead of it when its rule says so."""
    step = replace(seen, ratio=path.ahead[0], seconds=path.seconds + seen.seconds, start=root.start)
    setting.on_step(path.number, step)
    steps = (*path.steps, step)
    stopped = path.recipe.stop(steps)
    return path._replace(ahead=() if stopped else path.ahead[1:], steps=steps, stopped=stopped)


def _result(root: Root, here: tuple[Bench, Frozen], path: _Path) -> Compressed:
    return end(root, Reached(here[1], path.steps, path.stopped), copy.deepcopy(here[0].model))


def _saliency(path: _Path) -> Saliency:
    criterion = path.recipe.criterion
    assert isinstance(criterion, Saliency)
    return criterion


def _alike(paths: Sequence[_Path], key: Callable[[_Path], object]) -> list[list[_Path]]:
    """Paths whose keys are equal, together; a key needs no hash."""
    keys, groups = [], []
    for path in paths:
        if (found := key(path)) not in keys:
            keys.append(found)
            groups.append([])
        groups[keys.index(found)].append(path)
    return groups

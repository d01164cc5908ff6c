"""Many recipes on one model: what they share is computed once."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from fairshrink.compress.criteria import Saliency, Scores
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.recipe import Bench, Compressed, Recipe, compress, set_up
from fairshrink.compress.recover import repeatable
from fairshrink.compress.starting import ahead, check_group, weakest_group
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
    ratio share the whole way. A recipe that is not of this kind (other criteria than Saliency, a recovery that re-trains)
    runs by itself.

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
    """What holds for all recipes of a grid: arguments of `compress_grid`."""

    task: Task = classify
    unprivileged: int | None = None
    frozen: Frozen | None = None
    seed: int = 0
    on_step: Callable[[int, Step], None] = ignore


def one_by_one(model: nn.Module, data: Splits, recipes: Sequence[Recipe], setting: Setting) -> Iterator[Done]:
    """Each recipe's number and its result as soon as it is there: models that the caller has let go are not held."""
    sharing: list[_Path] = []
    for number, recipe in enumerate(recipes):
        if shares(recipe):
            sharing.append(_Path(number, recipe))
        else:
            yield number, _alone(model, data, _Path(number, recipe), setting)
    for family in _alike(sharing, _measured):
        yield from _walk(_root(model, data, family[0].recipe, setting), family)


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


class _Root(NamedTuple):
    """Where all paths of a family begin."""

    bench: Bench
    frozen: Frozen
    start: Step
    favoured: int
    setting: Setting


class _Waiting(NamedTuple):
    """A mask, a bit for each weight, and the paths that have come to it."""

    fixed: int
    mask: bytes
    paths: list[_Path]


def _measured(path: _Path) -> tuple[object, ...]:
    """What paths of a family have in common: the same parameters, moved alike, measured alike."""
    recipe, criterion = path.recipe, _saliency(path)
    return criterion.columns, criterion.gradient, recipe.codebook, recipe.recover, recipe.include, recipe.leave


def _alone(model: nn.Module, data: Splits, path: _Path, setting: Setting) -> Compressed:
    return compress(
        model,
        data,
        path.recipe,
        task=setting.task,
        unprivileged=setting.unprivileged,
        frozen=setting.frozen,
        seed=setting.seed,
        on_step=lambda step: setting.on_step(path.number, step),
    )


def _root(model: nn.Module, data: Splits, like: Recipe, setting: Setting) -> _Root:
    frozen = setting.frozen or Frozen()
    bench = set_up(model, data, like, frozen, (setting.task, setting.seed))
    start = bench.seen(frozen)
    favoured = setting.unprivileged if setting.unprivileged is not None else weakest_group(start.counts)
    check_group(favoured, bench.num_groups)
    return _Root(bench, frozen, start, favoured, setting)


def _walk(root: _Root, family: list[_Path]) -> Iterator[Done]:
    """From mask to mask, the fewest fixed weights first: whoever else comes to a mask has come when it is looked at.

    Besides the start, one model and one curvature are held at a time, and a bit for each weight of a mask that waits.
    """
    bench, frozen = root.bench, root.frozen
    paths = [path._replace(ahead=tuple(_ratios(path.recipe, root.start))) for path in family]
    waiting: dict[bytes, _Waiting] = {}
    while True:
        yield from ((path.number, _result(root, bench, frozen, path)) for path in paths if not path.ahead)
        _send(root, (bench, frozen), [path for path in paths if path.ahead], waiting)
        if not waiting:
            return
        found = waiting.pop(min(waiting.values(), key=lambda one: one.fixed).mask)
        began = time.perf_counter()
        frozen = _unpacked(root, found.mask)
        bench = _at(root.bench, frozen)
        step = bench.seen(frozen, 0.0, began)
        paths = [_further(root, path, step) for path in found.paths]


def _ratios(recipe: Recipe, start: Step) -> list[float]:
    return ahead(recipe.schedule(), start, idle=recipe.recover is not None)


def _send(root: _Root, here: tuple[Bench, Frozen], paths: list[_Path], waiting: dict[bytes, _Waiting]) -> None:
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


def _unpacked(root: _Root, mask: bytes) -> Frozen:
    """What is fixed at the start, and this mask: the same record as one that grew step by step."""
    weights = root.bench.weights
    sizes = [weight.numel() for weight in weights.values()]
    bits = np.unpackbits(np.frombuffer(mask, dtype=np.uint8), count=sum(sizes))
    parts = torch.from_numpy(bits.astype(bool)).split(sizes)
    chosen = {name: part.view(w.shape).to(w.device) for (name, w), part in zip(weights.items(), parts, strict=True)}
    return root.frozen.fix(chosen, {name: root.bench.codebook(w.detach()) for name, w in weights.items()})


def _at(start: Bench, frozen: Frozen) -> Bench:
    """A copy of the model at the start, with this fixed in it and recovered from it."""
    model = copy.deepcopy(start.model)
    parameters = dict(model.named_parameters())
    bench = replace(start, model=model, weights={name: parameters[name] for name in start.weights})
    bench.settle(frozen)
    return bench


def _further(root: _Root, path: _Path, seen: Step) -> _Path:
    """The path with one step more; nothing is ahead of it when its rule says so."""
    step = replace(seen, ratio=path.ahead[0], seconds=path.seconds + seen.seconds, start=root.start)
    root.setting.on_step(path.number, step)
    steps = (*path.steps, step)
    stopped = path.recipe.stop(steps)
    return path._replace(ahead=() if stopped else path.ahead[1:], steps=steps, stopped=stopped)


def _result(root: _Root, bench: Bench, frozen: Frozen, path: _Path) -> Compressed:
    measured, model = root.setting.unprivileged is None, copy.deepcopy(bench.model)
    return Compressed(model, frozen, path.steps, root.start, root.favoured, measured, path.stopped)


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

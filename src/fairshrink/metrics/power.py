"""How many images it would take to see a gap of a given size: what a reader does with "within chance"."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from fairshrink.metrics.counts import margins
from fairshrink.metrics.gaps import GAPS

GAP, CHANCE, MOST = 0.05, 0.8, 10_000_000
_FEWEST = 1e-3  # parts of the images at hand: where the search begins
_STEPS = 14
_CELLS_AT_ONCE = 100_000  # bounds time: fewer draws for many classes, but never below 300
# Which rates differ between groups when a gap of each kind is planted: TPR, FPR.
_PLANTED = {"eopp0": (0.0, 1.0), "eopp1": (1.0, 0.0), "eodd": (1.0, 1.0), "eodd_max": (1.0, 0.0)}


class Floors(NamedTuple):
    """The measured null floors, in the order of `metrics.gaps.statistics`.

    Attributes:
        high: What a value must exceed, (S,).
        alone: The same without correction for the number of classes, (S,): it tells how much noise there is.
    """

    high: Float[np.ndarray, " S"]
    alone: Float[np.ndarray, " S"]


class _World(NamedTuple):
    """Rates around common ones, for the classes that can be compared: one table per kind of rate (TPR, FPR), (G, D, C).

    Attributes:
        now: Noise of the images at hand without any gap.
        level: The same at the rates of a model with the planted gap, without that gap.
        noise: Noise of a model with the gap.
        shift: The planted gap itself, (G, 1, C).
    """

    now: tuple[np.ndarray, np.ndarray]
    level: tuple[np.ndarray, np.ndarray]
    noise: tuple[np.ndarray, np.ndarray]
    shift: tuple[np.ndarray, np.ndarray]


class _Search(NamedTuple):
    """What is sought: one of `GAPS`, as a mean over classes or class by class, seen in part `chance` of the cases."""

    name: str
    single: bool
    gap: float
    chance: float
    seed: int


def images_needed(
    counts: Integer[np.ndarray, "G C C"],
    floors: Floors,
    convention: str = "strict",
    *,
    gap: float = GAP,
    chance: float = CHANCE,
    seed: int = 0,
) -> Float[np.ndarray, " S"]:
    """Images of the same mix of classes and groups at which a true gap is above its floor in so many cases.

    The model with a gap has it in every class: the groups' rates lie at even distances around that of all together, the
    first group at the upper end in one class and at the lower end in the next. Noise and floor are normal, p (1 - p) / n
    of each cell and shrink with the root of the number of images; both are scaled so that the floor of the images
    at hand is the measured one, which carries clusters of rows and the correction for the number of classes.

    Args:
        counts: [group, true class, predicted class].
        floors: The measured ones; where they say nothing (0, or 1 and more) the normal ones stand.
        convention: "strict" or "published".
        gap: The true gap to be seen.
        chance: In what part of the cases.
        seed: Keys the draws.

    Returns:
        In the order of `metrics.gaps.statistics`, two significant digits: at least one image for each group and class
        that there is; infinite beyond 10 million; NaN where
        nothing can be compared or, in the convention "published", where a group lacks the rate, because the 0 that
        then stands for it does not fade with more images.
    """
    total, cells = max(1, int(counts.sum())), np.count_nonzero(counts.sum(-1))
    found = []
    for at, name in enumerate([*GAPS, "eopp1"]):
        search = _Search(name, at == len(GAPS), gap, chance, seed)
        where = slice(at, None) if search.single else slice(at, at + 1)
        usable = _usable(counts, search, convention)
        times = np.full(usable.size if search.single else 1, np.nan)
        if usable.any():
            into = usable if search.single else slice(None)
            measured = Floors(floors.high[where][into], floors.alone[where][into])
            times[into] = _times(_planted(counts, search, usable), measured, search, MOST / total)
        found.append(np.maximum(total * times, cells))
    return _two_digits(np.concatenate(found))


def _usable(counts: np.ndarray, search: _Search, convention: str) -> np.ndarray:
    """Classes that can be compared, (C,); of a mean all or none in the convention "published"."""
    lacking = _lacking(counts, search.name)
    if convention != "published":
        return (~lacking).sum(0) >= 2
    whole = np.asarray(~lacking.any(0))
    return whole if search.single else np.full(whole.shape, whole.all())


def _lacking(counts: np.ndarray, name: str) -> np.ndarray:
    """Groups that have nobody of a class, or nobody else, as far as the gap needs both, (G, C)."""
    support = counts.sum(-1)
    none, all_of_them = support == 0, support == support.sum(-1, keepdims=True)
    return {"eopp0": all_of_them, "eopp1": none}.get(name, none | all_of_them)


def _planted(counts: np.ndarray, search: _Search, usable: np.ndarray) -> _World:
    """The world in which this gap is there; the draws are the same for all."""
    parts, blank = margins(counts), np.where(_lacking(counts, search.name), np.nan, 1.0)[:, None]
    others = parts.support.sum(-1, keepdims=True) - parts.support
    groups, classes = parts.support.shape
    side = (np.linspace(0.5, -0.5, groups)[:, None] * np.where(np.arange(classes) % 2, -1, 1))[:, None]
    draws = int(np.clip(_CELLS_AT_ONCE // max(1, groups * classes), 300, 1000))
    rng = np.random.default_rng([search.seed, 4])
    tables = ((parts.hits, parts.support), (parts.predicted - parts.hits, others))
    columns = []
    for (events, size), planted in zip(tables, _PLANTED[search.name], strict=True):
        rate = (events.sum(0) + 0.5) / (size.sum(0) + 1)  # half a case more: a rate of 0 or 1 is noisy, too
        width = planted * search.gap
        centre = np.clip(rate, width / 2, 1 - width / 2)
        null, other = rng.standard_normal((2, groups, draws, classes)) * blank / np.sqrt(np.maximum(size, 1))[:, None]
        now, level, noise = (np.sqrt(p * (1 - p)) for p in (rate, centre, centre + side * width))
        kinds = (now * null, level * null, noise * other, side * width * blank)
        columns.append(tuple(table[..., usable] for table in kinds))
    return _World(*zip(*columns, strict=True))


def _times(world: _World, floors: Floors, search: _Search, most: float) -> np.ndarray:
    """How many times the images at hand: bisection, one column per statistic."""

    def values(rates: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        by_class = _by_class(search.name, *rates)
        return by_class if search.single else by_class.mean(1, keepdims=True)

    simulated = np.quantile(values(world.now), 0.975, axis=0)
    said = (floors.alone > 0) & (floors.alone < 1)
    scale = np.where(said, floors.alone / simulated, 1.0)
    beside = np.where(said & (floors.high < 1), floors.high / np.where(said, floors.alone, 1.0), 1.0)
    floor = beside * np.quantile(values(world.level), 0.975, axis=0)

    def seen(times: np.ndarray) -> np.ndarray:
        # All is divided by noise that shrinks with the root of the images, so that only the gap grows.
        by = np.sqrt(times) / scale
        tpr, fpr = (noise + shift * by for noise, shift in zip(world.noise, world.shift, strict=True))
        return (values((tpr, fpr)) > floor).mean(0)

    return _bisect(seen, np.full(scale.shape, most), search.chance)


def _bisect(seen: Callable[[np.ndarray], np.ndarray], most: np.ndarray, chance: float) -> np.ndarray:
    """The smallest number at which enough is seen, on a scale of ratios; infinite when that is not below the most."""
    low, high = np.full(most.shape, np.log(_FEWEST)), np.log(most)
    never = seen(most) < chance
    for _ in range(_STEPS):
        middle = (low + high) / 2
        enough = seen(np.exp(middle)) >= chance
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(never, np.inf, np.exp(high))


def _by_class(name: str, tpr: np.ndarray, fpr: np.ndarray) -> np.ndarray:
    """The gap of each class, (D, C), from rates; see `metrics.gaps`."""
    if name == "eopp0":
        return _spread(fpr)
    if name == "eopp1":
        return _spread(tpr)
    return _spread(tpr + fpr) / 2 if name == "eodd" else np.maximum(_spread(tpr), _spread(fpr))


def _spread(rates: np.ndarray) -> np.ndarray:
    """As `metrics.gaps.spread`, for groups on the first axis, which is faster; two of them have the rate."""
    return np.fmax.reduce(rates, axis=0) - np.fmin.reduce(rates, axis=0)


def _two_digits(numbers: np.ndarray) -> np.ndarray:
    return np.array([float(f"{number:.1e}") for number in numbers])

"""From a sweep to its runs: every combination, each a checked experiment with a name of its own."""

import copy
import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairshrink.lab.config import Experiment, parse_experiment
from fairshrink.lab.overrides import put
from fairshrink.lab.sweep_file import Random, Range, Sweep

LONGEST = 100  # characters of a run's name, which names a folder
SEED = "train.seed"


@dataclass(frozen=True)
class Variant:
    """One run of a sweep.

    Attributes:
        name: Its folder's.
        experiment: What it does.
        varied: What the sweep sets in it, the seed apart.
        seed: train.seed, where the sweep has seeds.
    """

    name: str
    experiment: Experiment
    varied: Mapping[str, Any]
    seed: int | None


def variants(sweep: Sweep, origin: str) -> tuple[list[Variant], list[str]]:
    """Every run of a sweep, and what is to be said about them.

    Args:
        sweep: The sweep.
        origin: Where it comes from, for errors.

    Raises:
        ConfigError: A key is no setting, or a value cannot be used; it names the run.
    """
    found: dict[str, tuple[_Point, Experiment]] = {}
    twice: list[tuple[_Point, _Point]] = []
    points = list(_points(sweep))
    for name, point in zip(_names(points), points, strict=True):
        experiment = _experiment(sweep, point.settings, f"{origin}, run {name}")
        first, _ = found.setdefault(experiment.digest(), (point, experiment))
        if first is not point:
            twice.append((point, first))
    # Named without those that are there already, which would make every name longer.
    names = _names([point for point, _ in found.values()])
    runs = [_variant(sweep, name, *one) for name, one in zip(names, found.values(), strict=True)]
    return runs, list(dict.fromkeys(_same(*pair) for pair in twice))


def drawn(random: Random) -> list[dict[str, Any]]:
    """The draws of `[random]`; each key's depend on the seed and the key only, so that another key changes none of them."""
    columns = {key: _draw(random, key, among) for key, among in random.keys.items()}
    return [{key: values[number] for key, values in columns.items()} for number in range(random.draws)]


@dataclass(frozen=True)
class _Point:
    title: str | None
    settings: dict[str, Any]


def _variant(sweep: Sweep, name: str, point: _Point, experiment: Experiment) -> Variant:
    seed = point.settings.get(SEED) if sweep.seeds else None
    varied = {key: value for key, value in point.settings.items() if not (sweep.seeds and key == SEED)}
    return Variant(name, experiment, varied, seed)


def _same(point: _Point, first: _Point) -> str:
    """Two combinations that are one run, each by its settings."""
    one, other = _said(point), _said(first)
    if one == other:
        return f"{one} is there more than once: one run"
    return f"{one} is the same experiment as {other}: one run"


def _said(point: _Point) -> str:
    settings = ", ".join(f"{key} = {value!r}" for key, value in point.settings.items())
    if point.title:
        return f"{point.title} ({settings})" if settings else point.title
    return settings or "the base"


def _points(sweep: Sweep) -> Iterator[_Point]:
    draws = drawn(sweep.random) if sweep.random else [{}]
    grid = [dict(zip(sweep.grid, values, strict=True)) for values in itertools.product(*sweep.grid.values())]
    seeds = [{SEED: seed} for seed in sweep.seeds] or [{}]
    for point, values, draw, seed in itertools.product(sweep.points or [{}], grid, draws, seeds):
        own = {key: value for key, value in point.items() if key != "name"}
        yield _Point(point.get("name"), own | values | draw | seed)


def _experiment(sweep: Sweep, settings: Mapping[str, Any], origin: str) -> Experiment:
    given = copy.deepcopy(sweep.base)
    for key, value in settings.items():
        put(given, key.split("."), value, f"{origin}: {key}")
    return parse_experiment(given, origin)


def _names(points: Sequence[_Point]) -> list[str]:
    """Short, telling and different: each key by as much of its end as tells it from the others."""
    short = _endings({key for point in points for key in point.settings})
    plain = [_name(point, short) for point in points]
    often = Counter(plain)
    return [
        name if often[name] == 1 and len(name) <= LONGEST else f"{name[:LONGEST]}-{_digest(point)}"
        for name, point in zip(plain, points, strict=True)
    ]


def _name(point: _Point, short: Mapping[str, str]) -> str:
    own = {key: value for key, value in point.settings.items() if point.title is None or key == SEED}
    words = [point.title] if point.title else []
    words += [f"{short[key]}-{_word(value)}" for key, value in own.items()]
    return "_".join(words) or "run"


def _endings(keys: Iterable[str]) -> dict[str, str]:
    keys = sorted(keys)
    found: dict[str, str] = {}
    for key in keys:
        parts = key.split(".")
        endings = [".".join(parts[-length:]) for length in range(1, len(parts) + 1)]
        free = [end for end in endings if sum(f".{other}".endswith(f".{end}") for other in keys) == 1]
        found[key] = free[0] if free else key
    return found


def _word(value: Any) -> str:
    if isinstance(value, dict):  # a step
        return _word(value.get("name") or value.get("preset") or value.get("method") or "step")
    if value in ([], ()):
        return "none"
    if isinstance(value, (list, tuple)):
        return "+".join(map(_word, value))
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).strip("-") or "empty"


def _digest(point: _Point) -> str:
    return hashlib.sha256(repr(sorted(point.settings.items(), key=str)).encode()).hexdigest()[:6]


def _draw(random: Random, key: str, among: Range | tuple[Any, ...]) -> list[Any]:
    rng = np.random.default_rng([random.seed, *hashlib.sha256(key.encode()).digest()[:8]])
    if isinstance(among, tuple):
        return [among[number] for number in rng.integers(len(among), size=random.draws)]
    whole = isinstance(among.low, int) and isinstance(among.high, int)
    if whole and not among.log:
        return rng.integers(int(among.low), int(among.high), size=random.draws, endpoint=True).tolist()
    low, high = (math.log(among.low), math.log(among.high)) if among.log else (among.low, among.high)
    values = [math.exp(value) if among.log else value for value in rng.uniform(low, high, random.draws).tolist()]
    rounded = [round(value) if whole else float(f"{value:.4g}") for value in values]
    return [min(max(value, among.low), among.high) for value in rounded]


def same_runs(before: Sequence[Variant], here: Sequence[Variant]) -> str | None:
    """What is different between the runs of two sweeps, in words; None where nothing is."""
    old, new = ({one.name: one.experiment.digest() for one in runs} for runs in (before, here))
    gone, come = [name for name in old if name not in new], [name for name in new if name not in old]
    other = [name for name in old if name in new and old[name] != new[name]]
    said = [
        f"{len(names)} run(s) {what}, such as {names[0]}"
        for names, what in ((gone, "only there"), (come, "only here"), (other, "with other settings"))
        if names
    ]
    return "; ".join(said) or None

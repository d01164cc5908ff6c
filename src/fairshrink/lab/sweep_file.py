"""A sweep file: a base experiment and what varies; read from TOML, checked, written back in one canonical form."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationError, model_validator

from fairshrink.errors import ConfigError, suggest
from fairshrink.lab.grid import NAME
from fairshrink.lab.settings import Count, Seed, Settings
from fairshrink.lab.wording import expected

STEPS = "shrink"  # the one key without a dot: all steps of a run


def _number(given: Any) -> Any:
    if isinstance(given, (int, float)) and not isinstance(given, bool) and isfinite(given):
        return given
    raise ValueError(f"it is {given!r}, but a finite number is expected.")


Number = Annotated[Any, AfterValidator(_number)]  # whole ones stay whole


class Range(Settings):
    """`{ low, high, log }`: numbers to draw from; whole ones where both ends are, both ends included."""

    low: Number
    high: Number
    log: bool = False

    @model_validator(mode="before")
    @classmethod
    def _name(cls, given: Any) -> Any:
        for key in given if isinstance(given, dict) else ():
            if key not in cls.model_fields:
                free = [name for name in cls.model_fields if name not in given]
                raise ValueError(f"there is no setting '{key}'.{suggest(key, free or cls.model_fields)}")
        return given

    @model_validator(mode="after")
    def _check(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low is {self.low} and high {self.high}, but low must be below high.")
        if self.log and not self.low > 0:
            raise ValueError(f"low is {self.low}, but a logarithmic range needs one above 0.")
        return self


def _kind(given: Any) -> str:
    return RANGE if isinstance(given, (dict, Range)) else LIST


RANGE, LIST = "a range", "a list"
Among = Annotated[Annotated[Range, Tag(RANGE)] | Annotated[tuple[Any, ...], Tag(LIST)], Discriminator(_kind)]


class Random(Settings):
    """`[random]`: each draw sets every one of `keys`."""

    draws: Count
    seed: Seed = 0
    keys: dict[str, Among]

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        own = {key: value for key, value in given.items() if key in ("draws", "seed")}
        rest = {key: value for key, value in given.items() if key not in own}
        for key, value in rest.items():
            if not isinstance(value, dict) and "." not in key:
                raise ValueError(f"there is no setting '{key}'.{suggest(key, ['draws', 'seed'])}")
        keys = flat(rest, leaf=_is_range)
        for key, value in keys.items():
            if not isinstance(value, (dict, list)) or not value:
                raise ValueError(f"'{key}' is {value!r}, but a list, or {{ low = 1e-3, high = 1e-1 }}, is expected.")
        return own | {"keys": keys}


class Sweep(Settings):
    """What a sweep file says."""

    base: dict[str, Any]
    name: str | None = None
    seeds: tuple[Seed, ...] = ()
    grid: Annotated[dict[str, tuple[Any, ...]], Field(default_factory=dict)]
    points: Annotated[tuple[dict[str, Any], ...], Field(alias="list")] = ()
    random: Random | None = None

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        for part in ("seeds", "grid", "list", "random"):
            values = given.get(part)
            if values in ([], {}) or (
                part == "random" and isinstance(values, dict) and not set(values) - {"draws", "seed"}
            ):
                raise ValueError(f"{part} has no values; leave it out.")
        changed: dict[str, Any] = {}
        if isinstance(given.get("grid"), dict):
            changed["grid"] = flat(given["grid"])
            for key, values in changed["grid"].items():
                if not isinstance(values, list) or not values:
                    raise ValueError(f"grid: '{key}' is {values!r}, but a list of one value or more is expected.")
        if isinstance(given.get("list"), list) and all(isinstance(point, dict) for point in given["list"]):
            changed["list"] = [flat(point) for point in given["list"]]
        return given | changed

    @model_validator(mode="after")
    def _check(self) -> "Sweep":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds is {list(self.seeds)}, but each seed may stand there once.")
        for name in (self.name, *(point.get("name") for point in self.points)):
            if name is not None and (not isinstance(name, str) or not NAME.fullmatch(name)):
                raise ValueError(f"the name {name!r} cannot name a folder: give letters, digits, '-', '_' and '.'.")
        self._check_steps()
        for place, keys in self.keys().items():
            for key in keys:
                if "." not in key and key != STEPS:
                    raise ValueError(f"{place}: '{key}' is no setting: give section.key, such as \"train.lr\".")
                if others := [other for other, theirs in self.keys().items() if key in theirs and other != place]:
                    raise ValueError(f"'{key}' is in {place} and in {others[0]}: leave it out of one of them.")
        return self

    def _check_steps(self) -> None:
        """`shrink` stands for all steps of a run, so that none of them is set by another key."""
        places = [("grid", value) for value in self.grid.get(STEPS, ())]
        places += [("list", point[STEPS]) for point in self.points if STEPS in point]
        for place, steps in places:
            if not isinstance(steps, (list, tuple)) or not all(isinstance(step, dict) for step in steps):
                shape = "lists of steps" if place == "grid" else "a list of steps"
                example = '[[], [{ method = "obd" }]]' if place == "grid" else '[{ method = "obd" }]'
                raise ValueError(
                    f"{place}: 'shrink' has {steps!r}, but {shape} is expected, such as shrink = {example}."
                )
        single = [key for keys in self.keys().values() for key in sorted(keys) if key.startswith(f"{STEPS}.")]
        if places and single:
            raise ValueError(
                f"'shrink' and '{single[0]}' are both there: write what varies into the steps of 'shrink'."
            )

    def keys(self) -> dict[str, set[str]]:
        """What each part of the file varies."""
        return {
            "seeds": {"train.seed"} if self.seeds else set(),
            "grid": set(self.grid),
            "list": {key for point in self.points for key in point} - {"name"},
            "random": set(self.random.keys) if self.random else set(),
        }

    def text(self) -> str:
        """The sweep as TOML, the base experiment in it."""
        written = self.model_dump(mode="json", exclude_none=True, exclude_defaults=True, by_alias=True)
        if "random" in written:
            written["random"] |= written["random"].pop("keys")
        return tomli_w.dumps(written)

    def digest(self) -> str:
        """What this sweep is, in 12 hexadecimal digits."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:12]


@dataclass(frozen=True)
class SweepFile:
    """A sweep, and the folder where relative paths of its experiments are looked for."""

    sweep: Sweep
    beside: Path
    name: str


def load_sweep(path: Path) -> SweepFile:
    """Read a sweep file, and the experiment file that it names as its base.

    Raises:
        ConfigError: A file is not there or no TOML, or a setting is unknown or has a wrong value.
    """
    given, beside = _toml(path, "sweep"), path.parent
    base = given.get("base")
    if isinstance(base, str):
        beside = (path.parent / Path(base).expanduser()).parent
        given = given | {"base": _toml(path.parent / Path(base).expanduser(), "base experiment")}
    sweep = parse_sweep(given, str(path))
    return SweepFile(sweep, beside, sweep.name or path.stem)


def parse_sweep(given: dict[str, Any], origin: str) -> Sweep:
    """Check what a sweep file says.

    Raises:
        ConfigError: A setting is unknown or has a wrong value; all of them are listed.
    """
    try:
        return Sweep.model_validate(given)
    except ValidationError as error:
        lines = "".join(f"\n  {_in_words(problem)}" for problem in error.errors())
        raise ConfigError(f"the sweep '{origin}' cannot be used:{lines}") from error


def flat(table: Mapping[str, Any], leaf: Any = lambda value: False, above: str = "") -> dict[str, Any]:
    """`[grid.train] lr = ...` is "train.lr" = ...: one level, keys as --set has them."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict) and value and not leaf(value):
            found |= flat(value, leaf, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value
    return found


def _is_range(table: Mapping[str, Any]) -> bool:
    """Also one whose names are misspelt."""
    plain = [key for key, value in table.items() if not isinstance(value, (dict, list))]
    return bool({"low", "high"} & set(table)) or any(get_close_matches(key, Range.model_fields) for key in plain)


def _toml(path: Path, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"cannot read the {what} '{path}': {error.strerror}. Give the path of a TOML file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the {what} '{path}' is not TOML: {error}. Keys with dots need quotes.") from error


def _in_words(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"] if part not in ("keys", RANGE, LIST))
    if problem["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in Sweep.model_fields.items()]
        return f"there is no setting '{where}'.{suggest(where, known)}"
    if problem["type"] == "missing":
        needed = 'base = "EXPERIMENT.toml", or the tables [base.data], ...' if where == "base" else "a number"
        return f"{where} is not there, but it is needed: {needed}"
    if words := expected(problem):
        return f"{where} is {problem['input']!r}, but {words} is expected."
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message

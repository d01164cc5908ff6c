"""A sweep file: a base experiment and what varies; read from TOML, checked, written back in one canonical form."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import Field, ValidationError, model_validator

from fairshrink.errors import ConfigError, suggest
from fairshrink.lab.grid import NAME
from fairshrink.lab.settings import Count, Seed, Settings
from fairshrink.lab.wording import expected

Number = int | float


class Range(Settings):
    """`{ low, high, log }`: numbers to draw from; whole ones where both ends are, both ends included."""

    low: Number
    high: Number
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low is {self.low} and high {self.high}, but low must be below high.")
        if self.log and not self.low > 0:
            raise ValueError(f"low is {self.low}, but a logarithmic range needs one above 0.")
        return self


class Random(Settings):
    """`[random]`: each draw sets every one of `keys`."""

    draws: Count
    seed: Seed = 0
    keys: dict[str, Range | tuple[Any, ...]]

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
        keys = flat(rest, leaf=lambda value: "low" in value or "high" in value)
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
        for place, keys in self.keys().items():
            for key in keys:
                if "." not in key:
                    raise ValueError(f"{place}: '{key}' is no setting: give section.key, such as \"train.lr\".")
                if others := [other for other, theirs in self.keys().items() if key in theirs and other != place]:
                    raise ValueError(f"'{key}' is in {place} and in {others[0]}: leave it out of one of them.")
        return self

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
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in Sweep.model_fields.items()]
        names = list(Range.model_fields) if len(problem["loc"]) > 1 else known
        return f"there is no setting '{where}'.{suggest(str(problem['loc'][-1]), names)}"
    if problem["type"] == "missing":
        needed = 'base = "EXPERIMENT.toml", or the tables [base.data], ...' if where == "base" else "a value"
        return f"{where} is not there, but it is needed: {needed}"
    if words := expected(problem):
        return f"{where} is {problem['input']!r}, but {words} is expected."
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message

"""What makes two models the same setting: everything in config.toml but seeds, threads and where files lie."""

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from fairshrink.report.records import Run, Stage
from fairshrink.report.words import settings as in_words

SEEDS = ("data.seed", "train.seed")
# Neither says what is computed: where files lie is not what is in them (the digest of the data says that).
IGNORED = (*SEEDS, "train.threads", "data.images", "data.metadata", "data.ground_truth")
# Said once for the whole section.
OF_SECTION = (
    "data.source",
    "data.size",
    "data.groups",
    "data.folds",
    "data.split_by",
    "data.split_file",
    "data.classes",
)
_STEP_NAMES = ("name", "parent", "preset", "method")
_FIRST = ("model.backbone", "train.objective", "model.checkpoint", "beta", "ratio", "norms")
_SPEAK_FOR_THEMSELVES = ("model.backbone", "train.objective")
_MOST_KEYS = 4


class Seeds(NamedTuple):
    """What replicates differ in."""

    data: int | None
    train: int | None

    def __str__(self) -> str:
        if self.data == self.train or self.train is None:
            return "–" if self.data is None else str(self.data)
        return f"{self.train} (data {self.data})"


def told_seeds(seeds: Sequence[Seeds]) -> str:
    """All seeds of a method; the seed of the data once when they share it.

    >>> told_seeds([Seeds(0, 0), Seeds(0, 1)]), told_seeds([Seeds(0, 0), Seeds(1, 1)]), told_seeds([Seeds(3, 3)])
    ('0, 1 (data 0)', '0, 1', '3')
    """
    alone = len({of.data for of in seeds}) > 1 or len(seeds) == 1
    if alone or seeds[0].train is None:
        return ", ".join(map(str, seeds))
    return f"{', '.join(str(of.train) for of in seeds)} (data {seeds[0].data})"


class Setting(NamedTuple):
    """How a model came to be, seeds apart: what was trained, and the shrink steps since."""

    base: dict[str, Any]
    steps: tuple[dict[str, Any], ...]

    @property
    def key(self) -> str:
        """Equal for equal settings."""
        return json.dumps([self.base, *self.steps], sort_keys=True, default=str)

    @property
    def base_key(self) -> str:
        """Equal for models that go back to the same training."""
        return json.dumps(self.base, sort_keys=True, default=str)

    def flat(self) -> dict[str, Any]:
        """All settings of the steps: those of the last by their names, earlier ones with their method in front."""
        return {
            f"{step['method']} {key}" if number < len(self.steps) - 1 else key: value
            for number, step in enumerate(self.steps)
            for key, value in step.items()
            if key != "method"
        }


def seeds_of(run: Run) -> Seeds:
    """The seeds of a run."""
    data, train = (run.settings.get(section, {}).get("seed") for section in ("data", "train"))
    return Seeds(run.data.seed if data is None else data, train)


def setting_of(run: Run, stage: Stage) -> Setting:
    """The setting of one of a run's models."""
    flat = {
        f"{section}.{key}": value
        for section in ("data", "model", "train")
        for key, value in run.settings.get(section, {}).items()
    }
    base = {key: value for key, value in flat.items() if key not in (*IGNORED, *OF_SECTION)}
    return Setting(base, tuple(_step(run, of) for of in lineage(run, stage)))


def lineage(run: Run, stage: Stage) -> list[Stage]:
    """The shrunk models on the way to a stage, the stage last."""
    by_name = {of.record.name: of for of in run.stages}
    line: list[Stage] = []
    while stage.record.parent is not None and stage not in line:
        line.insert(0, stage)
        if stage.record.parent not in by_name:
            break
        stage = by_name[stage.record.parent]
    return line


def _step(run: Run, stage: Stage) -> dict[str, Any]:
    """What config.toml says of a step; what stage.json says where the file is silent."""
    record = stage.record
    written = run.settings.get("shrink", [])
    found = next((step for step in written if step.get("name", step.get("method")) == record.name), None)
    step = found if found is not None else record.params | {"choose": record.rule}
    return {"method": record.method} | {key: value for key, value in step.items() if key not in _STEP_NAMES}


def telling_apart(options: Sequence[Mapping[str, Any]]) -> list[str]:
    """A short name for each: the fewest settings that tell all of them apart, empty when there is one.

    >>> telling_apart([{"model.backbone": "a", "train.lr": 1}, {"model.backbone": "b", "train.lr": 2}])
    ['a', 'b']
    """
    keys = [key for key in dict.fromkeys(k for option in options for k in option) if _differ(options, (key,)) > 1]
    keys.sort(key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))
    for size in range(min(len(keys), _MOST_KEYS) + 1):
        for some in combinations(keys, size):
            if _differ(options, some) == len(options):
                return [_short(option, some) for option in options]
    return [_short(option, keys) for option in options]


def _differ(options: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> int:
    """How many different values the options have in these keys together."""
    return len({repr([option.get(key) for key in keys]) for option in options})


def _short(option: Mapping[str, Any], keys: Sequence[str]) -> str:
    return ", ".join(
        str(option.get(key, "default")) if key in _SPEAK_FOR_THEMSELVES else _named(key, option) for key in keys
    )


def _named(key: str, option: Mapping[str, Any]) -> str:
    name = key.rpartition(".")[2]
    return in_words({name: option[key]}) if key in option else f"{name} not set"

"""Runs as methods: models of one setting are one row, their seeds its replicates; what must not be mixed stands apart."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fairshrink.report import splitting
from fairshrink.report.records import DataRecord, Run, Stage
from fairshrink.report.runs_settings import Seeds, Setting, lineage, seeds_of, setting_of, telling_apart
from fairshrink.report.words import listed, number, plural

SAME = 1e-9  # two audits of one model on one machine agree to the last digits


class Replicate(NamedTuple):
    """One model: a stage of a run."""

    name: str
    run: Run
    stage: Stage
    seeds: Seeds


class Method(NamedTuple):
    """Models of one setting, one per seed; without steps it is the vanilla model that the others started from."""

    number: int
    label: str
    setting: Setting
    replicates: tuple[Replicate, ...]

    @property
    def vanilla(self) -> bool:
        """Whether it was never shrunk."""
        return not self.setting.steps

    @property
    def first(self) -> Replicate:
        """A replicate to read what all share from."""
        return self.replicates[0]


class Section(NamedTuple):
    """Models that were tested on the same data, in the same groups, split in the same way."""

    title: str
    facts: str
    methods: tuple[Method, ...]
    runs: dict[str, Run]
    notes: tuple[str, ...]

    @property
    def attributes(self) -> list[str]:
        """Every audited attribute, the one that was shrunk for first."""
        return next(iter(self.runs.values())).attributes

    def vanilla_of(self, method: Method) -> Method:
        """The vanilla model that a method goes back to."""
        return next(of for of in self.methods if of.vanilla and of.setting.base_key == method.setting.base_key)

    @property
    def shrunk(self) -> list[Method]:
        """Every method but the vanilla ones."""
        return [method for method in self.methods if not method.vanilla]


def sections(runs: Mapping[str, Run]) -> list[Section]:
    """One section for each data set, attribute, size and split, in the order of the runs.

    Args:
        runs: By name.
    """
    apart: dict[str, dict[str, Run]] = defaultdict(dict)
    for name, run in runs.items():
        apart[_place(run)][name] = run
    titles = Counter(_title(next(iter(some.values()))) for some in apart.values())
    found = [_section(some, alone=titles[_title(next(iter(some.values())))] == 1) for some in apart.values()]
    times = Counter(section.title for section in found)
    return [
        section._replace(title=f"{section.title}, {number}") if times[section.title] > 1 else section
        for number, section in enumerate(found, start=1)
    ]


def _place(run: Run) -> str:
    """What two runs must share to stand in one table."""
    data, given = run.data, run.settings.get("data", {})
    # Data that are drawn differ with the seed; those that are read from files are the same or not.
    digest = data.digest if given.get("metadata") else None
    groups = {name: attribute.groups for name, attribute in data.attributes.items()}
    audited = {name: list(found.groups) for name, found in run.vanilla.audit.attributes.items()}
    # A file is what is in it; earlier versions did not write that, and only its name is left to go by.
    split = (data.split_digest or given["split_file"]) if given.get("split_file") else None
    kind = [data.name, data.classes, data.shrunk_for, data.size, data.folds, data.split_by, split]
    return json.dumps([kind, digest, groups, audited, run.vanilla.audit.convention])


def _title(run: Run) -> str:
    return f"{run.data.name}, shrunk for {run.data.shrunk_for}"


def _section(runs: dict[str, Run], *, alone: bool) -> Section:
    first = next(iter(runs.values()))
    data, name = first.data, splitting.split_file(first)
    how = f"as the split file {name} says" if name else f"by {data.split_by or 'image'}"
    split = f"{plural(data.folds, 'fold')}, split {how}"
    facts = (
        f"{plural(data.count, 'image')}, {plural(len(data.classes), 'class', 'classes')}, {data.size} pixels, {split}"
    )
    title = (
        _title(first)
        if alone
        else f"{_title(first)} ({facts}, data {data.digest[:8]}{_split_digest(data) if name else ''})"
    )
    found, notes = _methods(runs)
    return Section(title, facts, tuple(found), runs, tuple(notes))


def _split_digest(data: DataRecord) -> str:
    return f", split {data.split_digest[:8]}" if data.split_digest else ""


def _methods(runs: Mapping[str, Run]) -> tuple[list[Method], list[str]]:
    of_setting: dict[str, dict[Seeds, list[Replicate]]] = {}
    known: dict[str, Setting] = {}
    for name, run in runs.items():
        for stage in run.stages:
            setting = setting_of(run, stage)
            known.setdefault(setting.key, setting)
            by_seed = of_setting.setdefault(setting.key, {})
            by_seed.setdefault(seeds_of(run), []).append(Replicate(name, run, stage, seeds_of(run)))
    bases = list(dict.fromkeys(setting.base_key for setting in known.values()))
    first = {key: next(iter(of_setting[key].values()))[0] for key in known}
    titles = list(dict.fromkeys(map(_titles, first.values())))
    keys = sorted(
        known,
        key=lambda key: (bases.index(known[key].base_key), bool(known[key].steps), titles.index(_titles(first[key]))),
    )
    labels = _labels({key: (known[key], first[key]) for key in keys})
    notes = _repeated({(labels[key], seeds): group for key in keys for seeds, group in of_setting[key].items()})
    methods = [
        Method(
            index, labels[key], known[key], tuple(group[0] for _, group in sorted(of_setting[key].items(), key=_order))
        )
        for index, key in enumerate(keys, start=1)
    ]
    return methods, notes


def _order(item: tuple[Seeds, Any]) -> tuple[int, int]:
    return (item[0].data or 0, item[0].train or 0)


def _repeated(groups: Mapping[tuple[str, Seeds], Sequence[Replicate]]) -> list[str]:
    """One model in several runs counts once: a seed that is there twice is no second draw."""
    several = {key: group for key, group in groups.items() if len(group) > 1}
    if not several:
        return []
    times = plural(len(several), "model is", "models are")
    notes = [f"{times} in several runs with the same settings and seeds, and counted once, as in the first of them."]
    for (label, seeds), group in several.items():
        if (apart := _largest_difference(group)) > SAME:
            names = listed([replicate.name for replicate in group])
            notes.append(
                f"{label}, seed {seeds}: the gaps in {names} differ by up to {number(apart, 6)}, although settings and seeds "
                f"agree; {group[0].name} is shown."
            )
    return notes


def _largest_difference(group: Sequence[Replicate]) -> float:
    rows = [
        [gap.value or 0.0 for found in replicate.stage.audit.attributes.values() for gap in found.gaps.values()]
        for replicate in group
    ]
    return max(max(column) - min(column) for column in zip(*rows, strict=True))


def _labels(known: Mapping[str, tuple[Setting, Replicate]]) -> dict[str, str]:
    """A name for each setting: its method, and what tells it from others of the same method."""
    bases = {setting.base_key: setting.base for setting, _ in known.values()}
    prefixes = dict(zip(bases, telling_apart(list(bases.values())), strict=True))
    own = {key: _titles(replicate) for key, (_, replicate) in known.items()}
    labels = {}
    for key, (setting, replicate) in known.items():
        alike = [k for k, (of, _) in known.items() if of.base_key == setting.base_key and own[k] == own[key]]
        prefix = f"{prefixes[setting.base_key]}: " if len(bases) > 1 else ""
        labels[key] = f"{prefix}{own[key]}{_apart(key, alike, known, replicate)}"
    return labels


def _titles(replicate: Replicate) -> str:
    line = [stage.record.title for stage in lineage(replicate.run, replicate.stage)]
    return " → ".join(line) or replicate.stage.record.title


def _apart(key: str, alike: Sequence[str], known: Mapping[str, tuple[Setting, Replicate]], replicate: Replicate) -> str:
    if len(alike) == 1:
        return ""
    names = [known[k][1].stage.record.name for k in alike]
    if len(set(names)) == len(names):
        return f" [{replicate.stage.record.name}]"
    return f" [{telling_apart([known[k][0].flat() for k in alike])[list(alike).index(key)]}]"

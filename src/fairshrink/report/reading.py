"""The only door between a run folder and its page: every record is read once and checked."""

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fairshrink.errors import StoreError, suggest
from fairshrink.report.audited import AuditRecord
from fairshrink.report.channelled import ChannelPortrait, check_channels
from fairshrink.report.compared import ComparisonRecord
from fairshrink.report.exited import ExitRecord, check_exits, check_same
from fairshrink.report.paired import GAPS
from fairshrink.report.parsing import from_json
from fairshrink.report.portrayed import Portrait, check_portrait
from fairshrink.report.records import (
    CHANNELS,
    Choice,
    DataRecord,
    Epoch,
    Result,
    Run,
    Saliency,
    Stage,
    StageRecord,
    Step,
)

T = TypeVar("T")
AGAIN = "Start the run again into this folder: what is missing is done anew."
DAMAGED = "It was cut short or edited: remove it, and start the run again into this folder."


def read_run(folder: Path) -> Run:
    """Read and check the records of a run folder.

    Args:
        folder: What `fairshrink run` or `fairshrink demo` wrote.

    Returns:
        The run; stages in the order of their folders.

    Raises:
        StoreError: A record is missing, damaged or does not fit the others; the message names the file.
    """
    folder = Path(folder)
    config = _text(folder, "config.toml")
    data = _json(folder, "data.json", DataRecord)
    stages = _stages(folder)
    run = Run(
        folder=folder,
        config=config,
        settings=_toml(config),
        environment=_json(folder, "environment.json", dict[str, Any]),
        data=data,
        stages=stages,
        vanilla=_vanilla(stages),
    )
    _check_data(data)
    for stage, place in zip(stages, _places(folder), strict=True):
        _check_stage(run, stage, place)
    return run


def _places(folder: Path) -> list[str]:
    """The stage folders, relative to the run folder, in order."""
    root = folder / "stages"
    names = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if not names:
        raise StoreError(f"'{folder}' holds no stage: a run folder has stages/00-train and so on. {AGAIN}")
    return [f"stages/{name}" for name in names if not name.startswith(".")]


def _stages(folder: Path) -> list[Stage]:
    places = _places(folder)
    records = [_json(folder, f"{place}/stage.json", StageRecord) for place in places]
    titles = [record.title for record in records]
    stages = []
    for place, record in zip(places, records, strict=True):
        label = record.title if titles.count(record.title) == 1 else f"{record.title} [{record.name}]"
        stages.append(_stage(folder, place, record, label))
    return stages


def _stage(folder: Path, place: str, record: StageRecord, label: str) -> Stage:
    return Stage(
        record=record,
        label=label,
        audit=_json(folder, f"{place}/audit.json", AuditRecord),
        steps=_lines(folder, f"{place}/steps.jsonl", Step),
        history=_lines(folder, f"{place}/history.jsonl", Epoch),
        choice=_optional(folder, f"{place}/choice.json", Choice),
        saliency=_optional(folder, f"{place}/saliency.json", Saliency),
        comparison=_optional(folder, f"{place}/comparison.json", ComparisonRecord),
        place=place.removeprefix("stages/"),
        portrait=_optional(folder, f"{place}/portrait.json", Portrait),
        twin=_optional(folder, f"{place}/twin.json", ComparisonRecord),
        ends=tuple(tuple(_json(folder, name, Result).runs) for name in _of_folds(folder, place, record, "result.json")),
        channels=_channels(folder, _of_folds(folder, place, record, "channels.json")),
        exits=_exits(folder, place),
    )


def _of_folds(folder: Path, place: str, record: StageRecord, file: str) -> list[str]:
    """A file of every fold, where steps remove channels; one fold's files lie beside those of the stage."""
    return _by_fold(folder, place, file) if record.unit == CHANNELS else []


def _by_fold(folder: Path, place: str, file: str) -> list[str]:
    if (folder / place / file).exists():
        return [f"{place}/{file}"]
    numbers = range(len(list((folder / place).glob("fold-*"))))
    return [name for number in numbers if (folder / (name := f"{place}/fold-{number}/{file}")).exists()]


def _channels(folder: Path, files: Sequence[str]) -> tuple[ChannelPortrait, ...]:
    """Scores of the channels before and after, of every fold that has them."""
    found = [_json(folder, file, ChannelPortrait) for file in files]
    for file, one in zip(files, found, strict=True):
        check_channels(one, file, DAMAGED)
    return tuple(found)


def _exits(folder: Path, place: str) -> tuple[ExitRecord, ...]:
    """How sure the exits of each fold's model have to be; nothing for a model without exits."""
    files = _by_fold(folder, place, "exits.json")
    found = tuple(_json(folder, file, ExitRecord) for file in files)
    for file, one in zip(files, found, strict=True):
        check_exits(one, file, DAMAGED)
    check_same(found, place, DAMAGED)
    return found


def _vanilla(stages: list[Stage]) -> Stage:
    """The model that was never shrunk."""
    for stage in stages:
        if stage.record.parent is None:
            return stage
    raise StoreError(
        "no stage.json of this run has the parent null: the model that the others started from is missing, "
        f"and nothing can be compared with it. {AGAIN}"
    )


def _check_data(data: DataRecord) -> None:
    if data.shrunk_for not in data.attributes:
        raise StoreError(
            f"'data.json': shrunk_for is '{data.shrunk_for}', which is none of its attributes."
            f"{suggest(data.shrunk_for, data.attributes)} {DAMAGED}"
        )
    for name, attribute in data.attributes.items():
        rows = [len(row) for row in attribute.counts]
        if rows != [len(attribute.groups)] * len(data.classes):
            raise StoreError(
                f"'data.json': the counts of '{name}' are {len(rows)} rows of {sorted(set(rows))} numbers, expected one row "
                f"per class ({len(data.classes)}) of one number per group ({len(attribute.groups)}). {DAMAGED}"
            )


def _check_stage(run: Run, stage: Stage, place: str) -> None:
    """Every stage was audited on the same attributes and groups, and its saliency has one list per group."""
    for name, reference in run.vanilla.audit.attributes.items():
        found = stage.audit.attributes.get(name)
        if found is None or list(found.groups) != list(reference.groups):
            came = "is missing" if found is None else f"has the groups {list(found.groups)}"
            raise StoreError(
                f"'{place}/audit.json': the attribute '{name}' {came}, but the model before shrinking was audited on "
                f"{list(reference.groups)}. {DAMAGED}"
            )
        if missing := [gap for gap in GAPS if gap not in found.gaps]:
            raise StoreError(f"'{place}/audit.json': '{name}' has no gap {', '.join(missing)}. {DAMAGED}")
    if run.data.shrunk_for not in stage.audit.attributes:
        raise StoreError(
            f"'{place}/audit.json' has no attribute '{run.data.shrunk_for}', which was shrunk for. {DAMAGED}"
        )
    _check_comparison(run, stage.comparison, f"{place}/comparison.json")
    _check_comparison(run, stage.twin, f"{place}/twin.json")
    _check_twin(run, stage, place)
    _check_counts(run, stage, place)
    _check_ends(stage, place)
    if stage.portrait is not None:
        check_portrait(stage.portrait, place, DAMAGED)
    if (saliency := stage.saliency) is not None:
        lengths = [len(values) for values in saliency.values]
        if len(lengths) != len(saliency.groups) or len(set(lengths)) > 1 or 0 in lengths:
            raise StoreError(
                f"'{place}/saliency.json': the lists of values have the lengths {lengths}, expected {len(saliency.groups)} "
                f"lists (one per group) of one length. {DAMAGED}"
            )


def _check_twin(run: Run, stage: Stage, place: str) -> None:
    """Who a stage says that it goes by is there."""
    names = [other.record.name for other in run.stages]
    if stage.record.of is not None and stage.record.of not in names:
        raise StoreError(
            f"'{place}/stage.json': it goes by the choice of '{stage.record.of}', which is no stage of this run."
            f"{suggest(stage.record.of, names)} {AGAIN}"
        )


def _check_comparison(run: Run, record: ComparisonRecord | None, file: str) -> None:
    """A comparison speaks of what was audited."""
    if record is None:
        return
    for name in run.vanilla.audit.attributes:
        found = record.attributes.get(name)
        missing = [gap for gap in GAPS if found is None or gap not in found.gaps]
        if missing:
            raise StoreError(
                f"'{file}': the attribute '{name}' "
                f"{'is missing' if found is None else f'has no gap {missing[0]}'}, but audit.json has it. {DAMAGED}"
            )


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise StoreError(
            f"'{name}' of the run '{folder}' cannot be read: {error.strerror or error}. {AGAIN}"
        ) from error


def _text(folder: Path, name: str) -> str:
    try:
        return _bytes(folder, name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise StoreError(f"'{name}' of the run '{folder}' is not UTF-8 text. {DAMAGED}") from error


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StoreError(f"'config.toml' is not TOML: {error}. {DAMAGED}") from error


def _json(folder: Path, name: str, kind: type[T]) -> T:
    return from_json(_bytes(folder, name), name, kind, DAMAGED)


def _optional(folder: Path, name: str, kind: type[T]) -> T | None:
    return _json(folder, name, kind) if (folder / name).exists() else None


def _lines(folder: Path, name: str, kind: type[T]) -> list[T]:
    if not (folder / name).exists():
        return []
    lines: Iterable[bytes] = _bytes(folder, name).splitlines()
    return [
        from_json(line, f"{name}' line '{number}", kind, DAMAGED)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _check_counts(run: Run, stage: Stage, place: str) -> None:
    """Counts of a step are of the step's groups and of the data's classes."""
    classes = len(run.data.classes)
    for number, step in enumerate(stage.steps, start=1):
        rows = [len(row) for group in step.counts or [] for row in group]
        fits = rows == [classes] * (len(step.groups) * classes) and len(step.counts or []) == len(step.groups)
        if step.counts is not None and not fits:
            raise StoreError(
                f"'{place}/steps.jsonl' line '{number}': the counts are {len(step.counts)} tables with rows of "
                f"{sorted(set(rows))} numbers, expected one table of {classes} x {classes} for each of {len(step.groups)} "
                f"groups. {DAMAGED}"
            )


def _check_ends(stage: Stage, place: str) -> None:
    """Which step of a way was taken is one of its steps."""
    steps = {(step.fold, step.candidate, step.step) for step in stage.steps}
    for fold, ends in enumerate(stage.ends):
        for number, end in enumerate(ends):
            if end.taken is not None and (fold, number, end.taken) not in steps:
                raise StoreError(
                    f"'{place}': result.json of fold {fold} says that candidate {number} took step {end.taken}, which is not in "
                    f"steps.jsonl. {DAMAGED}"
                )

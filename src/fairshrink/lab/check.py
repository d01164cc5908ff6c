"""From settings to a data check."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairshrink.data.checks import Subject
from fairshrink.data.groups import parse_group
from fairshrink.data.sources.fitzpatrick17k import columns as fitzpatrick17k
from fairshrink.data.sources.ham10000 import COLUMNS
from fairshrink.data.sources.isic2019 import columns as isic2019
from fairshrink.data.sources.table import Columns
from fairshrink.errors import ConfigError, suggest
from fairshrink.lab.config import OWN_KEYS, SOURCE_DEFAULTS, DataSettings, source_defaults
from fairshrink.lab.data import find, own_settings

# Sources that know their own columns and classes: from the table's path and what the source takes beside it.
DECLARED: dict[str, Callable[..., Columns]] = {
    "ham10000": lambda metadata: COLUMNS,
    "isic2019": isic2019,
    "fitzpatrick17k": lambda metadata, level: fitzpatrick17k(level),
}


@dataclass(frozen=True)
class Options:
    """A data set as it is named on the command line, without an experiment file; None = what the source says.

    Attributes:
        source: "table" (the default), "ham10000", "isic2019" or "fitzpatrick17k".
        metadata: CSV file.
        ground_truth: Second CSV file, of "isic2019" only.
        images: Folder or zip archive.
        image: Column with the image's name.
        label: Column with the label.
        classes: All of them; () = those that occur.
        level: Number of classes, of "fitzpatrick17k" only.
        groups: Rules.
        split_by: Column of the lesion or patient.
        split_file: A published split.
        size: Pixels a side (64).
    """

    source: str | None = None
    metadata: str | None = None
    ground_truth: str | None = None
    images: str | None = None
    image: str | None = None
    label: str | None = None
    classes: tuple[str, ...] = ()
    level: int | None = None
    groups: tuple[str, ...] = ()
    split_by: str | None = None
    split_file: str | None = None
    size: int | None = None


def subject_of(settings: DataSettings, beside: Path, *, with_images: bool = True) -> Subject:
    """What an experiment's `[data]` names.

    Raises:
        ConfigError: The source is drawn, so that there is nothing to check.
        DataError: A file is not there.
    """
    _need_files(settings.source)
    metadata = find(str(settings.metadata), beside, settings.source)
    return Subject(
        name=settings.source if settings.source in DECLARED else metadata.stem,
        metadata=metadata,
        images=find(str(settings.images), beside, settings.source) if with_images else None,
        columns=_columns(settings.source, metadata, own_settings(settings, beside)),
        groups=settings.groups,
        split_by=settings.split_by,
        split_file=find(settings.split_file, beside, settings.source) if settings.split_file else None,
        folds=settings.folds,
        seed=settings.seed,
        size=settings.size,
        missing=settings.missing,
        unknown=settings.unknown,
    )


def subject_from(options: Options, *, with_images: bool = True) -> Subject:
    """What options name; relative paths as in an experiment file that lies here.

    Raises:
        ConfigError: No or an unknown source, no table, no images though they are to be checked, a rule that cannot be read.
        DataError: A file is not there.
    """
    source = options.source or "table"
    if source not in SOURCE_DEFAULTS:
        raise ConfigError(f"there is no source called '{source}'.{suggest(source, SOURCE_DEFAULTS)}")
    _need_files(source)
    for key, whose in OWN_KEYS.items():
        if getattr(options, key) and source != whose:
            raise ConfigError(
                f"{key} is for the source '{whose}', but the source is '{source}'. Leave one of them out."
            )
    defaults = source_defaults(source, options.split_file)
    if options.metadata is None:
        raise ConfigError("no data are named. Give an experiment file, or  --metadata TABLE.csv --images FOLDER.")
    if with_images and options.images is None:
        raise ConfigError(
            "no images are named. Give  --images FOLDER_OR_ZIP, or check the table only with  --no-images."
        )
    here, groups = Path.cwd(), options.groups or tuple(defaults.get("groups", ()))
    for text in groups:
        parse_group(text)
    metadata = find(options.metadata, here, source)
    return Subject(
        name=source if source in DECLARED else metadata.stem,
        metadata=metadata,
        images=find(str(options.images), here, source) if with_images else None,
        columns=_columns(source, metadata, _own_options(options, here)),
        groups=groups,
        split_by=options.split_by or defaults["split_by"],
        split_file=find(options.split_file, here, source) if options.split_file else None,
        folds=defaults.get("folds", 1),
        size=options.size or 64,
    )


def _need_files(source: str) -> None:
    if source == "lesions":
        raise ConfigError("the source 'lesions' is drawn: it has no files to check.")


def _own_options(options: Options, here: Path) -> dict[str, Any]:
    """What one source takes and others do not, as `own_settings` says it."""
    if options.source == "isic2019":
        named = options.ground_truth
        return {"ground_truth": find(named, here, options.source) if named else None}
    if options.source == "fitzpatrick17k":
        return {"level": options.level or SOURCE_DEFAULTS[options.source]["level"]}
    named = {"image": options.image or "image", "label": options.label or "label", "classes": options.classes or None}
    return {} if options.source in DECLARED else named


def _columns(source: str, metadata: Path, own: dict[str, Any]) -> Columns:
    return DECLARED[source](metadata, **own) if source in DECLARED else Columns(**own)

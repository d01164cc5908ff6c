"""From settings to a data check."""

from dataclasses import dataclass
from pathlib import Path

from fairshrink.data.checks import Subject
from fairshrink.data.groups import parse_group
from fairshrink.data.sources.ham10000 import COLUMNS
from fairshrink.data.sources.table import Columns
from fairshrink.errors import ConfigError, suggest
from fairshrink.lab.config import SOURCE_DEFAULTS, DataSettings
from fairshrink.lab.data import find

DECLARED = {"ham10000": COLUMNS}  # sources that know their own columns and classes


@dataclass(frozen=True)
class Options:
    """A data set as it is named on the command line, without an experiment file; None = what the source says.

    Attributes:
        source: "table" (the default) or "ham10000".
        metadata: CSV file.
        images: Folder or zip archive.
        image: Column with the image's name.
        label: Column with the label.
        classes: All of them; () = those that occur.
        groups: Rules.
        split_by: Column of the lesion or patient.
        split_file: A published split.
        size: Pixels a side (64).
    """

    source: str | None = None
    metadata: str | None = None
    images: str | None = None
    image: str | None = None
    label: str | None = None
    classes: tuple[str, ...] = ()
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
    columns = _columns(settings.source, settings.image, settings.label, settings.classes)
    metadata = find(str(settings.metadata), beside, settings.source)
    return Subject(
        name=settings.source if settings.source in DECLARED else metadata.stem,
        metadata=metadata,
        images=find(str(settings.images), beside, settings.source) if with_images else None,
        columns=columns,
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
    columns, defaults = _columns(source, options.image, options.label, options.classes), SOURCE_DEFAULTS[source]
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
        columns=columns,
        groups=groups,
        split_by=options.split_by or defaults["split_by"],
        split_file=find(options.split_file, here, source) if options.split_file else None,
        size=options.size or 64,
    )


def _columns(source: str, image: str | None, label: str | None, classes: tuple[str, ...]) -> Columns:
    if source == "lesions":
        raise ConfigError("the source 'lesions' is drawn: it has no files to check.")
    if source in DECLARED:
        return DECLARED[source]
    return Columns(image or "image", label or "label", classes or None)

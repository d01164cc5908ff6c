"""`fairshrink data check` and `fairshrink data import`."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fairshrink.cli.stopping import stoppable
from fairshrink.data.checks import Report, Subject
from fairshrink.data.checks import check as check_data
from fairshrink.errors import ConfigError
from fairshrink.files import write_json
from fairshrink.lab.check import Options, subject_from, subject_of
from fairshrink.lab.config import load_experiment
from fairshrink.lab.data import CACHE_VARIABLE
from fairshrink.terminal import Screen, plain

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Checks a data set, and decodes it once for all runs."
)

Experiment = Annotated[
    Path | None, typer.Argument(help="An experiment file (TOML), whose [data] is taken; or name the data by options.")
]
Set = Annotated[list[str] | None, typer.Option("--set", help="A setting, as section.key=value; may be repeated.")]
Source = Annotated[str | None, typer.Option(help="table, ham10000, isic2019 or fitzpatrick17k.")]
Metadata = Annotated[str | None, typer.Option(help="CSV file with one row per image.")]
GroundTruth = Annotated[
    str | None, typer.Option(help="isic2019: the CSV file with the classes, if not beside the other.")
]
Images = Annotated[str | None, typer.Option(help="Folder or zip archive with the images.")]
Image = Annotated[str | None, typer.Option(help="Column with the image's name (image).")]
Label = Annotated[str | None, typer.Option(help="Column with the class (label).")]
Classes = Annotated[str | None, typer.Option(help="All classes, separated by commas; any other label is an error.")]
Level = Annotated[int | None, typer.Option(help="fitzpatrick17k: 114 classes, 9 or 3.")]
Group = Annotated[list[str] | None, typer.Option(help="Column, 'age >= 60' or 'age bins 40, 60'; may be repeated.")]
SplitBy = Annotated[str | None, typer.Option(help="Column whose rows belong together: lesion, patient.")]
SplitFile = Annotated[str | None, typer.Option(help="A published split: CSV with image and split.")]
Size = Annotated[int | None, typer.Option(min=32, max=256, help="Pixels a side of the decoded images (64).")]
Json = Annotated[Path | None, typer.Option(help="Write everything that was found as JSON.")]
All = Annotated[bool, typer.Option("--all", help="Show every finding, not ten of each kind.")]


@dataclass(frozen=True)
class Shown:
    """How a report leaves the program."""

    json: Path | None
    everything: bool


def check(
    experiment: Experiment = None,
    overrides: Set = None,
    source: Source = None,
    metadata: Metadata = None,
    images: Images = None,
    image: Image = None,
    label: Label = None,
    classes: Classes = None,
    ground_truth: GroundTruth = None,
    level: Level = None,
    group: Group = None,
    split_by: SplitBy = None,
    split_file: SplitFile = None,
    size: Size = None,
    no_images: Annotated[bool, typer.Option("--no-images", help="Check the table only.")] = False,
    json: Json = None,
    everything: All = False,
) -> None:
    """List every problem of a data set with its row. Exit status 2 where there is an error, 0 otherwise."""
    declared = tuple(classes.split(",")) if classes else ()
    columns: dict[str, Any] = {"image": image, "label": label, "classes": declared, "level": level}
    files: dict[str, Any] = {
        "metadata": metadata,
        "ground_truth": ground_truth,
        "images": images,
        "split_file": split_file,
    }
    named = Options(source, **columns, **files, groups=tuple(group or ()), split_by=split_by, size=size)
    subject = _subject(experiment, overrides or (), named, with_images=not no_images)
    report = _check(subject, None)
    raise typer.Exit(_show(report, Shown(json, everything)))


def import_(
    experiment: Experiment = None,
    overrides: Set = None,
    source: Source = None,
    metadata: Metadata = None,
    images: Images = None,
    image: Image = None,
    label: Label = None,
    classes: Classes = None,
    ground_truth: GroundTruth = None,
    level: Level = None,
    group: Group = None,
    split_by: SplitBy = None,
    split_file: SplitFile = None,
    size: Size = None,
    cache: Annotated[
        Path | None, typer.Option(help=f"Folder for decoded images; ${CACHE_VARIABLE} by default.")
    ] = None,
    json: Json = None,
    everything: All = False,
) -> None:
    """Check a data set and decode its images into the store. Exit status 2 where there is an error, 0 otherwise."""
    shared = os.environ.get(CACHE_VARIABLE)
    if cache is None and not shared:
        raise ConfigError(
            f"no place for the decoded images is named. Set {CACHE_VARIABLE} to a folder, where every run finds them, "
            "or give  --cache FOLDER."
        )
    declared = tuple(classes.split(",")) if classes else ()
    columns: dict[str, Any] = {"image": image, "label": label, "classes": declared, "level": level}
    files: dict[str, Any] = {
        "metadata": metadata,
        "ground_truth": ground_truth,
        "images": images,
        "split_file": split_file,
    }
    named = Options(source, **columns, **files, groups=tuple(group or ()), split_by=split_by, size=size)
    subject = _subject(experiment, overrides or (), named, with_images=True)
    folder = cache or Path(str(shared)).expanduser()
    report = _check(subject, folder)
    status = _show(report, Shown(json, everything))
    if not report.stored:
        line = "\nNothing was stored: a run would refuse these data. Correct the errors above, then start again."
    else:
        line = f"\nstored: {report.stored}"
        if not shared or Path(shared).expanduser().resolve() != folder.resolve():
            line += f"\n  Runs find it with  {CACHE_VARIABLE}={folder.resolve()}"
    Console().print(plain(line), soft_wrap=True)
    raise typer.Exit(status)


def _subject(experiment: Path | None, overrides: Sequence[str], named: Options, *, with_images: bool) -> Subject:
    if experiment is None:
        if overrides:
            raise ConfigError("--set changes an experiment file, but none is named. Name one, or use the options.")
        return subject_from(named, with_images=with_images)
    if named != Options():
        raise ConfigError(
            "both an experiment file and options that name data are given. "
            "Change what the file says by  --set data.KEY=VALUE."
        )
    return subject_of(load_experiment(experiment, overrides).data, experiment.parent, with_images=with_images)


def _check(subject: Subject, cache: Path | None) -> Report:
    console, began = Console(), time.perf_counter()
    with Screen(console) as screen:
        report = check_data(
            subject, cache=cache, observer=lambda done, total: screen.advance("decoding images", done, total)
        )
    console.print(plain(f"checked in {time.perf_counter() - began:.1f} s"), soft_wrap=True)
    return report


def _show(report: Report, shown: Shown) -> int:
    """The exit status."""
    console = Console()
    for line in report.lines(None if shown.everything else 10):
        console.print(plain(line), soft_wrap=True)
    if shown.json is not None:
        write_json(shown.json, report.to_dict())
    return 2 if report.errors else 0


app.command("check")(stoppable(check))
app.command("import")(stoppable(import_))

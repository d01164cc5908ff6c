"""One self-contained page from a run's records: no script, nothing fetched, the same bytes for the same records."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from fairshrink.files import write_bytes, write_text
from fairshrink.report import choice_gallery, facts, fate_gallery, fixing, gallery, tables, templates, verdict, words
from fairshrink.report.analysed import analysis_link
from fairshrink.report.cells import Table
from fairshrink.report.channels import channel_parts
from fairshrink.report.exits import exit_section
from fairshrink.report.gallery import Picture
from fairshrink.report.portraits import portraits as portraits_of
from fairshrink.report.reading import read_run
from fairshrink.report.records import Run
from fairshrink.report.style import drawing


class AttributePart(NamedTuple):
    """Everything about one attribute."""

    name: str
    scores: Table
    gaps: Table
    changes: Table | None
    classes: Table
    dots: Picture
    striking: Picture


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder.

    Args:
        folder: What `fairshrink run` or `fairshrink demo` wrote. Only its records are read, no model and no image.

    Returns:
        The page. The same records give the same bytes.

    Raises:
        StoreError: A record is missing or damaged, or the page cannot be written.
    """
    run = read_run(folder)
    return write_text(Path(folder) / "report.html", render(run))


def overview_png(folder: Path, path: Path) -> Path:
    """Write a picture of a run's gaps and trade-off, for a README.

    Raises:
        StoreError: A record is missing or damaged, or the picture cannot be written.
    """
    return write_bytes(Path(path), gallery.overview(read_run(folder)))


def render(run: Run) -> str:
    """The page of a run, as HTML."""
    with drawing():
        pictures = _pictures(run)
        attributes = [_attribute(run, name, index) for index, name in enumerate(run.attributes)]
        choices = [
            choice_gallery.choice(stage, index, fixing.control_of(run, stage))
            for index, stage in enumerate(fixing.shrunk(run))
        ]
        portraits = portraits_of(run)
        channels = channel_parts(run)
        exits = exit_section(run)
    return templates.page(
        "page.html",
        run=run,
        data=run.data,
        title=f"{run.data.name}: gaps before and after shrinking",
        headline=verdict.headline(run),
        done=verdict.done(run),
        pipeline=verdict.pipeline(run),
        findings=verdict.findings(run),
        glance=tables.glance(run),
        attributes=attributes,
        pictures=pictures,
        steps=tables.stages(run),
        choices=choices,
        portraits=portraits,
        channels=channels,
        exits=exits,
        analysis=analysis_link(run.folder),
        uncontrolled=fixing.warning(run),
        settings_note=choice_gallery.INTERVALS,
        unprivileged=facts.unprivileged(run),
        counts=[facts.class_counts(run, name) for name in run.data.attributes],
        splits=facts.splits(run),
        excluded=facts.excluded(run),
        environment=facts.environment(run),
        seeds=facts.seeds(run),
        config_digest=hashlib.sha256(run.config.encode()).hexdigest(),
        limits=verdict.limits(run),
        words=words,
    )


def _pictures(run: Run) -> dict[str, Picture | list[Picture]]:
    return {
        "gaps": gallery.gaps(run),
        "changes": gallery.changes(run),
        "tradeoff": gallery.tradeoff(run),
        "ratio": gallery.ratio(run),
        "grid": gallery.grid(run),
        "ablations": choice_gallery.ablations(run),
        "fates": fate_gallery.pictures(run),
        "saliency": gallery.saliency(run),
        "training": gallery.training(run),
    }


def _attribute(run: Run, name: str, index: int) -> AttributePart:
    return AttributePart(
        name=name,
        scores=tables.scores(run, name),
        gaps=tables.gaps(run, name),
        changes=tables.changes(run, name),
        classes=tables.classes(run, name),
        dots=gallery.classes(run, name, index),
        striking=gallery.striking(run, name, index),
    )

"""One self-contained page about many runs, its tables as files, and a picture: the same bytes for the same records."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from fairshrink.files import write_bytes, write_text
from fairshrink.report import (
    literature,
    runs_exports,
    runs_fates,
    runs_gallery,
    runs_tables,
    runs_words,
    templates,
    words,
)
from fairshrink.report.cells import Table
from fairshrink.report.gallery import Picture
from fairshrink.report.literature import Shelf
from fairshrink.report.runs_changed import Difference, differences, family, pick
from fairshrink.report.runs_exports import Row
from fairshrink.report.runs_found import Found, find_runs, is_sweep
from fairshrink.report.runs_front import Front, front
from fairshrink.report.runs_grouped import Method, Section, sections
from fairshrink.report.runs_measured import fixed, gap, macro_f1
from fairshrink.report.runs_settings import seeds_of
from fairshrink.report.runs_words import Verdict
from fairshrink.report.style import drawing

DEFAULT = Path("report")


class Comparison(NamedTuple):
    """Everything that a page about several runs says."""

    found: Found
    sections: list[Section]
    differences: list[Difference]
    fronts: list[list[Front]]
    shelves: list[Shelf]


class Written(NamedTuple):
    """What was written where."""

    page: Path
    tables: list[Path]
    picture: Path
    comparison: Comparison


class AttributePart(NamedTuple):
    """Everything about one attribute of a section."""

    name: str
    models: Table
    differences: Table | None
    forest: Picture
    seeds: Picture
    pareto: Table


class RunLine(NamedTuple):
    """A run in the list; the link is relative to the page and empty where there is no page of the run."""

    name: str
    link: str
    seeds: str
    models: str
    config: str
    data: str
    machine: str
    finished: str


class Part(NamedTuple):
    """A section of the page."""

    section: Section
    glance: Table
    verdicts: list[Verdict]
    planes: Picture
    fates: Picture | None
    attributes: list[AttributePart]
    settings: Table
    shelf: Shelf
    runs: list[RunLine]


def write_comparison(paths: Sequence[Path], out: Path | None = None) -> Written:
    """Compare runs: `comparison.html`, `tables/*.csv`, `tables/*.md` and `tradeoff.png`.

    Args:
        paths: Run folders and sweep folders.
        out: Where to write. None: into the sweep folder if exactly one path is given and it is one, else `report`.

    Raises:
        StoreError: A path is no run and no sweep, a record is damaged, nothing is finished, or a file cannot be written.
    """
    found = compare_runs(paths)
    folder = out or (Path(paths[0]) if len(paths) == 1 and is_sweep(Path(paths[0])) else DEFAULT)
    tables = runs_exports.write_tables(folder / "tables", _tables(found))
    picture = write_bytes(folder / "tradeoff.png", runs_gallery.overview(found.sections[0], found.fronts[0]))
    return Written(write_text(folder / "comparison.html", render(found, folder)), tables, picture, found)


def compare_runs(paths: Sequence[Path]) -> Comparison:
    """Read runs, put models of one setting together, and compare each with its vanilla model.

    Raises:
        StoreError: As `write_comparison`.
    """
    found = find_runs(paths)
    groups = sections(found.runs)
    fronts = [[front(section, attribute) for attribute in section.attributes] for section in groups]
    return Comparison(found, groups, differences(groups), fronts, [literature.shelf(section) for section in groups])


def summary_rows(section: Section, differences: Sequence[Difference]) -> list[dict[str, str]]:
    """One row per method of a section for the terminal: column -> cell, for the attribute that was shrunk for."""
    return [_summary_row(section.attributes[0], method, differences) for method in section.methods]


def _summary_row(attribute: str, method: Method, differences: Sequence[Difference]) -> dict[str, str]:
    of = gap(method, attribute, "eopp1")
    change = pick(differences, method, attribute, "eopp1")
    return {
        "model": method.label,
        "seeds": str(len(method.replicates)),
        "macro F1": words.number(macro_f1(method, attribute).value),
        "EOpp1": words.number(of.value),
        "chance": words.number(of.floor),
        "change": words.signed(change.value) if change else "baseline",
        "p (Holm)": words.probability(change.p_holm) if change else "",
        "fixed": words.percent(fixed(method).value),
    }


def _tables(found: Comparison) -> dict[str, list[Row]]:
    fronts = zip(found.sections, found.fronts, strict=True)
    return {
        "models": [row for section in found.sections for row in runs_exports.model_rows(section)],
        "seeds": [row for section in found.sections for row in runs_exports.seed_rows(section)],
        "differences": runs_exports.difference_rows(found.sections, found.differences),
        "pareto": [row for section, front_ in fronts for row in runs_exports.pareto_rows(section, front_)],
        "published": [row for shelf in found.shelves for row in literature.rows(shelf)],
        "runs": runs_exports.run_rows(found.sections, found.found.failed),
    }


def render(found: Comparison, folder: Path) -> str:
    """The page, as HTML.

    Args:
        found: What it says.
        folder: Where it will lie: links to the runs' own pages are relative to it.
    """
    with drawing():
        parts = [_part(found, index, folder) for index in range(len(found.sections))]
    return templates.page(
        "runs.html",
        title=f"{words.plural(len(found.found.runs), 'run')} compared",
        headline=runs_words.headline(found.sections, found.differences),
        parts=parts,
        models=sum(len(section.methods) for section in found.sections),
        family=family(found.differences),
        failed=found.found.failed,
        notes=[*found.found.notes, *(note for section in found.sections for note in section.notes)],
        about=runs_words.about(found.sections, found.differences),
        words=words,
    )


def _part(found: Comparison, index: int, folder: Path) -> Part:
    section, fronts = found.sections[index], found.fronts[index]
    return Part(
        section=section,
        glance=runs_tables.glance(section),
        verdicts=runs_words.verdicts(section, found.differences),
        planes=runs_gallery.planes(section, fronts, f"plane{index}"),
        fates=runs_fates.picture(section, f"fate{index}"),
        attributes=[
            AttributePart(
                name=of.attribute,
                models=runs_tables.models(section, of.attribute),
                differences=runs_tables.differences(section, of.attribute, found.differences),
                forest=runs_gallery.forests(section, of.attribute, found.differences, f"forest{index}-{number}"),
                seeds=runs_gallery.seeds(section, of.attribute, f"seeds{index}-{number}"),
                pareto=runs_tables.pareto(of),
            )
            for number, of in enumerate(fronts)
        ],
        settings=runs_tables.setting_table(section),
        shelf=found.shelves[index],
        runs=[_line(name, section, folder) for name in section.runs],
    )


def _line(name: str, section: Section, folder: Path) -> RunLine:
    run = section.runs[name]
    environment = run.environment
    machine = [environment.get("device"), environment.get("cpu"), f"torch {environment.get('torch', '?')}"]
    return RunLine(
        name=name,
        link=_link(run.folder / "report.html", folder),
        seeds=str(seeds_of(run)),
        models=", ".join(stage.label for stage in run.stages),
        config=hashlib.sha256(run.config.encode()).hexdigest()[:12],
        data=run.data.digest[:12],
        machine=", ".join(str(part) for part in machine if part),
        finished=words.moment(environment["finished"]) if environment.get("finished") else words.MISSING,
    )


def _link(page: Path, folder: Path) -> str:
    """Relative, so that the folder can be moved as a whole; nothing where there is no page to go to."""
    return quote(os.fsencode(os.path.relpath(page.absolute(), folder.absolute()))) if page.exists() else ""

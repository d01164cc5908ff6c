"""The tables of a comparison as files: every digit in CSV, rounded in Markdown."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fairshrink.files import write_text
from fairshrink.metrics.hypervolume import WORST
from fairshrink.report import fixing, markdown
from fairshrink.report.records import Run
from fairshrink.report.runs_changed import Difference, family
from fairshrink.report.runs_found import Failed
from fairshrink.report.runs_front import GAP, Front
from fairshrink.report.runs_grouped import Method, Section
from fairshrink.report.runs_measured import (
    GAPS,
    Estimate,
    accuracy,
    audit_of,
    fate,
    fixed,
    gap,
    macro_f1,
    overall_f1,
    zeros,
)
from fairshrink.report.runs_settings import seeds_of
from fairshrink.report.runs_words import sentence
from fairshrink.report.tables import average_f1, fate_of
from fairshrink.report.words import MISSING, number
from fairshrink.tables import safe_csv

Row = dict[str, Any]
UNKNOWN = Estimate(None, None, None, "none", ())  # the vanilla model has no FATE against itself
NOTHING = pd.DataFrame(columns=["section"])  # a header, which whatever reads the file expects
_ENVIRONMENT = (
    "fairshrink",
    "torch",
    "python",
    "platform",
    "cpu",
    "device",
    "threads",
    "processes",
    "started",
    "finished",
)


def write_tables(folder: Path, tables: Mapping[str, Sequence[Row]]) -> list[Path]:
    """Write each table as NAME.csv and NAME.md; a table without rows has its files too, so that none of before stays.

    Raises:
        StoreError: A file cannot be written.
    """
    written = []
    for name, rows in tables.items():
        frame = pd.DataFrame(list(rows)) if rows else NOTHING
        written.append(write_text(folder / f"{name}.csv", safe_csv(frame)))
        written.append(write_text(folder / f"{name}.md", _markdown(rows)))
    return written


def _markdown(rows: Sequence[Row]) -> str:
    if not rows:
        return "Nothing to show.\n"
    return markdown.table(list(rows[0]), [[_shown(value) for value in row.values()] for row in rows]) + "\n"


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value, 4) if isinstance(value, float) else str(value)


def model_rows(section: Section) -> list[Row]:
    """One row per method and attribute."""
    return [_model_row(section, method, attribute) for attribute in section.attributes for method in section.methods]


def _model_row(section: Section, method: Method, attribute: str) -> Row:
    row = _who(section, method) | {"attribute": attribute, "seeds": len(method.replicates)}
    row |= _estimate("f1", macro_f1(method, attribute))
    row |= _estimate("f1_all", overall_f1(method)) | _estimate("accuracy", accuracy(method))
    for name in GAPS:
        found = gap(method, attribute, name)
        row |= _estimate(name, found) | {f"{name}_floor": found.floor, f"{name}_seeds_above": found.above}
    for name in GAPS:
        row |= _estimate(f"fate_{name}", UNKNOWN if method.vanilla else fate(method, attribute, name))
    row |= {
        "zero_fraction": zeros(method).value,
        "fixed_fraction": fixed(method).value,
        "weights": method.first.stage.record.parameters,
    }
    return row | {"convention": method.first.stage.audit.convention}


def _who(section: Section, method: Method) -> Row:
    return {"section": section.title, "number": method.number, "model": method.label}


def _estimate(name: str, found: Estimate) -> Row:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high, f"{name}_over": found.over}


def seed_rows(section: Section) -> list[Row]:
    """One row per method, seed and attribute: what the means are made of."""
    rows = []
    for method in section.methods:
        for replicate in method.replicates:
            for attribute in section.attributes:
                audit = audit_of(replicate, attribute)
                row = _who(section, method) | {"train_seed": replicate.seeds.train, "data_seed": replicate.seeds.data}
                row |= {"run": replicate.name, "stage": replicate.stage.place, "attribute": attribute}
                row |= {"f1": average_f1(audit), "accuracy": replicate.stage.audit.overall.accuracy}
                for name in GAPS:
                    row |= {name: audit.gaps[name].value, f"{name}_floor": audit.gaps[name].null_high}
                row |= {f"fate_{n}": fate_of(replicate.run, replicate.stage, attribute, n) for n in GAPS}
                fixed_ = {"fixed_fraction": fixing.fixed(replicate.stage)}
                rows.append(row | {"zero_fraction": replicate.stage.record.zero_fraction} | fixed_)
    return rows


def difference_rows(sections: Sequence[Section], found: Sequence[Difference]) -> list[Row]:
    """One row per method, attribute and number: what changed against the vanilla model."""
    home = {id(method): section for section in sections for method in section.methods}
    size = family(found)
    return [
        _who(home[id(one.method)], one.method)
        | {
            "against": (one.twin or home[id(one.method)].vanilla_of(one.method)).label,
            "attribute": one.attribute,
            "quantity": one.quantity,
            "change": one.value,
            "seeds": len(one.values),
            "seeds_low": one.seeds.low,
            "seeds_high": one.seeds.high,
            "seeds_p": one.seeds.p,
            "images_low": one.images.low,
            "images_high": one.images.high,
            "images_p": one.images.p,
            "p": one.p,
            "p_holm": one.p_holm,
            "comparisons": size,
            "told": one.told,
            "in_words": sentence(one),
        }
        for one in found
    ]


def pareto_rows(section: Section, found: Sequence[Front]) -> list[Row]:
    """One row per method and attribute: its place in the plane."""
    return [
        _who(section, place.method)
        | {
            "attribute": of.attribute,
            "f1": place.f1.value,
            GAP: place.gap.value,
            "on_front": place.front,
            "beaten_by": " ".join(map(str, place.beaten_by)),
            "adds": place.adds,
            "hypervolume": of.covered,
            "hypervolume_vanilla": of.vanilla,
            "reference_f1": WORST[0],
            f"reference_{GAP}": WORST[1],
        }
        for of in found
        for place in of.places
    ]


def run_rows(sections: Sequence[Section], failed: Sequence[Failed]) -> list[Row]:
    """One row per run, those that are not compared too."""
    rows = [_run_row(section, name, run) for section in sections for name, run in section.runs.items()]
    blank = dict.fromkeys(rows[0]) if rows else {}
    return rows + [
        blank | {"run": run.name, "folder": str(run.folder), "state": run.state, "error": run.error} for run in failed
    ]


def _run_row(section: Section, name: str, run: Run) -> Row:
    seeds = seeds_of(run)
    return {
        "run": name,
        "state": "compared",
        "section": section.title,
        "folder": str(run.folder),
        "train_seed": seeds.train,
        "data_seed": seeds.data,
        "models": ", ".join(stage.label for stage in run.stages),
        "config_sha256": hashlib.sha256(run.config.encode()).hexdigest(),
        "data_digest": run.data.digest,
        **{key: _plain(run.environment.get(key)) for key in _ENVIRONMENT},
        "error": None,
    }


def _plain(value: Any) -> str | None:
    return None if value is None else str(value)

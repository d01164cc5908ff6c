"""What two models differ in on the same rows, as pictures and tables."""

from collections.abc import Mapping
from typing import NamedTuple

from fairshrink.audit.changed import LEVEL
from fairshrink.report.cells import Cell, Table, head, heads, prose, prose_head, words
from fairshrink.report.change_figures import changes as forest
from fairshrink.report.compared import AttributeComparison, Change, ComparisonRecord
from fairshrink.report.pictures import Picture, panel
from fairshrink.report.words import (
    OF_GROUPS,
    count,
    gap_name,
    in_order,
    listed,
    number,
    plural,
    probability,
    signed,
    signed_interval,
    statistic_name,
)

SCORE_NAMES = {"accuracy": "accuracy", "precision": "macro precision", "recall": "macro recall", "f1": "macro F1"}
GAPS, CLASSES, SCORES = (
    "Gaps: ← narrower | wider →",
    "Single classes: ← narrower | wider →",
    "Scores: ← lower | higher →",
)
HOW = (
    "Each mark is a change, each line its paired 95\u00a0% interval: both models are drawn on the same rows. An arrowhead (and "
    "bold in the tables) can be told from no change, also after its p is adjusted (Holm) for all scores, all gaps or all single "
    f"classes together (at most {LEVEL}); a ring cannot."
)


class AttributeChanges(NamedTuple):
    """The changes of one attribute."""

    name: str
    gaps: Picture
    gap_table: Table
    scores: Picture
    score_table: Table


class Part(NamedTuple):
    """One comparison on a page."""

    title: str
    lead: str
    how: str
    overall: Picture
    table: Table
    attributes: list[AttributeChanges]
    notes: list[str]


def part(record: ComparisonRecord, index: int) -> Part:
    """Everything that a page says about one comparison."""
    a, b = record.models
    overall = _named(record.overall)
    drawn = f", drawn {count(record.n_boot)} times" if record.n_boot is not None else ""
    unit = f" in {count(record.clusters)} clusters" if record.clusters is not None else ""
    return Part(
        title=f"{b} against {a}",
        lead=lead(record),
        how=f"{HOW} A change is {b} minus {a}, on the same rows{unit}{drawn}.",
        overall=_picture({SCORES: overall}, record, f"overall{index}"),
        table=_table("All rows", overall, record),
        attributes=[_attribute(name, record, f"paired{index}-{at}") for at, name in enumerate(record.attributes)],
        notes=record.notes,
    )


def lead(record: ComparisonRecord) -> str:
    """What changed, as far as it can be told."""
    a, b = record.models
    found = [text for name, of in record.attributes.items() for text in _told(name, of)]
    for verb, down in (("lowers", True), ("raises", False)):
        names = [SCORE_NAMES.get(name, name) for name, one in record.overall.items() if _goes(one, down)]
        found += [f"{verb} {listed(names)} over all rows"] if names else []
    total = plural(sum(1 for change in record.changes() if change.change is not None), "change")
    if not found:
        return f"Of {total} from {a} to {b}, no gap and no overall score can be told from no change on these rows."
    return (
        f"Against {a}, {b} {'; it '.join(found)}. Of {total}, no other gap or overall score can be told from no change."
    )


def _told(attribute: str, of: AttributeComparison) -> list[str]:
    gaps = {name: of.gaps[name] for name in in_order(of.gaps)} | of.class_gaps
    texts = []
    for verb, down in (("narrows", True), ("widens", False)):
        names = [_gap_words(name) for name, change in gaps.items() if _goes(change, down)]
        texts += [f"{verb} {listed(names)} in {attribute}"] if names else []
    return texts


def _gap_words(name: str) -> str:
    words_ = statistic_name(name)
    return words_ if words_ == gap_name(name) else f"the gap in {words_}"


def _goes(change: Change, down: bool) -> bool:
    return change.told and change.change is not None and (change.change < 0) is down


def _attribute(name: str, record: ComparisonRecord, prefix: str) -> AttributeChanges:
    found = record.attributes[name]
    gaps = {statistic_name(key): found.gaps[key] for key in in_order(found.gaps)}
    classes = {statistic_name(key): change for key, change in found.class_gaps.items()}
    scores = {OF_GROUPS.get(key, key): change for key, change in found.scores.items()}
    scores |= {
        f"{score}, {group}": change for group, of in found.groups.items() for score, change in _named(of).items()
    }
    return AttributeChanges(
        name,
        _picture({GAPS: gaps, CLASSES: classes}, record, f"{prefix}-gaps"),
        _table("Gaps", gaps | classes, record),
        _picture({SCORES: scores}, record, f"{prefix}-scores"),
        _table("Scores", scores, record),
    )


def _named(changes: Mapping[str, Change]) -> dict[str, Change]:
    return {SCORE_NAMES.get(name, name): change for name, change in changes.items()}


def _picture(parts: Mapping[str, Mapping[str, Change]], record: ComparisonRecord, prefix: str) -> Picture:
    a, b = record.models
    panels = [
        panel(forest(named, title), f"{prefix}{at}", f"Changes from {a} to {b}. {title}")
        for at, (title, named) in enumerate(parts.items())
        if named
    ]
    return Picture(panels, "" if panels else "There is nothing to compare here.")


def _table(caption: str, named: Mapping[str, Change], record: ComparisonRecord) -> Table:
    bodies = [[[words(name, strong=True), *_cells(change)]] for name, change in named.items()]
    return Table(caption, [head(""), *heads(*record.models, "change", "p", "p (Holm)"), prose_head()], bodies)


def _cells(change: Change) -> list[Cell]:
    ends = (signed_interval(change),) if change.change is not None else ("undefined",)
    return [
        Cell(number(change.a)),
        Cell(number(change.b)),
        Cell(signed(change.change), ends, strong=change.told),
        Cell(probability(change.p)),
        Cell(probability(change.p_holm), strong=change.told),
        prose(change.verdict),
    ]

"""Tables of one audit: by group, gap by gap, class by class; with counts, and without what was suppressed."""

from collections.abc import Callable

from fairshrink.audit.text import FEW
from fairshrink.report.audited import AttributeAudit, Gap, Rates, Scores
from fairshrink.report.cells import Cell, Table, head, heads, prose, prose_head, words
from fairshrink.report.words import FULL_NAMES, count, counted, gap_name, in_order, interval, is_hidden, number, plural

SCORES: dict[str, Callable[[Scores], float | None]] = {
    "accuracy": lambda s: s.accuracy,
    "precision": lambda s: s.precision,
    "recall": lambda s: s.recall,
    "F1": lambda s: s.f1,
}


def scores(audit: AttributeAudit) -> Table:
    """Accuracy, macro precision, recall and F1 of each group."""
    rows = [
        [
            words(group, strong=True),
            Cell(counted(one.n, audit.min_cell)),
            *(Cell(number(of(one))) for of in SCORES.values()),
        ]
        for group, one in audit.groups.items()
    ]
    return Table(
        "By group",
        [head("group"), *heads("n", *SCORES)],
        [rows],
        "n: images. Precision, recall and F1 are plain averages over the classes that the group has (macro). Scores carry no "
        "interval: small differences between them mean nothing.",
    )


def probabilities(audit: AttributeAudit) -> Table | None:
    """AUC and calibration error of each group; None without probabilities."""
    known = {name: one for name, one in audit.groups.items() if one.auc is not None or one.ece is not None}
    rows = [
        [words(name, strong=True), Cell(counted(one.n, audit.min_cell)), Cell(number(one.auc)), _ece(one)]
        for name, one in known.items()
    ]
    note = (
        "AUC: one class against the rest, averaged over the classes (macro). ECE: the mean distance of a confidence from "
        "the share that is right; smaller is better. Below it, what a perfectly calibrated model shows on as many images "
        "by chance (97.5\u00a0% point); bold: above that."
    )
    columns = [head("group"), *heads("n", "AUC", "ECE")]
    return Table("Ranking and calibration error", columns, [rows], note) if known else None


def _ece(one: Scores) -> Cell:
    floor = () if one.ece_null_high is None else (f"chance {number(one.ece_null_high)}",)
    above = one.ece is not None and one.ece_null_high is not None and one.ece > one.ece_null_high
    return Cell(number(one.ece), floor, strong=above)


def gaps(audit: AttributeAudit) -> Table:
    """Every gap with interval, floor, the images needed to see a small one, and the verdict."""
    bodies = [
        [[_named(name), _value(gap := audit.gaps[name]), _floor(gap), _needed(gap), prose(gap.verdict)]]
        for name in in_order(audit.gaps)
    ]
    return Table(
        "Gap by gap",
        [head("gap"), *heads("value", "by chance", "images needed"), prose_head()],
        bodies,
        "Under each value its 95\u00a0% interval, corrected for the noise that makes a gap look larger than it is (so a "
        "value can lie above its interval). By chance: the mean and the 97.5\u00a0% point of what a model without any gap shows "
        "on as many images; bold: above that. Images needed: of the same mix, to see a true gap of 0.05 in four of five cases.",
    )


def _value(gap: Gap) -> Cell:
    if gap.value is None:
        return Cell(number(None), ("undefined",))
    undefined = (f"{plural(gap.undefined, 'class', 'classes')} undefined",) if gap.undefined else ()
    return Cell(number(gap.value), (interval(gap), *undefined), strong=gap.above_chance)


def _named(name: str) -> Cell:
    full = FULL_NAMES.get(name)
    return words(gap_name(name), *([full] if full else []), strong=True)


def _floor(gap: Gap) -> Cell:
    return Cell(number(gap.null_mean), (f"up to {number(gap.null_high)}",))


def _needed(gap: Gap) -> Cell:
    return Cell("–" if gap.needed is None else count(gap.needed))


def classes(audit: AttributeAudit) -> Table:
    """True positive rate by class and group with its count, the class's gap, its interval and both floors."""
    few = {(cell.name, cell.group) for cell in audit.small_cells}
    bodies = [
        [
            [
                words(name, strong=True),
                *(_rate(audit, rates.get(group), (name, group) in few) for group in audit.groups),
                *_class_gap(audit.of_class(name)),
            ]
        ]
        for name, rates in audit.classes.items()
    ]
    return Table(
        "True positive rate by class and group",
        [head("class"), *heads(*audit.groups, "gap", "chance, all", "chance, alone"), prose_head()],
        bodies,
        f"The share of a class's images that is recognised, and how many there are ({_few(audit)}). "
        f"Chance, all: what the largest of the {len(audit.classes)} gaps reaches without any true gap (97.5\u00a0% point), so "
        "corrected for their number; bold: above that. Chance, alone: the same for this class by itself, to be used only "
        "for a class that was named before looking.",
    )


def _few(audit: AttributeAudit) -> str:
    if audit.min_cell is None:
        return f"italics: fewer than {FEW}"
    return f"hidden: fewer than {audit.min_cell}, or would give away one that has"


def _rate(audit: AttributeAudit, rate: Rates | None, few: bool) -> Cell:
    if rate is None:
        return Cell(number(None), ("n 0",))
    n = f"n {counted(rate.n, audit.min_cell)}"
    if is_hidden(rate.n, audit.min_cell):
        return Cell(number(None), (n,), kind="number few")
    auc = () if rate.auc is None else (f"AUC {number(rate.auc)}",)
    return Cell(number(rate.tpr), (n, *auc), kind="number few" if few or (rate.n or 0) < FEW else "number")


def _class_gap(gap: Gap | None) -> list[Cell]:
    if gap is None or gap.value is None:
        return [Cell(number(None), ("undefined",)), Cell(""), Cell(""), prose(gap.verdict if gap else "")]
    value = Cell(number(gap.value), (interval(gap),), strong=gap.above_chance)
    return [value, Cell(number(gap.null_high)), Cell(number(gap.null_alone)), prose(gap.verdict)]

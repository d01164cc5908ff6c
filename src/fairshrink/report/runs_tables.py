"""Tables of a comparison of runs, as cells ready to be set."""

from collections.abc import Sequence

from fairshrink.audit.changed import LEVEL
from fairshrink.report import fixing, removing
from fairshrink.report.cells import Cell, Table, head, heads, words
from fairshrink.report.runs_changed import QUANTITIES, Difference, family, pick, twins_of
from fairshrink.report.runs_front import Front
from fairshrink.report.runs_grouped import Method, Section
from fairshrink.report.runs_measured import GAPS, Estimate, accuracy, fate, fixed, gap, macro_f1, overall_f1
from fairshrink.report.runs_settings import told_seeds
from fairshrink.report.runs_words import ends, hypervolume_words, name_of
from fairshrink.report.words import count, gap_name, number, percent, probability, settings, signed

_INTERVALS = (
    "Under each number its 95\u00a0% interval: over the seeds (Student's t) where there are several, else over the test images "
    "(bootstrap)."
)


def _value(found: Estimate, *, sign: bool = False, strong: bool = False) -> Cell:
    if found.value is None:
        return Cell(number(None), ("undefined",))
    known = sum(value is not None for value in found.values)
    notes = (ends((found.low, found.high), sign=sign),) if found.low is not None else ()
    notes += (f"{known} of {len(found.values)} seeds",) if known < len(found.values) else ()
    return Cell((signed if sign else number)(found.value), notes, strong=strong)


def gap_cell(found: Estimate) -> Cell:
    """A gap with its interval and floor; bold when it is above chance with every seed."""
    cell = _value(found, strong=found.above == len(found.values))
    if found.value is None:
        return cell
    n = len(found.values)
    above = f" ({found.above} of {n} above)" if n > 1 else ""
    return cell._replace(notes=(*cell.notes, f"chance {number(found.floor)}{above}"))


def _name(method: Method) -> list[Cell]:
    return [words(numbered(method), strong=True), Cell(count(len(method.replicates)))]


def numbered(method: Method) -> str:
    """A method with the number that it has in the pictures."""
    return f"{method.number} {method.label}"


_NAME_HEADS = [head("model"), *heads("seeds")]


def glance(section: Section) -> Table:
    """One row per method: macro F1, EOpp1 of every attribute, FATE, zeros."""
    first, bodies = section.attributes[0], []
    for method in section.methods:
        cells = [*_name(method), _value(macro_f1(method, first))]
        cells += [gap_cell(gap(method, attribute, "eopp1")) for attribute in section.attributes]
        fates = Cell("baseline") if method.vanilla else _value(fate(method, first, "eopp1"), sign=True)
        bodies.append([[*cells, fates, _fixed(section, method)]])
    names = [f"EOpp1, {attribute}" for attribute in section.attributes]
    return Table(
        "Every model at a glance, on test images",
        [*_NAME_HEADS, *heads("macro F1", *names, "FATE", _fixed_head(section))],
        bodies,
        f"Macro F1: average of the groups of {first}; FATE: in EOpp1 for {first} against the vanilla model of the same seed. "
        f"{_INTERVALS} Chance: what a model without any gap exceeds in one of 40 cases. Bold: above it (with every seed).",
    )


def _quantises(method: Method) -> bool:
    return fixing.quantises(method.first.stage)


def _fixed_head(section: Section) -> str:
    return "fixed weights" if any(map(_quantises, section.methods)) else "zero weights"


def _fixed(section: Section, method: Method) -> Cell:
    """Share of the fixed weights; where some are fixed at powers of two, with a word on where."""
    share = fixed(method).value
    stages = [replicate.stage for replicate in method.replicates]
    gone = removing.removed(*stages)
    if gone is not None and gone.most:
        return Cell(percent(share), (str(gone),))
    if not any(map(_quantises, section.methods)) or not share:
        return Cell(percent(share))
    some_zero = method.first.stage.record.zero_fraction > fixing.SMALL
    where = ("zero, powers of two" if some_zero else "powers of two") if _quantises(method) else "zero"
    return Cell(percent(share), (where,))


def models(section: Section, attribute: str) -> Table:
    """Every score and gap of an attribute."""
    bodies = []
    for method in section.methods:
        cells = [
            *_name(method),
            _value(macro_f1(method, attribute)),
            _value(overall_f1(method)),
            _value(accuracy(method)),
        ]
        cells += [gap_cell(gap(method, attribute, name)) for name in GAPS]
        cells += [
            Cell("baseline") if method.vanilla else _value(fate(method, attribute, name), sign=True) for name in GAPS
        ]
        cells.append(_fixed(section, method))
        bodies.append([[*cells, Cell(count(method.first.stage.record.parameters))]])
    scores = ("macro F1, groups", "macro F1, all", "accuracy")
    return Table(
        f"Scores and gaps: {attribute}",
        [
            *_NAME_HEADS,
            *heads(
                *scores,
                *map(gap_name, GAPS),
                *(f"FATE {gap_name(name)}" for name in GAPS),
                _fixed_head(section),
                "weights",
            ),
        ],
        bodies,
        f"{_INTERVALS} Macro F1, groups: the mean of the groups' values; macro F1, all, and accuracy: of all test rows; these, "
        "and FATE, have no interval when there is one seed. Gaps in the convention "
        f"'{section.methods[0].first.stage.audit.convention}'.",
    )


def differences(section: Section, attribute: str, found: Sequence[Difference]) -> Table | None:
    """Every shrunk model minus its vanilla model; None where nothing was shrunk."""
    if not section.shrunk:
        return None
    bodies = []
    for method in section.shrunk:
        rows = []
        for twin in (None, *twins_of(section, method)):
            cells = [_difference(pick(found, method, attribute, name, twin)) for name in QUANTITIES]
            who = _name(method) if twin is None else [words(f"− {numbered(twin)}", strong=True), Cell("")]
            rows.append([*who, *cells])
        bodies.append(rows)
    return Table(
        f"Changes against the vanilla model: {attribute}",
        [*_NAME_HEADS, *heads(*map(name_of, QUANTITIES))],
        bodies,
        "Each change with its paired 95\u00a0% intervals, over the seeds (t) and the test images (bootstrap), and p adjusted "
        f"(Holm) for all {count(family(found))} comparisons of this page. Bold: told from no change (intervals on its side of 0, "
        f"p at most {LEVEL}). Below 0 a gap is narrower, macro F1 lower.{_against(section)}",
    )


def _against(section: Section) -> str:
    """What rows against other models are, where there are any."""
    there = any(twins_of(section, method) for method in section.shrunk)
    return " A row that begins with − is against another model than the vanilla one." if there else ""


def _difference(one: Difference | None) -> Cell:
    if one is None or one.value is None:
        return Cell(number(None), ("undefined",))
    notes = [f"seeds {ends(one.seeds.ends, sign=True)}"] if one.seeds.ends else []
    notes += [f"images {ends(one.images.ends, sign=True)}"] if one.images.ends else []
    notes.append(f"p {probability(one.p_holm)}" if one.p_holm is not None else "no test")
    return Cell(signed(one.value), tuple(notes), strong=one.told)


def pareto(found: Front) -> Table:
    """Which models no other beats in both macro F1 and the gap."""
    bodies = []
    for place in found.places:
        beaten = ", ".join(str(number_) for number_ in place.beaten_by)
        undefined = place.f1.value is None or place.gap.value is None
        state = "undefined" if undefined else "on the front" if place.front else f"beaten by {beaten}"
        adds = number(place.adds, 4) if place.front else "–"
        values = [Cell(number(place.f1.value)), Cell(number(place.gap.value))]
        bodies.append([[*_name(place.method), *values, words(state, strong=place.front), Cell(adds)]])
    return Table(
        f"Pareto front: {found.attribute}",
        [*_NAME_HEADS, *heads("macro F1", "EOpp1"), head(""), *heads("adds")],
        bodies,
        f"{hypervolume_words(found)} Adds: what would be lost without the model. Points only: no interval is in them.",
    )


def setting_table(section: Section) -> Table:
    """What each method was set to."""
    bodies = []
    for method in section.methods:
        seeds = told_seeds([replicate.seeds for replicate in method.replicates])
        runs = ", ".join(dict.fromkeys(replicate.name for replicate in method.replicates))
        told = settings(method.setting.flat()) or "–"
        bodies.append([[words(numbered(method), strong=True), words(seeds), words(runs), words(told)]])
    return Table(
        "The models",
        [head("model"), head("seeds"), head("shown as in the runs"), head("settings of the shrink steps")],
        bodies,
        "Models are one row when config.toml differs in seeds, threads and paths only. A model that several runs share is "
        "counted once.",
    )

"""Published numbers for the same data set, attribute and backbone: facts of the papers' tables, with FATE computed again."""

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import product
from typing import Any, NamedTuple

from fairshrink.errors import DataError
from fairshrink.metrics.tradeoff import fate
from fairshrink.report import fixing
from fairshrink.report.cells import Cell, Table, head, heads, words
from fairshrink.report.runs_grouped import Method, Section
from fairshrink.report.runs_measured import GAPS, gap, macro_f1
from fairshrink.report.words import gap_name, listed, number, signed

_FOLDER = ("published",)
_AVERAGE = "average"
_FATE_PAPER = "channel_pruning_miccai2024"
_PLAIN, _NONE = "erm", "none"  # a training without a term on groups, a model without exits
# A printed number stands for all that round to it.
Range = tuple[float, float]


class Printed(NamedTuple):
    """One method of a published table: the row of averages as printed, and FATE, printed and computed again."""

    paper: str
    table: str
    method: str
    values: dict[str, str]
    fates: dict[str, float | None]
    printed_fates: dict[str, str]
    doubts: tuple[str, ...]
    backbone: str

    @property
    def name(self) -> str:
        """The method without its settings.

        >>> Printed("p", "1", "obd(ratio=0.35)", {}, {}, {}, (), "vgg11").name
        'obd'
        """
        return self.method.partition("(")[0]


class Shelf(NamedTuple):
    """What is published that a section can be compared with; without rows the text says why.

    Attributes:
        text: What matches, or what does not.
        rows: Methods of the matching tables.
        sources: Their papers.
        notes: What the papers do otherwise, or print otherwise than their own numbers say.
        table: The rows beside what was measured; None without rows.
    """

    text: str
    rows: tuple[Printed, ...]
    sources: tuple[str, ...]
    notes: tuple[str, ...]
    table: Table | None


def shelf(section: Section) -> Shelf:
    """The published tables for a section's data set, attribute and backbones."""
    sources = tomllib.loads(_read("sources.toml"))
    run = next(iter(section.runs.values()))
    data = run.data
    about = sources["data_sets"].get(data.name)
    if about is None:
        return _empty(_nothing_for(data.name, sources))
    found = [(name, own) for own in section.attributes for name, others in about["attributes"].items() if own in others]
    if not found or len(data.classes) != about["classes"]:
        return _empty(
            f"No published table fits: those for {data.name} are about {listed(list(about['attributes']))} with "
            f"{about['classes']} classes, these runs about {listed(section.attributes)} with {len(data.classes)}."
        )
    known, attribute = found[0]
    backbones = list(dict.fromkeys(str(method.setting.base.get("model.backbone")) for method in section.methods))
    table = [row for row in _table() if row["dataset"] == data.name and row["attribute"] == known]
    there = [name for name in backbones if any(row["backbone"] == name for row in table)]
    if not there:
        others = listed(list(dict.fromkeys(row["backbone"] for row in table)))
        return _empty(f"No published table for {data.name} with {listed(backbones)}; there are tables with {others}.")
    rows = tuple(row for backbone in there for row in _printed(table, backbone))
    return Shelf(
        f"Published for {data.name} by {known.replace('_', ' ')} with {listed(there)}.",
        rows,
        tuple(sources["papers"][paper]["cite"] for paper in dict.fromkeys(row.paper for row in rows)),
        (*_notes(rows, sources), *(doubt for row in rows for doubt in row.doubts)),
        _beside(rows, section, attribute),
    )


def _empty(text: str) -> Shelf:
    return Shelf(text, (), (), (), None)


def _nothing_for(name: str, sources: Mapping[str, Any]) -> str:
    near = sources["nearest"].get(name)
    if near is None:
        return f"No published table for {name}; there are tables for {listed(list(sources['data_sets']))}."
    return f"No published table for {name}; nearest: {near['data_set']}. {near['because']}."


def _read(name: str) -> str:
    return resources.files("fairshrink.report").joinpath(*_FOLDER, name).read_text(encoding="utf-8")


def _table() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(_read("tables.csv"))))


def _printed(table: Sequence[Mapping[str, str]], backbone: str) -> list[Printed]:
    """The averages of every method with a backbone; the vanilla row of the same data and backbone is FATE's baseline."""
    averages = [row for row in table if row["backbone"] == backbone and row["row"] == _AVERAGE]
    baseline = next(row for row in averages if row["method"] == "vanilla")
    fates = {(row["paper"], row["table"], row["method"]): row for row in csv.DictReader(io.StringIO(_read("fate.csv")))}
    return [_one(row, baseline, _fates_of(row, fates), table) for row in averages]


def _fates_of(row: Mapping[str, str], fates: Mapping[tuple[str, str, str], Mapping[str, str]]) -> dict[str, str]:
    """FATE as printed: by the row's own paper, or by the channel-pruning paper, which repeats rows of the others."""
    table = {"fitzpatrick17k": "1", "isic2019": "2"}[row["dataset"]]
    repeated = row["backbone"] == {"1": "vgg11", "2": "resnet18"}[table]
    found = fates.get((_FATE_PAPER, table, row["method"].partition("(")[0])) if repeated else None
    return {name: found[f"fate_{name}"] for name in GAPS} if found else {}


def _one(
    row: Mapping[str, str], baseline: Mapping[str, str], printed: dict[str, str], table: Sequence[Mapping[str, str]]
) -> Printed:
    values = {name: row[name] for name in ("precision", "recall", "f1", *GAPS)}
    fates = {name: _fate(row, baseline, name) if row["method"] != "vanilla" else None for name in GAPS}
    found = Printed(row["paper"], row["table"], row["method"], values, fates, printed, (), row["backbone"])
    doubts = [*_wrong_average(row, table), *_wrong_fates(found, baseline)]
    return found._replace(doubts=tuple(doubts))


def _fate(row: Mapping[str, str], baseline: Mapping[str, str], name: str) -> float:
    return fate(float(row["f1"]), float(baseline["f1"]), float(row[name]), float(baseline[name]))


def _wrong_fates(row: Printed, baseline: Mapping[str, str]) -> list[str]:
    """Printed FATE that no numbers give which round to the printed ones."""
    doubts = []
    for name, text in row.printed_fates.items():
        inputs = (row.values["f1"], baseline["f1"], row.values[name], baseline[name])
        ends = [fate(*some) for some in product(*map(rounded_from, inputs))]
        low, high = rounded_from(text)
        if row.method != "vanilla" and (high < min(ends) or low > max(ends)):
            doubts.append(
                f"FATE in {gap_name(name)} of {row.name} is printed as {text} in {_short(_FATE_PAPER, None)}; the F1 and "
                f"{gap_name(name)} printed in {_short(row.paper, row.table)} give {signed(row.fates[name])} "
                f"({signed(min(ends))} to {signed(max(ends))} with what rounding leaves open)."
            )
    return doubts


def _wrong_average(row: Mapping[str, str], table: Sequence[Mapping[str, str]]) -> list[str]:
    """A printed average that is not the mean of its two groups, beyond rounding."""
    same = [of for of in table if all(of[key] == row[key] for key in ("paper", "table", "backbone", "method"))]
    groups = [of for of in same if of["row"] not in (_AVERAGE, "difference")]
    doubts = []
    for name in ("precision", "recall", "f1"):
        ranges = [rounded_from(of[name]) for of in groups]
        low, high = (sum(ends) / len(ends) for ends in zip(*ranges, strict=True))
        printed = rounded_from(row[name])
        if printed[1] < low - 1e-9 or printed[0] > high + 1e-9:
            mean = sum(float(of[name]) for of in groups) / len(groups)
            what = {"f1": "F1"}.get(name, name)
            doubts.append(
                f"{_short(row['paper'], row['table'])}: the average {what} of {row['method'].partition('(')[0]} is printed as "
                f"{row[name]}; the mean of its groups is {number(mean)}."
            )
    return doubts


def rounded_from(text: str) -> Range:
    """What a printed number can have been rounded from.

    >>> low, high = rounded_from("0.25")
    >>> round(low, 6), round(high, 6)
    (0.245, 0.255)

    Raises:
        DataError: It is no number.
    """
    try:
        value = float(text)
    except ValueError as error:
        raise DataError(
            f"{text!r} stands where a published table has a number: mend tables.csv or fate.csv."
        ) from error
    half = 0.5 * 10.0 ** -len(text.partition(".")[2])
    return value - half, value + half


def _notes(rows: Sequence[Printed], sources: Mapping[str, Any]) -> list[str]:
    there = {(row.paper, table) for row in rows for table in (row.table, None)}
    notes = [note for note in sources["notes"] if (note["paper"], note.get("table")) in there]
    return [f"{_short(note['paper'], note.get('table'))}: {note['text']}" for note in notes]


def _short(paper: str, table: str | None) -> str:
    """A paper for a line of a table.

    >>> _short("multi_exit_miccai2023", "1"), _short("fairprune_miccai2022", None)
    ('multi exit 2023, table 1', 'fairprune 2022')
    """
    name, _, place = paper.rpartition("_")
    text = f"{name.replace('_', ' ')} {place.removeprefix('miccai')}"
    return f"{text}, table {table}" if table else text


def _beside(rows: Sequence[Printed], section: Section, attribute: str) -> Table:
    """Published and measured, method by method."""
    bodies = []
    for row in rows:
        cells = [words(row.method, _short(row.paper, row.table), strong=True), words(row.backbone)]
        cells += [Cell(row.values[name]) for name in ("f1", *GAPS)]
        cells += [_fate_cell(row, name) for name in GAPS]
        bodies.append([[*cells, *_measured(row, section, attribute)]])
    return Table(
        "Published (their convention) beside measured (ours)",
        [
            head("method"),
            head("network"),
            *heads("macro F1", *map(gap_name, GAPS), *(f"FATE {gap_name(name)}" for name in GAPS)),
            *heads("measured: macro F1", *(f"measured: {gap_name(name)}" for name in GAPS)),
        ],
        bodies,
        "Published gaps are in the convention 'published': a class that a group lacks counts as never found; they come without "
        "interval and floor. Measured gaps are in the convention "
        f"'{section.methods[0].first.stage.audit.convention}', means over the seeds. FATE is computed from the printed numbers, "
        "against the printed vanilla model; below it, what is printed for it. Splits, training and seeds differ.",
    )


def _fate_cell(row: Printed, name: str) -> Cell:
    if row.method == "vanilla":
        return Cell("baseline")
    notes = (f"printed {row.printed_fates[name]}",) if name in row.printed_fates else ()
    return Cell(signed(row.fates[name]), notes)


def _measured(row: Printed, section: Section, attribute: str) -> list[Cell]:
    """What these runs have of the same method; several settings of it stand below each other."""
    mine = [method for method in section.methods if _same(row, method)]
    if not mine:
        return [Cell("–") for _ in ("f1", *GAPS)]
    columns = [[macro_f1(method, attribute).value for method in mine]]
    columns += [[gap(method, attribute, name).value for method in mine] for name in GAPS]
    label = [f" [{method.number}]" for method in mine] if len(mine) > 1 else [""]
    texts = [[f"{number(value)}{mark}" for value, mark in zip(column, label, strict=True)] for column in columns]
    return [Cell(first, tuple(rest)) for first, *rest in texts]


def _same(row: Printed, method: Method) -> bool:
    if fixing.is_control(method.first.stage) or any(map(_by_another_order, method.setting.steps)):
        return False
    return (row.name, row.backbone) == (_published_name(method), str(method.setting.base.get("model.backbone")))


def _published_name(method: Method) -> str:
    """As the tables name it: the last step first, then the training where it is not the plain one; "me" before all with exits."""
    base = method.setting.base
    training = str(base.get("train.objective", _PLAIN))
    parts = [str(step["method"]) for step in reversed(method.setting.steps)] + [training] * (training != _PLAIN)
    exits = ["me"] if base.get("model.exits", _NONE) != _NONE else []
    return "_".join([*exits, *(parts or ["vanilla"])])


def _by_another_order(step: Mapping[str, Any]) -> bool:
    """Whether a step does not go by its method's own score, but by lot, by size, or fixes nothing."""
    own = {"fairquantize": "saliency", "scp": "entanglement"}.get(str(step["method"]))
    return any(value not in (None, own) for value in fixing.values(step.get("select")))


def rows(found: Shelf) -> list[dict[str, Any]]:
    """Rows for a file: what is printed, and FATE computed again."""
    return [
        {
            "paper": row.paper,
            "table": row.table,
            "method": row.method,
            "network": row.backbone,
            "convention": "published",
        }
        | {name: float(value) for name, value in row.values.items()}
        | {f"fate_{name}": row.fates[name] for name in GAPS}
        | {f"printed_fate_{name}": float(row.printed_fates[name]) if row.printed_fates else None for name in GAPS}
        | {"notes": " ".join(row.doubts)}
        for row in found.rows
    ]

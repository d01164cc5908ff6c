"""Groups of the rows, and the rows and rules that give none."""

import numpy as np

from fairshrink.data.checks.findings import Finding
from fairshrink.data.checks.subject import Rows, Subject
from fairshrink.data.groups import Attribute, GroupRule, parse_group
from fairshrink.data.table import need_column
from fairshrink.errors import DataError


def attributes_of(subject: Subject, rows: Rows) -> tuple[list[Attribute], list[Finding]]:
    """The attributes that can be used, codes (N,) with -1 for unknown; and everything that cannot.

    Raises:
        ConfigError: A rule that cannot be read.
    """
    attributes: list[Attribute] = []
    findings: list[Finding] = []
    if not len(rows):
        return attributes, findings
    for text in subject.groups:
        rule = parse_group(text)
        try:
            need_column(rule.column, rows.frame.columns, f"'{rows.where}'")
            attribute, found = _assign(rule, rows)
        except DataError as error:
            findings.append(Finding("unusable group", 0, rule.name, str(error).rstrip(".")))
            continue
        attributes.append(attribute)
        findings += found
    return attributes, findings


def _assign(rule: GroupRule, rows: Rows) -> tuple[Attribute, list[Finding]]:
    cells, numbers = rows.frame[rule.column].tolist(), rows.rows.tolist()
    text = rule.not_numbers(rows.frame)
    findings = [
        Finding(
            "not a number", numbers[at], rows.ids[at], f"{rule.column} is '{cells[at]}'; '{rule.name}' needs a number"
        )
        for at in np.flatnonzero(text)
    ]
    cleared = rows.frame.assign(**{rule.column: np.where(text, "", rows.frame[rule.column])})
    attribute = rule.assign(cleared, rows=rows.rows, where=rows.where)
    findings += [
        Finding(
            "unknown group", numbers[at], rows.ids[at], f"{rule.column} is '{cells[at]}': no group of '{rule.name}'"
        )
        for at in np.flatnonzero((attribute.codes < 0) & ~text)
    ]
    return attribute, findings

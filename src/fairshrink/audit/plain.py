"""An audit as plain text."""

import textwrap
from typing import Any

from fairshrink.audit.text import aligned, attribute_heading, heading, left_out, legend, printable, sheets
from fairshrink.audit.words import sentences

_WIDTH = 100


def as_text(audit: Any) -> str:
    """The audit as aligned tables and sentences."""
    data = audit.to_dict()
    lines = _wrapped(heading(data))
    for name, found in data["attributes"].items():
        lines += ["", attribute_heading(name, found)]
        for sheet in sheets(found, _WIDTH):
            lines += aligned(sheet)
        if more := left_out(found):
            lines.append(f"  {more} more classes are in to_dict() and to_json().")
        lines += [line for text in sentences(found, data["convention"]) for line in _wrapped(text)]
        lines += [line for note in found["notes"] for line in _wrapped(f"note: {printable(note)}")]
    closing = [*legend(list(data["attributes"].values())), *(f"note: {printable(note)}" for note in data["notes"])]
    return "\n".join([*lines, *([""] if closing else []), *(line for text in closing for line in _wrapped(text))])


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)

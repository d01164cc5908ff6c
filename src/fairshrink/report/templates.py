"""How the pages are put together: templates that share a style sheet and macros; every name from outside stays text."""

import unicodedata
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# Marks that turn the direction of all that follows: an override in a name would reverse the sentence around it.
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def page(name: str, **values: Any) -> str:
    """One of the room's templates, filled in; all values are escaped but the pictures."""
    loader = PackageLoader("fairshrink.report", ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=shown
    )
    return environment.get_template(name).render(values)


def shown(value: Any) -> Any:
    r"""Text without the signs that would steer the page around it; they are written out. Markup and numbers as they are.

    >>> print(shown("a\u202eb\x07"), shown(3))
    a\u202eb\u0007 3
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(sign if _harmless(sign) else f"\\u{ord(sign):04x}" for sign in value)


def _harmless(sign: str) -> bool:
    """Line breaks are needed by a configuration, joiners by emoji and by Persian; lone surrogates cannot be written."""
    return sign in "\n\r\t" or (sign not in TURNING and unicodedata.category(sign) not in ("Cc", "Cs"))

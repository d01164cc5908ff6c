"""Names that somebody could choose to do harm with, and what a harmless page, table or terminal may hold."""

import csv
import io
import re
import unicodedata
from html.parser import HTMLParser

NAMES = {
    "script": "<script>alert(1)</script>",
    "attribute": '"><img src=x onerror=alert(1)>',
    "quote": "' onmouseover='alert(1)",
    "style": "</style><style>@import 'x'",
    "comment": "--><!-- ]]>",
    "entity": "&lt;b&gt;&amp;",
    "template": "{{ 7 * 7 }}{% raw %}",
    "mathtext": r"$\frac{1}{2}$ x_y^z",
    "formula": "=cmd|'/c calc'!A0",
    "plus": "+1+1",
    "minus": "-1+1",
    "at": "@SUM(A1)",
    "tab": "\t=1",
    "return": "\r=1",
    "apostrophe": "'=1",
    "newline": "a\n=1",
    "inner return": "a\r=1",
    "pipes": "a|b`c`",
    "ansi": "\x1b[31mred\x1b]0;title\x07",
    "bidi": "a\u202ecba",
    "zero": "a\x00b",
    "markup": "[red]a[/red][link=https://x]b[/link]",
    "emoji": "\N{WOMAN}\u200d\N{STAFF OF AESCULAPIUS}\ufe0f",
    "long": "long" * 1500,
}
FORMULA = ("=", "+", "-", "@", "\t", "\r")
ELEMENTS_THAT_ACT = {"script", "img", "link", "iframe", "object", "embed", "base", "form"}


class Elements(HTMLParser):
    """Every element of a page with its attributes, and what stands in its style sheets."""

    def __init__(self, text):
        HTMLParser.__init__(self)
        self.found, self.styles = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.styles += data if self.cdata_elem == "style" else ""


def acts(page):
    """What in a page would run, or be fetched, or come from a name instead of from us; nothing in a harmless one."""
    read = Elements(page)
    acting = [tag for tag, _ in read.found if tag in ELEMENTS_THAT_ACT]
    acting += [f"{tag} {name}" for tag, attributes in read.found for name in attributes if name.startswith("on")]
    for tag, attributes in read.found:
        fetched = [attributes[name] or "" for name in ("href", "src", "xlink:href", "action") if name in attributes]
        acting += [f"{tag} {url[:40]}" for url in fetched if not url.startswith(("#", "data:image/png;base64,"))]
    values = [str(attributes.get(name)) for _, attributes in read.found for name in ("style", "fill", "clip-path")]
    return acting + re.findall(r"@import|url\((?!#)|expression\(", " ".join([read.styles, *values]))


def steers(text):
    """The characters in some output that a terminal obeys instead of showing."""
    return {sign for sign in text if sign != "\n" and unicodedata.category(sign) in ("Cc", "Cf", "Cs")}


def formulas(table):
    """The cells of a CSV, its header included, that a spreadsheet would compute."""
    rows = list(csv.reader(io.StringIO(table, newline="")))
    assert len({len(row) for row in rows}) == 1, "a name has broken the table"
    return [cell for row in rows for cell in row if cell.startswith(FORMULA)]

"""A matplotlib figure as a piece of a page: small, without names that could clash, in the page's own letters."""

import io
import re
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib.figure import Figure

from fairshrink.report.style import ABOVE, BAND, FIRST, INK, LINE, MUTED, PAPER, foreign_letters, settle

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
# Neutral colours become the page's variables, so that the dark scheme reaches into the pictures.
THEME = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    BAND: "--band",
    PAPER: "--paper",
    FIRST: "--first",
    ABOVE: "--above",
}
UNTURNED = ("rotate(0 ", "rotate(-0 ")  # what matplotlib writes at every level text
DROPPED = {f"{SVG}metadata", f"{SVG}style"}


def inline_svg(figure: Figure, prefix: str, label: str) -> Markup:
    """Draw a figure as inline SVG.

    Args:
        figure: Drawn within `style.drawing()`.
        prefix: Goes before every id, so that two pictures of a page never share one.
        label: What the picture shows, for those who do not see it.

    Returns:
        One <svg> element without style sheet, script, XML header or date. All text in it is escaped.
    """
    buffer = io.BytesIO()
    with foreign_letters():
        settle(figure).savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in root.iter():
        for child in [c for c in parent if c.tag in DROPPED]:
            parent.remove(child)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', ElementTree.tostring(root, encoding="unicode")))
    # matplotlib's ids hold memory addresses: numbers in the order of the picture are the same every time.
    ids = [element.attrib["id"] for element in root.iter() if element.attrib.get("id") in used]
    names = {name: f"{prefix}-{number}" for number, name in enumerate(ids)}
    for element in root.iter():
        _tidy(element, names)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label}
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # ElementTree has escaped every text


def _tidy(element: ElementTree.Element, names: dict[str, str]) -> None:
    """Plain tag names, ids only where something points at them, styles without what the page knows better."""
    element.tag = element.tag.removeprefix(SVG)
    element.tail = None
    if element.tag != "text":
        element.text = None
    for name, value in list(element.attrib.items()):
        del element.attrib[name]
        if (name != "id" or value in names) and not value.startswith(UNTURNED):
            element.attrib[name.removeprefix(XLINK)] = _value(name, value, names)


def _value(name: str, value: str, names: dict[str, str]) -> str:
    if name == "style":
        return _style(value)
    if name == "d":
        return " ".join(_round(part) for part in value.split())
    if name in ("x", "y"):
        return _round(value)
    if name == "id":
        return names[value]
    if name == "clip-path":
        return f"url(#{names[value.removeprefix('url(#').removesuffix(')')]})"
    return f"#{names[value[1:]]}" if name == f"{XLINK}href" and value.startswith("#") else value


def _round(part: str) -> str:
    """Coordinates to a hundredth of a point: nobody sees more, and the page is half as long."""
    return f"{float(part):.2f}".rstrip("0").rstrip(".") if "." in part else part


def _style(value: str) -> str:
    kept = [part.strip() for part in value.split(";") if part.strip() and not part.strip().startswith("font-family")]
    text = ";".join(kept)
    for colour, variable in THEME.items():
        text = text.replace(colour, f"var({variable})")
    return text

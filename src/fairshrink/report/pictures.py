"""What a picture on a page is: panels that share a caption, or the reason why there are none."""

from typing import NamedTuple

from markupsafe import Markup
from matplotlib.figure import Figure

from fairshrink.report import style
from fairshrink.report.svg import inline_svg
from fairshrink.report.templates import shown

FLOOR = "The grey bar reaches from 0 to what chance alone produces (97.5\u00a0% point of the null floor)"


class Picture(NamedTuple):
    """Panels that share a caption; without panels the caption says what is missing."""

    panels: list[Markup]
    caption: str
    wide: bool = False


def titled(figure: Figure, title: str) -> Figure:
    """The figure with a heading of its own, for panels beside each other."""
    figure.suptitle(style.plain(title, 36), x=0.0, ha="left", fontsize=11, fontweight="bold")
    return figure


def panel(figure: Figure, prefix: str, label: str, title: str | None = None) -> Markup:
    """A figure as a piece of the page; the label is for those who do not see it."""
    return inline_svg(titled(figure, title) if title else figure, prefix, shown(label))

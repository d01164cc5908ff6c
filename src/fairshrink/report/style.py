"""One look for every picture: sizes that a phone can show, colours that the colour-blind can tell apart."""

import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

# Neutral colours; the page swaps them for its own in the dark (svg.py), so each is used for one purpose only.
INK, MUTED, LINE, BAND, PAPER = "#1f2328", "#5b6470", "#dfe3e8", "#e9ecf0", "#ffffff"
FIRST = "#4d5560"  # the model before shrinking
ABOVE = "#8a3b00"  # a gap above chance, as the badges have it
# Okabe and Ito's palette, groups and methods apart. Colour is never alone: a marker goes with it.
GROUP_COLOURS = ("#0072b2", "#e69f00", "#cc79a7", "#56b4e9", "#f0e442")
GROUP_MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # 5 colours and 7 markers: 35 looks before one comes again
METHOD_COLOURS = (FIRST, "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#e69f00", "#0072b2")
METHOD_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
# From dark to light: candidates of a grid are ordered.
CANDIDATE_COLOURS = ("#00366d", "#3f6fae", "#7fa6d0", "#b08a4b", "#d6b25e", "#8c8c8c")
CANDIDATE_DASHES = ((), (5, 1.5), (1.5, 1.5), (6, 1.5, 1.5, 1.5), (3, 1), (1, 2))
WIDTH = 3.9  # inches: about a phone's screen at a readable letter size

RC: dict[Any, Any] = {
    "svg.fonttype": "none",  # the page's own letters: small, sharp, selectable
    "svg.hashsalt": "fairshrink",
    "text.parse_math": False,  # names come from users, and '$' is a letter like any other
    "axes.formatter.use_mathtext": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.6,
    "legend.borderaxespad": 0.0,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Within it, figures are made and saved in this style, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in RC.items():
            mpl.rcParams[name] = value
        yield


def canvas(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained")


@contextmanager
def foreign_letters() -> Iterator[None]:
    """Within it, nothing is said about letters that matplotlib's own font lacks: the reader's browser has them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        yield


def settle(figure: Figure) -> Figure:
    """Lay the figure out once and keep its axes where they are, on a fine raster.

    The layout's solver differs in the last digits from run to run; the same records are to give the same bytes.
    """
    with foreign_letters():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(Bbox(np.round(axes.get_position().get_points(), 4)))
    return figure


def stacked(
    heights: Sequence[float], extra: float, *, share: bool = True, width: float = WIDTH
) -> tuple[Figure, list[Axes]]:
    """Axes above each other; `extra` inches are for titles, legends and tick labels."""
    figure = canvas(sum(heights) + extra, width)
    axes = figure.subplots(len(heights), 1, squeeze=False, sharex=share, height_ratios=list(heights))
    return figure, list(axes[:, 0])


class Look(NamedTuple):
    """How a model or a group is marked in every picture."""

    colour: str
    marker: str
    filled: bool = True


def of_model(index: int) -> Look:
    """The look of the model of a running number."""
    # Where the colours begin again, the markers are one further on.
    return Look(cycle(METHOD_COLOURS, index), cycle(METHOD_MARKERS, index + index // len(METHOD_COLOURS)))


def of_group(index: int) -> Look:
    """The look of the group of a running number."""
    return Look(cycle(GROUP_COLOURS, index), cycle(GROUP_MARKERS, index))


def cycle(values: Sequence[str], index: int) -> str:
    """The colour or marker of a running number."""
    return values[index % len(values)]


def ramp(number: int) -> tuple[str, ...]:
    """Colours from dark to light for things in an order, such as the candidates of a grid or the layers of a network.

    >>> len(ramp(3)), len(ramp(11)), ramp(2) == CANDIDATE_COLOURS[:2]
    (3, 11, True)
    """
    if number <= len(CANDIDATE_COLOURS):
        return CANDIDATE_COLOURS[:number]
    # The lightest tenth of the map is too pale for a line on paper.
    return tuple(to_hex(colour) for colour in mpl.colormaps["cividis"](np.linspace(0, 0.9, number)))


def legend(figure: Figure, axes: Axes, columns: int = 2) -> None:
    """What the marks mean, below the picture, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower left", ncols=_fitting(labels, columns))


def legend_height(labels: Sequence[str], columns: int = 2) -> float:
    """Inches that a legend takes."""
    return 0.2 * -(-len(labels) // _fitting(labels, columns))


def _fitting(labels: Sequence[str], columns: int) -> int:
    longest = max((len(label) for label in labels), default=0)
    return columns if longest * columns <= 48 else 1  # letters that a line of this width can hold


def plain(text: object, limit: int = 30) -> str:
    """A user's text for a picture: one line, no control characters, not longer than the place it has."""
    clean = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in str(text))
    short = " ".join(clean.split())
    return short if len(short) <= limit else short[: limit - 1].rstrip() + "…"


def distinct(texts: Sequence[object], limit: int = 30) -> list[str]:
    """Users' texts as `plain` has them; what would then look alike keeps its end and loses its middle."""
    short = [plain(text, limit) for text in texts]
    return [
        _without_middle(plain(text, 1000), limit) if short.count(cut) > 1 else cut
        for text, cut in zip(texts, short, strict=True)
    ]


def _without_middle(text: str, limit: int) -> str:
    end = limit // 2
    return text if len(text) <= limit else f"{text[: limit - end - 1].rstrip()}…{text[-end:].lstrip()}"

"""What is on each drawn picture: the numbers of its scene, from (seed, image, class, tone) alone.

A scene knows nothing of pixels: it is the same at 32 and at 128. Lengths are in half pictures: x and y reach from -1
to 1.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairshrink.data.draws import Draws

Floats = NDArray[np.floating[Any]]

# The planted bias, by tone (I-III, IV-VI): the lesion's optical density is multiplied by a factor drawn evenly from
# these. The melanin of the skin around it differs too; hair, light, sharpness and noise are drawn alike for both.
CONTRAST = np.array([[0.80, 1.20], [0.25, 0.55]])
MELANIN = np.array([[0.05, 0.45], [0.55, 1.00]])

# Smooth random fields that warp borders and patterns: how many of each, and the lattice under them.
LATTICES = {"blotches": (2, 7), "marks": (2, 15), "grain": (1, 33)}
HARMONICS = 6
MAX_HAIRS = 8

# By class (naevus, melanoma, keratosis, carcinoma, angioma): mean and spread.
RADIUS = np.array([[0.46, 0.08], [0.54, 0.09], [0.50, 0.09], [0.48, 0.09], [0.44, 0.08]])
WOBBLE = np.array([[0.05, 0.02], [0.17, 0.06], [0.09, 0.04], [0.11, 0.05], [0.07, 0.03]])
EDGE = np.array([[0.13, 0.04], [0.11, 0.05], [0.05, 0.02], [0.20, 0.06], [0.07, 0.03]])
PATTERN = np.array([[20.0, 3.0], [15.0, 4.0], [17.0, 3.0], [11.0, 3.0], [10.5, 2.0]])
NETWORK = np.array([[0.55, 0.18], [0.40, 0.22], [0.08, 0.08], [0.05, 0.06], [-0.45, 0.20]])
DOTS = np.array([[0.05, 0.10], [0.35, 0.22], [-0.60, 0.22], [0.12, 0.15], [0.50, 0.22]])
BLOTCH = np.array([[0.08, 0.04], [0.25, 0.10], [0.20, 0.08], [0.18, 0.08], [0.10, 0.05]])
SECOND = np.array([[0.10, 0.10], [0.75, 0.20], [0.25, 0.18], [0.55, 0.25], [0.25, 0.18]])

# Optical density of the lesion in red, green and blue: its main colour and the second one.
MAIN = np.array([[0.52, 0.86, 1.05], [0.62, 0.95, 1.08], [0.40, 0.64, 0.95], [0.16, 0.62, 0.56], [0.28, 1.05, 0.88]])
OTHER = np.array([[0.85, 1.15, 1.25], [1.35, 1.35, 1.20], [0.75, 0.95, 1.05], [0.78, 0.85, 0.62], [0.75, 1.30, 1.00]])


@dataclass(frozen=True)
class Scene:
    """The scenes of n images; every array has n rows.

    Attributes:
        skin: Colour of the skin, (n, 3), 0 to 1.
        colours: Optical density of the lesion's main and second colour, contrast included, (n, 2, 3).
        place: x, y, radius, flattening, width of the edge, (n, 5).
        turns: Cosine and sine of the directions of lesion, pattern and second colour, (n, 3, 2).
        border: Amplitudes of the border's cosines and sines, (n, 2, HARMONICS).
        texture: Frequency of the pattern, network, dots, blotches, share of the second colour, (n, 5).
        light: Exposure, slope in x and y, fall towards the corners, (n, 4).
        hairs: Each hair's cosine and sine, offset, bend, half width, opacity (0: no hair), (n, MAX_HAIRS, 6).
        blotches, marks, grain: Lattices of the smooth random fields, (n, fields, L, L) as in LATTICES.
        noise: Standard deviation of the camera's noise, (n,), and where it starts:
        keys: (n,), uint64.
    """

    skin: Floats
    colours: Floats
    place: Floats
    turns: Floats
    border: Floats
    texture: Floats
    light: Floats
    hairs: Floats
    blotches: Floats
    marks: Floats
    grain: Floats
    noise: Floats
    keys: NDArray[np.uint64]

    def part(self, rows: slice) -> "Scene":
        """Some of the scenes."""
        return Scene(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def compose(seed: int, indices: NDArray[np.int64], labels: NDArray[np.int64], tones: NDArray[np.int64]) -> Scene:
    """The scenes of some images.

    Args:
        seed: Of the whole set.
        indices: Which images of it, (n,).
        labels: Their classes, (n,), 0 to 4.
        tones: Their tones, (n,), 0 or 1.
    """
    draws = Draws(seed, indices)
    lattices = {name: _single(draws.bell(name, many, cells, cells)) for name, (many, cells) in LATTICES.items()}
    return Scene(
        skin=_single(_skin(draws, tones)),
        colours=_single(_colours(draws, labels, tones)),
        place=_single(_place(draws, labels)),
        turns=_single(_turns(draws.even("turns", 3))),
        border=_single(_border(draws, labels)),
        texture=_single(_texture(draws, labels)),
        light=_single(_light(draws)),
        hairs=_single(_hairs(draws)),
        noise=_single(draws.even("noise") * 0.02 + 0.02),
        keys=draws.keys("pixels"),
        **lattices,
    )


def _single(values: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float32)


def _within(ranges: NDArray[np.float64], even: NDArray[np.float64]) -> NDArray[np.float64]:
    return ranges[:, 0] + (ranges[:, 1] - ranges[:, 0]) * even


def _around(table: NDArray[np.float64], bell: NDArray[np.float64]) -> NDArray[np.float64]:
    return table[:, 0] + table[:, 1] * bell


def _turns(even: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.cos(2 * np.pi * even), np.sin(2 * np.pi * even)], axis=-1)


def _skin(draws: Draws, tones: NDArray[np.int64]) -> NDArray[np.float64]:
    melanin = _within(MELANIN[tones], draws.even("melanin"))[:, None]
    blood = draws.bell("blood")[:, None]
    colour = np.array([0.95, 0.80, 0.71]) * np.exp(-melanin * np.array([0.66, 1.00, 1.24]))
    return np.clip(colour * (1 + blood * np.array([0.010, -0.035, -0.030])), 0, 1)


def _colours(draws: Draws, labels: NDArray[np.int64], tones: NDArray[np.int64]) -> NDArray[np.float64]:
    both = np.stack([MAIN, OTHER], axis=1)[labels]
    strength = np.exp(0.16 * draws.bell("strength"))[:, None, None]
    hue = 1 + 0.08 * draws.bell("hue", 2, 3)
    contrast = _within(CONTRAST[tones], draws.even("contrast"))[:, None, None]
    return both * strength * hue * contrast


def _place(draws: Draws, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    radius = np.clip(_around(RADIUS[labels], draws.bell("radius")), 0.22, 0.8)
    centre = 0.09 * draws.bell("centre", 2)
    flat = 1 - 0.3 * draws.even("flat") ** 1.5
    edge = np.clip(_around(EDGE[labels], draws.bell("edge")), 0.02, 0.4)
    return np.stack([centre[:, 0], centre[:, 1], radius, flat, edge], axis=1)


def _border(draws: Draws, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    wobble = np.clip(_around(WOBBLE[labels], draws.bell("wobble")), 0.01, 0.35)
    fall = 1 / np.arange(1, HARMONICS + 1) ** 0.9
    return 0.75 * wobble[:, None, None] * draws.bell("border", 2, HARMONICS) * fall


def _texture(draws: Draws, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    bell = draws.bell("texture", 5)
    columns = [_around(table[labels], bell[:, k]) for k, table in enumerate((PATTERN, NETWORK, DOTS, BLOTCH, SECOND))]
    columns[0] = np.clip(columns[0], 7, 30)
    columns[4] = np.clip(columns[4], 0, 1)
    return np.stack(columns, axis=1)


def _light(draws: Draws) -> NDArray[np.float64]:
    exposure = np.exp(0.07 * draws.bell("exposure"))
    slope = 0.06 * draws.bell("slope", 2)
    corners = 0.05 + 0.30 * draws.even("corners") ** 2
    return np.stack([exposure, slope[:, 0], slope[:, 1], corners], axis=1)


def _hairs(draws: Draws) -> NDArray[np.float64]:
    # A picture has none, a few or many; hairs of one picture grow roughly the same way.
    count = np.floor((MAX_HAIRS + 1) * np.clip(1.5 * draws.even("hairy") - 0.5, 0, 1) ** 1.5)[:, None]
    there = np.arange(MAX_HAIRS) < count
    way = _turns(draws.even("way")[:, None] + 0.09 * draws.bell("ways", MAX_HAIRS))
    offset = 1.8 * draws.even("offset", MAX_HAIRS) - 0.9
    bend = 0.22 * draws.bell("bend", MAX_HAIRS)
    width = 0.010 + 0.010 * draws.even("width", MAX_HAIRS)
    opacity = there * (0.55 + 0.4 * draws.even("opacity", MAX_HAIRS))
    return np.concatenate([way, np.stack([offset, bend, width, opacity], axis=-1)], axis=-1)

"""From scenes to pixels, many at once: skin, lesion, hairs, light and noise.

Everything is a continuous function of the place on the picture, read off at the pixels' centres: the same scene at any
size. Colours are optical densities, so that a lesion darkens the skin it lies on.
"""

import numpy as np
from numpy.typing import NDArray

from fairshrink.data.draws import counted
from fairshrink.data.sources.scenes import MAX_HAIRS, Floats, Scene

_HAIR = np.array([0.13, 0.10, 0.09], dtype=np.float32)


def paint(scene: Scene, size: int) -> NDArray[np.uint8]:
    """Pixels of n scenes, (n, size, size, 3).

    Args:
        scene: From `compose`.
        size: Pixels along each side.
    """
    line = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)
    x, y = line[None, None, :], line[None, :, None]
    blotches, marks, grain = (spline_field(lattice, line) for lattice in (scene.blotches, scene.marks, scene.grain))
    density = _lesion(scene, x, y, blotches, marks)
    shade = _light(scene, x, y) * (1 + 0.045 * blotches[:, 1] + 0.03 * grain[:, 0] + 0.02 * marks[:, 1])
    hair = _hairs(scene, x, y, size)
    canvas = np.empty((*hair.shape, 3), dtype=np.float32)
    for channel, absorbed in enumerate(density):
        bare = _cell(scene.skin[:, channel]) * shade * np.exp(-absorbed)
        canvas[..., channel] = bare + hair * (_HAIR[channel] - bare)
    return _expose(canvas, scene)


def _cell(values: Floats) -> Floats:
    return values[:, None, None]


def spline_field(lattice: Floats, line: Floats) -> Floats:
    """Smooth random fields with standard deviation 1: cubic B-splines on a lattice.

    Args:
        lattice: Values with standard deviation 1 on the lattice, (n, fields, L, L).
        line: Where to read them off in both directions, (size,), -1 to 1.

    Returns:
        (n, fields, size, size).
    """
    cells = lattice.shape[-1] - 3
    at = (line + 1) / 2 * cells
    apart = np.abs(at[:, None] + 1 - np.arange(cells + 3, dtype=np.float32))
    near = 2 / 3 - apart**2 * (1 - apart / 2)
    spline = np.where(apart < 1, near, np.clip(2 - apart, 0, None) ** 3 / 6)
    # A B-spline's weights add up to 1, their squares to 0.4794 on average in each direction.
    return spline @ lattice @ spline.T * np.float32(1 / 0.4794)


def _lesion(scene: Scene, x: Floats, y: Floats, blotches: Floats, marks: Floats) -> list[Floats]:
    """Optical density of the lesion in red, green and blue, each (n, size, size)."""
    east, north = x - _cell(scene.place[:, 0]), y - _cell(scene.place[:, 1])
    body = _body(scene, east, north, marks[:, 0])
    mixed = _second(scene, east, north, blotches[:, 0])
    body *= _pattern(scene, east, north, blotches, marks)
    one, two = scene.colours[:, 0], scene.colours[:, 1]
    return [body * (_cell(one[:, k]) + mixed * _cell(two[:, k] - one[:, k])) for k in range(3)]


def _body(scene: Scene, east: Floats, north: Floats, ragged: Floats) -> Floats:
    """1 inside the lesion, 0 outside, soft between them."""
    cosine, sine = _cell(scene.turns[:, 0, 0]), _cell(scene.turns[:, 0, 1])
    along, across = east * cosine + north * sine, (north * cosine - east * sine) / _cell(scene.place[:, 3])
    away = np.sqrt(along * along + across * across) + np.float32(1e-6)
    radius = fourier(scene.border, along / away, across / away)
    inside = (
        1 + radius + 0.25 * _cell(np.abs(scene.border[:, 0]).mean(axis=1)) * ragged - away / _cell(scene.place[:, 2])
    )
    return 1 / (1 + np.exp(-np.clip(inside * (2 / _cell(scene.place[:, 4])), -30, 30)))


def fourier(border: Floats, cosine: Floats, sine: Floats) -> Floats:
    """A Fourier series of the direction, its terms by rotation: no angle is ever computed.

    Args:
        border: Amplitudes of cosines and sines, (n, 2, terms).
        cosine: Of the direction, (n, size, size).
        sine: The same.
    """
    real, imaginary = cosine, sine
    total = np.zeros_like(cosine)
    for k in range(border.shape[-1]):
        total += _cell(border[:, 0, k]) * real + _cell(border[:, 1, k]) * imaginary
        real, imaginary = real * cosine - imaginary * sine, real * sine + imaginary * cosine
    return total


def _second(scene: Scene, east: Floats, north: Floats, blotches: Floats) -> Floats:
    """Where the second colour lies: towards one side, in blotches, as much as its share says."""
    share = _cell(scene.texture[:, 4])
    side = east * _cell(scene.turns[:, 2, 0]) + north * _cell(scene.turns[:, 2, 1])
    return share / (1 + np.exp(-(7 * side + 2.2 * blotches + 3 * share - 2)))


def _pattern(scene: Scene, east: Floats, north: Floats, blotches: Floats, marks: Floats) -> Floats:
    """A factor on the density: a warped grid whose lines are the network and whose cells are the dots; and blotches."""
    often, network, dots, patchy = (_cell(scene.texture[:, k]) for k in range(4))
    cosine, sine = _cell(scene.turns[:, 1, 0]), _cell(scene.turns[:, 1, 1])
    first = (east * cosine + north * sine) * often + 1.1 * blotches[:, 0] + 0.7 * marks[:, 0]
    second = (north * cosine - east * sine) * often + 1.1 * blotches[:, 1] + 0.7 * marks[:, 1]
    grid = np.cos(first) * np.cos(second)
    lines = np.exp(-8 * grid * grid) - 0.5
    cells = np.clip(2.5 * grid - 0.75, 0, 1)
    return np.clip(1 + network * lines + dots * cells + patchy * blotches[:, 1], 0.05, None)


def _hairs(scene: Scene, x: Floats, y: Floats, size: int) -> Floats:
    """How much of each pixel is covered by hair, (n, size, size): thin parabolas across the picture."""
    bare = np.ones((len(scene.hairs), size, size), dtype=np.float32)
    blur = np.float32(0.5 / size)
    for k in range(MAX_HAIRS):
        rows = np.flatnonzero(scene.hairs[:, k, 5])
        if not rows.size:
            continue
        cosine, sine, offset, bend, width, opacity = (_cell(scene.hairs[rows, k, j]) for j in range(6))
        along, across = x * cosine + y * sine, y * cosine - x * sine
        wide = np.sqrt(width * width + blur * blur)
        apart = (across - offset - bend * along * along) / (wide * np.sqrt(1 + 4 * bend * bend * along * along))
        bare[rows] *= 1 - opacity * width / wide * np.exp(-apart * apart)
    return 1 - bare


def _light(scene: Scene, x: Floats, y: Floats) -> Floats:
    exposure, east, north, corners = (_cell(scene.light[:, k]) for k in range(4))
    return exposure * (1 + east * x + north * y) * (1 - corners * (x * x + y * y) ** 2 / 4)


def _expose(canvas: Floats, scene: Scene) -> NDArray[np.uint8]:
    """Camera noise, one hash a pixel: two 10-bit numbers for each colour, added."""
    n, size = canvas.shape[:2]
    hashes = counted(scene.keys, size * size).reshape(n, size, size)
    low = np.uint64(1023)
    for channel in range(3):
        one = (hashes >> np.uint64(20 * channel)) & low
        two = (hashes >> np.uint64(20 * channel + 10)) & low
        # The sum of two even numbers up to 1023 has mean 1023 and standard deviation 418.
        grain = (one + two).astype(np.float32) - 1023
        canvas[..., channel] += grain * _cell(scene.noise / np.float32(418))
    return (np.clip(canvas, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)

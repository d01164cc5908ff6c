"""Synthetic lesions: drawn skin of two tones, five classes, and a planted bias of a known kind; no data, no network."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.draws import Draws, counted
from fairshrink.data.sources.drawing import paint
from fairshrink.data.sources.scenes import compose
from fairshrink.data.table import Manifest
from fairshrink.errors import ConfigError, DataError

CLASSES = ("naevus-like", "melanoma-like", "keratosis-like", "carcinoma-like", "angioma-like")
TONES = ("tone I-III", "tone IV-VI")
FEWEST = 50
SMALLEST = 8

# Every 200 images hold exactly these (tone x class), in an order of their own: 75 % and 25 %, the same mix of classes.
BLOCK = np.array([[36, 33, 30, 27, 24], [12, 11, 10, 9, 8]])

# Scenes composed at once, and pixels painted at once: at 64 px the planes of 16 images stay within a core's cache.
_SCENES = 256
_PIXELS = 16 * 64 * 64


@dataclass(frozen=True)
class DrawnImages:
    """Images that are drawn when they are read.

    Attributes:
        seed: Of the whole set.
        labels: Class of each image, (N,).
        tones: Tone of each image, (N,).
    """

    seed: int
    labels: NDArray[np.int64]
    tones: NDArray[np.int64]

    @property
    def fingerprint(self) -> str:
        """Equal for equal images; the first number changes whenever the drawing does."""
        return f"lesions-1 count={len(self.labels)} seed={self.seed}"

    def read(self, indices: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
        """Draw some images, (n, size, size, 3). Each depends on (seed, index, size) only.

        Args:
            indices: Which images, (n,), in any order.
            size: Pixels along each side, 8 or more.

        Raises:
            ConfigError: `size` is too small.
            DataError: An index is out of range.
        """
        indices = np.asarray(indices, dtype=np.int64)
        if size < SMALLEST:
            raise ConfigError(f"size is {size}: lesions are drawn from {SMALLEST} pixels up.  Write  size = 64  or so.")
        if outside := int(((indices < 0) | (indices >= len(self.labels))).sum()):
            raise DataError(
                f"{outside:,} of {len(indices):,} indices are outside 0 to {len(self.labels) - 1:,}: "
                f"this set has {len(self.labels):,} images.  Ask for a larger count."
            )
        pixels = np.empty((len(indices), size, size, 3), dtype=np.uint8)
        for start in range(0, len(indices), _SCENES):
            self._draw(indices[start : start + _SCENES], pixels[start : start + _SCENES])
        return pixels

    def _draw(self, indices: NDArray[np.int64], pixels: NDArray[np.uint8]) -> None:
        scene = compose(self.seed, indices, self.labels[indices], self.tones[indices])
        size = pixels.shape[1]
        step = max(1, _PIXELS // size**2)
        for start in range(0, len(indices), step):
            rows = slice(start, start + step)
            pixels[rows] = paint(scene.part(rows), size)


def lesions(count: int = 4000, *, seed: int = 0) -> Manifest:
    """A set of drawn lesions, with a bias planted against one of two tones.

    The smaller group (a quarter of the images) has the same mix of classes but lesions of lower contrast. `age` has no
    effect on anything: an attribute whose gaps should stay below their null floor. The first images of a larger set are
    the same images.

    Args:
        count: Number of images, 50 or more.
        seed: Any whole number from 0 to 2**63 - 1; another seed gives other images.

    Returns:
        A manifest with the columns id, label, tone and age (whole years, 18 to 90).

    Raises:
        ConfigError: `count` or `seed` is out of range or not a whole number.
    """
    _check("count", count, FEWEST, 10**9)
    _check("seed", seed, 0, 2**63 - 1)
    labels, tones = _deal(count, seed)
    ages = Draws(seed, np.arange(count)).even("age")
    frame = pd.DataFrame(
        {
            "id": [f"lesion_{row:06d}" for row in range(count)],
            "label": np.array(CLASSES)[labels],
            "tone": np.array(TONES)[tones],
            "age": (18 + 73 * ages).astype(np.int64),
        }
    )
    return Manifest("lesions", frame, CLASSES, DrawnImages(int(seed), labels, tones))


def _check(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, Integral) and not isinstance(value, bool) and low <= value <= high:
        return
    default = {"count": 4000, "seed": 0}[name]
    raise ConfigError(
        f"{name} is {value!r}: lesions needs a whole number from {low:,} to {high:,}.  "
        f"Write  {name} = {default}  for the default."
    )


def _deal(count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Class and tone of each image: one shuffled hand of BLOCK after another, so that the cells' shares are exact."""
    blocks = np.arange(-(-count // int(BLOCK.sum())))
    order = counted(Draws(seed, blocks).keys("deal"), int(BLOCK.sum())).argsort(axis=1, kind="stable")
    cells = np.repeat(np.arange(BLOCK.size), BLOCK.ravel())[order].ravel()[:count]
    tones, labels = np.divmod(cells, BLOCK.shape[1])
    return labels, tones

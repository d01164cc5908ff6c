"""Random numbers by counting: each is a hash of (seed, purpose, image, position), whatever is drawn beside it.

Source: SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators", Fig. 16) in the form
of its public-domain C version (Vigna 2015).
"""

import math
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the result depends on every bit of the value; overflow is meant."""
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))


def counted(keys: NDArray[np.uint64], count: int) -> NDArray[np.uint64]:
    """`count` hashes for each key: (n,) -> (n, count)."""
    steps = np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
    return mix(keys[:, None] + steps)


@dataclass(frozen=True)
class Draws:
    """The random numbers of some images, by purpose.

    Attributes:
        seed: 0 or more.
        indices: The images (or blocks of images), (n,).
    """

    seed: int
    indices: NDArray[np.int64]

    def keys(self, purpose: str) -> NDArray[np.uint64]:
        """One hash for each image, (n,)."""
        start = mix(
            np.array([self.seed], dtype=np.uint64) + np.array([crc32(purpose.encode())], dtype=np.uint64) * _GOLDEN
        )
        return mix(start + (self.indices.astype(np.uint64) + np.uint64(1)) * _GOLDEN)

    def even(self, purpose: str, *shape: int) -> NDArray[np.float64]:
        """Even over [0, 1), (n, *shape)."""
        hashes = counted(self.keys(purpose), math.prod(shape))
        return ((hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(-1, *shape)

    def bell(self, purpose: str, *shape: int) -> NDArray[np.float64]:
        """Mean 0, standard deviation 1, within -3 and 3 (the sum of three even ones): no outlier spoils a picture."""
        return 2 * self.even(purpose, 3, *shape).sum(axis=1) - 3

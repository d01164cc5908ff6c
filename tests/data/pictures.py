"""Small images, tables and archives for the tests of the data room."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from fairshrink.data.table import Manifest
from fairshrink.errors import DataError


def picture(seed=0, side=24):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def encoded(pixels, format="PNG", **options):
    data = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(data, format, **options)
    return data.getvalue()


def folder_of(root: Path, names, ending=".png"):
    for at, name in enumerate(names):
        path = root / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(at)))
    return root


def zip_of(path: Path, members: dict[str, bytes]):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def csv_of(path: Path, *lines: str):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@dataclass(frozen=True)
class NoiseImages:
    """Images made of their row's number; some cannot be read."""

    fingerprint: str = "noise"
    broken: tuple[int, ...] = ()

    def read(self, indices, size):
        bad = [int(index) for index in indices if index in self.broken]
        if bad:
            raise DataError(f"'{bad[0]}.png': the image is damaged.")
        return np.stack([picture(int(index), size) for index in indices])


def manifest_of(count=40, *, images=None, missing="error", **columns):
    """Two classes by turns; sex f, m, m and so on; every two rows are one lesion."""
    frame = pd.DataFrame(
        {
            "id": [f"image{row:04d}" for row in range(count)],
            "label": ["ab"[row % 2] for row in range(count)],
            "sex": [["female", "male", "male"][row % 3] for row in range(count)],
            "lesion": [f"lesion{row // 2}" for row in range(count)],
        }
        | columns
    )
    return Manifest("toy", frame, ("a", "b"), images or NoiseImages(), where="toy.csv", missing=missing)

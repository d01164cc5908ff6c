"""ISIC 2019, training set: 25,331 dermoscopic images in 8 classes (Tschandl 2018, Codella 2018, Combalia 2019; CC BY-NC 4.0)."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.listing import APPENDED
from fairshrink.data.sources.table import Columns, read_manifest
from fairshrink.data.table import Manifest, Missing, first_few, read_csv
from fairshrink.errors import DataError

CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
UNUSED = "UNK"  # the ninth column: for the challenge's test images, empty in training
GROUND_TRUTH = "ISIC_2019_Training_GroundTruth.csv"
PUBLISHED = 25_331


def isic2019(
    images: Path | str | None,
    metadata: Path | str,
    ground_truth: Path | str | None = None,
    *,
    missing: Missing = "error",
) -> Manifest:
    """ISIC 2019 as it is published; ids without the `_downsampled` that some names end in, in the tables or the images.

    Args:
        images: Folder or zip archive, with any folders inside; None: look at the table only.
        metadata: ISIC_2019_Training_Metadata.csv; its columns age_approx, anatom_site_general, lesion_id and sex stay.
        ground_truth: ISIC_2019_Training_GroundTruth.csv; None: of this name, beside the metadata.
        missing: "error", or "exclude": list what has no image, no row or no readable pixels, and go on.

    Raises:
        DataError: A table or the images cannot be used, or something is missing.
    """
    return read_manifest("isic2019", images, metadata, columns(Path(metadata), ground_truth), missing=missing)


def columns(metadata: Path, ground_truth: Path | str | None = None) -> Columns:
    """How the two tables are read as one: names without what is appended, and a column "diagnosis".

    Args:
        metadata: Where the table of the patients lies.
        ground_truth: The table of the classes; None: of its published name, beside the other.
    """
    truth = metadata.with_name(GROUND_TRUTH) if ground_truth is None else Path(ground_truth)

    def complete(frame: pd.DataFrame, rows: NDArray[np.int64], where: str) -> pd.DataFrame:
        if not truth.is_file():
            raise DataError(
                f"the classes of '{where}' are in '{GROUND_TRUTH}', but there is no file '{truth}'. Put it there, or name it "
                "by  ground_truth."
            )
        named = [_plain(name) for name in frame["image"]]
        classes = _read_truth(truth)
        if strange := sorted(set(classes) - set(named)):
            raise DataError(
                f"'{truth.name}' has {len(strange):,} images that '{where}' does not have: {first_few(strange)}. "
                "Give two tables of the same images."
            )
        return frame.assign(image=named, diagnosis=[classes.get(name, "") for name in named])

    return Columns("image", "diagnosis", CLASSES, complete, PUBLISHED)


def _plain(name: str) -> str:
    return name.removesuffix(APPENDED)


def _read_truth(path: Path) -> dict[str, str]:
    """The class of each image, by its plain name."""
    frame, rows = read_csv(path, ["image", *CLASSES])
    header = [*CLASSES, UNUSED] if UNUSED in frame.columns else list(CLASSES)
    cells = frame[header].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    bad = ~np.isin(cells, (0, 1)).all(axis=1) | (cells.sum(axis=1) != 1) | (cells[:, : len(CLASSES)].sum(axis=1) != 1)
    if bad.any():
        raise DataError(
            f"{int(bad.sum()):,} rows of '{path.name}' do not say one class: rows {first_few(rows[bad].tolist())}. A single 1 "
            f"among zeros was expected, in one of {', '.join(CLASSES)}: the training images have no {UNUSED}."
        )
    labels = [CLASSES[at] for at in cells[:, : len(CLASSES)].argmax(axis=1)]
    classes: dict[str, str] = {}
    for name, label, row in zip(map(_plain, frame["image"]), labels, rows.tolist(), strict=True):
        if name in classes:
            raise DataError(f"row {row:,} of '{path.name}' names '{name}' a second time. Delete one of the rows.")
        classes[name] = label
    return classes

"""Fitzpatrick-17k: 16,577 clinical images in 114 conditions, with skin types (Groh et al. 2021; CC BY-NC-SA 3.0)."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.sources.fitzpatrick_labels import LABELS, NINE, THREE
from fairshrink.data.sources.table import Columns, read_manifest
from fairshrink.data.table import Manifest, Missing, first_few, need_column
from fairshrink.errors import ConfigError, DataError

SKIN_TYPE, OTHER_NAME = "fitzpatrick_scale", "fitzpatrick"
SKIN_TYPES = {"", "-1", "1", "2", "3", "4", "5", "6"}  # -1: not known, as the groups read it
LEVELS = {
    114: ("label", LABELS),
    9: ("nine_partition_label", NINE),
    3: ("three_partition_label", THREE),
}
PUBLISHED = 16_577


def fitzpatrick17k(
    images: Path | str | None, metadata: Path | str, *, level: int = 114, missing: Missing = "error"
) -> Manifest:
    """Fitzpatrick-17k as it is published.

    Args:
        images: Folder or zip archive with <md5hash>.jpg; None: look at the table only.
        metadata: fitzpatrick17k.csv; its columns stay, the skin type as fitzpatrick_scale even where it is called fitzpatrick.
        level: Number of classes: 114 (label), 9 (nine_partition_label) or 3 (three_partition_label).
        missing: "error", or "exclude": list what has no image, no row or no readable pixels, and go on.

    Raises:
        ConfigError: There is no such level.
        DataError: The table or the images cannot be used, or something is missing.
    """
    return read_manifest("fitzpatrick17k", images, metadata, columns(level), missing=missing)


def columns(level: int = 114) -> Columns:
    """How the table is read.

    Raises:
        ConfigError: There is no such level.
    """
    if level not in LEVELS:
        raise ConfigError(f"level is {level}, but Fitzpatrick-17k has {', '.join(map(str, LEVELS))} classes.")
    label, classes = LEVELS[level]
    return Columns("md5hash", label, classes, _complete, PUBLISHED)


def _complete(frame: pd.DataFrame, rows: NDArray[np.int64], where: str) -> pd.DataFrame:
    """One name for the skin type, whatever the copy calls it, and nothing in it but skin types."""
    if SKIN_TYPE not in frame.columns and OTHER_NAME in frame.columns:
        frame = frame.rename(columns={OTHER_NAME: SKIN_TYPE})
    need_column(SKIN_TYPE, frame.columns, f"'{where}'")
    # pandas writes whole numbers beside empty cells as 3.0.
    frame = frame.assign(**{SKIN_TYPE: frame[SKIN_TYPE].str.replace(r"^(-?\d)\.0+$", r"\1", regex=True)})
    strange = ~frame[SKIN_TYPE].isin(SKIN_TYPES).to_numpy()
    if strange.any():
        at = int(np.flatnonzero(strange)[0])
        raise DataError(
            f"row {int(rows[at]):,} of '{where}': the skin type is '{frame[SKIN_TYPE].iloc[at]}', but 1 to 6, or -1 where it is "
            f"not known, is expected. {int(strange.sum()):,} rows are like this: {first_few(rows[strange].tolist())}."
        )
    return frame

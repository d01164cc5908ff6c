"""HAM10000: 10,015 dermatoscopic images of 7,470 lesions in 7 classes (Tschandl et al. 2018; CC BY-NC 4.0)."""

from pathlib import Path

from fairshrink.data.sources.table import Columns, read_manifest
from fairshrink.data.table import Manifest, Missing

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
PUBLISHED = 10_015
COLUMNS = Columns("image_id", "dx", CLASSES, published=PUBLISHED)


def ham10000(images: Path | str | None, metadata: Path | str, *, missing: Missing = "error") -> Manifest:
    """HAM10000 as it is published.

    Args:
        images: Folder or zip archive, with or without HAM10000_images_part_1/ and _2/ inside; None: look at the table only.
        metadata: HAM10000_metadata.csv; its columns lesion_id, dx_type, age, sex and localization stay.
        missing: "error", or "exclude": list what has no image, no row or no readable pixels, and go on.

    Raises:
        DataError: The table or the images cannot be used, or something is missing.
    """
    return read_manifest("ham10000", images, metadata, COLUMNS, missing=missing)

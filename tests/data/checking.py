"""A small data set for the tests of the checks."""

from PIL import Image

from data.pictures import csv_of, encoded, picture
from fairshrink.data.checks import Subject, check
from fairshrink.data.sources.table import Columns


def photo(seed, **options):
    small = Image.fromarray(picture(seed, 12))
    return encoded(small.resize((48, 40), Image.Resampling.BICUBIC), "JPEG", quality=90, **options)


def checked(folder, lines, *, cache=None, **settings):
    """The report on a table of these lines."""
    settings = {"groups": ("sex",), "split_by": "lesion", "min_cell": 0, "size": 32} | settings
    columns = settings.pop("columns", Columns())
    metadata = csv_of(folder.parent / "table.csv", *lines)
    images = None if settings.pop("no_images", False) else folder
    return check(Subject("toy", metadata, images, columns, **settings), cache=cache)


def found(report, kind):
    """Row and id of each finding of a kind."""
    return [(finding.row, finding.id) for finding in report.of(kind)]


def split_file(folder, parts):
    """A split file: the images take these parts by turns."""
    rows = [f"p{at:02d},{parts[at % len(parts)]}" for at in range(12)]
    return csv_of(folder.parent / "split.csv", "image,split", *rows)

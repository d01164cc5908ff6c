"""The kinds of problem that a check knows, how grave each is, and what to do about it."""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Kind(NamedTuple):
    """A sort of problem.

    Attributes:
        severity: "error": `fairshrink run` stops at it, or test results would be wrong. "warning": results suffer.
            "note": worth knowing.
        do: What to do about it.
        left_out: With  missing = "exclude"  the row is left out and listed, and this is a warning.
    """

    severity: Severity
    do: str
    left_out: bool = False


_REPAIR = "Fetch or save the image again, or delete its row."
_CONVERT = "Convert the image to JPEG or PNG, or delete its row."

KINDS: dict[str, Kind] = {
    # The files
    "unusable table": Kind("error", "Correct the file; its rows could not be checked."),
    "unusable images": Kind("error", "Give a folder or zip archive of JPEG and PNG images."),
    "ragged row": Kind("error", "Give the row as many cells as the header; quote cells that contain commas."),
    "outside the root": Kind("error", "Use plain names and plain files below the folder."),
    "unusable file": Kind("error", "Replace the file by a plain, unencrypted image."),
    # Rows and images
    "row without name": Kind("error", "Fill in the image's name, or delete the row."),
    "repeated name": Kind("error", "Keep one row per image."),
    "two names for one image": Kind("error", "Keep one row per image."),
    "two images for one name": Kind("error", "Delete one of the images, or give the path inside as name."),
    "names differ in case or ending": Kind("warning", "Rename one: on some systems they are one file."),
    "file named differently": Kind("note", "Nothing, if this is the image that is meant."),
    "row without image": Kind("error", "Add the image, or delete the row.", left_out=True),
    "image without row": Kind("error", "Add a row, or delete the image.", left_out=True),
    "row without label": Kind("error", "Fill in the label, or delete the row.", left_out=True),
    "unknown label": Kind("error", "Correct the label."),
    "part of a published set": Kind("error", "Get the whole set, or say that a part is meant.", left_out=True),
    "one class only": Kind("error", "Name the right column as label, or add images of another class."),
    # One image
    "empty file": Kind("error", _REPAIR, left_out=True),
    "text file": Kind("error", _REPAIR, left_out=True),
    "wrong format": Kind("error", _CONVERT, left_out=True),
    "truncated": Kind("error", _REPAIR, left_out=True),
    "damaged": Kind("error", _REPAIR, left_out=True),
    "animated": Kind("error", "Save the one frame that is meant, or delete its row.", left_out=True),
    "transparent": Kind("error", "Flatten the image, or delete its row.", left_out=True),
    "too many pixels": Kind("error", "Make the image smaller, or delete its row.", left_out=True),
    "unusual shape": Kind("warning", "Look at the image: it is squashed to a square."),
    "ending of another format": Kind("note", "Nothing: the content counts. Rename it for other programs."),
    # Images among themselves
    "same pixels across parts": Kind(
        "error", "Delete one of the rows, or give both the same value in the split_by column."
    ),
    "same pixels, another label": Kind("warning", "Find out which label is right; delete the other row."),
    "same pixels, another group": Kind("warning", "Find out which value is right; delete the other row."),
    "same pixels": Kind("note", "Delete one of the rows if the image should count once."),
    # Lesions, patients: whatever split_by names
    "unusable split_by": Kind("error", "Name a column of the table."),
    "cluster across parts": Kind("error", "Split by cluster, or say that test results are optimistic."),
    "cluster with several labels": Kind("warning", "Find out which label is right."),
    "cluster with several groups": Kind("warning", "Find out which value is right; a person's age may well change."),
    "cluster with several images": Kind(
        "note", "Nothing: they are kept in one part, and intervals resample them together."
    ),
    "images of a cluster told apart": Kind("warning", 'Write  split_by = "COLUMN"  so that they stay in one part.'),
    "row without cluster": Kind("note", "Nothing: the image counts as its own cluster."),
    # Groups
    "unusable group": Kind("error", "Name another column, threshold or bins."),
    "not a number": Kind("error", "Correct the cell, or empty it."),
    "unknown group": Kind(
        "note", 'Nothing: it is trained on and in no group (unknown = "train"), or left out ("exclude").'
    ),
    "few images": Kind("warning", "Expect wide intervals; add images or merge groups."),
    "few images in a part": Kind("warning", "Expect wide intervals; add images, merge groups or use folds."),
    # The split
    "unusable split file": Kind("error", "Correct the file; the split could not be checked."),
    "unknown part": Kind("error", "Write train, val or test."),
    "split named twice": Kind("error", "Keep one row per image in the split file."),
    "split of no row": Kind("error", "Add the image, or delete the row of the split file.", left_out=True),
    "row without split": Kind("note", "Nothing: the image is in no part."),
    "empty part": Kind("error", "Give train, val and test an image each; compare the names of the images."),
}

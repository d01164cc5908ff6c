"""The images themselves: each decoded once, its failure told apart, its pixels remembered by a digest."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.data.archive import FileImages
from fairshrink.data.checks.findings import Finding
from fairshrink.data.checks.subject import Fit, Rows, Subject
from fairshrink.data.decode import FORMATS, examine, name_format
from fairshrink.data.sources.table import read_manifest
from fairshrink.data.store import Observer, chunks, open_store, store_folder
from fairshrink.data.table import Manifest
from fairshrink.errors import DataError

NARROW = 8  # pixels; a shorter side is no picture
LONG = 4  # sides further apart than this are squashed beyond recognition


class Seen(NamedTuple):
    """One image file.

    Attributes:
        digest: Of the original pixels, "" where it cannot be decoded.
        width: Pixels.
        height: Pixels.
        format: By content.
        trouble: Kind of finding where it cannot be decoded.
        why: What the decoder said.
    """

    digest: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    trouble: str = ""
    why: str = ""


@dataclass(frozen=True)
class Inspected:
    """Images that note what they see, by path inside, while they are decoded; the pixels are the same."""

    images: FileImages
    seen: dict[str, Seen] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """That of the images."""
        return self.images.fingerprint

    def read(self, indices: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
        """The images of these rows, (n, size, size, 3); called from several threads, each with other rows.

        Raises:
            DataError: One of them cannot be decoded.
        """
        return np.stack([self._one(int(index), size) for index in indices])

    def _one(self, index: int, size: int) -> NDArray[np.uint8]:
        member, data = self.images.members[index], None
        try:
            data = self.images.content(index)
            found = examine(data, size)
        except DataError as error:
            kind = "damaged" if data is None else trouble_of(data, str(error))
            self.seen[member] = Seen(trouble=kind, why=str(error))
            raise DataError(f"'{member}': {error}") from error
        self.seen[member] = Seen(found.digest, found.width, found.height, found.format)
        return found.pixels


def trouble_of(data: bytes, why: str) -> str:
    """The kind of finding of a file that cannot be decoded, from its content and, for whole files, the decoder's words."""
    held = name_format(data)
    if held in ("empty", "text"):
        return f"{held} file"
    if held not in (*FORMATS, "unknown"):
        return "wrong format"
    for sign, kind in (("more than", "too many pixels"), ("bomb", "too many pixels"), ("animated", "animated")):
        if sign in why:
            return kind
    if "transparent" in why:
        return "transparent"
    ends = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}.get(held)
    return "truncated" if ends is not None and ends not in data[-16:].rstrip(b"\0\n\r ") else "damaged"


def inspect(
    subject: Subject, rows: Rows, fit: Fit, cache: Path | None, observer: Observer | None
) -> tuple[dict[str, Seen], str]:
    """What every image is that a row names, by path inside; and the folder of the decoded store where one is written."""
    if fit.archive is None:
        return {}, ""
    seen: dict[str, Seen] = {}
    stored = "" if cache is None else _store(subject, seen, cache, observer)
    named = dict.fromkeys(member for member in fit.members if member is not None)
    members = tuple(named if any(rows.ids) else fit.archive.members)
    left = tuple(member for member in members if member not in seen)
    images = Inspected(FileImages(fit.archive, left), seen)
    manifest = Manifest(subject.name, pd.DataFrame({"id": list(left)}), (), images)
    done = 0
    for chunk in chunks(manifest, subject.size):
        done += len(chunk.pixels)
        if observer is not None:
            observer(done, len(left))
    return seen, stored


def _store(subject: Subject, seen: dict[str, Seen], cache: Path, observer: Observer | None) -> str:
    """Decodes into the store, as a run would; "" where a run would refuse the data."""
    if subject.images is None:
        return ""
    try:
        manifest = read_manifest(
            subject.name, subject.images, subject.metadata, subject.columns, missing=subject.missing
        )
        if isinstance(manifest.images, FileImages):
            manifest = replace(manifest, images=Inspected(manifest.images, seen))
        open_store(manifest, subject.size, cache, observer)
    except DataError:
        return ""  # every reason is among the findings
    return str(store_folder(manifest, subject.size, cache))


def image_findings(rows: Rows, fit: Fit, seen: dict[str, Seen]) -> Iterator[Finding]:
    """What is wrong with single images."""
    row_of = {member: at for at, member in reversed(list(enumerate(fit.members))) if member is not None}
    for member, image in seen.items():
        at = row_of.get(member)
        row, name = (0, member) if at is None else (int(rows.rows[at]), rows.ids[at])
        ending = PurePosixPath(member).suffix.lower()
        if image.trouble:
            yield Finding(image.trouble, row, name, f"'{member}': {image.why}".rstrip("."))
            continue
        short, long = sorted((image.width, image.height))
        if short < NARROW or long > LONG * short:
            yield Finding("unusual shape", row, name, f"{image.width:,} x {image.height:,} pixels")
        if (image.format == "PNG") != (ending == ".png"):
            yield Finding("ending of another format", row, name, f"'{member}' is a {image.format} file")


def same_pixels(fit: Fit, seen: dict[str, Seen]) -> list[list[int]]:
    """Sets of rows whose images show exactly the same, each in the table's order."""
    sets: dict[str, list[int]] = defaultdict(list)
    for at, member in enumerate(fit.members):
        if member is not None and (image := seen.get(member)) and image.digest:
            sets[image.digest].append(at)
    # Two rows that name one file are reported as that.
    return [found for found in sets.values() if len({fit.members[at] for at in found}) > 1]

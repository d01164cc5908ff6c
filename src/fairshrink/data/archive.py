"""Images in a folder or a zip archive, found by name, wherever they lie in it."""

import hashlib
import lzma
import threading
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fairshrink.data.decode import decode
from fairshrink.data.listing import ENDINGS, MAX_BYTES, Trouble, leaves_root, list_folder, list_zip, match
from fairshrink.data.table import first_few
from fairshrink.errors import DataError

_BROKEN = (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


class Archive(Protocol):
    """Named files and their bytes."""

    @property
    def where(self) -> str:
        """What to call it in an error."""
        ...

    @property
    def members(self) -> dict[str, str]:
        """Path inside (with "/") of each image -> what changes when its content does."""
        ...

    def read(self, member: str) -> bytes:
        """The bytes of one image."""
        ...


@dataclass(frozen=True)
class Folder:
    """The images below a folder."""

    root: Path
    members: dict[str, str]

    @property
    def where(self) -> str:
        """The folder, for errors."""
        return f"folder '{self.root}'"

    def read(self, member: str) -> bytes:
        """The bytes of one image."""
        with (self.root / member).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"it has grown beyond {MAX_BYTES:,} bytes")
        return data


@dataclass(frozen=True)
class Zip:
    """The images in a zip archive."""

    path: Path
    members: dict[str, str]
    archive: zipfile.ZipFile
    # zipfile counts its readers without a lock; only reading is under ours, decoding runs beside it.
    lock: threading.Lock = field(default_factory=threading.Lock, compare=False)

    @property
    def where(self) -> str:
        """The archive, for errors."""
        return f"archive '{self.path.name}'"

    def read(self, member: str) -> bytes:
        """The bytes of one image; its checksum is compared on the way."""
        with self.lock:
            return self.archive.read(member)


@dataclass(frozen=True)
class Absent:
    """Images that a table names and that are not looked for, so that the table can be used before they are there."""

    members: dict[str, str]
    where: str = "no folder"

    def read(self, member: str) -> bytes:
        """Never anything."""
        raise FileNotFoundError(f"only the table of '{member}' is here")


@dataclass(frozen=True)
class FileImages:
    """One file per row of a table.

    Attributes:
        archive: Where the files lie.
        members: Path inside the archive of each row's image.
    """

    archive: Archive
    members: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Digest of names, sizes and checksums (zip) or dates (folder)."""
        known = self.archive.members
        text = "\n".join(f"{member}\t{known[member]}" for member in self.members)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()  # names may be no text

    def read(self, indices: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
        """The images of these rows, (n, size, size, 3).

        Raises:
            DataError: A file cannot be read or decoded; the message names it.
        """
        pixels = np.empty((len(indices), size, size, 3), dtype=np.uint8)
        for at, index in enumerate(indices):
            try:
                pixels[at] = decode(self.content(int(index)), size)
            except DataError as error:
                raise DataError(f"'{self.members[index]}': {error}") from error
        return pixels

    def content(self, index: int) -> bytes:
        """The bytes of one row's file.

        Raises:
            DataError: It cannot be read, or its checksum is wrong; the message does not name it.
        """
        try:
            return self.archive.read(self.members[index])
        except _BROKEN as error:
            raise DataError(f"the file cannot be read: {error}. Fetch or save it again.") from error


def open_archive(path: Path) -> Archive:
    """Lists the images of a folder or zip; reads no pixels.

    Raises:
        DataError: Neither a folder nor a zip, no image inside, or something inside points out of it.
    """
    archive, troubles, _ = survey(path)
    if troubles:
        more = f" {len(troubles) - 1:,} more are like this." if len(troubles) > 1 else ""
        raise DataError(f"{troubles[0].why}{more}")
    if not archive.members:
        raise DataError(f"{archive.where} holds no image. Files that end in {', '.join(ENDINGS)} were expected.")
    return archive


def survey(path: Path) -> tuple[Archive, list[Trouble], list[str]]:
    """The images of a folder or zip, everything inside that is refused, and the other files; reads no pixels.

    Raises:
        DataError: Neither a folder nor a zip.
    """
    if path.is_dir():
        root = path.resolve()
        members, troubles, others = list_folder(root)
        return Folder(root, members), troubles, others
    if not path.is_file():
        raise DataError(f"there is no folder or zip archive '{path}'. Give the path of the images.")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataError(
            f"'{path}' is not a zip archive ({error}). Give a folder or a zip archive of images."
        ) from error
    members, troubles, others = list_zip(archive, path.name)
    return Zip(path, members, archive), troubles, others


def find(archive: Archive, ids: list[str]) -> list[str | None]:
    """The member of each id, None where there is none; see `listing.match` for what fits.

    Raises:
        DataError: An id points out of the archive, or several images fit one id, or one image several ids.
    """
    outside = [name for name in ids if leaves_root(name)]
    if outside:
        raise DataError(f"{len(outside):,} ids point out of {archive.where}: {first_few(outside)}. Use plain names.")
    matches = match(archive.members, ids)
    several = [(name, fits) for name, fits in zip(ids, matches, strict=True) if len(fits) > 1]
    if several:
        name, fits = several[0]
        raise DataError(
            f"{archive.where} holds more than one image for {len(several):,} ids, such as '{name}': "
            f"{first_few(fits)}. Delete one, or give the path inside as id."
        )
    found = [fits[0] if fits else None for fits in matches]
    _check_once(ids, found)
    return found


def _check_once(ids: list[str], found: list[str | None]) -> None:
    first: dict[str, str] = {}
    for name, member in zip(ids, found, strict=True):
        if member is None:
            continue
        if member in first:
            raise DataError(f"the ids '{first[member]}' and '{name}' both mean the image '{member}'. Delete one row.")
        first[member] = name

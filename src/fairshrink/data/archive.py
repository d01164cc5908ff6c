"""Images in a folder or a zip archive, found by name, wherever they lie in it."""

import hashlib
import lzma
import os
import stat
import threading
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fairshrink.data.decode import decode
from fairshrink.data.table import first_few
from fairshrink.errors import DataError

ENDINGS = (".jpg", ".jpeg", ".png")
_BROKEN = (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
MAX_BYTES = 256 * 2**20  # one compressed image; more is a mistake or a trap


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
        return (self.root / member).read_bytes()


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
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self, indices: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
        """The images of these rows, (n, size, size, 3).

        Raises:
            DataError: A file cannot be read or decoded; the message names it.
        """
        pixels = np.empty((len(indices), size, size, 3), dtype=np.uint8)
        for at, index in enumerate(indices):
            pixels[at] = self._one(self.members[index], size)
        return pixels

    def _one(self, member: str, size: int) -> NDArray[np.uint8]:
        try:
            return decode(self.archive.read(member), size)
        except _BROKEN as error:
            raise DataError(f"'{member}' cannot be read: {error}.") from error
        except DataError as error:
            raise DataError(f"'{member}': {error}") from error


def open_archive(path: Path) -> Archive:
    """Lists the images of a folder or zip; reads no pixels.

    Raises:
        DataError: Neither a folder nor a zip, no image inside, or something inside points out of it.
    """
    if path.is_dir():
        root = path.resolve()
        archive: Archive = Folder(root, dict(sorted(_walk(root))))
    elif path.is_file():
        archive = _open_zip(path)
    else:
        raise DataError(f"there is no folder or zip archive '{path}'. Give the path of the images.")
    if not archive.members:
        raise DataError(f"{archive.where} holds no image. Files that end in {', '.join(ENDINGS)} were expected.")
    return archive


def find(archive: Archive, ids: list[str]) -> list[str | None]:
    """The member of each id: by file name or path inside the archive, with or without its ending.

    Raises:
        DataError: An id points out of the archive, or several images fit one id, or one image several ids.
    """
    index: dict[str, list[str]] = {}
    for member in archive.members:
        path = PurePosixPath(member)
        for key in {member, str(path.with_suffix("")), path.name, path.stem}:
            index.setdefault(key, []).append(member)
    outside = [name for name in ids if _leaves_root(name)]
    if outside:
        raise DataError(f"{len(outside):,} ids point out of {archive.where}: {first_few(outside)}. Use plain names.")
    several = [name for name in ids if len(index.get(name, ())) > 1]
    if several:
        raise DataError(
            f"{archive.where} holds more than one image for {len(several):,} ids, such as '{several[0]}': "
            f"{first_few(index[several[0]])}. Delete one, or give the path inside as id."
        )
    found = [index[name][0] if name in index else None for name in ids]
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


def _is_image(name: str) -> bool:
    """Whether a path is an image and not a desktop's hidden companion of one."""
    path = PurePosixPath(name)
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and "__MACOSX" not in path.parts


def _leaves_root(name: str) -> bool:
    return (
        ".." in PurePosixPath(name.replace("\\", "/")).parts
        or name.startswith(("/", "\\"))
        or name[1:3] in (":\\", ":/")
    )


def _walk(root: Path) -> Iterator[tuple[str, str]]:
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise DataError(
                    f"'{path.relative_to(root).as_posix()}' in folder '{root}' is a link that points out of it. "
                    "Give the folder that it points to, or copy the files."
                )
        for name in files:
            if _is_image(name):
                path = Path(folder, name)
                status = path.stat()
                yield path.relative_to(root).as_posix(), f"{status.st_size} {status.st_mtime_ns}"


def _open_zip(path: Path) -> Zip:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataError(
            f"'{path}' is not a zip archive ({error}). Give a folder or a zip archive of images."
        ) from error
    members: dict[str, str] = {}
    for info in archive.infolist():
        _check_member(path, info)
        if info.is_dir() or not _is_image(info.filename):
            continue
        if info.filename in members:
            raise DataError(f"archive '{path.name}' holds '{info.filename}' twice. Pack it again.")
        members[info.filename] = f"{info.file_size} {info.CRC:08x}"
    return Zip(path, dict(sorted(members.items())), archive)


def _check_member(path: Path, info: zipfile.ZipInfo) -> None:
    where = f"archive '{path.name}': the member '{info.filename}'"
    if _leaves_root(info.orig_filename):
        raise DataError(
            f"{where} points out of the archive, which is how archives attack. Do not use it; pack it again."
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise DataError(f"{where} is a link. Pack the archive again with the files themselves.")
    if info.flag_bits & 1:
        raise DataError(f"{where} is encrypted. Unpack it and give the folder.")
    if _is_image(info.filename) and info.file_size > MAX_BYTES:
        raise DataError(f"{where} has {info.file_size:,} bytes; at most {MAX_BYTES:,} are expected of an image.")

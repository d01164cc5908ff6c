"""What lies in a folder or zip archive of images: the images, and everything that must not or cannot be read."""

import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ENDINGS = (".jpg", ".jpeg", ".png")
APPENDED = "_downsampled"  # to the names of images that ISIC 2019 made smaller; in some copies, and in some tables
MAX_BYTES = 256 * 2**20  # one compressed image; more is a mistake or a trap


class Trouble(NamedTuple):
    """Something inside that is refused.

    Attributes:
        kind: "outside the root" or "unusable file".
        name: Path inside.
        why: What it is and what to do, as a sentence about "the member '...'" or "'...' in folder '...'".
    """

    kind: str
    name: str
    why: str


class Listing(NamedTuple):
    """What lies inside.

    Attributes:
        members: The images, sorted by path, each with what changes when its content does.
        troubles: What is refused.
        others: All other files.
    """

    members: dict[str, str]
    troubles: list[Trouble]
    others: list[str]


def list_folder(root: Path) -> Listing:
    """The images below a folder (resolved); links are followed to files inside it only."""
    members: dict[str, str] = {}
    troubles: list[Trouble] = []
    others: list[str] = []
    for path in _below(root, troubles):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            why = (
                f"'{name}' in folder '{root}' is a link that points out of it. "
                "Give the folder that it points to, or copy the files."
            )
            troubles.append(Trouble("outside the root", name, why))
        elif is_image(name) and not path.is_dir():
            _list_file(root, name, members, troubles)
        elif path.is_file():
            others.append(name)
    return Listing(dict(sorted(members.items())), sorted(troubles), sorted(others))


def _below(root: Path, troubles: list[Trouble]) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        name = Path(error.filename).relative_to(root).as_posix()
        why = f"the folder '{name}' in '{root}' cannot be read: {error.strerror}. Allow reading it, or move it out."
        troubles.append(Trouble("unusable file", name, why))

    for folder, folders, files in os.walk(root, onerror=refused):
        yield from (Path(folder, name) for name in (*folders, *files))


def _list_file(root: Path, name: str, members: dict[str, str], troubles: list[Trouble]) -> None:
    where = f"'{name}' in folder '{root}'"
    try:
        status = (root / name).stat()
    except OSError as error:
        why = f"{where} cannot be read: {error.strerror}. If it is a link, nothing is where it points: delete it."
        troubles.append(Trouble("unusable file", name, why))
        return
    if not stat.S_ISREG(status.st_mode):
        # Reading a pipe would wait for ever.
        troubles.append(Trouble("unusable file", name, f"{where} is no plain file (a pipe or device). Delete it."))
    elif status.st_size > MAX_BYTES:
        why = f"{where} has {status.st_size:,} bytes; at most {MAX_BYTES:,} are expected of an image."
        troubles.append(Trouble("unusable file", name, why))
    else:
        members[name] = f"{status.st_size} {status.st_mtime_ns}"


def list_zip(archive: zipfile.ZipFile, called: str) -> Listing:
    """The images in an archive; reads no content."""
    members: dict[str, str] = {}
    troubles: list[Trouble] = []
    others: list[str] = []
    for info in archive.infolist():
        if trouble := _member_trouble(info, called):
            troubles.append(trouble)
        elif not is_image(info.filename):
            others += [] if info.is_dir() else [info.filename]
        elif info.is_dir():
            continue
        elif info.filename in members:
            why = f"archive '{called}' holds '{info.filename}' twice. Pack it again."
            troubles.append(Trouble("unusable file", info.filename, why))
        else:
            members[info.filename] = f"{info.file_size} {info.CRC:08x}"
    return Listing(dict(sorted(members.items())), troubles, sorted(others))


def _member_trouble(info: zipfile.ZipInfo, called: str) -> Trouble | None:
    where = f"archive '{called}': the member '{info.filename}'"
    if leaves_root(info.orig_filename):
        why = f"{where} points out of the archive, which is how archives attack. Do not use it; pack it again."
        return Trouble("outside the root", info.filename, why)
    if stat.S_ISLNK(info.external_attr >> 16):
        why = f"{where} is a link. Pack the archive again with the files themselves."
        return Trouble("outside the root", info.filename, why)
    if info.flag_bits & 1:
        return Trouble("unusable file", info.filename, f"{where} is encrypted. Unpack it and give the folder.")
    if is_image(info.filename) and info.file_size > MAX_BYTES:
        why = f"{where} has {info.file_size:,} bytes; at most {MAX_BYTES:,} are expected of an image."
        return Trouble("unusable file", info.filename, why)
    return None


def is_image(name: str) -> bool:
    """Whether a path is an image and not a desktop's hidden companion of one."""
    path = PurePosixPath(name)
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and "__MACOSX" not in path.parts


def leaves_root(name: str) -> bool:
    """Whether a path inside points out, as any system would read it."""
    return (
        ".." in PurePosixPath(name.replace("\\", "/")).parts
        or name.startswith(("/", "\\"))
        or name[1:3] in (":\\", ":/")
    )


def match(members: dict[str, str], ids: list[str]) -> list[tuple[str, ...]]:
    """The members that each id can mean, none, one or several.

    By path inside or file name, with or without its ending, as it is written; where nothing fits, in other case; where
    nothing fits still, with another of the image endings ('ISIC_1.PNG' finds 'isic_1.jpg'), or with or without the
    '_downsampled' that ISIC 2019 appends.
    """
    exact = _index(members, str)
    found = [exact.get(name, ()) for name in ids]
    if all(found):
        return found
    folded, plainly = _index(members, str.casefold), _index(members, plain)
    return [
        hit or folded.get(name.casefold(), ()) or folded.get(bare(name), ()) or plainly.get(plain(name), ())
        for name, hit in zip(ids, found, strict=True)
    ]


def names_of(member: str) -> set[str]:
    """What an image can be called: its path inside or its file name, with or without the ending."""
    path = PurePosixPath(member)
    return {member, str(path.with_suffix("")), path.name, path.stem}


def _index(members: dict[str, str], called: Callable[[str], str]) -> dict[str, tuple[str, ...]]:
    index: dict[str, tuple[str, ...]] = {}
    for member in members:
        for key in {called(name) for name in names_of(member)}:
            index[key] = (*index.get(key, ()), member)
    return index


def bare(name: str) -> str:
    """The name in lower case without its image ending; a name without one as it is."""
    lower = name.casefold()
    return next((lower.removesuffix(ending) for ending in ENDINGS if lower.endswith(ending)), lower)


def plain(name: str) -> str:
    """The name in lower case without its image ending and without what ISIC 2019 appends."""
    return bare(name).removesuffix(APPENDED)

"""Images to predict, wherever they lie: files, folders, zip archives, patterns; decoded in batches, as for training."""

import glob
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairshrink.data.archive import Archive, FileImages, Folder, Zip, open_archive
from fairshrink.errors import DataError

PATTERN = "*?["


class Named(NamedTuple):
    """One image that can be read: row `row` of `images`."""

    name: str
    images: FileImages
    row: int


class Found(NamedTuple):
    """What was asked for.

    Attributes:
        images: Every image once, in the order they were named; inside a folder or archive by name.
        notes: What was left aside, and why.
    """

    images: list[Named]
    notes: list[str]


class Decoded(NamedTuple):
    """Some images.

    Attributes:
        names: Their names, (n,).
        pixels: (n, size, size, 3); black where an image cannot be read.
        errors: Position -> why that image cannot be read.
    """

    names: list[str]
    pixels: NDArray[np.uint8]
    errors: dict[int, str]


def find_images(given: Sequence[str | Path]) -> Found:
    """The images that some files, folders, zip archives or patterns stand for; no pixels are read.

    An image is called what leads to it: the file as it was named, `folder/inside/a.png`, `archive.zip/inside/a.png`.

    Raises:
        DataError: A name stands for nothing, or a folder or archive cannot be used.
    """
    images: dict[str, Named] = {}
    notes: list[str] = []
    twice = 0
    for path in (path for text in given for path in _expanded(str(text))):
        for image in _images_of(path, notes):
            twice += image.name in images
            images.setdefault(image.name, image)
    if twice:
        notes.append(f"{twice:,} images were named more than once and are predicted once.")
    if not images:
        raise DataError("no image was named. Give files, folders, zip archives or patterns such as 'photos/*.jpg'.")
    return Found(list(images.values()), notes)


def decoded(images: Sequence[Named], size: int, batch_size: int, threads: int | None = None) -> Iterator[Decoded]:
    """The images in order, decoded by several threads; two batches are held at most.

    Args:
        images: What to read.
        size: Pixels a side.
        batch_size: Images a batch.
        threads: Threads that decode; None: one for each core.
    """
    waiting: deque[tuple[Sequence[Named], list[Future[NDArray[np.uint8] | str]]]] = deque()
    pool = ThreadPoolExecutor(threads or os.cpu_count() or 1)
    try:
        for start in range(0, len(images), batch_size):
            part = images[start : start + batch_size]
            waiting.append((part, [pool.submit(_decode, image, size) for image in part]))
            if len(waiting) > 1:
                yield _together(*waiting.popleft(), size)
        while waiting:
            yield _together(*waiting.popleft(), size)
    finally:
        pool.shutdown(cancel_futures=True)


def one_file(path: Path) -> Named:
    """A file by itself; it is tried whatever its ending."""
    return Named(_text(path), FileImages(Folder(path.parent, {path.name: ""}), (path.name,)), 0)


def _expanded(text: str) -> list[Path]:
    if Path(text).exists():
        return [Path(text)]
    found = sorted(glob.glob(text, recursive=True)) if any(sign in text for sign in PATTERN) else []
    if not found:
        raise DataError(f"there is no file, folder or zip archive '{text}', and no pattern that finds one.")
    return [Path(path) for path in found]


def _images_of(path: Path, notes: list[str]) -> Iterator[Named]:
    if not path.is_dir() and path.suffix.lower() != ".zip":
        yield one_file(path)
        return
    archive = open_archive(path)
    if others := _others(archive):
        notes.append(f"'{_text(path)}': {others:,} file(s) left aside that do not end in .jpg, .jpeg or .png.")
    images = FileImages(archive, tuple(archive.members))
    for row, member in enumerate(images.members):
        yield Named(f"{_text(path)}/{_text(member)}", images, row)


def _others(archive: Archive) -> int:
    """Files beside the images; a desktop's hidden companions do not count."""
    if isinstance(archive, Zip):
        names = [info.filename for info in archive.archive.infolist() if not info.is_dir()]
    elif isinstance(archive, Folder):
        names = [str(path.relative_to(archive.root)) for path in archive.root.rglob("*") if path.is_file()]
    else:
        return 0
    visible = [n for n in names if not os.path.basename(n).startswith(".") and "__MACOSX" not in n]
    return len(visible) - len(archive.members)


def _decode(image: Named, size: int) -> NDArray[np.uint8] | str:
    try:
        return image.images.read(np.array([image.row]), size)[0]
    except DataError as error:
        member = image.images.members[image.row]  # the name stands in a column of its own
        return " ".join(str(error).removeprefix(f"'{member}': ").removeprefix(f"'{member}' ").split())


def _together(part: Sequence[Named], waiting: list[Future[NDArray[np.uint8] | str]], size: int) -> Decoded:
    pixels = np.zeros((len(part), size, size, 3), dtype=np.uint8)
    errors: dict[int, str] = {}
    for at, future in enumerate(waiting):
        result = future.result()
        if isinstance(result, str):
            errors[at] = result
        else:
            pixels[at] = result
    return Decoded([image.name for image in part], pixels, errors)


def _text(path: str | Path) -> str:
    """A file's name as text; bytes that are none are spelled out, so that it can be written down."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()

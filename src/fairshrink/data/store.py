"""The decoded store: every image once, as one memory-mapped array of bytes.

A store is a cache, found by what is in it (pixels' fingerprint, ids, size). One that is damaged is made again, not
trusted: its length, its header and a sample of its rows are compared with its record each time it is opened.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fairshrink.data.table import Manifest, first_few
from fairshrink.errors import ConfigError, DataError, StoreError
from fairshrink.files import alone_in, read_json, write_atomically, write_json

Observer = Callable[[int, int], object]  # images done, images in all
Record = dict[str, Any]
VERSION = 1
CHUNK = 64  # images decoded by one task
PROBES = 64  # rows that are compared when a store is opened
SIZES = range(8, 1025)


class Store(NamedTuple):
    """Decoded images.

    Attributes:
        images: Memory-mapped, read-only, (N, size, size, 3).
        digest: SHA-256 of all pixels.
        unreadable: Row -> why its image could not be decoded (it is black here); empty unless `missing` is "exclude".
    """

    images: NDArray[np.uint8]
    digest: str
    unreadable: dict[int, str]


class Chunk(NamedTuple):
    """Some images in order, and why those that are black could not be decoded, by row."""

    pixels: NDArray[np.uint8]
    unreadable: dict[int, str]


def open_store(manifest: Manifest, size: int, cache: Path, observer: Observer | None = None) -> Store:
    """Decodes a data set once; later calls map what is there.

    Args:
        manifest: The data set, N rows.
        size: Pixels a side, 8 to 1,024.
        cache: Folder for decoded stores; each lies in a folder of its own below it.
        observer: Told (done, total) while images are decoded, from the calling thread.

    Raises:
        ConfigError: No usable size.
        DataError: Images cannot be decoded (all of them counted), unless the manifest's `missing` is "exclude".
        StoreError: The cache cannot be written.
    """
    if size not in SIZES:
        raise ConfigError(f"size is {size}, but images are {SIZES.start} to {SIZES.stop - 1:,} pixels a side.")
    identity = _identity(manifest, size)
    folder = _folder(manifest, cache, identity)
    found = _read(folder, identity)
    if found is None:
        with alone_in(folder, wait=True):  # Of two programs that begin at once, one decodes.
            found = _read(folder, identity) or _make(manifest, folder, identity, observer)
    _refuse(manifest, found.unreadable)
    return found


def _make(manifest: Manifest, folder: Path, identity: Record, observer: Observer | None) -> Store:
    """The pixels first, the record last: a store with a record is complete."""
    record: Record = {}
    size = identity["size"]
    (folder / "images.npy").unlink(missing_ok=True)  # Pixels without their record need the room of those that come.
    write_atomically(folder / "images.npy", lambda path: record.update(_decode_all(manifest, size, path, observer)))
    write_json(folder / "store.json", identity | record)
    found = _read(folder, identity)
    if found is None:
        raise StoreError(
            f"the store in '{folder}' is not what was just written. Check the disk, or choose another cache."
        )
    return found


def store_folder(manifest: Manifest, size: int, cache: Path) -> Path:
    """Where a data set's store lies, or would lie."""
    return _folder(manifest, cache, _identity(manifest, size))


def _folder(manifest: Manifest, cache: Path, identity: Record) -> Path:
    return Path(cache) / f"{_plain(manifest.name)}-{identity['size']}-{identity['key'][:12]}"


def _identity(manifest: Manifest, size: int) -> Record:
    ids = hashlib.sha256("\n".join(manifest.frame["id"]).encode()).hexdigest()
    known: Record = {
        "version": VERSION,
        "fingerprint": manifest.images.fingerprint,
        "size": size,
        "ids": ids,
        "count": len(manifest.frame),
    }
    return known | {"key": hashlib.sha256(repr(known).encode()).hexdigest()}


def _read(folder: Path, identity: Record) -> Store | None:
    """The store, or None where it is not there, of something else, or damaged."""
    try:
        record = read_json(folder / "store.json")
        if any(record[name] != value for name, value in identity.items()):
            return None
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        size = identity["size"]
        whole = images.shape == (identity["count"], size, size, 3) and images.dtype == np.uint8
        if not whole or _probe(images) != record["probe"]:
            return None
        return Store(images, record["digest"], {int(row): why for row, why in record["unreadable"].items()})
    except (StoreError, OSError, ValueError, EOFError, KeyError, TypeError, AttributeError):
        return None


def _probe(images: NDArray[np.uint8]) -> str:
    rows = np.unique(np.linspace(0, len(images) - 1, PROBES).astype(np.int64))
    return hashlib.sha256(np.ascontiguousarray(images[rows]).tobytes()).hexdigest()


def _decode_all(manifest: Manifest, size: int, path: Path, observer: Observer | None) -> Record:
    total, done = len(manifest.frame), 0
    digest, unreadable = hashlib.sha256(), {}
    with path.open("wb") as file:
        _write_header(file, (total, size, size, 3))
        for chunk in chunks(manifest, size):
            # Written, not mapped: a full disk is then an error and not the end of the process.
            data = chunk.pixels.tobytes()
            file.write(data)
            digest.update(data)
            unreadable |= chunk.unreadable
            done += len(chunk.pixels)
            if observer is not None:
                observer(done, total)
    _refuse(manifest, unreadable)
    probe = _probe(np.load(path, mmap_mode="r"))
    return {
        "digest": digest.hexdigest(),
        "probe": probe,
        "unreadable": {str(row): unreadable[row] for row in unreadable},
    }


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def chunks(manifest: Manifest, size: int) -> Iterator[Chunk]:
    """The images in order, decoded by as many threads as there are cores (Pillow lets them run side by side)."""
    threads = os.cpu_count() or 1
    rows = np.arange(len(manifest.frame))
    waiting: deque[Future[Chunk]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for start in range(0, len(rows), CHUNK):
                waiting.append(pool.submit(_decode, manifest, rows[start : start + CHUNK], size))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _decode(manifest: Manifest, rows: NDArray[np.int64], size: int) -> Chunk:
    try:
        return Chunk(manifest.images.read(rows, size), {})
    except DataError:
        return _one_by_one(manifest, rows, size)


def _one_by_one(manifest: Manifest, rows: NDArray[np.int64], size: int) -> Chunk:
    pixels = np.zeros((len(rows), size, size, 3), dtype=np.uint8)
    unreadable: dict[int, str] = {}
    for at, row in enumerate(rows):
        try:
            pixels[at] = manifest.images.read(rows[at : at + 1], size)[0]
        except DataError as error:
            unreadable[int(row)] = str(error)
    return Chunk(pixels, unreadable)


def _refuse(manifest: Manifest, unreadable: dict[int, str]) -> None:
    if not unreadable or manifest.missing == "exclude":
        return
    row, why = next(iter(sorted(unreadable.items())))
    ids = [str(manifest.frame["id"].iloc[row]) for row in sorted(unreadable)]
    where = f" of '{manifest.where}'" if manifest.where else ""
    raise DataError(
        f"row {manifest.file_rows[row]:,}{where}: image {why}\n  {len(ids):,} images cannot be decoded: {first_few(ids)}. "
        'Repair them, or leave them out and have them listed with  missing = "exclude".'
    )


def _plain(name: str) -> str:
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "-" for sign in name)[:40] or "data"

"""Files that are whole or not there: written beside their place, flushed to the disk, then moved into it."""

import contextlib
import errno
import fcntl
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import numpy as np

from fairshrink.errors import StoreError

TEMPORARY = ".tmp-"  # Files that begin like this are leftovers of a stopped program: nothing reads them.
LOCK = ".lock"  # Held, not there or not there: it stays when nobody holds it.
_LEFT = re.compile(re.escape(TEMPORARY) + "[0-9a-f]{8}-")
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # file systems that know none


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file so that its name never stands for half of it, whatever stops the program.

    >>> write_atomically(folder / "table.csv", frame.to_csv)          # doctest: +SKIP

    Args:
        path: Where the file is to be; its folder is made if need be.
        write: Called once with a temporary path in the same folder, with the same ending; writes the content there.

    Returns:
        The path.

    Raises:
        StoreError: The system refused (disk full, no permission, ...); what was at `path` before is still there.
    """
    path = Path(path)
    if not path.name or path.is_dir():
        raise StoreError(f"'{path}' is a folder, but a file is to be written: give the name of a file in it.")
    temporary = path.with_name(f"{TEMPORARY}{uuid4().hex[:8]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    except OSError as error:
        raise StoreError(
            f"'{path}' could not be written: {error.strerror or error}.\n"
            f"  What was there before is untouched. Make room or choose another folder, then start again."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


@contextlib.contextmanager
def alone_in(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a folder, so that no other process works in it, and clear away what a stopped one left half-written.

    The system lets go of it when the process ends, however it ends: after kill -9 nothing has to be removed by hand.

    Args:
        folder: Made if need be.
        wait: Wait for another process that holds it, instead of refusing.

    Yields:
        Whether it is held; False on a file system that knows no locks, where nothing is cleared away either.

    Raises:
        StoreError: Another process holds it, or the folder cannot be written.
    """
    with _lock_file(folder / LOCK) as file:
        held = _hold(file, folder, wait)
        if held:
            with contextlib.suppress(OSError):  # The number is for an error message only.
                os.ftruncate(file.fileno(), 0)
                os.pwrite(file.fileno(), str(os.getpid()).encode(), 0)
            clear_leftovers(folder)
        yield held


def clear_leftovers(folder: Path) -> None:
    """Remove the temporary files below a folder; only for who holds it, or they may be in the making."""
    for place, _, names in os.walk(folder):
        for name in names:
            if _LEFT.match(name):
                with contextlib.suppress(OSError):
                    os.unlink(Path(place, name))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write bytes atomically; see `write_atomically`."""
    return write_atomically(path, lambda temporary: temporary.write_bytes(content))


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text atomically, line ends as they come; bytes of a file's name that are no text are spelled out."""
    return write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: object) -> Path:
    """Write a value as indented JSON atomically; NaN (undefined) becomes null, NumPy numbers and arrays are understood.

    Raises:
        StoreError: The file could not be written.
        TypeError: The value holds something that JSON has no form for, or an infinity (ValueError).
    """
    return write_text(path, json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def json_line(value: object) -> str:
    """A value as one line of JSON Lines, newline included; the same rules as `write_json`."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        StoreError: It is missing, unreadable or not JSON; the message names the path and the reason.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"'{path}' could not be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise StoreError(
            f"'{path}' is not a JSON file: {error}.\n  It was cut short or edited: remove it, and it is made again."
        ) from error


def _lock_file(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"'{path.parent}' cannot be written: {error.strerror or error}. Choose another folder, or make room."
        ) from error


def _hold(file: IO[str], folder: Path, wait: bool) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise StoreError(
            f"another process (number {file.read().strip() or 'unknown'}) is at work in '{folder}'.\n"
            "  Wait for it, stop it, or give another folder with --out."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise StoreError(f"'{folder}' cannot be locked: {error.strerror or error}.") from error
        return False
    return True


def _flush(path: Path) -> None:
    """Ask the system to put a file, or a folder's list of names, on the disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and math.isnan(value):
        return None
    return value

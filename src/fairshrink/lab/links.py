"""Finished files in a second folder, without a second copy of them.

A hard link is safe here: no file of a run is ever changed, only replaced (`fairshrink.files`), which leaves the other name
as it was.
"""

import os
import shutil
from pathlib import Path

from fairshrink.errors import StoreError
from fairshrink.files import LOCK, TEMPORARY, write_atomically


def link_tree(source: Path, target: Path) -> None:
    """Every file below a folder, under the same name below another one; what is there already stays.

    Locks, and what a stopped program left half-written, are left out.

    Raises:
        StoreError: The files cannot be read, or the folder cannot be written.
    """
    for place, _, names in os.walk(source):
        for name in names:
            if name != LOCK and not name.startswith(TEMPORARY):
                link_file(Path(place, name), target / Path(place, name).relative_to(source))


def link_file(source: Path, target: Path) -> None:
    """A file under a second name; a copy where the file system refuses a link.

    Raises:
        StoreError: It cannot be read, or the folder cannot be written.
    """
    if target.exists():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
    except FileExistsError:
        return
    except OSError:
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise StoreError(f"'{source}' is to be taken over, but it is not there any more. Start again.")
    write_atomically(target, lambda temporary: shutil.copyfile(source, temporary))

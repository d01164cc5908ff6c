"""Whose a sweep folder is: one sweep's, and one process's at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fairshrink.errors import ConfigError
from fairshrink.files import alone_in, write_text
from fairshrink.lab.claim import is_strange
from fairshrink.lab.sweep_file import Sweep, load_sweep
from fairshrink.lab.sweep_store import SweepPaths
from fairshrink.lab.variants import Variant, same_runs, variants


@contextmanager
def claimed_for_sweep(sweep: Sweep, runs: Sequence[Variant], out: Path) -> Iterator[SweepPaths]:
    """Make a folder this sweep's, or find that it is already, and let no other sweep work in it meanwhile.

    Raises:
        ConfigError: It belongs to another sweep, or holds something else, which is not touched.
        StoreError: Another process is at work in it, or it cannot be written.
    """
    paths = SweepPaths(Path(out).absolute())
    check_folder(runs, paths)
    with alone_in(paths.root):
        check_folder(runs, paths)  # Once more: another process could have begun in it meanwhile.
        if not paths.config.exists():
            write_text(paths.config, sweep.text())
        yield paths


def check_folder(runs: Sequence[Variant], paths: SweepPaths) -> None:
    """A folder is new, or already that of these runs.

    Raises:
        ConfigError: It belongs to another sweep, or holds something else.
    """
    if paths.config.exists():
        before, _ = variants(load_sweep(paths.config).sweep, str(paths.config))
        if other := same_runs(before, runs):
            raise ConfigError(
                f"'{paths.root}' holds another sweep: {other}.\n"
                f"  Give another folder with --out; --from {paths.root} takes over the stages that are the same."
            )
    elif paths.root.is_dir() and any(is_strange(path.name) for path in paths.root.iterdir()):
        raise ConfigError(f"'{paths.root}' is not empty and no sweep folder. Give a new or empty folder with --out.")

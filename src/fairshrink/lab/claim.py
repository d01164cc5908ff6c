"""Whose a run folder is: one experiment's, and one process's at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairshrink.errors import ConfigError
from fairshrink.files import LOCK, TEMPORARY, alone_in, write_text
from fairshrink.lab.config import Experiment, load_experiment
from fairshrink.lab.store import RunPaths


@contextmanager
def claimed(experiment: Experiment, out: Path) -> Iterator[RunPaths]:
    """Make a folder this experiment's, or find that it is already, and let no other process work in it meanwhile.

    Raises:
        ConfigError: It belongs to another experiment, or holds something else, which is not touched.
        StoreError: Another process is at work in it, or it cannot be written.
    """
    paths = RunPaths(Path(out))
    _check(experiment, paths)
    with alone_in(paths.root):
        _check(experiment, paths)  # Once more: another process could have begun in it meanwhile.
        if not paths.config.exists():
            write_text(paths.config, experiment.text())
        yield paths


def _check(experiment: Experiment, paths: RunPaths) -> None:
    if paths.config.exists():
        before = load_experiment(paths.config)
        if before.digest() != experiment.digest():
            raise ConfigError(
                f"'{paths.root}' holds the run of another experiment: {_differences(before, experiment)}.\n"
                "  Give another folder with --out, or remove this one."
            )
    elif paths.root.is_dir() and any(is_strange(path.name) for path in paths.root.iterdir()):
        raise ConfigError(f"'{paths.root}' is not empty and no run folder. Give a new or empty folder with --out.")


def is_strange(name: str) -> bool:
    """Whether a folder with this in it is more than one in which a run was stopped before it had begun."""
    return name != LOCK and not name.startswith(TEMPORARY)


def _differences(before: Experiment, now: Experiment) -> str:
    old, new = before.model_dump(mode="json"), now.model_dump(mode="json")
    changed = []
    for section in old:
        if not isinstance(old[section], dict):
            changed += [section] if old[section] != new[section] else []
            continue
        for key in old[section]:
            if old[section][key] != new[section][key]:
                changed.append(f"{section}.{key} is {old[section][key]!r} there and {new[section][key]!r} here")
    return "; ".join(changed)

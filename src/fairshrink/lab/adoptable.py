"""What `--from` would bring, found out without taking it over."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from fairshrink.lab.adopting import offered, runs_in
from fairshrink.lab.chains import Chain
from fairshrink.lab.sweep_store import SweepPaths


def check_sources(sources: Iterable[Path]) -> None:
    """Each is a run folder or a sweep folder.

    Raises:
        ConfigError: One of them is neither.
    """
    for source in sources:
        runs_in(source)


def adoptable(source: Path, wanted: Mapping[str, Chain], paths: SweepPaths) -> list[str]:
    """Keys of the stages that a folder has finished and a sweep lacks; whether their data are the same is not looked at.

    Args:
        source: A run or sweep folder; it is only read.
        wanted: The sweep's stages by key.
        paths: The sweep's folder.

    Raises:
        ConfigError: It is no run or sweep folder.
    """
    found = [line[-1].key for folder in runs_in(source) for line, _ in offered(folder, wanted, paths)]
    return list(dict.fromkeys(found))

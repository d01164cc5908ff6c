"""Finished stages of another folder, taken over where they are the same as a sweep's."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import read_json, write_text
from fairshrink.lab.chains import Chain, chains
from fairshrink.lab.config import load_experiment
from fairshrink.lab.links import link_file, link_tree
from fairshrink.lab.observer import Observer
from fairshrink.lab.records import environment
from fairshrink.lab.store import RunPaths
from fairshrink.lab.sweep_store import SweepPaths
from fairshrink.lab.units import data_name

VERSIONS = ("fairshrink", "torch", "numpy", "cpu", "device")  # other ones may give other bits


def adopt(source: Path, wanted: Mapping[str, Chain], paths: SweepPaths, observer: Observer) -> None:
    """Link every finished stage of a run or sweep folder that the sweep needs and does not have.

    Args:
        source: The folder; it is only read.
        wanted: The sweep's stages by key.
        paths: The sweep's folder; the data cards of its stages are there.
        observer: Told what was taken over, and what is different about where it was made.

    Raises:
        ConfigError: It is no run or sweep folder.
        StoreError: Its data are others, or its files cannot be read.
    """
    taken = [chain for folder in _runs_in(source) for chain in _take(folder, wanted, paths, observer)]
    names = ", ".join(dict.fromkeys(chain.key for chain in taken))
    observer.say(
        f"from {source}: {names or 'nothing: no finished stage there is one of this sweep that is missing here'}"
    )


def _runs_in(source: Path) -> list[RunPaths]:
    is_sweep = SweepPaths(source).config.exists()
    places = sorted([*source.glob("stages/*"), *source.glob("runs/*")]) if is_sweep else [source]
    found = [RunPaths(place) for place in places if RunPaths(place).config.exists()]
    if not found:
        raise ConfigError(
            f"--from is '{source}', but that is no run folder and no sweep folder: it has no config.toml."
        )
    return found


def _take(folder: RunPaths, wanted: Mapping[str, Chain], paths: SweepPaths, observer: Observer) -> Iterable[Chain]:
    theirs = chains(load_experiment(folder.config))
    numbers = {chain.key: number for number, chain in enumerate(theirs)}
    for chain in theirs:
        line = _line(chain)
        lacking = chain.key in wanted and not chain.done(paths.stage(chain))
        if lacking and all(_is_complete(above, folder, numbers[above.key]) for above in line):
            _check_data(chain, folder, paths)
            for warning in _differences(folder):
                observer.say(warning)
            _link(line, folder, [numbers[above.key] for above in line], paths)
            yield chain


def _line(chain: Chain) -> list[Chain]:
    """The stage, after all that it is built on."""
    return [chain] if chain.parent is None else [*_line(chain.parent), chain]


def _is_complete(chain: Chain, folder: RunPaths, number: int) -> bool:
    stage = chain.stage(folder, number)
    return stage.complete(stage.of_a_step() if chain.step else ())


def _check_data(chain: Chain, folder: RunPaths, paths: SweepPaths) -> None:
    here = read_json(paths.data(data_name(chain.experiment.data)).data)["digest"]
    there = read_json(folder.data)["digest"]
    if here != there:
        raise StoreError(
            f"'{folder.root}' was made from other data than this sweep's: their digest is {there[:12]}, and {here[:12]} here.\n"
            "  Leave it out of --from: results on two sets of data must not be mixed."
        )


def _differences(folder: RunPaths) -> list[str]:
    before: dict[str, Any] = read_json(folder.environment)
    here = environment(before.get("threads", 1))
    other = [
        f"{name} {before[name]} (here {here[name]})" for name in VERSIONS if before.get(name, here[name]) != here[name]
    ]
    return (
        [f"note: '{folder.root}' was made with {', '.join(other)}: the same work here may give other bits"]
        if other
        else []
    )


def _link(line: list[Chain], folder: RunPaths, numbers: list[int], paths: SweepPaths) -> None:
    chain, own = line[-1], paths.stage(line[-1])
    if not own.config.exists():
        write_text(own.config, chain.experiment.text())
    link_file(paths.data(data_name(chain.experiment.data)).data, own.data)
    link_file(folder.environment, own.environment)
    for place, (above, number) in enumerate(zip(line, numbers, strict=True)):
        link_tree(above.stage(folder, number).root, above.stage(own, place).root)

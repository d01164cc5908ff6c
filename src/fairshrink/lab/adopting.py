"""Finished stages of another folder, taken over where they are the same as a sweep's."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import read_json, write_text
from fairshrink.lab.chains import Chain, chains
from fairshrink.lab.config import load_experiment
from fairshrink.lab.links import link_file, link_tree
from fairshrink.lab.observer import Observer
from fairshrink.lab.origins import file_digests, other_file
from fairshrink.lab.records import environment
from fairshrink.lab.store import TRAINING, RunPaths
from fairshrink.lab.sweep_store import SweepPaths
from fairshrink.lab.units import data_name
from fairshrink.train.precision import usable

FILES = {
    "checkpoint": "file than model.checkpoint",
    "weights": "file than model.weights",
    "teacher": "run than train.teacher",
}
# Other ones may give other bits.
VERSIONS = ("fairshrink", "torch", "torchvision", "numpy", "cpu", "device", "processes", "precision")


def adopt(source: Path, wanted: Mapping[str, Chain], paths: SweepPaths, beside: Path, observer: Observer) -> None:
    """Link every finished stage of a run or sweep folder that the sweep needs and does not have.

    Args:
        source: The folder; it is only read.
        wanted: The sweep's stages by key.
        paths: The sweep's folder; the data cards of its stages are there.
        beside: Where relative paths of the experiments are looked for.
        observer: Told what was taken over, and what is different about where it was made.

    Raises:
        ConfigError: It is no run or sweep folder.
        DataError: A checkpoint or a file of weights is not there.
        StoreError: Its data, splits, checkpoint or weights are others, or its files cannot be read.
    """
    taken = [chain for folder in runs_in(source) for chain in _take(folder, wanted, paths, (beside, observer))]
    names = ", ".join(dict.fromkeys(chain.key for chain in taken))
    observer.say(
        f"from {source}: {names or 'nothing: no finished stage there is one of this sweep that is missing here'}"
    )


def runs_in(source: Path) -> list[RunPaths]:
    """The run folders of a run or sweep folder.

    Raises:
        ConfigError: It is neither.
    """
    is_sweep = SweepPaths(source).config.exists()
    places = sorted([*source.glob("stages/*"), *source.glob("runs/*")]) if is_sweep else [source]
    found = [RunPaths(place) for place in places if RunPaths(place).config.exists()]
    if not found:
        raise ConfigError(
            f"--from is '{source}', but that is no run folder and no sweep folder: it has no config.toml."
        )
    # A stage's own folder before those of what is built on it, which others may have made elsewhere.
    return sorted(found, key=lambda paths: len(load_experiment(paths.config).shrink))


def _take(
    folder: RunPaths, wanted: Mapping[str, Chain], paths: SweepPaths, here: tuple[Path, Observer]
) -> Iterable[Chain]:
    beside, observer = here
    for line, numbers in offered(folder, wanted, paths):
        chain = line[-1]
        _check_data(chain, folder, paths)
        _check_files(chain, folder, beside)
        for note in _differences(chain, folder):
            observer.say(note)
        _link(line, folder, numbers, paths)
        yield chain


def offered(
    folder: RunPaths, wanted: Mapping[str, Chain], paths: SweepPaths
) -> Iterator[tuple[list[Chain], list[int]]]:
    """Stages that a run folder has finished, with all that they are built on, and a sweep needs and lacks.

    Each is looked for when it is asked for, so that what was taken over meanwhile is not offered again.

    Yields:
        The stage after what it is built on, and the number of each of them in the folder.
    """
    theirs = chains(load_experiment(folder.config))
    numbers = {chain.key: number for number, chain in enumerate(theirs)}
    for chain in theirs:
        line = _line(chain)
        lacking = chain.key in wanted and not chain.done(paths.stage(chain))
        if lacking and all(_is_complete(above, folder, numbers[above.key]) for above in line):
            yield line, [numbers[above.key] for above in line]


def _line(chain: Chain) -> list[Chain]:
    """The stage, after all that it is built on."""
    return [chain] if chain.parent is None else [*_line(chain.parent), chain]


def _is_complete(chain: Chain, folder: RunPaths, number: int) -> bool:
    stage = chain.stage(folder, number)
    return stage.complete(chain.leaves(stage))


def _check_data(chain: Chain, folder: RunPaths, paths: SweepPaths) -> None:
    here = read_json(paths.data(data_name(chain.experiment.data)).data)
    there = read_json(folder.data)
    for name, what in (("digest", "data"), ("split_digest", "splits")):
        # A card from before splits were written down says nothing of them.
        mine = here.get(name, "")
        if (theirs := there.get(name, mine)) != mine and mine:
            raise StoreError(
                f"'{folder.root}' was made from other {what} than this sweep's: their digest is {theirs[:12]}, and {mine[:12]} "
                "here.\n  Leave it out of --from: results on two sets of data must not be mixed."
            )


def _check_files(chain: Chain, folder: RunPaths, beside: Path) -> None:
    """A checkpoint, or ImageNet weights, of the same name are the same file."""
    now, training = file_digests(chain.experiment, beside), folder.stage(0, TRAINING, chain.folds)
    for fold in range(chain.folds if now else 0):
        if name := other_file(now, read_json(training.fold(fold).result)):
            raise StoreError(
                f"'{folder.root}' was made from another {FILES[name]} of this sweep, under the same name.\n"
                "  Leave it out of --from, or restore the file: results of two models must not be mixed."
            )


def _differences(chain: Chain, folder: RunPaths) -> list[str]:
    before: dict[str, Any] = read_json(folder.environment)
    here = environment(before.get("threads", 1)) | {"precision": _precision(chain.experiment.train.precision)}
    other = [
        f"{name} {before[name]} (here {here[name]})" for name in VERSIONS if before.get(name, here[name]) != here[name]
    ]
    return (
        [f"note: '{folder.root}' was made with {', '.join(other)}: the same work here may give other bits"]
        if other
        else []
    )


def _precision(wanted: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The run itself says it.
        return usable(wanted, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def _link(line: list[Chain], folder: RunPaths, numbers: list[int], paths: SweepPaths) -> None:
    chain, own = line[-1], paths.stage(line[-1])
    if not own.config.exists():
        write_text(own.config, chain.experiment.text())
    link_file(paths.data(data_name(chain.experiment.data)).data, own.data)
    own.environment.unlink(missing_ok=True)  # of a start that was stopped
    link_file(folder.environment, own.environment)
    for place, (above, number) in enumerate(zip(line, numbers, strict=True)):
        link_tree(above.stage(folder, number).root, above.stage(own, place).root)

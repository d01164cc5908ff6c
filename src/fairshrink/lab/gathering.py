"""What a unit starts from, put into its folder before it begins; what it leaves behind that nobody needs."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fairshrink.errors import StoreError
from fairshrink.files import read_json, write_json, write_text
from fairshrink.lab.chains import Chain, chains
from fairshrink.lab.links import link_file, link_tree
from fairshrink.lab.store import TRAINING, RunPaths
from fairshrink.lab.sweep_store import SweepPaths
from fairshrink.lab.twins import twin_of
from fairshrink.lab.units import Unit, data_name, fold_is_done, fold_name


def gather(unit: Unit, paths: SweepPaths) -> None:
    """Put what was done before into a unit's folder, by links: all that it needs has to be done.

    Raises:
        StoreError: A file is not there any more, or cannot be written.
    """
    if unit.kind == "data":
        return
    if not unit.folder.config.exists():  # A folder with anything else in it would be somebody else's.
        write_text(unit.folder.config, unit.experiment.text())
    link_file(paths.data(data_name(unit.experiment.data)).data, unit.folder.data)
    if unit.chain is None:
        _gather_run(unit, paths)
    elif unit.fold is None:
        _gather_stage(unit.chain, paths)
    else:
        _gather_fold(unit, unit.chain, unit.fold, paths)


def seconds_of_folds(chain: Chain, paths: SweepPaths) -> float:
    """How long other processes have worked for the folds of a stage."""
    return sum(_seconds(paths.fold(fold_name(chain, fold)).environment) for fold in range(chain.folds))


def tidy(units: Iterable[Unit], paths: SweepPaths) -> None:
    """Remove the folders of folds whose stage is complete, with the models of all their candidates."""
    for unit in units:
        there = unit.chain is not None and unit.fold is not None and unit.folder.root.exists()
        if there and unit.chain is not None and unit.chain.done(paths.stage(unit.chain)):
            shutil.rmtree(unit.folder.root, ignore_errors=True)


def _gather_fold(unit: Unit, chain: Chain, fold: int, paths: SweepPaths) -> None:
    link_tree(*_from_to(chain, paths.stage(chain), unit.folder, fold))  # after a damaged file was removed there
    above, step = chain.parent, chain.step
    needed = (TRAINING, *((step.parent, twin_of(step.choose)) if step else ()))
    while above is not None:
        if above.name in needed:
            link_tree(*_from_to(above, _where(above, fold, paths), unit.folder, fold))
        above = above.parent


def _gather_stage(chain: Chain, paths: SweepPaths) -> None:
    folder = paths.stage(chain)
    if chain.parent is not None:
        link_tree(paths.stage(chain.parent).root / "stages", folder.root / "stages")
    if chain.folds > 1 and not chain.done(folder):
        _gather_environment(chain, paths)
        for fold in range(chain.folds):
            link_tree(*_from_to(chain, paths.fold(fold_name(chain, fold)), folder, fold))


def _gather_environment(chain: Chain, paths: SweepPaths) -> None:
    """Of several folds, the first one's: who ends the stage may be another machine."""
    first, own = paths.fold(fold_name(chain, 0)).environment, paths.stage(chain).environment
    if first.exists() and not own.exists():
        spent = round(seconds_of_folds(chain, paths), 1)
        write_json(own, _without_end(read_json(first)) | {"seconds": spent})


def _without_end(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in environment.items() if name != "finished"}


def _gather_run(unit: Unit, paths: SweepPaths) -> None:
    stages = chains(unit.experiment)
    for number, chain in enumerate(stages):
        link_tree(chain.stage(paths.stage(chain)).root, chain.stage(unit.folder, number).root)
    if not unit.folder.environment.exists():
        records = [read_json(chain.stage(paths.stage(chain)).record) for chain in stages]
        places = [read_json(paths.stage(chain).environment) for chain in stages]
        spent = {
            "started": min(place["started"] for place in places),
            "seconds": sum(float(record["seconds"]) for record in records),
        }
        write_json(unit.folder.environment, _without_end(places[0]) | spent)  # the training's, which the bits come from


def _from_to(chain: Chain, source: RunPaths, target: RunPaths, fold: int) -> tuple[Path, Path]:
    return chain.stage(source).fold(fold).root, chain.stage(target).fold(fold).root


def _where(chain: Chain, fold: int, paths: SweepPaths) -> RunPaths:
    """Whose folder has a fold of a stage: the stage's, or the fold's own as long as the stage is not complete."""
    own = paths.fold(fold_name(chain, fold))
    return own if fold_is_done(chain, own, fold) else paths.stage(chain)


def _seconds(path: Path) -> float:
    try:
        found: Mapping[str, float] = read_json(path)
        return float(found["seconds"])
    except (StoreError, KeyError):
        return 0.0

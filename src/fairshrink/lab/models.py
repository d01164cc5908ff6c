"""Which models a path means: a run folder, one of its stages, or a file."""

from pathlib import Path
from typing import NamedTuple

from fairshrink.deploy.stages import is_stages
from fairshrink.errors import ConfigError, ModelError, StoreError, suggest
from fairshrink.lab.config import load_experiment
from fairshrink.lab.store import TRAINING, FoldPaths, RunPaths, StagePaths
from fairshrink.lab.twins import twin_of


class Chosen(NamedTuple):
    """Model files.

    Attributes:
        files: One, or one for each fold.
        said: What they are, in words.
    """

    files: tuple[Path, ...]
    said: str


def find_models(path: Path, stage: str | None = None, fold: int | None = None) -> Chosen:
    """The models that a path means.

    Args:
        path: A run folder, a stage's folder, `model.safetensors`, a packed file, an exported .onnx file or a folder of exported
            stages.
        stage: Of a run folder: the name of a stage ("train", "fairprune", ...); None: the experiment's last
            that does not go by another one's choice.
        fold: One fold of a stage with several; None: all of them.

    Raises:
        ModelError: There is no model at the path.
        ConfigError: There is no such stage or fold.
        StoreError: The stage is not finished.
    """
    if path.is_file() or is_stages(path):
        _refuse(path, stage=stage, fold=fold)
        return Chosen((path,), str(path))
    if RunPaths(path).config.is_file():
        found, name = _stage_of_run(RunPaths(path), stage)
        return _folds(found, fold, f"{path}, stage {name}")
    _refuse(path, stage=stage)
    folds = len(list(path.glob("fold-*"))) or 1
    if not StagePaths(path, folds).fold(0).model.is_file():
        raise ModelError(
            f"'{path}' is no model: a run folder, a stage's folder in it, model.safetensors, a packed file, an exported "
            ".onnx file or a folder of exported stages is expected."
        )
    return _folds(StagePaths(path, folds), fold, str(path))


def _stage_of_run(paths: RunPaths, wanted: str | None) -> tuple[StagePaths, str]:
    experiment = load_experiment(paths.config)
    names = [TRAINING, *(step.name for step in experiment.shrink)]
    # Nobody means a control, or whatever else only goes by another step's choice, who does not name it.
    last = [TRAINING, *(step.name for step in experiment.shrink if twin_of(step.choose) is None)][-1]
    name = last if wanted is None else wanted.removeprefix(f"{wanted[:2]}-" if wanted[:2].isdigit() else "")
    if name not in names:
        raise ConfigError(f"'{paths.root}' has no stage '{wanted}'.{suggest(str(wanted), names)}")
    stage = paths.stage(names.index(name), name, experiment.data.folds)
    if not stage.record.is_file():
        raise StoreError(
            f"the stage '{name}' of '{paths.root}' is not finished. Start the run again, or name a stage that is with --stage: "
            f"{', '.join(names)}."
        )
    return stage, name


def _folds(stage: StagePaths, wanted: int | None, said: str) -> Chosen:
    if wanted is not None and wanted not in range(stage.folds):
        raise ConfigError(f"fold is {wanted}, but {said} has {stage.folds} fold(s), numbered from 0.")
    numbers = range(stage.folds) if wanted is None else [wanted]
    files = tuple(FoldPaths(stage.fold(number).root).model for number in numbers)
    if stage.folds > 1:
        said += f", fold {wanted}" if wanted is not None else f": the mean of its {stage.folds} folds' probabilities"
    return Chosen(files, said)


def _refuse(path: Path, **given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise ConfigError(f"--{name} is {value}, but '{path}' is no run folder. Leave --{name} out.")

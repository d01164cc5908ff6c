"""What every process of a run but process 0 does: it takes part in training, and writes and says nothing."""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.distributed.distributed_c10d import Store

from fairshrink.errors import ConfigError, FairshrinkError
from fairshrink.lab.config import Experiment
from fairshrink.lab.data import cache_folder, prepare
from fairshrink.lab.observer import Quiet
from fairshrink.lab.store import RunPaths
from fairshrink.lab.together import LAST_WORDS, Call, answer, called, group, meet, own_device, wait_for_end
from fairshrink.lab.training import trained
from fairshrink.lab.work import Work


def follow(load: Callable[[], tuple[Experiment, Path]], beside: Path) -> None:
    """Wait until process 0 calls, take part in the training, and wait until the run is over.

    Args:
        load: The experiment and the run folder, as process 0 has them.
        beside: Where relative paths of the experiment are looked for as well.

    Raises:
        FairshrinkError: The training was stopped; process 0 says why.
    """
    store = meet()
    if (told := called(store)) is not None:
        try:
            work = _work(load, beside, told)
        except FairshrinkError as problem:
            answer(store, problem)
        else:
            answer(store, None)
            _train(work, told, store)
    wait_for_end(store)


def _train(work: Work, told: Call, store: Store) -> None:
    stage = work.paths.stage(0, "train", work.experiment.data.folds)
    try:
        with group(work.device) as share:
            for fold in told.folds:
                trained(work, fold, stage.fold(fold), share)
    except FairshrinkError:
        wait_for_end(store)
        time.sleep(LAST_WORDS)
        raise


def _work(load: Callable[[], tuple[Experiment, Path]], beside: Path, told: Call) -> Work:
    experiment, folder = load()
    device, paths = own_device(), RunPaths(folder)
    if device.type != told.device:
        raise ConfigError(f"it would compute on {device.type}, but process 0 does on {told.device}.")
    torch.set_num_threads(experiment.train.threads)
    prepared = prepare(experiment.data, beside, cache_folder(paths.store), Quiet())
    if prepared.dataset.digest != told.digest:
        raise ConfigError(
            f"its data have the digest {prepared.dataset.digest[:12]}, but those of process 0 {told.digest[:12]}: give all "
            "machines the same files."
        )
    return Work(experiment, prepared, paths, beside, Quiet(), device, told.precision)

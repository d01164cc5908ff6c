"""A trained model of a run folder and images that it was trained on: confidences as they really are."""

from pathlib import Path

import numpy as np
import torch

from benchmarks.curvature.setting import Case, Setting
from fairshrink.data.loader import Loader
from fairshrink.data.splits import TRAIN
from fairshrink.lab.config import load_experiment
from fairshrink.lab.data import cache_folder, prepare
from fairshrink.lab.observer import Quiet
from fairshrink.lab.store import RunPaths
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import load_into, read_meta, read_weights

PER_GROUP = 128


def setting_of(run: Path, fold: int) -> Setting:
    """The setting of a run's model; no images are needed for it."""
    paths = RunPaths(run)
    experiment = load_experiment(paths.config)
    meta = read_meta(paths.stage(0, "train", experiment.data.folds).fold(fold).model)
    return Setting(meta["backbone"], meta["size"], meta["num_classes"], PER_GROUP, trained=str(run), fold=fold)


def trained(setting: Setting) -> Case:
    """The model of the run's fold, and training images of its two groups, drawn by chance; no augmentation."""
    paths = RunPaths(Path(setting.trained))
    experiment = load_experiment(paths.config)
    model = build(setting.model, num_classes=setting.classes, size=setting.size)
    load_into(model, read_weights(paths.stage(0, "train", experiment.data.folds).fold(setting.fold).model))
    data = prepare(experiment.data, paths.root, cache_folder(paths.store), Quiet())
    rows = np.random.default_rng(0).permutation(data.rows(setting.fold, TRAIN))
    groups = data.dataset.attribute().codes[rows]
    chosen = np.concatenate([rows[groups == group][: setting.per_group] for group in (0, 1)])
    (batch,) = Loader(data.dataset, chosen, batch_size=len(chosen))
    if torch.bincount(batch.g).tolist() != [setting.per_group] * 2:
        raise SystemExit(f"{setting.trained}: fewer than {setting.per_group} training images in one of two groups")
    return Case(model.eval(), batch.x, batch.y)

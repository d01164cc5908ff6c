"""What shrinking would trip over, found before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fairshrink.compress.bench import set_up
from fairshrink.compress.criteria import Saliency
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.recipe import Recipe
from fairshrink.compress.selection import PerChannel
from fairshrink.compress.units import compressible
from fairshrink.data.dataset import BY_IMAGE, cluster_names
from fairshrink.data.groups import Attribute
from fairshrink.data.splits import NOWHERE, TEST, TRAIN, VAL, assign_splits, read_split_file
from fairshrink.data.table import Manifest
from fairshrink.lab.config import DataSettings, Experiment
from fairshrink.lab.data import find
from fairshrink.lab.estimate import Sizes
from fairshrink.lab.networks import exits_of, network, task_of
from fairshrink.lab.settings import naming
from fairshrink.lab.work import check_group_name
from fairshrink.maths.tasks import Task
from fairshrink.types import GroupBatch, Splits


def check_steps(experiment: Experiment, num_classes: int, groups: Sequence[str]) -> None:
    """Every setting of every step fits the model and the groups of the data.

    Args:
        experiment: The experiment.
        num_classes: C.
        groups: Names of the groups that the model is shrunk for.

    Raises:
        ConfigError: A name in `leave` is no layer of the model, `weights` are not one for each group, or `unprivileged` is
            no group; there is no layer of a name, or it has too few channels for what is to be removed;
            there are not as many `exit_weights` as exits.
        ModelError: Nothing is left to shrink, or an exit cannot be where it is asked for.
    """
    for name in (experiment.shrink_defaults.unprivileged, *(step.unprivileged for step in experiment.shrink)):
        if name != "auto":
            check_group_name(name, groups)
    model = network(experiment, num_classes)
    task = task_of(exits_of(experiment, model))
    for number, step in enumerate(experiment.shrink, start=1):
        with naming(number, step):
            for candidate in step.candidates():
                _check_recipe(step.recipe(candidate), model, (len(groups), experiment.data.size), task)


def _check_recipe(recipe: Recipe, model: nn.Module, shape: tuple[int, int], task: Task) -> None:
    num_groups, size = shape
    if recipe.unit == "channels":
        # Which channels there are shows when the model runs: on an image that is as black as another.
        both = torch.tensor([0, 1])
        batches = [GroupBatch(torch.zeros(2, 3, size, size), both, both)]
        set_up(model, Splits(batches, batches, []), recipe, Frozen(), (task, 0))
    else:
        compressible(model, recipe.include, recipe.leave)
    criterion = recipe.criterion.criterion if isinstance(recipe.criterion, PerChannel) else recipe.criterion
    if isinstance(criterion, Saliency):
        criterion.contrast(torch.ones(num_groups, dtype=torch.int64), 0)


@dataclass(frozen=True)
class Parts:
    """The first fold, as far as the table tells: images that cannot be decoded are in it.

    Attributes:
        codes: The group of each image that is not left out for its unknown one, (N,); -1 = unknown.
        splits: TRAIN, VAL, TEST or NOWHERE of each of them, (N,).
        unknown: How many images are left out because their group is not known.
    """

    codes: NDArray[np.int64]
    splits: NDArray[np.int8]
    unknown: int

    @property
    def training(self) -> NDArray[np.int64]:
        """The groups of the images to train on."""
        return self.codes[self.splits == TRAIN]

    def count(self, part: int) -> int:
        """Images of a part."""
        return int((self.splits == part).sum())

    def sizes(self, classes: int, groups: int) -> Sizes:
        """How much there is to do."""
        return Sizes(self.count(TRAIN), self.count(VAL), self.count(TEST), classes=classes, groups=groups)

    def words(self, column: str) -> str:
        """How many images are in each part, and why others are in none.

        Args:
            column: What the groups are told apart by.
        """
        why = {f"their {column} is unknown": self.unknown, "the split file does not name them": self.count(NOWHERE)}
        out = "; ".join(f"{count:,} are in no part, as {reason}" for reason, count in why.items() if count)
        said = f"{self.count(TRAIN):,} train, {self.count(VAL):,} validate, {self.count(TEST):,} test"
        return f"{said}; {out}" if out else said


def foreseen_parts(data: DataSettings, manifest: Manifest, first: Attribute, beside: Path) -> Parts:
    """Who trains, validates and tests in the first fold.

    Args:
        data: `[data]`.
        manifest: Its table.
        first: The attribute that the model is shrunk for.
        beside: Where a split file is looked for as well.

    Raises:
        DataError: The images cannot be split as the experiment says.
    """
    kept = first.codes >= 0 if data.unknown == "exclude" else np.ones(len(manifest.frame), dtype=bool)
    frame, codes = manifest.frame[kept], first.codes[kept]
    if data.split_file:
        path = find(data.split_file, beside, data.source)
        splits = read_split_file(path, frame["id"].tolist(), missing=data.missing)
    else:
        labels = [manifest.classes.index(label) for label in frame["label"]]
        own = data.split_by == BY_IMAGE and BY_IMAGE not in frame.columns
        cells = None if own else frame[data.split_by].tolist()
        clusters = None if cells is None else cluster_names(cells, frame["id"].tolist(), data.split_by)
        splits = assign_splits(labels, codes, clusters, folds=data.folds, seed=data.seed)
    return Parts(codes, splits[0], int((~kept).sum()))

"""What every stage needs: the experiment, the data, where things lie, and how a model is loaded and saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fairshrink.compress.frozen import Frozen
from fairshrink.data.loader import Loader
from fairshrink.data.portions import ALONE
from fairshrink.data.splits import TRAIN
from fairshrink.deploy.card import Card, Exits
from fairshrink.errors import ConfigError, suggest
from fairshrink.files import read_json
from fairshrink.lab.config import Experiment
from fairshrink.lab.data import Prepared, find
from fairshrink.lab.masks import load_frozen
from fairshrink.lab.networks import exits_of, network, task_of
from fairshrink.lab.observer import Observer
from fairshrink.lab.store import FoldPaths, RunPaths
from fairshrink.maths.sharing import Share
from fairshrink.maths.tasks import Task
from fairshrink.metrics.counts import GroupCounts
from fairshrink.models.checkpoint import load_into, read_weights, save_model
from fairshrink.train.evaluate import evaluate

EVALUATION_BATCH = 256


@dataclass(frozen=True)
class Work:
    """What every stage needs to know."""

    experiment: Experiment
    prepared: Prepared
    paths: RunPaths
    beside: Path
    observer: Observer
    device: torch.device
    precision: str = "fp32"

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups that the model is shrunk for."""
        return self.prepared.dataset.attribute().groups

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.prepared.dataset.classes)

    @property
    def card(self) -> Card:
        """How the run's models are used."""
        model, classes = self.experiment.model, self.prepared.dataset.classes
        return Card(model.backbone, classes, self.experiment.data.size, model.normalisation, exits=self.exits)

    @cached_property
    def exits(self) -> Exits | None:
        """Where images may leave before a threshold was chosen; None: at the end alone."""
        return None if self.experiment.model.exits is None else exits_of(self.experiment, self.new_model())

    @property
    def task(self) -> Task:
        """What the models' outputs mean; of exits, before a threshold was chosen."""
        return task_of(self.exits)

    def task_in(self, folder: FoldPaths) -> Task:
        """What a finished model's outputs mean, at the threshold that was chosen for it."""
        return task_of(self.exits, None if self.exits is None else read_json(folder.exits)["theta"])

    def loader(self, rows: NDArray[np.int64], batch_size: int = EVALUATION_BATCH) -> Loader:
        """Batches of some samples, in their order and without augmentation."""
        normalisation = self.experiment.model.normalisation
        return Loader(self.prepared.dataset, rows, batch_size=batch_size, normalisation=normalisation)

    def new_model(self, *, pretrained: bool = False) -> nn.Module:
        """The network, untrained, or as the user's ImageNet weights begin it."""
        model, data = self.experiment.model, self.experiment.data
        weights = find(model.weights, self.beside, data.source) if pretrained and model.weights else None
        return network(self.experiment, self.num_classes, weights=weights)

    def load(self, folder: FoldPaths) -> tuple[nn.Module, Frozen]:
        """A model that a stage left behind, on the run's device, and what is fixed in it."""
        model = self.new_model()
        load_into(model, read_weights(folder.model))
        model.to(self.device).eval()
        return model, load_frozen(folder.frozen, model) if folder.frozen.exists() else Frozen()

    def save(self, folder: FoldPaths, model: nn.Module) -> None:
        """Write a model with what is needed to use it again."""
        save_model(folder.model, model, self.card.to_dict())

    def counts(
        self,
        model: nn.Module,
        rows: NDArray[np.int64],
        precision: str = "fp32",
        share: Share = ALONE,
        task: Task | None = None,
    ) -> GroupCounts:
        """Predictions for some samples, counted by group; with a share, by all processes of a group together."""
        return evaluate(
            model,
            self.loader(rows),
            num_groups=len(self.groups),
            num_classes=self.num_classes,
            task=self.task if task is None else task,
            precision=precision,
            share=share,
        )


def group_code(work: Work, name: str) -> int:
    """The number of a group by its name.

    Raises:
        ConfigError: There is no such group.
    """
    check_group_name(name, work.groups)
    return work.groups.index(name)


def check_group_name(name: str, groups: Sequence[str]) -> None:
    """Raise ConfigError unless it is the name of one of the groups."""
    if name not in groups:
        raise ConfigError(f"unprivileged is '{name}', which is no group of the data.{suggest(name, groups)}")


def training_images(work: Work, fold: int) -> Loader:
    """What one fold trains on, in the order and with the augmentation that the experiment asks for."""
    settings = work.experiment.train
    return Loader(
        work.prepared.dataset,
        work.prepared.rows(fold, TRAIN),
        batch_size=settings.batch_size,
        shuffle=True,
        augment=settings.augment,
        sampler=settings.sampler,
        seed=settings.seed,
        normalisation=work.experiment.model.normalisation,
    )


def scoring_rows(
    work: Work, fold: int, samples: int | str, by_group: bool, *, mixed: bool = False
) -> NDArray[np.int64]:
    """Training samples that a method is scored on, the same for every method with the same draw.

    Args:
        work: What every stage needs.
        fold: Which fold.
        samples: How many per group; "all": every one whose group is known.
        by_group: That many of each group (all of them where there are fewer); or as many in total, each group with its
            share of the training part, which is a plain draw without its luck.
        mixed: In an order drawn once from the seed, not in that of the data.
    """
    rows = work.prepared.rows(fold, TRAIN)
    codes = work.prepared.dataset.attribute().codes[rows]
    order = np.random.default_rng([work.experiment.train.seed, fold]).permutation(len(rows))
    shuffled, codes = rows[order], codes[order]
    sizes = np.bincount(codes[codes >= 0], minlength=len(work.groups))
    wanted = sizes if isinstance(samples, str) else _wanted(sizes, samples, by_group)
    taken = np.concatenate([shuffled[codes == g][:most] for g, most in enumerate(wanted)])
    return shuffled[np.isin(shuffled, taken)] if mixed else np.sort(taken)


def _wanted(sizes: NDArray[np.int64], samples: int, by_group: bool) -> NDArray[np.int64]:
    if by_group:
        return np.full_like(sizes, samples)
    return np.maximum(1, np.round(samples * len(sizes) * sizes / sizes.sum())).astype(np.int64)


def too_few(work: Work, fold: int, samples: int | str, by_group: bool) -> str | None:
    """What to say where a step asks for more samples than there are; None where there are enough."""
    codes = work.prepared.dataset.attribute().codes[work.prepared.rows(fold, TRAIN)]
    return said_too_few(codes, work.groups, samples, by_group)


def said_too_few(codes: NDArray[np.int64], groups: Sequence[str], samples: int | str, by_group: bool) -> str | None:
    """The same from the groups of the training part's images, (N,), -1 = unknown, and the groups' names."""
    if isinstance(samples, str):
        return None
    sizes = np.bincount(codes[codes >= 0], minlength=len(groups))
    short = np.flatnonzero(sizes < _wanted(sizes, samples, by_group)).tolist()
    if not short:
        return None
    there = ", ".join(f"{sizes[g]:,} of '{groups[g]}'" for g in short)
    return (
        f"scores are to use {samples:,} images of each group, but the training part has {there}: all of these are used"
    )

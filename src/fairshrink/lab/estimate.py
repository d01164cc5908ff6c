"""What a run will take: seconds and bytes, from sizes and a measured pace."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fairshrink.data.normalise import network_inputs
from fairshrink.lab.config import Experiment, ShrinkSettings
from fairshrink.lab.work import SCORING_BATCH
from fairshrink.models.backbones import build

FLOAT = 4  # bytes
PROGRAM = 500_000_000  # bytes: Python and its libraries
COPIES = {"sgd": 3, "adam": 4}  # of the weights while training: themselves, gradients, what the optimiser keeps


class Sizes(NamedTuple):
    """How much there is to do in one fold: images to train on, to validate, to test; classes and groups."""

    train: int
    val: int
    test: int
    classes: int
    groups: int


class Pace(NamedTuple):
    """Seconds, measured.

    Attributes:
        decode: For one image read and decoded, all cores at work; None where nothing could be decoded.
        train: For one image: augmentation, forward, backward, update.
        predict: For one image: forward.
        score: For one image: the curvature that a method scores by.
        pick: For one choice of the lowest scores.
    """

    decode: float | None
    train: float
    predict: float
    score: float
    pick: float


@dataclass(frozen=True)
class Weight:
    """Bytes.

    Attributes:
        store: Decoded images.
        model: One model.
        disk: All models that the run folder holds at the end, and the store.
        memory: The most that the program needs at once, roughly.
    """

    store: int
    model: int
    disk: int
    memory: int


def split_sizes(count: int, folds: int) -> tuple[int, int, int]:
    """Images to train on, to validate and to test in one fold, before clusters are kept together."""
    part = count // (folds if folds > 1 else 5)
    return count - 2 * part, part, part


def stage_seconds(experiment: Experiment, number: int, sizes: Sizes, pace: Pace) -> float:
    """Seconds of one stage, all folds; audits are not in it.

    Args:
        experiment: The experiment.
        number: 0 for training, then the shrink steps.
        sizes: Images of a fold.
        pace: As measured.
    """
    if number == 0:
        epochs = 0 if experiment.model.checkpoint else experiment.train.epochs
        look = (epochs + 1) * sizes.val + sizes.test
        fold = epochs * sizes.train * pace.train + look * pace.predict
    else:
        step = experiment.shrink[number - 1]
        times = scorings(step)
        scored = min(step.samples * sizes.groups, sizes.train)
        look = (times + len(step.candidates())) * sizes.val + sizes.test  # after every step, and before the first
        fold = times * (scored * pace.score + pace.pick) + look * pace.predict
    return experiment.data.folds * fold


def scorings(step: ShrinkSettings) -> int:
    """How often a step's candidates score the weights, in one fold."""
    return sum(len(list(step.recipe(candidate).schedule())) for candidate in step.candidates())


def weigh(experiment: Experiment, count: int, sizes: Sizes) -> Weight:
    """Bytes on the disk and in memory, from the shapes of the weights and what a training step keeps of an image."""
    size = experiment.data.size
    model = build(experiment.model.backbone, num_classes=sizes.classes, size=size)
    weights = FLOAT * sum(tensor.numel() for tensor in model.state_dict().values())
    store, kept = count * size * size * 3, kept_for_backward(model, size)
    training = COPIES[experiment.train.optimizer] * weights + kept * experiment.train.batch_size
    # Twice the model, its masks, and curvature and scores in double precision beside the groups'.
    scoring = (8 + sizes.groups) * weights + 2 * kept * SCORING_BATCH
    needed = [0 if experiment.model.checkpoint else training, scoring if experiment.shrink else 2 * weights]
    models = experiment.data.folds * (1 + len(experiment.shrink)) * weights
    return Weight(store, weights, store + models, PROGRAM + store + max(needed))


def kept_for_backward(model: nn.Module, size: int) -> int:
    """Bytes that a training step keeps of one image until its backward pass."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    pixels = network_inputs(np.zeros((2, size, size, 3), dtype=np.uint8))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = model.train()(pixels)  # held, so that no storage is freed and its place used again
    del outputs
    return sum(kept.values()) // len(pixels)

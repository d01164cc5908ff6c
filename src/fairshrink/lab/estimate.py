"""What a run will take: seconds and bytes, from sizes and a measured pace."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fairshrink.compress.criteria import Criterion, Saliency
from fairshrink.compress.entanglement import Entanglement
from fairshrink.compress.grid import shares
from fairshrink.compress.recipe import Recipe
from fairshrink.compress.retraining import FineTune
from fairshrink.compress.selection import PerChannel
from fairshrink.data.normalise import network_inputs
from fairshrink.lab.config import Experiment
from fairshrink.lab.exit_settings import TAUGHT
from fairshrink.lab.networks import network
from fairshrink.lab.settings import ShrinkSettings

FLOAT = 4  # bytes
PROGRAM = 500_000_000  # bytes: Python and its libraries
COMPARING = 2**28  # bytes that images take which are compared with each other
LENGTH = ("ratio", "step", "channel_ratio", "iterations")  # settings that say how far, and in which steps
WHERE = (*LENGTH, "target", "metric", "max_f1_loss")  # and where to stop
BY_CONTRAST = ("beta", "weights", "ranking")  # settings that do not matter before the first step
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
        disk: The store, and the most models that the run folder holds at once: those at the end, and candidates of a grid.
        memory: The most that the program needs at once, roughly.
    """

    store: int
    model: int
    disk: int
    memory: int


def stage_seconds(experiment: Experiment, number: int, sizes: Sizes, pace: Pace) -> float:
    """Seconds of one stage, all folds; audits are not in it.

    Args:
        experiment: The experiment.
        number: 0 for training, then the shrink steps.
        sizes: Images of a fold.
        pace: As measured.
    """
    if number == 0:
        epochs = trainings(experiment) * experiment.train.epochs
        look = (epochs + 1) * sizes.val + sizes.test
        fold = epochs * sizes.train * pace.train + look * pace.predict
    else:
        step = experiment.shrink[number - 1]
        made, scored = passes(step), scored_images(step, sizes)
        seconds = made.scorings * scored * pace.score * _share(step, sizes.classes) + (made.looks - 1) * pace.pick
        seconds += made.readings * scored * pace.predict + made.epochs * sizes.train * pace.train
        fold = seconds + (made.looks * sizes.val + sizes.test) * pace.predict
    return experiment.data.folds * fold


def trainings(experiment: Experiment) -> int:
    """How often a fold is trained: none of a checkpoint, and its teacher before it where there is one."""
    if experiment.model.checkpoint:
        return 0
    return 2 if experiment.train.objective == TAUGHT and experiment.train.teacher is None else 1


class Passes(NamedTuple):
    """How often a step reads the data in one fold, at most: candidates may meet, or stop, before that.

    Attributes:
        scorings: Passes over the scored images for their curvature.
        looks: Passes over the validation images.
        epochs: Passes over the training images, forward and backward.
        readings: Passes over the scored images, forward only.
    """

    scorings: int
    looks: int
    epochs: int = 0
    readings: int = 0


def passes(step: ShrinkSettings) -> Passes:
    """What candidates are known to share is counted once: the start, and the way of those that differ in how far they go."""
    scored, read, seen, trained = set(), set(), set(), {}
    for recipe, places in _places(step):
        if by_curvature(recipe.criterion):
            scored.update(places[:-1])
        if isinstance(recipe.criterion, Entanglement):
            read.update(places[:-1])
        if isinstance(recipe.recover, FineTune):
            trained.update(dict.fromkeys(places[1:], recipe.recover.settings.epochs))
        seen.update(places)
    return Passes(len(scored), len(seen), sum(trained.values()), len(read))


Place = tuple[
    str, tuple[float, ...]
]  # where a way has come to: what its candidates have in common, and the ratios behind it


def _places(step: ShrinkSettings) -> Iterator[tuple[Recipe, list[Place]]]:
    """Each candidate's recipe, and where its way leads, the start first."""
    lines: dict[str, list[tuple[float, ...]]] = {}
    for candidate, recipe, ratios in sorted(_ways(step), key=lambda one: -len(one[2])):
        if shares(recipe):
            way = {key: value for key, value in candidate.items() if key not in WHERE}
            before = str({key: value for key, value in way.items() if key not in BY_CONTRAST})
            yield recipe, [(str(way) if steps else before, ratios[:steps]) for steps in range(len(ratios) + 1)]
            continue
        # Whoever trains, or goes by other scores, has a way of its own, unless a longer one has all of its steps.
        way = str({key: value for key, value in candidate.items() if key not in LENGTH})
        known = lines.setdefault(way, [])
        line = next((one for one in known if one[: len(ratios)] == ratios), ratios)
        known.extend([line] if line not in known else [])
        yield recipe, [(f"{way} {line}", ratios[:steps]) for steps in range(len(ratios) + 1)]


def _ways(step: ShrinkSettings) -> Iterator[tuple[dict[str, Any], Recipe, tuple[float, ...]]]:
    for candidate in step.candidates():
        recipe = step.recipe(candidate)
        yield candidate, recipe, tuple(round(ratio, 9) for ratio in recipe.schedule())  # 3 * 0.1 and 0.3 are the same


def by_curvature(criterion: Criterion) -> bool:
    """Whether scores take backward passes."""
    whole = criterion.criterion if isinstance(criterion, PerChannel) else criterion
    return isinstance(whole, Saliency)


def curving(experiment: Experiment) -> list[ShrinkSettings]:
    """The steps that are scored by curvature."""
    return [step for step in experiment.shrink if passes(step).scorings]


def trains(experiment: Experiment) -> bool:
    """Whether anything is trained: the model itself, or what is free of it between the steps of a method."""
    return not experiment.model.checkpoint or any(passes(step).epochs for step in experiment.shrink)


def scored_images(step: ShrinkSettings, sizes: Sizes) -> int:
    """How many images a scoring reads, at most."""
    return sizes.train if step.samples == "all" else min(step.samples * sizes.groups, sizes.train)


def _share(step: ShrinkSettings, classes: int) -> float:
    """The part of an exact scoring's time that sampled columns take: a backward pass each, and one pass to choose them."""
    columns = step.settings.get("columns", (None,))
    return float(np.mean([1.0 if c is None else min(1.0, (c + 1) / max(classes - 1, 1)) for c in columns]))


def weigh(experiment: Experiment, count: int, sizes: Sizes) -> Weight:
    """Bytes on the disk and in memory, from the shapes of the weights and what a training step keeps of an image."""
    size = experiment.data.size
    model = network(experiment, sizes.classes)
    weights = FLOAT * sum(tensor.numel() for tensor in model.state_dict().values())
    store, kept = count * size * size * 3, kept_for_backward(model, size)
    training = COPIES[experiment.train.optimizer] * weights + kept * experiment.train.batch_size
    # Twice the model, its masks, and curvature and scores in double precision beside the groups'.
    scoring = (8 + sizes.groups) * weights + 2 * kept * max((step.batch for step in curving(experiment)), default=0)
    reading = [2 * weights + kept * step.batch + COMPARING for step in experiment.shrink if passes(step).readings]
    needed = [training if trains(experiment) else 0, scoring if experiment.shrink else 2 * weights, *reading]
    folds = experiment.data.folds
    tried = [len(step.candidates()) * (folds if step.choose_over == "folds" else 1) for step in experiment.shrink]
    models = (folds * (1 + len(experiment.shrink)) + max(tried, default=0)) * weights
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

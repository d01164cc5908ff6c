"""The network of an experiment, with its exits if it has any, and what its outputs mean."""

from pathlib import Path

from torch import nn

from fairshrink.deploy.card import Exits
from fairshrink.errors import ConfigError
from fairshrink.lab.config import Experiment
from fairshrink.maths.tasks import PAPER_THRESHOLD, PAPER_WEIGHTS, Task, check_weights, classify, multi_exit
from fairshrink.models.backbones import build
from fairshrink.models.multi_exit import MultiExit, build_multi_exit


def network(
    experiment: Experiment, num_classes: int, *, weights: Path | None = None, size: int | None = None
) -> nn.Module:
    """The untrained network.

    Args:
        experiment: Its `[model]`, the size of the images and the seed.
        num_classes: C.
        weights: A file with ImageNet weights to begin with.
        size: Pixels, if they are not the experiment's.

    Raises:
        ConfigError, ModelError: An exit cannot be where it is asked for, or the weights do not fit.
    """
    model, pixels, seed = experiment.model, size or experiment.data.size, experiment.train.seed
    if model.exits is None:
        return build(model.backbone, num_classes=num_classes, size=pixels, weights=weights, seed=seed)
    return build_multi_exit(
        model.backbone, model.exits, model.heads, num_classes=num_classes, size=pixels, weights=weights, seed=seed
    )


def exits_of(experiment: Experiment, model: nn.Module) -> Exits | None:
    """Where the images of a network may leave, before a threshold was chosen; None: at its end alone.

    Raises:
        ConfigError: There are not as many weights as exits, or they make no loss.
    """
    if not isinstance(model, MultiExit):
        return None
    names = (*model.taps, "the final one")
    weights = experiment.train.exit_weights or spaced(len(names))
    if len(weights) != len(names):
        raise ConfigError(
            f"train.exit_weights has {len(weights)} numbers, but the model has {len(names)} exits: {', '.join(names)}. "
            "Give one for each, or leave it out."
        )
    check_weights(weights)
    return Exits(tuple(model.taps), experiment.model.heads, weights, PAPER_THRESHOLD)


def spaced(count: int) -> tuple[float, ...]:
    """Weights of so many exits, from the paper's first to its last; of five, the paper's.

    Source: Chiu et al. 2023 (multi-exit), section 4, for five exits; evenly spaced for other numbers.
    """
    low, high = PAPER_WEIGHTS[0], PAPER_WEIGHTS[-1]
    return tuple(round(low + (high - low) * at / (count - 1), 6) for at in range(count))


def task_of(exits: Exits | None, threshold: float | None = None) -> Task:
    """What the outputs mean; at another threshold, if one is given."""
    return classify if exits is None else multi_exit(exits.weights, threshold or exits.threshold)

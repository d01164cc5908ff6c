"""The task's loss, and how much each exit's features say of the group, class by class (HSIC)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fairshrink.maths.dependence import hsic_estimate
from fairshrink.maths.tasks import Task, check_weights, classify
from fairshrink.train.objectives.base import State
from fairshrink.train.objectives.features import with_features
from fairshrink.train.objectives.terms import STRENGTH, check_exits, check_strength, outputs_of
from fairshrink.types import GroupBatch


@dataclass(frozen=True)
class Hsic:
    """Minimise the sum over exits k of w_k * (cross-entropy + strength * HSIC of the exit's features and the groups).

    HSIC is that of each class's samples, averaged over the classes of which the batch has enough (four of known group, of two
    groups at least); it is 0 for a batch without such a class. Samples of unknown group count in the cross-entropy only.

    Attributes:
        task: What the model's outputs mean; its loss is the first term, weighted by exit as `exit_weights`.
        exit_weights: w_k, (E,); one number for a model of a single exit.
        strength: What the dependence counts beside the cross-entropy.

    Raises:
        ConfigError: A weight or the strength is out of range.

    Source: Quadrianto et al. 2019 (HSIC); Chiu et al. 2023 (multi-exit), section 3.2, the loss. The mean over classes is ours:
    published code of the baseline adds them up.
    """

    task: Task = classify
    exit_weights: tuple[float | int, ...] = (1.0,)
    strength: float | int = STRENGTH

    def __post_init__(self):
        check_weights(self.exit_weights)
        check_strength(self.strength)

    def begin(self, model: nn.Module, num_groups: int) -> State:
        """Nothing is kept; but a part of a batch does not tell how its samples depend on the group."""
        return State(whole_batches=True)

    def step(self, model: nn.Module, batch: GroupBatch, state: State) -> Tensor:
        """The loss of the batch, a scalar.

        Raises:
            ModelError: The model has another number of exits than there are weights, or no features.
        """
        seen = with_features(model, batch.x)
        check_exits(len(seen.logits), self.exit_weights)
        terms = [
            weight * _within_classes(features, batch)
            for weight, features in zip(self.exit_weights, seen.features, strict=True)
        ]
        return self.task.loss(outputs_of(seen.logits), batch.y) + self.strength * torch.stack(terms).sum()


def _within_classes(features: Tensor, batch: GroupBatch) -> Tensor:
    """The mean over the classes that can be measured; 0 if none can."""
    groups = int(batch.g.max()) + 1
    members = [batch.y == label for label in batch.y.unique().tolist()]
    found = [hsic_estimate(features[chosen], batch.g[chosen], groups) for chosen in members]
    values = torch.stack([estimate.value for estimate in found])
    return values.sum() / max(1, sum(estimate.measured for estimate in found))

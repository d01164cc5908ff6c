"""The task's loss, and how far each group's features lie from those that a teacher has of the same class (MFD)."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fairshrink.errors import ModelError
from fairshrink.maths.dependence import mean_squared_distance, mmd2_estimate
from fairshrink.maths.tasks import Task, check_weights, classify
from fairshrink.train.objectives.base import State
from fairshrink.train.objectives.features import with_features
from fairshrink.train.objectives.terms import STRENGTH, check_exits, check_strength, outputs_of
from fairshrink.train.precision import device_of
from fairshrink.types import GroupBatch

TEACHER = "teacher"


@dataclass(frozen=True)
class Mfd:
    """Minimise the sum over exits k of w_k * (cross-entropy + strength / 2 * sum over classes and groups of MMD^2).

    MMD^2 is between the teacher's features of all the batch's samples of a class, and the model's features of those of one
    group; it is left out where either has fewer than two. The kernel's bandwidth is the mean squared distance of the
    teacher's features from the model's, over the batch. Samples of unknown group count in the cross-entropy, and in the
    teacher's part.

    Attributes:
        teacher: A trained model of the same form, with as many exits; copied, and not trained.
        task: What the model's outputs mean; its loss is the first term, weighted by exit as `exit_weights`.
        exit_weights: w_k, (E,); one number for a model of a single exit.
        strength: What the distances count beside the cross-entropy.

    Raises:
        ConfigError: A weight or the strength is out of range.

    Source: Jung et al. 2021 (MFD), with the unbiased estimator in place of their biased one; Chiu et al. 2023 (multi-exit),
    section 3.2, the loss.
    """

    teacher: nn.Module
    task: Task = classify
    exit_weights: tuple[float | int, ...] = (1.0,)
    strength: float | int = STRENGTH

    def __post_init__(self):
        check_weights(self.exit_weights)
        check_strength(self.strength)

    def begin(self, model: nn.Module, num_groups: int) -> State:
        """A copy of the teacher, on the model's device, that stays as it is."""
        teacher = copy.deepcopy(self.teacher).to(device_of(model)).to(memory_format=torch.channels_last)
        return State(modules={TEACHER: teacher.requires_grad_(False).eval()}, whole_batches=True)

    def step(self, model: nn.Module, batch: GroupBatch, state: State) -> Tensor:
        """The loss of the batch, a scalar.

        Raises:
            ModelError: The model or the teacher has another number of exits than there are weights, or no features.
            DataError: The teacher's features are not as wide as the model's.
        """
        with torch.no_grad():
            taught = with_features(state.modules[TEACHER], batch.x)
        seen = with_features(model, batch.x)
        check_exits(len(seen.logits), self.exit_weights)
        if len(taught.logits) != len(seen.logits):
            raise ModelError(
                f"the teacher has {len(taught.logits)} exits, but the model has {len(seen.logits)}: each exit's features are "
                "compared with those of the teacher's.\n  Give a teacher of the same form, with exits at the same places."
            )
        by_exit = zip(self.exit_weights, taught.features, seen.features, strict=True)
        terms = [weight * _distances(theirs, own, batch) for weight, theirs, own in by_exit]
        return self.task.loss(outputs_of(seen.logits), batch.y) + self.strength / 2 * torch.stack(terms).sum()


def _distances(taught: Tensor, features: Tensor, batch: GroupBatch) -> Tensor:
    """The sum over classes and groups, 0 for those that cannot be measured."""
    scale = mean_squared_distance(taught, features)
    groups = range(int(batch.g.max()) + 1)
    members = [(batch.y == label, group) for label in batch.y.unique().tolist() for group in groups]
    found = [mmd2_estimate(taught[own], features[own & (batch.g == group)], scale) for own, group in members]
    return torch.stack([estimate.value for estimate in found] or [scale.new_zeros(())]).sum()

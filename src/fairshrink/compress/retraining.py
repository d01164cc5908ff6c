"""Training between the steps: what is free makes up for what was fixed."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from fairshrink.compress.frozen import Frozen
from fairshrink.compress.keeping import Keeper
from fairshrink.compress.recover import Recover, recovery
from fairshrink.errors import ConfigError, DataError
from fairshrink.maths.tasks import Task
from fairshrink.train.loading import Counted, EpochLoader
from fairshrink.train.loop import fit
from fairshrink.train.objectives.group_gap import GroupGap
from fairshrink.train.schedules import make_optimizer
from fairshrink.train.settings import TrainSettings
from fairshrink.types import Splits

PURPOSE = 0x7E7  # keeps its draws apart from those of the training before


class Round(NamedTuple):
    """Which round of a path this is, and what a re-training has to know besides the model and the data."""

    number: int
    task: Task
    num_groups: int
    unprivileged: int
    seed: int
    memory: dict[str, Any] | None
    keeper: Keeper


@dataclass(frozen=True)
class FineTune:
    """Train the weights that are free; nothing reaches those that are fixed: no gradient, no momentum, no weight decay.

    Attributes:
        settings: How. Its seed plays no part: every round draws by the path's seed and its own number.
        alpha: Share of the loss that is |CE_u - CE_p|, the difference between the groups, from 0 to 1.
        balanced: Whether each group's mean loss counts the same in the rest of it.
        keep_state: Whether the optimiser's state goes on from round to round; otherwise each round begins without.

    Raises:
        ConfigError: alpha is not from 0 to 1.

    Source: Guo et al. 2024 (FairQuantize), Alg. 1, line 13; alpha is the authors' published code's.
    """

    settings: TrainSettings
    alpha: float = 0.0
    balanced: bool = False
    keep_state: bool = False

    def __post_init__(self) -> None:
        GroupGap(alpha=self.alpha)  # what it refuses is refused now

    def train(self, model: nn.Module, data: Splits, frozen: Frozen, at: Round) -> dict[str, Any] | None:
        """Train one round; what the next one is handed is the optimiser's state, or nothing.

        Raises:
            DataError: There is nothing to train on.
            ModelError: The loss is not finite.
        """
        batches = data.train if data.retrain is None else data.retrain
        if not isinstance(batches, EpochLoader | Counted):
            raise DataError(
                f"the batches to re-train on are of the type {type(batches).__name__}, which does not say how many they are. "
                "Give a list or a DataLoader."
            )
        seed = int(np.random.SeedSequence([at.seed, PURPOSE]).generate_state(1)[0])
        optimizer = make_optimizer([p for p in model.parameters() if p.requires_grad], self.settings)
        if self.keep_state and at.memory is not None:
            optimizer.load_state_dict(at.memory)
        keep, number = at.keeper, at.number
        fit(
            model,
            batches,
            replace(self.settings, seed=seed),
            num_groups=at.num_groups,
            objective=GroupGap(at.task, self.alpha, self.balanced, at.unprivileged),
            state_file=keep.training,
            observer=lambda *place: keep.batch(number, *place),
            held=frozen.mask,
            first=number * self.settings.epochs,
            optimizer=optimizer,
        )
        model.zero_grad(set_to_none=True)
        if keep.training is not None:
            keep.training.unlink(missing_ok=True)
        return optimizer.state_dict() if self.keep_state else None


def fine_tuning(  # noqa: PLR0913  # Each is a choice of its own, and all but one are named.
    epochs: int,
    *,
    least: int = 0,
    lr: float,
    momentum: float,
    weight_decay: float,
    lr_epochs: int | None,
    lr_factor: float,
    precision: str,
    keep_state: bool,
    alpha: float = 0.0,
    balanced: bool = False,
    nesterov: bool = False,
    called: str = "epochs",
) -> FineTune | None:
    """SGD for some epochs after every step, at least so many, its learning rate falling in steps; None for 0 epochs.

    `called` is what the method calls them.

    Raises:
        ConfigError: A setting cannot be used.
    """
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < least:
        raise ConfigError(
            f"{called} is {epochs!r}, but a number of epochs of re-training after each step is expected, from {least} on."
        )
    if lr_epochs is not None and (isinstance(lr_epochs, bool) or not isinstance(lr_epochs, int) or lr_epochs < 1):
        raise ConfigError(
            f"lr_epochs is {lr_epochs!r}, but a number of epochs from 1 on is expected, or nothing for once."
        )
    if not 0 < lr_factor <= 1:
        raise ConfigError(f"lr_factor is {lr_factor!r}, but a number above 0, and at most 1, is expected.")
    settings = TrainSettings(
        epochs=max(epochs, 1),  # what cannot be used is refused, also where nothing is trained
        lr=lr,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        schedule="step",
        step_epochs=lr_epochs,
        step_factor=lr_factor,
        precision=precision,
    )
    tune = FineTune(settings, alpha, balanced, keep_state)
    return tune if epochs else None


def after_each(tune: FineTune | None, norms: str) -> FineTune | Recover | None:
    """What is done after each step: the re-training where there is one, else what `norms` stands for.

    Raises:
        ConfigError: `norms` is no such choice, or it asks for what a re-training does by itself.
    """
    norming = recovery(norms)
    if tune is not None and norming is not None:
        raise ConfigError(
            f"norms is {norms!r}, but after each step there are {tune.settings.epochs} epochs of re-training, which move the "
            'statistics of batch-norms anyhow. Give norms = "keep", or epochs = 0.'
        )
    return tune or norming

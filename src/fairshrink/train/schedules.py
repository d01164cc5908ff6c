"""Optimisers and learning-rate schedules, by name. Every schedule is stepped once per batch."""

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR, StepLR

from fairshrink.errors import ModelError
from fairshrink.train.settings import TrainSettings

STEP_AT = 0.8  # FairPrune: a tenth of the learning rate from epoch 160 of 200 on.


def make_optimizer(parameters: Iterable[nn.Parameter], settings: TrainSettings) -> Optimizer:
    """The optimiser that the settings name."""
    if settings.optimizer == "adam":
        return Adam(parameters, lr=settings.lr, weight_decay=settings.weight_decay)
    return SGD(
        parameters,
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
    )


def taken_over(optimizer: Optimizer, parameters: Iterable[nn.Parameter], settings: TrainSettings) -> Optimizer:
    """An optimiser that has been used before, ready for another schedule; its state is kept.

    Args:
        optimizer: Changed in place: its learning rate is that of the settings.
        parameters: What is trained.
        settings: How to train.

    Raises:
        ModelError: It has other parameters.
    """
    own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    trained = {id(parameter) for parameter in parameters}
    if own != trained:
        raise ModelError(
            f"the optimizer has {len(own):,} parameters, {len(own & trained):,} of which are among the {len(trained):,} that are "
            "trained.\n  Give one that was made from this model's parameters, all that need gradients, or none."
        )
    for group in optimizer.param_groups:
        group["lr"] = settings.lr
        group.pop("initial_lr", None)  # The schedule before left it, and the next would begin from it.
    return optimizer


def make_schedule(optimizer: Optimizer, settings: TrainSettings, batches: int) -> LRScheduler:
    """The schedule that the settings name.

    Args:
        optimizer: Whose learning rate is scheduled.
        settings: How to train.
        batches: Batches in one epoch.
    """
    total = settings.epochs * batches
    if settings.schedule == "onecycle":
        # cycle_momentum would replace the momentum that the user asked for.
        return OneCycleLR(optimizer, max_lr=settings.lr, total_steps=total, cycle_momentum=False)
    if settings.schedule == "step" and settings.step_epochs is not None:
        return StepLR(optimizer, step_size=settings.step_epochs * batches, gamma=settings.step_factor)
    if settings.schedule == "step":
        milestone = round(STEP_AT * settings.epochs) * batches
        return MultiStepLR(optimizer, milestones=[milestone], gamma=settings.step_factor)
    if settings.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=total)
    return ConstantLR(optimizer, factor=1.0, total_iters=0)

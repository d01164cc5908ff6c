"""Optimisers and learning-rate schedules, by name. Every schedule is stepped once per batch."""

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, MultiStepLR, OneCycleLR

from fairshrink.train.settings import TrainSettings

STEP_AT = 0.8  # FairPrune: a tenth of the learning rate from epoch 160 of 200 on.
STEP_FACTOR = 0.1


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
    if settings.schedule == "step":
        return MultiStepLR(optimizer, milestones=[round(STEP_AT * settings.epochs) * batches], gamma=STEP_FACTOR)
    if settings.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=total)
    return ConstantLR(optimizer, factor=1.0, total_iters=0)

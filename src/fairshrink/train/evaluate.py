"""A model's predictions on data, and their counts by group."""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fairshrink.errors import DataError, ModelError
from fairshrink.maths.samples import check_parts
from fairshrink.maths.tasks import Task, classify
from fairshrink.metrics.counts import GroupCounts, count
from fairshrink.train.precision import autocast, device_of, usable
from fairshrink.types import Batches, GroupBatch


class Predictions(NamedTuple):
    """Predictions for N samples, in the order of the batches.

    Attributes:
        y: True classes, (N,), int64.
        pred: Predicted classes, (N,), int64.
        g: Groups, (N,), int64, -1 where unknown.
        prob: Softmax of the outputs (of the final exit where there are several), (N, C), float32.
    """

    y: Int[np.ndarray, " N"]
    pred: Int[np.ndarray, " N"]
    g: Int[np.ndarray, " N"]
    prob: Float[np.ndarray, "N C"]


def predict(
    model: nn.Module,
    batches: Batches,
    *,
    task: Task = classify,
    precision: str = "fp32",
    device: torch.device | None = None,
) -> Predictions:
    """Run a model over batches in eval mode, without gradients; the mode of every layer is as before afterwards.

    >>> seen = predict(model, loader)                      # doctest: +SKIP
    >>> (seen.pred == seen.y).mean()                       # doctest: +SKIP

    Args:
        model: Gives the task's outputs.
        batches: GroupBatches, or (x, y, g); one pass is made.
        task: What the outputs mean.
        precision: "fp32" or "bf16".
        device: Where to compute; the model is moved there. None: where the model is.

    Raises:
        DataError: There are no batches, or one is not (x, y, g) with parts of the same length.
        ModelError: The outputs are no logits, or not finite.
    """
    place = device_of(model) if device is None else device
    model.to(place)
    used = usable(precision, place)
    like = next(model.parameters(), torch.zeros((), device=place))
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.inference_mode(), autocast(used, place):
            parts = [
                (batch.y.long(), *_one(model(_inputs(batch, like)), task, number), batch.g.long())
                for number, batch in (
                    (number, check_parts(number, given)) for number, given in enumerate(batches, start=1)
                )
            ]
    finally:
        for module, training in modes.items():
            module.training = training
    if not parts:
        raise DataError("there are no batches to predict: the split or selection is empty.")
    y, pred, prob, g = (torch.cat([part.cpu() for part in column]).numpy() for column in zip(*parts, strict=True))
    return Predictions(y, pred, g, prob)


def evaluate(
    model: nn.Module,
    batches: Batches,
    *,
    num_groups: int,
    num_classes: int,
    task: Task = classify,
    precision: str = "fp32",
) -> GroupCounts:
    """Predict and count by group; samples of unknown group are skipped.

    Args:
        model: Gives the task's outputs.
        batches: GroupBatches, or (x, y, g); one pass is made.
        num_groups: G.
        num_classes: C.
        task: What the outputs mean.
        precision: "fp32" or "bf16".

    Raises:
        DataError: There are no batches, or a class or group is out of range.
        ModelError: An output is not finite.
    """
    seen = predict(model, batches, task=task, precision=precision)
    return count(seen.y, seen.pred, seen.g, num_groups=num_groups, num_classes=num_classes)


def _inputs(batch: GroupBatch, like: Tensor) -> Tensor:
    """Inputs where the model is and, if they are floating point, in its precision; their memory stays as the user laid it."""
    return batch.x.to(like.device, like.dtype if batch.x.is_floating_point() else None)


def _one(outputs: Any, task: Task, number: int) -> tuple[Tensor, Tensor]:
    """Predicted classes and probabilities of one batch."""
    exits = outputs if isinstance(outputs, tuple) else (outputs,)
    if not all(isinstance(logits, Tensor) and logits.dim() == 2 for logits in exits):
        raise ModelError(
            f"the model returned a {type(outputs).__name__}, but logits (N, C) are expected, or a tuple of them.\n"
            "  Wrap the model so that its forward returns the class scores alone."
        )
    wrong = torch.stack([(~torch.isfinite(logits)).any(dim=1) for logits in exits]).any(dim=0).count_nonzero()
    if wrong:
        raise ModelError(
            f"the model's outputs are not finite for {int(wrong)} of {len(exits[0])} samples of batch {number}.\n"
            "  Its weights or the inputs hold NaN, infinity or very large numbers: train with a lower lr, or check the inputs."
        )
    return task.predict(outputs), exits[-1].float().softmax(dim=1)

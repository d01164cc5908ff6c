"""A model's predictions on data, and their counts by group."""

from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fairshrink.data.portions import ALONE
from fairshrink.errors import DataError, ModelError
from fairshrink.maths.samples import check_parts
from fairshrink.maths.sharing import Share, summed_
from fairshrink.maths.tasks import Task, classify
from fairshrink.metrics.counts import GroupCounts, count
from fairshrink.train.loading import portions
from fairshrink.train.precision import autocast, device_of, usable
from fairshrink.train.processes import agreed
from fairshrink.types import Batches, GroupBatch


class Predictions(NamedTuple):
    """Predictions for N samples, in the order of the batches.

    Attributes:
        y: True classes, (N,), int64.
        pred: Predicted classes, (N,), int64.
        g: Groups, (N,), int64, -1 where unknown.
        prob: Softmax of the outputs, (N, C), float32; of several exits, of the one that the sample leaves at.
        exit: Which exit that is, (N,), int64: 0 for the first, and where there is one only.
    """

    y: Int[np.ndarray, " N"]
    pred: Int[np.ndarray, " N"]
    g: Int[np.ndarray, " N"]
    prob: Float[np.ndarray, "N C"]
    exit: Int[np.ndarray, " N"] = np.zeros(0, dtype=np.int64)  # For who makes such a record without exits.


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
    y, pred, prob, left, g = (torch.cat([part.cpu() for part in column]).numpy() for column in zip(*parts, strict=True))
    return Predictions(y, pred, g, prob, left)


def evaluate(
    model: nn.Module,
    batches: Batches,
    *,
    num_groups: int,
    num_classes: int,
    task: Task = classify,
    precision: str = "fp32",
    share: Share = ALONE,
) -> GroupCounts:
    """Predict and count by group; samples of unknown group are skipped.

    With a share, all processes of torch.distributed's default group call it with the same arguments: each predicts its own
    samples, once each, and all return the counts of all.

    Args:
        model: Gives the task's outputs.
        batches: GroupBatches, or (x, y, g); one pass is made.
        num_groups: G.
        num_classes: C.
        task: What the outputs mean.
        precision: "fp32" or "bf16".
        share: Which process of how many this is; one process by default, whatever group there is.

    Raises:
        DataError: There are no batches, or a class or group is out of range.
        ModelError: An output is not finite, or another process could not go on.
    """

    def counted(part: Batches) -> GroupCounts:
        seen = predict(model, part, task=task, precision=precision)
        return count(seen.y, seen.pred, seen.g, num_groups=num_groups, num_classes=num_classes)

    if share.count == 1:
        return counted(batches)

    def own() -> tuple[GroupCounts, float]:
        parts = (batch for batch, _ in portions(batches, 0, share) if len(batch.y))
        first = list(islice(parts, 1))
        if not first and share.rank > 0:  # Of too few samples for all, process 0 has some.
            return GroupCounts(np.zeros((num_groups, num_classes, num_classes), dtype=np.int64)), 0.0
        return counted(chain(first, parts)), 0.0

    device = device_of(model)
    found, _ = agreed(own, share, device)
    counts = torch.from_numpy(found.counts).to(device)
    summed_(share, counts)
    return GroupCounts(counts.cpu().numpy())


def _inputs(batch: GroupBatch, like: Tensor) -> Tensor:
    """Inputs where the model is and, if they are floating point, in its precision; their memory stays as the user laid it."""
    return batch.x.to(like.device, like.dtype if batch.x.is_floating_point() else None)


def _one(outputs: Any, task: Task, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Predicted classes, probabilities and exits of one batch."""
    exits = outputs if isinstance(outputs, tuple) else (outputs,)
    if not exits or not all(isinstance(logits, Tensor) and logits.dim() == 2 for logits in exits):
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
    return task.predict(outputs), task.answer(outputs).float().softmax(dim=1), task.leave(outputs)

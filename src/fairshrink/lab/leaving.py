"""How sure an exit has to be: chosen on validation once a model is finished, from one pass; then who leaves where on test."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from fairshrink.data.splits import VAL
from fairshrink.deploy.card import Exits
from fairshrink.files import read_json, write_json
from fairshrink.lab.store import FoldPaths
from fairshrink.lab.work import Work
from fairshrink.metrics.rates import divide
from fairshrink.metrics.thresholds import AtTheta, allowed, choose_theta, curve, each_exit, finer
from fairshrink.models.multi_exit import MultiExit
from fairshrink.train.evaluate import Predictions
from fairshrink.types import GroupBatch


class AllExits(NamedTuple):
    """What every exit says of the same samples: probabilities (E, N, C), true classes and groups (N,), -1 = unknown."""

    prob: Float[np.ndarray, "E N C"]
    y: Int[np.ndarray, " N"]
    g: Int[np.ndarray, " N"]


def settle(work: Work, fold: int, folder: FoldPaths) -> None:
    """Choose the threshold of a finished model on the fold's validation part, and write it down; once.

    It goes into exits.json, with what it was chosen from, and into the model's card. A model without exits has none.

    Raises:
        ModelError: An output is not finite.
        StoreError: A file cannot be read or written.
    """
    if work.exits is None or folder.exits.exists():
        return
    model, _ = work.load(folder)
    assert isinstance(model, MultiExit)
    loader = work.loader(work.prepared.rows(fold, VAL))
    costs = model.costs(next(iter(loader)).x[:1])
    record = _record(work, work.exits, all_exits(model, loader), costs)
    write_json(folder.card, read_json(folder.card) | {"exits": work.exits.to_dict() | {"threshold": record["theta"]}})
    write_json(folder.exits, record)
    work.observer.say(f"fold {fold}: {record['said']}")


def all_exits(model: nn.Module, batches: Iterable[GroupBatch]) -> AllExits:
    """One pass: the probabilities of all exits, in float64, as the policy compares them."""
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        parts = [
            (torch.stack([logits.double().softmax(1).cpu() for logits in model(batch.x.to(device))]), batch.y, batch.g)
            for batch in batches
        ]
    prob, y, g = zip(*parts, strict=True)
    return AllExits(torch.cat(prob, dim=1).numpy(), torch.cat(y).numpy(), torch.cat(g).numpy())


def _record(work: Work, exits: Exits, seen: AllExits, costs: tuple[int, ...]) -> dict[str, Any]:
    settings = work.experiment.exits
    fine = sorted({*settings.thresholds, *(theta for theta in finer(seen.prob) if theta > 0)})
    shapes = {"num_groups": len(work.groups), "num_classes": work.num_classes}
    points = curve(*seen, costs=costs, thetas=fine, **shapes)
    single = each_exit(*seen, costs=costs, **shapes)
    grid = [point for point in points if point.theta in settings.thresholds]
    best = grid[choose_theta(grid, single[-1], settings.choose)]
    free = any(allowed(grid, single[-1], settings.choose))
    return {
        "theta": best.theta,
        "rule": settings.choose,
        "said": _said(best, single[-1], settings.choose, chosen=free or len(grid) == 1),
        "grid": list(settings.thresholds),
        "costs": list(costs),
        "val": {name: [point._asdict() for point in found] for name, found in (("curve", points), ("single", single))},
        "groups": list(work.groups),
        "taps": list(exits.taps),
    }


def _said(best: AtTheta, final: AtTheta, rule: str, *, chosen: bool) -> str:
    why = f"by {rule}" if chosen else f"the largest, as {rule} allows none"
    return (
        f"images leave at {best.theta:g} ({why}): macro F1 {best.f1:.3f} (final exit {final.f1:.3f}) "
        f"for {best.cost / final.cost:.0%} of its cost"
    )


def note_leaving(work: Work, folder: FoldPaths, seen: Predictions) -> None:
    """Add to exits.json which share of each group leaves at each exit on test, (G, E), and what part of the cost is left."""
    record = read_json(folder.exits)
    shape, costs = (len(record["groups"]), len(record["costs"])), np.array(record["costs"], dtype=np.float64)
    known = seen.g >= 0
    cells = np.bincount(seen.g[known] * shape[1] + seen.exit[known], minlength=shape[0] * shape[1]).reshape(shape)
    record["leave"] = divide(cells, cells.sum(1, keepdims=True))
    record["saved"] = float(costs[seen.exit].mean() / costs[-1])
    write_json(folder.exits, record)

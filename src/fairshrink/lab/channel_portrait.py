"""What a step did to the channels: how well each told the groups apart before and after, and which were removed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fairshrink.compress.channels import ConvLayer, removed
from fairshrink.compress.entanglement import Entanglement, read_channels
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.graph import inner
from fairshrink.errors import ModelError
from fairshrink.lab.analysis_labels import SHUFFLED, Label, draw
from fairshrink.train.precision import device_of
from fairshrink.types import GroupBatch

DRAWS = 5
DIGITS = 6


@dataclass(frozen=True)
class Sides:
    """What a portrait of channels is drawn from.

    Attributes:
        before: The model that the step started from, and what was fixed in it.
        after: The model that it made, and what is fixed in that.
        layers: The convolutions whose channels could be removed, by name.
        batches: Images whose groups are known.
        attribute: What the groups are of.
        groups: Their names, in order.
        how: The temperature and the rest of the score.
        seed: Of the draws.
    """

    before: tuple[nn.Module, Frozen]
    after: tuple[nn.Module, Frozen]
    layers: dict[str, ConvLayer]
    batches: Sequence[GroupBatch]
    attribute: str
    groups: tuple[str, ...]
    how: Entanglement
    seed: int = 0


def channel_portrait(sides: Sides) -> dict[str, Any]:
    """Numbers for the picture of a step's channels, for JSON.

    Returns:
        attribute, groups, images, and of the score compared, temperature, normalize and tap.
        alone and skipped: images without a partner of their group, and batches that compare nothing.
        layers: name, channels, the numbers of those that are `removed` in the end and of those that were `lacked` before the
            step (they are among them), and in nats `before` and `after` (K,), SNNL with respect to the groups, averaged over
            the batches; `chance`: sorted, what the channels that were there before give with groups drawn by lot within each
            batch, averaged over the draws by rank; `cuttable`: whether they can be taken out of the file, None where that
            cannot be told.

    Raises:
        DataError: No batch holds two groups with somebody who has a partner.
        ModelError: A score is not finite.

    Source: Kong et al. 2024, Fig. 1 (2) and (3): sorted scores before and after.
    """
    read = [read_channels(model, sides.batches, sides.layers, sides.how) for model, _ in (sides.before, sides.after)]
    scores, cuttable = [one.scores for one in read], _cuttable(sides)
    drawn = [read_channels(sides.before[0], part, sides.layers, sides.how).scores for part in _by_lot(sides)]
    how = sides.how
    return {
        "attribute": sides.attribute,
        "groups": list(sides.groups),
        "images": sum(len(batch.g) for batch in sides.batches),
        "compared": how.compared or max(len(batch.g) for batch in sides.batches),
        "temperature": how.temperature,
        "normalize": how.normalize,
        "tap": how.tap,
        "alone": read[0].alone,
        "skipped": read[0].skipped,
        "layers": [
            {
                "name": name,
                "channels": layer.count,
                "cuttable": None if cuttable is None else name in cuttable,
                "removed": _numbers(layer, sides.after[1]),
                "lacked": _numbers(layer, sides.before[1]),
                "before": _rounded(scores[0][name].numpy()),
                "after": _rounded(scores[1][name].numpy()),
                "chance": _rounded(_sorted(drawn, name, ~removed(layer, sides.before[1]).numpy())),
            }
            for name, layer in sides.layers.items()
        ],
    }


def _cuttable(sides: Sides) -> list[str] | None:
    """The layers whose channels can be cut alone; None for a model that cannot be traced."""
    model = sides.before[0]
    try:
        return inner(model, sides.batches[0].x[:2].to(device_of(model)))
    except ModelError:
        return None


def _by_lot(sides: Sides) -> list[list[GroupBatch]]:
    """The batches with their groups drawn by lot, DRAWS times."""
    found: list[list[GroupBatch]] = [[] for _ in range(DRAWS)]
    for number, batch in enumerate(sides.batches):
        codes = batch.g.numpy()
        label = Label(sides.attribute, sides.groups, codes)
        drawn = draw(label, slice(0, len(codes)), (sides.seed, number), DRAWS)[SHUFFLED]
        for batches, groups in zip(found, drawn, strict=True):
            batches.append(replace(batch, g=torch.from_numpy(groups)))
    return found


def _sorted(drawn: Sequence[dict[str, torch.Tensor]], name: str, there: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.stack([np.sort(scores[name].numpy()[there]) for scores in drawn]).mean(0)


def _numbers(layer: ConvLayer, frozen: Frozen) -> list[int]:
    return removed(layer, frozen).nonzero().flatten().tolist()


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return np.round(values, DIGITS).tolist()

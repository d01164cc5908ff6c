"""One model looked at: how well each channel, and the whole feature by depth, tells groups and classes apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fairshrink.compress.channels import ConvLayer, removed, run_once
from fairshrink.compress.frozen import Frozen
from fairshrink.errors import DataError, ModelError
from fairshrink.lab.analysis_labels import SHUFFLED, WITHIN, Label, draw, tells
from fairshrink.maths.labellings import snnl_of_labellings
from fairshrink.types import Batches, GroupBatch

DIGITS = 6
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Looked:
    """At what a model is looked at.

    Attributes:
        batches: Images; those of a batch are compared with each other.
        labels: What they are compared by, in the order of the images.
        layers: The convolutions, by name.
        depths: Modules whose whole output is one feature.
        seed: Of the draws.
        temperature: T of the SNNL, on maps of length 1.
    """

    batches: Batches
    labels: tuple[Label, ...]
    layers: dict[str, ConvLayer]
    depths: tuple[str, ...]
    seed: int = 0
    temperature: float = 2.0


@dataclass
class _Sums:
    """Values added up over the batches by (place, label, kind), each (draws, K); how many batches told a label's groups apart."""

    values: dict[tuple[str, str, str], NDArray[np.float64]]
    batches: dict[str, int]

    def add(self, key: tuple[str, str, str], value: NDArray[np.float64]) -> None:
        self.values[key] = self.values[key] + value if key in self.values else value

    def mean(self, place: str, label: str, kind: str) -> NDArray[np.float64]:
        return self.values[place, label, kind] / self.batches[label]


def read_model(model: nn.Module, frozen: Frozen, looked: Looked) -> dict[str, Any]:
    """Look at a model once, in evaluation mode.

    SNNL with respect to a label is the mean over batches of that of each batch. `chance` is what the same images give when
    the label's groups are drawn by lot within each batch, `within` when they are drawn within the classes of each batch, so
    that what the classes tell about the groups is in it.

    Returns:
        For JSON. labels: name, groups, and how many batches counted (others held a single group).
        layers: name, channels, removed (their numbers), and for each label: `scores` (K,), `chance` (K,; the sorted scores of
            each draw, averaged by rank), of the channels that are there the `mean`, `chance_means` and `within_means` (one
            number for each draw), `excess` (QUANTILES of score less the channel's own mean over the draws), and how many
            channels lie below all draws, by chance (`below`) and within the classes (`below_within`).
        depth: name, features, and for each label `value`, `chance` and `within` (one number for each draw).

    Raises:
        DataError: No batch holds two groups of a label with somebody who has a partner.
        ModelError: A place does not put out a tensor, or a score is not finite.
    """
    sums = _Sums({}, {label.name: 0 for label in looked.labels})
    start = 0
    for number, batch in enumerate(looked.batches):
        x = batch.x if isinstance(batch, GroupBatch) else batch[0]
        _add(sums, _features(model, x, looked), looked, (number, slice(start, start + len(x))))
        start += len(x)
    for label in looked.labels:
        if not sums.batches[label.name]:
            raise DataError(
                f"no batch holds two groups of '{label.name}' and somebody with a partner of the same group, so nothing can be "
                "said to tell them apart. Take more images with --samples."
            )
    return {
        "labels": [
            {"name": label.name, "groups": list(label.groups), "batches": sums.batches[label.name]}
            for label in looked.labels
        ],
        "layers": [_layer(layer, removed(layer, frozen).numpy(), sums, looked) for layer in looked.layers.values()],
        "depth": [_depth(tap, sums, looked) for tap in looked.depths],
    }


def _features(model: nn.Module, x: Tensor, looked: Looked) -> dict[str, Tensor]:
    """What each layer puts out, (N, K, *), and the whole feature at each depth, (N, 1, D)."""
    found: dict[str, Tensor] = {}

    def keep(key: str, output: Any, *, whole: bool) -> None:
        if not isinstance(output, Tensor):
            raise ModelError(f"'{key}' puts out {type(output).__name__}, but one tensor is needed to look at it.")
        found[key] = output.flatten(1)[:, None].clone() if whole else output.clone()  # a ReLU may change it in place

    hooks = []
    modules = dict(model.named_modules())
    for name, layer in looked.layers.items():
        hooks.append(modules[layer.tap].register_forward_hook(lambda _, __, out, key=name: keep(key, out, whole=False)))
    for tap in looked.depths:
        key = _at(tap)
        hooks.append(modules[tap].register_forward_hook(lambda _, __, out, key=key: keep(key, out, whole=True)))
    run_once(model, x, hooks)
    return found


def _at(tap: str) -> str:
    return f"depth {tap}"


def _add(sums: _Sums, features: Mapping[str, Tensor], looked: Looked, batch: tuple[int, slice]) -> None:
    number, part = batch
    rows: list[NDArray[np.int64]] = []
    keys: list[tuple[str, str, int]] = []
    for place, label in enumerate(looked.labels):
        if not tells(label.codes[part]):
            continue
        sums.batches[label.name] += 1
        drawn = {"real": label.codes[part][None]} | draw(label, part, (looked.seed, number, place))
        rows += drawn.values()
        keys += [(label.name, kind, len(codes)) for kind, codes in drawn.items()]
    if not rows:
        return
    labellings = torch.from_numpy(np.concatenate(rows))
    sizes = [size for *_, size in keys]
    for place, maps in features.items():
        values = snnl_of_labellings(maps, labellings, looked.temperature).double().cpu()
        if not values.isfinite().all():
            raise ModelError(f"what '{place}' puts out has overflowed: its SNNL is not finite. Check the checkpoint.")
        for (label, kind, _), value in zip(keys, values.split(sizes), strict=True):
            sums.add((place, label, kind), value.numpy())


def _layer(layer: ConvLayer, gone: NDArray[np.bool_], sums: _Sums, looked: Looked) -> dict[str, Any]:
    return {
        "name": layer.name,
        "channels": layer.count,
        "removed": np.flatnonzero(gone).tolist(),
        "labels": {label.name: _channels(layer.name, ~gone, sums, label) for label in looked.labels},
    }


def _channels(place: str, there: NDArray[np.bool_], sums: _Sums, label: Label) -> dict[str, Any]:
    scores, chance = sums.mean(place, label.name, "real")[0], sums.mean(place, label.name, SHUFFLED)
    left, drawn = scores[there], chance[:, there]
    within = sums.mean(place, label.name, WITHIN)[:, there] if label.classes is not None else None
    return {
        "scores": _rounded(scores),
        "chance": _rounded(np.sort(drawn, axis=1).mean(0)),
        "mean": _rounded(left.mean()),
        "chance_means": _rounded(drawn.mean(1)),
        "within_means": [] if within is None else _rounded(within.mean(1)),
        "excess": _rounded(np.quantile(left - drawn.mean(0), QUANTILES)),
        "below": int((left < drawn.min(0)).sum()),
        "below_within": None if within is None else int((left < within.min(0)).sum()),
    }


def _depth(tap: str, sums: _Sums, looked: Looked) -> dict[str, Any]:
    found = {}
    for label in looked.labels:
        kinds = (SHUFFLED, WITHIN) if label.classes is not None else (SHUFFLED,)
        drawn = {kind: _rounded(sums.mean(_at(tap), label.name, kind)[:, 0]) for kind in kinds}
        value = _rounded(sums.mean(_at(tap), label.name, "real")[0, 0])
        found[label.name] = {"value": value, "chance": drawn[SHUFFLED], "within": drawn.get(WITHIN, [])}
    return {"name": tap, "labels": found}


def _rounded(values: Any) -> Any:
    return np.round(values, DIGITS).tolist()

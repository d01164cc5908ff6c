"""Which channels go first: those whose maps tell the groups apart best, by their soft nearest neighbour loss (SNNL)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules import activation

from fairshrink.compress.channels import ConvLayer, Which, example_of, find_layers, run_once
from fairshrink.compress.criteria import Context, Scores
from fairshrink.errors import ConfigError, DataError, ModelError, suggest
from fairshrink.maths.samples import check_parts
from fairshrink.maths.snnl import Entangled, entangled
from fairshrink.maths.tasks import Task
from fairshrink.types import Batches

TAPS = ("before", "after")


class Reading(NamedTuple):
    """What one pass over the data found.

    Attributes:
        scores: Layer name -> SNNL of each channel, averaged over the batches, (K,), float64; low tells the groups apart.
        batches: How many counted.
        skipped: How many did not, because they held one group only, or nobody with a partner.
        counted: Samples that counted.
        alone: Samples left out of their batch's mean, because nobody else in it was of their group.
        unknown: Samples left out altogether, because their group is unknown.
    """

    scores: dict[str, Float[Tensor, "K"]]
    batches: int
    skipped: int
    counted: int
    alone: int
    unknown: int


@dataclass(frozen=True)
class Entanglement:
    """Score of a channel: the SNNL of its maps with respect to the group, averaged over the batches; the lowest goes first.

    The score depends on how many images are compared at once and on the temperature: two readings can be compared only where
    both are the same.

    Attributes:
        layer: "last", "all", "inner", the name of a convolution, or several names; a recipe that removes channels of certain
            layers has these scored.
        temperature: T of Eq. 1.
        normalize: Whether each map is brought to length 1 first; the squared distance is then twice the cosine distance.
        tap: "before" the activation: what the layer and its norm put out; "after" it: what the next activation puts out, behind
            a shortcut where one is added.
        compared: Images that are compared with each other at once, whatever the batches; None: a batch as it comes.

    Raises:
        ConfigError: A setting cannot be used.

    Source: Kong et al. 2024 (SCP), Eq. 1 and Sec. 2.2; the soft nearest neighbour loss is Frosst et al. 2019.
    """

    layer: Which = "last"
    temperature: float = 2.0
    normalize: bool = True
    tap: str = "before"
    compared: int | None = None

    def __post_init__(self) -> None:
        if self.tap not in TAPS:
            raise ConfigError(f"tap is {self.tap!r}, but there is no such choice.{suggest(str(self.tap), TAPS)}")
        number = isinstance(self.temperature, (int, float)) and not isinstance(self.temperature, bool)
        if not number or not 0 < self.temperature < float("inf"):
            raise ConfigError(f"temperature is {self.temperature!r}, but a number above 0 is expected, such as 2.")
        whole = isinstance(self.compared, int) and not isinstance(self.compared, bool)
        if self.compared is not None and not (whole and self.compared >= 2):
            raise ConfigError(
                f"compared is {self.compared!r}, but it is how many images are compared with each other: give 2 or more, such as "
                "128, or None for the batches as they come."
            )

    def __call__(self, model: nn.Module, task: Task, batches: Batches, context: Context) -> Scores:
        """Name of a layer's weight -> score of each channel, (K,), float64; the lowest goes first.

        Raises:
            ConfigError: There is no layer of that name, or no activation behind it.
            DataError: No batch holds two groups with somebody who has a partner.
            ModelError: The model has no convolution, or a score is not finite.
        """
        given = {layer.name: layer for layer in context.layers.values()}
        layers = given or find_layers(model, self.layer, example_of(batches))
        found = read_channels(model, batches, layers, self)
        return {layers[name].weight: score for name, score in found.scores.items()}


def read_channels(model: nn.Module, batches: Batches, layers: dict[str, ConvLayer], how: Entanglement) -> Reading:
    """Score the channels of any number of layers in one pass, in evaluation mode.

    Args:
        model: Left as it was.
        batches: GroupBatches; samples of unknown group (-1) are skipped.
        layers: By name, as `find_layers` gives them.
        how: Temperature, tap and the rest; its `layer` plays no part.

    Raises:
        ConfigError: A layer does not run, or no activation follows it, and it is to be read behind one.
        DataError: No batch holds two groups with somebody who has a partner.
        ModelError: A score is not finite.
    """
    counter = _Counter()
    sums = {name: torch.zeros(layer.count, dtype=torch.float64) for name, layer in layers.items()}
    for x, groups in _regrouped(_known(batches, counter), how.compared):
        if not tells(groups):
            counter.skipped += 1
            continue
        counter.batches += 1
        found = _scored(model, (x, groups), layers, how)
        for name, runs in found.items():
            sums[name] += torch.stack([one.value.double().cpu() for one in runs]).mean(0)
        alone = next(iter(found.values()))[0].alone
        counter.alone += alone
        counter.counted += len(groups) - alone
    if not counter.batches:
        raise DataError(
            f"none of {counter.skipped:,} batches holds two groups and somebody with a partner of the same group, so no channel "
            "can be said to tell groups apart. Give larger batches, or batches in which the groups are mixed."
        )
    scores = {name: total / counter.batches for name, total in sums.items()}
    for name, score in scores.items():
        if not score.isfinite().all():
            raise ModelError(
                f"{int((~score.isfinite()).sum())} of {len(score)} scores of layer '{name}' are not finite. The maps have "
                "overflowed: check the checkpoint, and score in float32 or float64."
            )
    return Reading(scores, counter.batches, counter.skipped, counter.counted, counter.alone, counter.unknown)


def tells(groups: Tensor) -> bool:
    """Whether a batch says anything: two groups or more, and somebody in it has a partner of the same group."""
    sizes = groups.unique(return_counts=True)[1]
    return len(sizes) > 1 and int(sizes.max()) > 1


@dataclass
class _Counter:
    batches: int = 0
    skipped: int = 0
    counted: int = 0
    alone: int = 0
    unknown: int = 0


Compared = tuple[Tensor, Tensor]  # inputs (N, ...) and groups (N,)


def _known(batches: Batches, counter: _Counter) -> Iterator[Compared]:
    """The batches without those whose group is unknown."""
    for number, given in enumerate(batches):
        batch = check_parts(number, given)
        known = batch.g >= 0
        counter.unknown += int((~known).sum())
        if bool(known.any()):
            yield batch.x[known], batch.g[known]


def _regrouped(batches: Iterator[Compared], size: int | None) -> Iterator[Compared]:
    """Batches of one size; the last ones are a little larger or smaller, so that none is tiny."""
    held: list[Compared] = []
    for batch in batches:
        if size is None:
            yield batch
            continue
        held.append(batch)
        while sum(len(groups) for _, groups in held) >= 2 * size:
            x, groups = _joined(held)
            yield x[:size], groups[:size]
            held = [(x[size:], groups[size:])]
    if size is not None and held:
        x, groups = _joined(held)
        parts = max(1, round(len(groups) / size))
        yield from zip(x.tensor_split(parts), groups.tensor_split(parts), strict=True)


def _joined(held: list[Compared]) -> Compared:
    return torch.cat([x for x, _ in held]), torch.cat([groups for _, groups in held])


def _scored(
    model: nn.Module, batch: Compared, layers: dict[str, ConvLayer], how: Entanglement
) -> dict[str, list[Entangled]]:
    """What each layer puts out, scored while the model runs: an activation behind it may change it in place."""
    x, groups = batch
    found: dict[str, list[Entangled]] = {name: [] for name in layers}
    waiting: dict[str, torch.Size] = {}

    def score(name: str, maps: Tensor) -> None:
        found[name].append(entangled(maps, groups.to(maps.device), how.temperature, how.normalize))

    def put_out(name: str, output: Tensor) -> None:
        if how.tap == "before":
            score(name, output)
        else:
            waiting[name] = output.shape

    def activated(output: Any) -> None:
        for name in [name for name, shape in waiting.items() if isinstance(output, Tensor) and output.shape == shape]:
            score(name, output)
            del waiting[name]

    hooks = []
    by_tap = {layer.tap: name for name, layer in layers.items()}
    for name, module in model.named_modules():
        if name in by_tap:
            hooks.append(module.register_forward_hook(lambda _, __, out, name=by_tap[name]: put_out(name, out)))
        elif how.tap == "after" and type(module).__module__ == activation.__name__:
            hooks.append(module.register_forward_hook(lambda _, __, out: activated(out)))
    run_once(model, x, hooks)
    if missing := [name for name, runs in found.items() if not runs]:
        why = (
            'no activation module follows it (the model may call a function instead). Give  tap = "before"'
            if how.tap == "after"
            else "it does not run. Take another layer"
        )
        raise ConfigError(f"the channels of layer '{missing[0]}' cannot be read: {why}.")
    return found

"""A model under work: what a recipe's steps are done to."""

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import Any

from torch import Tensor, nn

from fairshrink.compress.channels import ConvLayer, Which, example_of, find_layers, removed, spread
from fairshrink.compress.criteria import Context, Criterion, Scores
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.recover import Recover
from fairshrink.compress.retraining import FineTune, Round
from fairshrink.compress.schedules import Schedule
from fairshrink.compress.starting import groups_of
from fairshrink.compress.steps import Step, look
from fairshrink.compress.stopping import StopRule, Worth, never
from fairshrink.compress.units import check_include, compressible
from fairshrink.errors import ConfigError, ModelError
from fairshrink.maths.codebooks import Codebook, at
from fairshrink.maths.select import check_ranking, lowest
from fairshrink.maths.tasks import Task
from fairshrink.types import Splits


@dataclass(frozen=True)
class Recipe:
    """A method: a choice of parts.

    Attributes:
        criterion: Which weights go first.
        codebook: Where a chosen weight goes.
        schedule: How far each step goes.
        recover: What is done to the model after each step, such as fine-tuning; None for nothing.
        stop: When to stop before the schedule ends.
        ranking: "global", the lowest scores of all tensors together; or "layer", the same share of every tensor.
        include: What may be fixed: "weights" of convolutions and linear layers; "scales", those of norms too; or "all",
            biases too.
        leave: Names of layers, or of whole parts of the model, that are left as they are.
        channels: Whose whole output channels are removed, as `find_layers` takes it; None: single weights are fixed. Ratios
            then count channels, and the codebook, `include` and `leave` play no part.
        best: What a step is worth; the one that is worth most is returned, the first of several. None: the last one.
        fixes: Whether anything is fixed at all. Without, each step is its recovery and nothing else: the control, which
            tells what of a method's effect the recovery alone would have had.
    """

    criterion: Criterion
    codebook: Codebook
    schedule: Schedule
    recover: Recover | FineTune | None = None
    stop: StopRule = never
    ranking: str = "global"
    include: str = "weights"
    leave: tuple[str, ...] = ()
    channels: Which | None = None
    best: Worth | None = None
    fixes: bool = True

    def __post_init__(self) -> None:
        check_ranking(self.ranking)
        check_include(self.include)

    @property
    def unit(self) -> str:
        """What ratios count: "weights" or "channels"."""
        return "weights" if self.channels is None else "channels"


@dataclass(frozen=True)
class Bench:
    """A copy of the model under work, and what does not change from step to step.

    Attributes:
        model: The copy, in evaluation mode.
        weights: Its parameters that the recipe may fix, by name; the ratio counts these, and no others.
        layers: Where whole channels are removed: the convolutions, by the name of their weight. The ratio counts channels.
        data: Batches; scoring uses train, measuring uses val.
        recipe: The method.
        codebook: The recipe's, fitted to the weights before the first step.
        task: What the outputs mean.
        seed: For every random draw.
        num_groups: G.
    """

    model: nn.Module
    weights: dict[str, nn.Parameter]
    layers: dict[str, ConvLayer]
    data: Splits
    recipe: Recipe
    codebook: Codebook
    task: Task
    seed: int
    num_groups: int

    def context(self, favoured: int, frozen: Frozen) -> Context:
        """What a criterion may know."""
        return Context(self.num_groups, favoured, frozen, self.codebook, self.seed, tuple(self.weights), self.layers)

    def places(self) -> dict[str, Tensor]:
        """Where each weight would go, by parameter name."""
        return {name: at(self.codebook, name)(weight.detach()) for name, weight in self.weights.items()}

    def fix_lowest(self, scores: Scores, ratio: float, frozen: Frozen) -> Frozen:
        """Fix the lowest scores, where the codebook puts them, until the ratio is reached, exactly."""
        if self.layers:
            return self._remove_lowest(scores, ratio, frozen)
        wanted = round(ratio * self.total) - self.fixed(frozen)
        taken = {name: mask for name, mask in frozen.mask.items() if name in scores}
        return frozen.fix(lowest(scores, wanted, taken=taken, ranking=self.recipe.ranking), self.places())

    def _remove_lowest(self, scores: Scores, ratio: float, frozen: Frozen) -> Frozen:
        """The same with whole channels. One stays in every layer, the one with the highest score: without it nothing passes."""
        parameters = dict(self.model.named_parameters())
        wanted = round(ratio * self.total) - self.fixed(frozen)
        gone = {name: removed(layer, frozen) for name, layer in self.layers.items()}
        ranked = {name: _one_kept(scores[name].cpu().double(), gone[name]) for name in self.layers}
        for name, chosen in lowest(ranked, wanted, taken=gone, ranking=self.recipe.ranking).items():
            if (chosen | gone[name]).all():
                raise ConfigError(
                    f"ratio {ratio:g} of every layer would remove the last of the {len(chosen)} channels of layer "
                    f"'{self.layers[name].name}'. Give a smaller ratio, or ranking = \"global\"."
                )
            frozen = frozen.remove(spread(self.layers[name], chosen, parameters), parameters)
        return frozen

    def settle(self, frozen: Frozen, now: Round | None = None) -> dict[str, Any] | None:
        """Write what is fixed into the model, and recover; what the recovery hands on to its next round.

        Only a re-training has to know which round it is.
        """
        recover, memory = self.recipe.recover, None
        frozen.apply_(self.model)
        if isinstance(recover, FineTune):
            assert now is not None
            memory = recover.train(self.model, self.data, frozen, now)
        elif recover is not None:
            recover(self.model, self.data, frozen)
        if recover is not None:
            frozen.apply_(self.model)
        return memory

    def seen(self, frozen: Frozen, ratio: float | None = None, began: float | None = None) -> Step:
        """The model on validation; without a ratio it is the start, at what is fixed already."""
        found = look(self.model, self.data.val, self.task, self.num_groups)
        fixed = self.fixed(frozen)
        seconds = 0.0 if began is None else time.perf_counter() - began
        return Step(fixed / self.total if ratio is None else ratio, fixed, self.total, seconds, *found)

    def of(self, model: nn.Module) -> "Bench":
        """The same with another model of this form."""
        parameters = dict(model.named_parameters())
        return replace(self, model=model, weights={name: parameters[name] for name in self.weights})

    @property
    def total(self) -> int:
        """How many weights, or channels, could be fixed."""
        if self.layers:
            return sum(layer.count for layer in self.layers.values())
        return sum(weight.numel() for weight in self.weights.values())

    def fixed(self, frozen: Frozen) -> int:
        """How many of them are; what is in the record beside them (norms of removed channels) is not in the ratio."""
        if self.layers:
            return sum(int(removed(layer, frozen).sum()) for layer in self.layers.values())
        return sum(int(mask.sum()) for name, mask in frozen.mask.items() if name in self.weights)


def _one_kept(scores: Tensor, gone: Tensor) -> Tensor:
    """The scores of a layer, that of its best channel beyond all others: it goes last."""
    best = scores.masked_fill(gone, -inf).argmax()
    return scores.index_fill(0, best, inf)


def set_up(model: nn.Module, data: Splits, recipe: Recipe, frozen: Frozen, how: tuple[Task, int]) -> Bench:
    """A copy of the model with what is fixed already written into it; `how` is the task and the seed.

    Raises:
        DataError, ModelError, ConfigError: As `compress`.
    """
    num_groups = groups_of(data)
    # Before it is copied: torch cannot copy a model that it prunes itself.
    layers = _layers(model, data, recipe) if recipe.channels is not None else {}
    if not layers:
        compressible(model, recipe.include, recipe.leave)
    model = copy.deepcopy(model).eval()
    parameters = dict(model.named_parameters())
    weights = (
        {name: parameters[name] for name in layers} if layers else compressible(model, recipe.include, recipe.leave)
    )
    frozen.apply_(model)
    codebook = recipe.codebook.fit(_free(weights, frozen)) if recipe.fixes and not layers else recipe.codebook
    return Bench(model, weights, layers, data, recipe, codebook, *how, num_groups)


def _layers(model: nn.Module, data: Splits, recipe: Recipe) -> dict[str, ConvLayer]:
    """The convolutions whose channels are removed, by the name of their weight.

    Raises:
        ConfigError, ModelError: As `find_layers`; or no channel could be removed, or not as many as the ratios say.
    """
    assert recipe.channels is not None
    found = find_layers(model, recipe.channels, example_of(data.val))
    total, names = sum(layer.count for layer in found.values()), list(found)
    of = f"layer '{names[0]}' has" if len(names) == 1 else f"{len(names)} layers together have"
    free = total - len(found)  # one stays in each
    if not free:
        raise ModelError(
            f"{of} {total} channel{'s, one each' if len(names) > 1 else ''}, and without it nothing passes: there is none to "
            "remove. Name another layer."
        )
    counts = [round(ratio * total) for ratio in recipe.schedule()]
    if any(after <= before for before, after in pairwise([0, *counts])) and recipe.fixes:
        raise ConfigError(
            f"{of} {total:,} channels, and steps of {next(iter(recipe.schedule())):g} are too small: some would remove none. "
            f"Give at least {1 / total:.3g} (scp: channel_ratio, others: step), or a larger share in the last one."
        )
    if max(counts) > free:
        raise ConfigError(
            f"{of} {total:,} channels, and {max(counts):,} of them would be removed in the end: at least one has to stay in "
            "each layer. Give a smaller ratio, or fewer iterations."
        )
    return {layer.weight: layer for layer in found.values()}


def _free(weights: Mapping[str, nn.Parameter], frozen: Frozen) -> dict[str, Tensor]:
    """Tensors in which something is left to fix: a layer that was pruned as a whole has no range that could be fitted."""
    done = {name for name, mask in frozen.mask.items() if bool(mask.all())}
    return {name: weight.detach() for name, weight in weights.items() if name not in done}

"""The loop that every method shares: score, pick the lowest, fix, recover, evaluate, tell, ask."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from fairshrink.compress.criteria import Context, Criterion, Scores
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.recover import Recover
from fairshrink.compress.schedules import Schedule
from fairshrink.compress.starting import ahead, check_group, groups_of, weakest_group
from fairshrink.compress.steps import Step, look
from fairshrink.compress.stopping import StopRule, never
from fairshrink.compress.units import check_include, compressible
from fairshrink.maths.codebooks import Codebook
from fairshrink.maths.select import check_ranking, lowest
from fairshrink.maths.tasks import Task, classify
from fairshrink.types import Splits

__all__ = ["Bench", "Compressed", "Recipe", "compress", "ignore", "set_up", "weakest_group"]


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
        include: What may be fixed: "weights" of convolutions and linear layers; or "all", biases and norm parameters too.
        leave: Names of layers, or of whole parts of the model, that are left as they are.
    """

    criterion: Criterion
    codebook: Codebook
    schedule: Schedule
    recover: Recover | None = None
    stop: StopRule = never
    ranking: str = "global"
    include: str = "weights"
    leave: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_ranking(self.ranking)
        check_include(self.include)


@dataclass(frozen=True)
class Compressed:
    """What came out.

    Attributes:
        model: A shrunk copy; the model that was given is as it was.
        frozen: What is fixed, for the next method.
        steps: One record per step, measured on validation.
        start: The model before the first step, measured the same way.
        unprivileged: The group that was favoured.
        measured: Whether that group was measured (lowest macro F1 on validation) or given.
        stopped: Why it stopped before the schedule's end; None when it did not.
    """

    model: nn.Module
    frozen: Frozen
    steps: tuple[Step, ...]
    start: Step
    unprivileged: int
    measured: bool
    stopped: str | None


def ignore(step: Step) -> None:
    """The observer that does nothing."""


def compress(
    model: nn.Module,
    data: Splits,
    recipe: Recipe,
    *,
    task: Task = classify,
    unprivileged: int | None = None,
    frozen: Frozen | None = None,
    seed: int = 0,
    on_step: Callable[[Step], None] = ignore,
) -> Compressed:
    """Shrink a model by a recipe.

    Args:
        model: Any classifier; it is copied, never changed.
        data: Batches; scoring uses train, measuring uses val; test is not touched.
        recipe: The method, such as fairprune().
        task: What the outputs mean.
        unprivileged: The group to favour; None measures it: the lowest macro F1 on validation.
        frozen: What an earlier method fixed; it stays, and counts towards the ratio.
        seed: For every random draw.
        on_step: Told of each step as it is done.

    Raises:
        DataError: Batches cannot be iterated twice or hold fewer than two groups, or a group has no samples.
        ModelError: The model has nothing to shrink, a layer is not covered, or `frozen` is another model's.
        ConfigError: The group or a layer in `leave` is not there, or the ratio is reached before the first step.

    Source: the loop of Wu et al. 2022 (Alg. 1), which the other methods share.
    """
    frozen = frozen or Frozen()
    bench = set_up(model, data, recipe, frozen, (task, seed))
    start = bench.seen(frozen)
    favoured = unprivileged if unprivileged is not None else weakest_group(start.counts)
    check_group(favoured, bench.num_groups)
    steps, stopped = [], None
    for ratio in ahead(recipe.schedule(), start, idle=recipe.recover is not None):
        began = time.perf_counter()
        scores = recipe.criterion(bench.model, task, data.train, bench.context(favoured, frozen))
        frozen = bench.fix_lowest(scores, ratio, frozen)
        bench.settle(frozen)
        steps.append(replace(bench.seen(frozen, ratio, began), start=start))
        on_step(steps[-1])
        if stopped := recipe.stop(steps):
            break
    return Compressed(bench.model, frozen, tuple(steps), start, favoured, unprivileged is None, stopped)


@dataclass(frozen=True)
class Bench:
    """A copy of the model under work, and what does not change from step to step.

    Attributes:
        model: The copy, in evaluation mode.
        weights: Its parameters that the recipe may fix, by name; the ratio counts these, and no others.
        data: Batches; scoring uses train, measuring uses val.
        recipe: The method.
        codebook: The recipe's, fitted to the weights before the first step.
        task: What the outputs mean.
        seed: For every random draw.
        num_groups: G.
    """

    model: nn.Module
    weights: dict[str, nn.Parameter]
    data: Splits
    recipe: Recipe
    codebook: Codebook
    task: Task
    seed: int
    num_groups: int

    def context(self, favoured: int, frozen: Frozen) -> Context:
        """What a criterion may know."""
        return Context(self.num_groups, favoured, frozen, self.codebook, self.seed, tuple(self.weights))

    def fix_lowest(self, scores: Scores, ratio: float, frozen: Frozen) -> Frozen:
        """Fix the lowest scores, where the codebook puts them, until the ratio is reached, exactly."""
        wanted = round(ratio * self.total) - self.fixed(frozen)
        taken = {name: mask for name, mask in frozen.mask.items() if name in scores}
        chosen = lowest(scores, wanted, taken=taken, ranking=self.recipe.ranking)
        return frozen.fix(chosen, {name: self.codebook(self.weights[name].detach()) for name in chosen})

    def settle(self, frozen: Frozen) -> None:
        """Write what is fixed into the model, and recover."""
        frozen.apply_(self.model)
        if self.recipe.recover is not None:
            self.recipe.recover(self.model, self.data, frozen)
            frozen.apply_(self.model)

    def seen(self, frozen: Frozen, ratio: float | None = None, began: float | None = None) -> Step:
        """The model on validation; without a ratio it is the start, at what is fixed already."""
        found = look(self.model, self.data.val, self.task, self.num_groups)
        fixed = self.fixed(frozen)
        seconds = 0.0 if began is None else time.perf_counter() - began
        return Step(fixed / self.total if ratio is None else ratio, fixed, self.total, seconds, *found)

    @property
    def total(self) -> int:
        """How many weights could be fixed."""
        return sum(weight.numel() for weight in self.weights.values())

    def fixed(self, frozen: Frozen) -> int:
        """How many of them are; what is in the record beside them (norms of removed channels) is not in the ratio."""
        return sum(int(mask.sum()) for name, mask in frozen.mask.items() if name in self.weights)


def set_up(model: nn.Module, data: Splits, recipe: Recipe, frozen: Frozen, how: tuple[Task, int]) -> Bench:
    """A copy of the model with what is fixed already written into it; `how` is the task and the seed.

    Raises:
        DataError, ModelError, ConfigError: As `compress`.
    """
    num_groups = groups_of(data)
    compressible(
        model, recipe.include, recipe.leave
    )  # before it is copied: torch cannot copy a model that it prunes itself
    model = copy.deepcopy(model).eval()
    weights = compressible(model, recipe.include, recipe.leave)
    frozen.apply_(model)
    codebook = recipe.codebook.fit({name: weight.detach() for name, weight in weights.items()})
    return Bench(model, weights, data, recipe, codebook, *how, num_groups)

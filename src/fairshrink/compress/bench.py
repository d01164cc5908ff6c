"""A model under work: what a recipe's steps are done to."""

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from fairshrink.compress.criteria import Context, Criterion, Scores
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.recover import Recover
from fairshrink.compress.retraining import FineTune, Round
from fairshrink.compress.schedules import Schedule
from fairshrink.compress.starting import groups_of
from fairshrink.compress.steps import Step, look
from fairshrink.compress.stopping import StopRule, never
from fairshrink.compress.units import check_include, compressible
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
    fixes: bool = True

    def __post_init__(self) -> None:
        check_ranking(self.ranking)
        check_include(self.include)


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

    def places(self) -> dict[str, Tensor]:
        """Where each weight would go, by parameter name."""
        return {name: at(self.codebook, name)(weight.detach()) for name, weight in self.weights.items()}

    def fix_lowest(self, scores: Scores, ratio: float, frozen: Frozen) -> Frozen:
        """Fix the lowest scores, where the codebook puts them, until the ratio is reached, exactly."""
        wanted = round(ratio * self.total) - self.fixed(frozen)
        taken = {name: mask for name, mask in frozen.mask.items() if name in scores}
        return frozen.fix(lowest(scores, wanted, taken=taken, ranking=self.recipe.ranking), self.places())

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
    codebook = recipe.codebook.fit(_free(weights, frozen)) if recipe.fixes else recipe.codebook
    return Bench(model, weights, data, recipe, codebook, *how, num_groups)


def _free(weights: Mapping[str, nn.Parameter], frozen: Frozen) -> dict[str, Tensor]:
    """Tensors in which something is left to fix: a layer that was pruned as a whole has no range that could be fitted."""
    done = {name for name, mask in frozen.mask.items() if bool(mask.all())}
    return {name: weight.detach() for name, weight in weights.items() if name not in done}

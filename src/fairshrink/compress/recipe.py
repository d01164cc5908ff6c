"""A method, and a model that it shrinks."""

from collections.abc import Callable

from torch import nn

from fairshrink.compress.bench import Recipe, set_up
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.keeping import Keeper, Nowhere
from fairshrink.compress.path import Compressed, Reached, end, root_of, walk
from fairshrink.compress.starting import weakest_group
from fairshrink.compress.steps import Step
from fairshrink.maths.tasks import Task, classify
from fairshrink.types import Splits

__all__ = ["Compressed", "Recipe", "compress", "ignore", "weakest_group"]


def ignore(step: Step) -> None:
    """The observer that does nothing."""


def compress(  # noqa: PLR0913  # Each is a choice of its own, and all but three are named.
    model: nn.Module,
    data: Splits,
    recipe: Recipe,
    *,
    task: Task = classify,
    unprivileged: int | None = None,
    frozen: Frozen | None = None,
    seed: int = 0,
    on_step: Callable[[Step], None] = ignore,
    keeper: Keeper | None = None,
) -> Compressed:
    """Shrink a model by a recipe.

    Args:
        model: Any classifier; it is copied, never changed.
        data: Batches; scoring uses train, measuring uses val, re-training uses retrain; test is not touched.
        recipe: The method, such as fairprune().
        task: What the outputs mean.
        unprivileged: The group to favour; None measures it: the lowest macro F1 on validation.
        frozen: What an earlier method fixed: it is written into the copy, stays, and counts towards the ratio.
        seed: For every random draw.
        on_step: Told of each step as it is done.
        keeper: Keeps a recipe that re-trains after each step, so that an interrupted one can be gone on with.

    Raises:
        DataError: Batches cannot be iterated twice or hold fewer than two groups, or a group has no samples.
        ModelError: The model has nothing to shrink, a layer is not covered, or `frozen` is another model's.
        ConfigError: The group or a layer in `leave` is not there, or the ratio is reached before the first step.

    Source: the loop of Wu et al. 2022 (Alg. 1) and Guo et al. 2024 (Alg. 1), which the other methods share.
    """
    frozen = frozen or Frozen()
    root = root_of(set_up(model, data, recipe, frozen, (task, seed)), frozen, unprivileged)
    now = Reached(frozen)
    for now in walk(root, keeper or Nowhere()):
        if not now.taken_up:
            on_step(now.steps[-1])
    return end(root, now, root.bench.model)

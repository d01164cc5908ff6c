"""What a training minimises, by name."""

from collections.abc import Callable, Sequence

from torch import nn

from fairshrink.errors import ConfigError, suggest
from fairshrink.maths.tasks import Task, classify
from fairshrink.train.objectives.base import Objective, State
from fairshrink.train.objectives.erm import Erm, erm
from fairshrink.train.objectives.features import with_features
from fairshrink.train.objectives.hsic import Hsic
from fairshrink.train.objectives.mfd import Mfd
from fairshrink.train.objectives.terms import STRENGTH

_Weights = tuple[float | int, ...]


def _erm(task: Task, weights: _Weights, strength: float | int, teacher: nn.Module | None) -> Objective:
    return Erm(task)


def _hsic(task: Task, weights: _Weights, strength: float | int, teacher: nn.Module | None) -> Objective:
    return Hsic(task, weights, strength)


def _mfd(task: Task, weights: _Weights, strength: float | int, teacher: nn.Module | None) -> Objective:
    if teacher is None:
        raise ConfigError(
            "the objective 'mfd' needs a teacher: a model of the same form, trained with the objective 'erm'."
        )
    return Mfd(teacher, task, weights, strength)


OBJECTIVES: dict[str, Callable[[Task, _Weights, float | int, nn.Module | None], Objective]] = {
    "erm": _erm,
    "hsic": _hsic,
    "mfd": _mfd,
}


def make(
    name: str,
    *,
    task: Task = classify,
    weights: Sequence[float | int] = (1.0,),
    strength: float | int = STRENGTH,
    teacher: nn.Module | None = None,
) -> Objective:
    """An objective by its name, with its settings; what it has no use for is left aside.

    Args:
        name: "erm", "hsic" or "mfd".
        task: What the model's outputs mean.
        weights: What each exit counts, (E,): the same that the task has. For "hsic" and "mfd".
        strength: What the term on the features counts. For "hsic" and "mfd".
        teacher: A trained model of the same form. For "mfd", which needs one.

    Raises:
        ConfigError: There is none of this name, a number is out of range, or the teacher is missing.
    """
    check_objective(name)
    return OBJECTIVES[name](task, tuple(weights), strength, teacher)


def find_objective(name: str) -> Objective:
    """An objective by its name, as it is without settings: for a model of a single exit.

    Raises:
        ConfigError: There is none of this name, or it needs a teacher.
    """
    return erm if name == "erm" else make(name)


def check_objective(name: str) -> None:
    """Refuse a name that no objective has.

    Raises:
        ConfigError: With the nearest known name.
    """
    if name not in OBJECTIVES:
        raise ConfigError(f"there is no objective called '{name}'.{suggest(name, OBJECTIVES)}")


__all__ = [
    "OBJECTIVES",
    "STRENGTH",
    "Erm",
    "Hsic",
    "Mfd",
    "Objective",
    "State",
    "check_objective",
    "erm",
    "find_objective",
    "make",
    "with_features",
]

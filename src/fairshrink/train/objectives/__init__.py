"""What a training minimises, by name."""

from fairshrink.errors import ConfigError, suggest
from fairshrink.train.objectives.base import Objective, State
from fairshrink.train.objectives.erm import Erm, erm

OBJECTIVES: dict[str, Objective] = {"erm": erm}


def find_objective(name: str) -> Objective:
    """An objective by its name.

    Raises:
        ConfigError: There is none of this name.
    """
    if name not in OBJECTIVES:
        raise ConfigError(f"there is no objective called '{name}'.{suggest(name, OBJECTIVES)}")
    return OBJECTIVES[name]


__all__ = ["OBJECTIVES", "Erm", "Objective", "State", "erm", "find_objective"]

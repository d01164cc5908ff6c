"""Settings of a model's exits and of what compares groups while it trains; where they would do nothing, they are refused."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from fairshrink.errors import ConfigError
from fairshrink.lab.settings import Settings
from fairshrink.metrics.thresholds import RULE, THETAS, exit_rule

AUTO, NONE = "auto", "none"
TAUGHT = "mfd"  # the objective that has a teacher
COMPARING = ("hsic", TAUGHT)  # the objectives that compare groups


def _taps(given: Any) -> Any:
    """`"auto"`, names of layers, or None for no exits, which `"none"` says where a file has to say something."""
    if given is None or given == NONE:
        return None
    if given == AUTO:
        return given
    names = tuple(given) if isinstance(given, (list, tuple)) else ()
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ValueError(
            f'it is {given!r}, but "{AUTO}", "{NONE}" or a list of different layers is expected, such as ["layer2", "layer3"].'
        )
    return names


Taps = Annotated[Any, AfterValidator(_taps)]
Share = Annotated[float, Field(ge=0)]
Threshold = Annotated[float, Field(gt=0, le=1)]


class ExitSettings(Settings):
    """`[exits]`: how sure an exit has to be, and by what rule that is chosen on validation, after every stage."""

    thresholds: tuple[Threshold, ...] = THETAS
    choose: str = RULE

    @model_validator(mode="after")
    def _check(self) -> "ExitSettings":
        if not self.thresholds or len(set(self.thresholds)) < len(self.thresholds):
            raise ValueError(
                f"thresholds is {list(self.thresholds)}, but one or more different numbers above 0, at most 1, are expected."
            )
        exit_rule(self.choose)
        return self


def check_idle(experiment: Any) -> None:
    """Every setting that was given plays a part, and a trained checkpoint is not said to be trained.

    Args:
        experiment: An Experiment.

    Raises:
        ConfigError: It is about exits and there are none, or about an objective that is another one or has nothing to train.
    """
    if experiment.model.checkpoint and experiment.train.objective in COMPARING:
        raise ConfigError(
            f"train.objective is '{experiment.train.objective}', but model.checkpoint is a trained model, so nothing is trained. "
            "Leave one of them out."
        )
    for path in idle(experiment):
        section, _, key = path.partition(".")
        table = getattr(experiment, section)
        if (key or section) not in (table if key else experiment).model_fields_set:
            continue
        value = f" is {getattr(table, key)!r}" if key else " is there"
        name = path if key else f"[{section}]"
        if section != "train" or key == "exit_weights":
            raise ConfigError(
                f'{name}{value}, but the model has no exits. Set model.exits = "{AUTO}", or leave {key or name} out.'
            )
        known = COMPARING if key == "strength" else (TAUGHT,)
        raise ConfigError(
            f"{name}{value}, but the objective is '{experiment.train.objective}', which has none. Set objective = "
            f"{' or '.join(map(repr, known))}, or leave {key} out."
        )


def idle(experiment: Any) -> list[str]:
    """The settings that decide nothing in an Experiment: "section.key", or a whole "section"."""
    found = [] if experiment.model.exits is not None else ["model.heads", "train.exit_weights", "exits"]
    if experiment.train.objective not in COMPARING:
        found.append("train.strength")
    return found + ([] if experiment.train.objective == TAUGHT else ["train.teacher"])


def unsaid(experiment: Any) -> list[str]:
    """The settings of an Experiment that were left open: an empty list would say something else."""
    return [] if experiment.train.exit_weights else ["train.exit_weights"]


def without(written: Mapping[str, Any], paths: list[str]) -> dict[str, Any]:
    """Settings as tables, less some of them; a table that is left empty goes as well."""
    found = {name: dict(table) if isinstance(table, Mapping) else table for name, table in written.items()}
    for path in paths:
        section, _, key = path.partition(".")
        if not key:
            found.pop(section, None)
        elif section in found:
            found[section].pop(key, None)
    return found

"""Steps that go by another step's choice: the control of a training, another selection at the same ratio."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from fairshrink.lab.choose import AS, Choice
from fairshrink.lab.grid import METHODS, RETRAIN
from fairshrink.lab.settings import ShrinkSettings


def twin_of(choose: object) -> str | None:
    """The name of the step whose choice a rule goes by; None where it is another kind of rule."""
    return choose.removeprefix(AS) if isinstance(choose, str) and choose.startswith(AS) else None


def placed(step: dict[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A table as it was written, with its parent where that is left out.

    A step that goes by another's choice starts where that one does, has that one's settings where it has none of its own and
    is of the same method, and nothing goes on from it unless it is named.
    """
    twin = _named(twin_of(step.get("choose")), earlier)
    if twin is not None:
        return {"parent": twin["parent"]} | _taken_over(step, twin) | step
    own = [before["name"] for before in earlier if twin_of(before.get("choose")) is None]
    return {"parent": own[-1]} | step if own else step


def _named(name: str | None, earlier: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((before for before in earlier if before["name"] == name), None)


def _taken_over(step: Mapping[str, Any], twin: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the other step, as a table has them: two that are compared differ in what was written, and in nothing else."""
    if step.get("method") != twin["method"]:
        return {}
    settings = {key: [_as_list(value) for value in values] for key, values in twin["settings"].items()}
    own = {key: values for key, values in settings.items() if key not in step and key not in _idle(step)}
    once = _once(step)
    return {key: values[0] if len(values) == 1 or key in once else values for key, values in own.items()}


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _idle(step: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings that play no part in a step, because it does not select by scores."""
    return METHODS[step["method"]].idle.get(_selects(step), ())


def _once(step: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings of which one value is enough, because the step selects nothing."""
    return METHODS[step["method"]].once.get(_selects(step), ())


def _selects(step: Mapping[str, Any]) -> str:
    """How a step selects, spelled out or as it was written; empty where it is not one way."""
    given = step.get("settings", step).get("select")
    values = [given] if isinstance(given, str) else given or ()
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""


def is_control(step: ShrinkSettings) -> bool:
    """Whether a step only trains, and fixes nothing."""
    return _only_trains({"method": step.method, "settings": step.settings})


def _only_trains(step: Mapping[str, Any]) -> bool:
    return step["method"] == RETRAIN or _selects(step) == "none"


def control_of(step: Mapping[str, Any]) -> dict[str, Any] | None:
    """The table of a step's control; None where there is nothing to control, or it is not wanted.

    Args:
        step: The step, spelled out.

    Raises:
        ValueError: `control` is neither true nor false.
    """
    settings, method = step["settings"], METHODS[step["method"]]
    if not isinstance(step.get("control", True), bool):
        raise ValueError(f"control is {step['control']!r}, but true or false is expected.")
    if method.control is None or method.epochs is None or not step.get("control", True):
        return None
    epochs = [value for value in settings.get(method.epochs, ()) if value]
    if not epochs or twin_of(step.get("choose")) or _only_trains(step):
        return None
    same = {key: step[key] for key in ("unprivileged", "samples", "batch", "parent", "keep_candidates") if key in step}
    own = dict(method.control) | {"name": f"{step['name']}-control", "choose": AS + step["name"]} | same
    return _shared(own, step) | {method.epochs: epochs} | own


def _shared(control: Mapping[str, Any], step: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a step that its control has, too."""
    if control["method"] == step["method"]:
        return _taken_over(control, step)
    shared = [key for key in inspect.signature(METHODS[control["method"]].recipe).parameters if key in step["settings"]]
    return {key: list(step["settings"][key]) for key in shared}


def control_name(steps: Sequence[Any], step: Any) -> str | None:
    """The name of a step's control among the steps of an experiment; None where it has none."""
    found = (other.name for other in steps if is_control(other) and twin_of(other.choose) == step.name)
    return next(found, None)


def beside(step: dict[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The step, over which folds it chooses taken from the step whose choice it goes by.

    Raises:
        ValueError: There is no such step, it starts elsewhere, goes by a choice itself, or may choose what this one has not.
    """
    name = twin_of(step.get("choose"))
    if name is None:
        return step
    twin = _named(name, earlier)
    if twin is None:
        raise ValueError(f"choose is 'as:{name}', but there is no earlier step of that name. Put it before this one.")
    if twin_of(twin.get("choose")) is not None:
        raise ValueError(f"choose is 'as:{name}', but '{name}' goes by another step's choice itself. Name that one.")
    if twin["parent"] != step["parent"]:
        raise ValueError(
            f"choose is 'as:{name}', which starts from '{twin['parent']}', but this step from '{step['parent']}': with the same "
            "settings they would still differ. Leave out the parent."
        )
    for key, values in step["settings"].items():
        chosen = twin["settings"].get(key, ())
        missing = [value for value in chosen if value not in values and not _is_nothing(step, key, value)]
        if len(values) > 1 and not chosen:
            raise ValueError(
                f"choose is 'as:{name}', but '{name}' has no {key}, and this step has {_listed(step, key)}."
            )
        if missing and len(chosen) > 1 and key not in (*_idle(step), *_once(step)):
            raise ValueError(
                f"choose is 'as:{name}', but '{name}' may choose {key} = {missing[0]}, and this step has {_listed(step, key)}."
            )
    over = twin.get("choose_over", "folds")
    if step.get("choose_over", over) != over:
        raise ValueError(
            f"choose_over is '{step['choose_over']}', but choose is 'as:{name}', and '{name}' has '{over}'. Leave it out."
        )
    return step | {"choose_over": over}


def varying(settings: Mapping[str, Sequence[Any]]) -> list[str]:
    """The settings that make the grid."""
    return [key for key, values in settings.items() if len(values) > 1]


def follow(
    settings: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any] | None, *, epochs: str | None = None
) -> Choice:
    """The candidate whose settings are those that the other step chose, as far as this one's differ.

    Args:
        settings: Of every candidate.
        chosen: All settings of the other step's candidate; None where it took none, and its start stayed as it was.
        epochs: Where this step only trains, the setting of the other one that says for how many epochs: of a candidate that
            does not train, it is the start.
    """
    keys = varying({key: tuple({repr(one[key]): one[key] for one in settings}.values()) for key in settings[0]})
    fits = [chosen is not None and all(one[key] == chosen[key] for key in keys) for one in settings]
    idle = epochs is not None and chosen is not None and chosen.get(epochs) == 0
    best = fits.index(True) if any(fits) and not idle else None
    return Choice(best, [float("nan")] * len(settings), [True] * len(settings))


def _is_nothing(step: Mapping[str, Any], key: str, value: Any) -> bool:
    return _only_trains(step) and key in ("epochs", METHODS[step["method"]].epochs) and value == 0


def _listed(step: Mapping[str, Any], key: str) -> str:
    return f"{key} = {list(step['settings'][key])}"

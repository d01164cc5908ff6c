"""Steps that go by another step's choice: the control of a re-training, another selection at the same ratio."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from fairshrink.lab.choose import AS, Choice
from fairshrink.lab.grid import METHODS

CONTROL = "retrain"


def twin_of(choose: object) -> str | None:
    """The name of the step whose choice a rule goes by; None where it is another kind of rule."""
    return choose.removeprefix(AS) if isinstance(choose, str) and choose.startswith(AS) else None


def placed(step: dict[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A table as it was written, with its parent where that is left out.

    A step that goes by another's choice starts where that one does, and nothing goes on from it unless it is named.
    """
    if "parent" in step:
        return step
    name = twin_of(step.get("choose"))
    twin = next((before for before in earlier if before["name"] == name), None)
    if twin is not None:
        return step | {"parent": twin["parent"]}
    own = [before["name"] for before in earlier if twin_of(before.get("choose")) is None]
    return step | {"parent": own[-1]} if own else step


def control_of(step: Mapping[str, Any]) -> dict[str, Any] | None:
    """The table of a step's control; None where there is nothing to control, or it is not wanted.

    Args:
        step: The step, spelled out.
    """
    settings = step["settings"]
    epochs = [value for value in settings.get("epochs", ()) if value]
    if not METHODS[step["method"]].trains or not epochs or not step.get("control", True) or twin_of(step.get("choose")):
        return None
    shared = [key for key in inspect.signature(METHODS[CONTROL].recipe).parameters if key in settings]
    written = {key: list(settings[key]) for key in shared} | {"epochs": epochs}
    same = {key: step[key] for key in ("unprivileged", "samples", "batch", "parent")}
    return {"method": CONTROL, "name": f"{step['name']}-control", "choose": AS + step["name"]} | same | written


def control_name(steps: Sequence[Any], step: Any) -> str | None:
    """The name of a step's control among the steps of an experiment; None where it has none."""
    found = (other.name for other in steps if other.method == CONTROL and twin_of(other.choose) == step.name)
    return next(found, None)


def beside(step: dict[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The step, over which folds it chooses taken from the step whose choice it goes by.

    Raises:
        ValueError: There is no such step, it starts elsewhere, goes by a choice itself, or may choose what this one has not.
    """
    name = twin_of(step.get("choose"))
    if name is None:
        return step
    twin = next((before for before in earlier if before["name"] == name), None)
    if twin is None:
        raise ValueError(f"choose is 'as:{name}', but there is no earlier step of that name. Put it before this one.")
    if twin_of(twin.get("choose")) is not None:
        raise ValueError(f"choose is 'as:{name}', but '{name}' goes by another step's choice itself. Name that one.")
    if twin["parent"] != step["parent"]:
        raise ValueError(
            f"choose is 'as:{name}', which starts from '{twin['parent']}', but this step from '{step['parent']}': with the same "
            "settings they would still differ. Leave out the parent."
        )
    for key in varying(step["settings"]):
        missing = [value for value in twin["settings"].get(key, ()) if value not in step["settings"][key]]
        if key not in twin["settings"] or [value for value in missing if not _is_nothing(step, key, value)]:
            other = f"has no {key}" if key not in twin["settings"] else f"may choose {key} = {missing[0]}"
            raise ValueError(f"choose is 'as:{name}', but '{name}' {other}, and this step has {_listed(step, key)}.")
    over = twin.get("choose_over", "folds")
    if step.get("choose_over", over) != over:
        raise ValueError(
            f"choose_over is '{step['choose_over']}', but choose is 'as:{name}', and '{name}' has '{over}'. Leave it out."
        )
    return step | {"choose_over": over}


def varying(settings: Mapping[str, Sequence[Any]]) -> list[str]:
    """The settings that make the grid."""
    return [key for key, values in settings.items() if len(values) > 1]


def follow(settings: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any] | None) -> Choice:
    """The candidate whose settings are those that the other step chose, as far as this one's differ.

    Args:
        settings: Of every candidate.
        chosen: All settings of the other step's candidate; None where it took none, and its start stayed as it was.

    Returns:
        The choice; none where the other took none, or (for a control) did not re-train.
    """
    keys = varying({key: tuple({repr(one[key]): one[key] for one in settings}.values()) for key in settings[0]})
    fits = [chosen is not None and all(one[key] == chosen[key] for key in keys) for one in settings]
    retrained = chosen is not None and chosen.get("epochs") != 0
    best = fits.index(True) if any(fits) and (retrained or "epochs" not in settings[0]) else None
    return Choice(best, [float("nan")] * len(settings), [True] * len(settings))


def _is_nothing(step: Mapping[str, Any], key: str, value: Any) -> bool:
    return step["method"] == CONTROL and key == "epochs" and value == 0


def _listed(step: Mapping[str, Any], key: str) -> str:
    return f"{key} = {list(step['settings'][key])}"

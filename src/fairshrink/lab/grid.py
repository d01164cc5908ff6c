"""A [[shrink]] table as the user wrote it -> the method's own settings, each a tuple of values: a list makes a grid."""

import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fairshrink.compress.methods import fairprune, fairprune_channels, fairquantize, obd, retrain, scp
from fairshrink.compress.recipe import Recipe
from fairshrink.errors import suggest
from fairshrink.lab.wording import expected

# A file has no tables of numbered groups: the coefficients of the groups are a list in their order.
WRITTEN: dict[str, Any] = {"weights": tuple[float, ...] | None}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Method(NamedTuple):
    """A method as an experiment may name it.

    Attributes:
        recipe: Its settings -> its parts.
        by_group: Whether it is scored on equally many samples of each group, or on the groups' shares of the training data.
        mixed: Whether the order of the scored samples matters, so that it is drawn by lot.
        reads: What holds for it in place of `[shrink_defaults]`, where that does not say otherwise.
        epochs: The setting that says for how many epochs it trains after each step; None: it never trains.
        control: What a step of its control sets; None: it has none, because it never trains or is one itself.
        idle: Settings that play no part, by the value of `select`.
        once: Settings of which one value says as much as all, by the value of `select`.
    """

    recipe: Callable[..., Recipe]
    by_group: bool
    mixed: bool = False
    reads: Mapping[str, Any] = {}
    epochs: str | None = None
    control: Mapping[str, Any] | None = None
    idle: Mapping[str, tuple[str, ...]] = {}
    once: Mapping[str, tuple[str, ...]] = {}


RETRAIN = "retrain"
_SALIENCY = ("beta", "weights", "columns", "gradient")
_ENTANGLEMENT = ("tap", "temperature", "normalize", "compared")
METHODS = {
    "obd": Method(obd, by_group=False),
    "fairprune": Method(fairprune, by_group=True),
    "fairprune_channels": Method(
        fairprune_channels,
        by_group=True,
        epochs="epochs",
        control={"method": "fairprune_channels", "select": "none"},
        idle=dict.fromkeys(("magnitude", "random", "none"), _SALIENCY),
        once={"none": ("layers",)},
    ),
    "fairquantize": Method(
        fairquantize,
        by_group=True,
        epochs="epochs",
        control={"method": RETRAIN},
        idle={"magnitude": _SALIENCY, "random": _SALIENCY},
    ),
    # Images that are compared with each other have to be a mixture: sorted, each would stand among its like.
    "scp": Method(
        scp,
        by_group=False,
        mixed=True,
        reads={"samples": "all", "batch": 128},
        epochs="fine_tune",
        control={"method": "scp", "select": "none"},
        idle={"magnitude": _ENTANGLEMENT, "random": _ENTANGLEMENT, "none": _ENTANGLEMENT},
        once={"none": ("channel_ratio", "layer")},
    ),
    RETRAIN: Method(retrain, by_group=True),
}


def spelled_out(step: Any, earlier: Iterable[str], own_keys: Iterable[str]) -> dict[str, Any]:
    """A step with its name, its parent and every setting of its method filled in.

    Args:
        step: The table as it was written.
        earlier: Names of the steps before it, in order.
        own_keys: Keys that every step has, whatever its method.

    Raises:
        ValueError: Anything that cannot be used, in words that name the key; pydantic makes it part of its list.
    """
    if not isinstance(step, dict):
        raise ValueError(f"it is {step!r}, but a table [[shrink]] with a method is expected.")
    method = step.get("method")
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"there is no method called {method!r}.{suggest(str(method), METHODS)}")
    parameters = inspect.signature(METHODS[method].recipe).parameters
    own = {key: value for key, value in step.items() if key in own_keys}
    unknown = sorted(set(step) - set(own) - set(parameters))
    if unknown:
        raise ValueError(f"{method} has no setting '{unknown[0]}'.{suggest(unknown[0], [*parameters, *own_keys])}")
    earlier = ["train", *earlier]
    name = own.get("name", _free_name(method, earlier))
    _check_name(name, earlier)
    parent = own.get("parent", earlier[-1])
    if parent not in earlier:
        raise ValueError(f"the parent {parent!r} is no earlier step.{suggest(str(parent), earlier)}")
    given = {key: step.get(key, parameter.default) for key, parameter in parameters.items()}
    settings = {
        key: _values(key, value, parameters[key].annotation) for key, value in given.items() if value is not None
    }
    return own | {"name": name, "parent": parent, "settings": settings}


def choosing(step: dict[str, Any], earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The step, over which folds it chooses filled in where an earlier choice decides that.

    A model that was itself chosen over the folds has seen, in fold j, the validation images that another fold tests: its own
    fold may go on choosing with it, the other folds may not look at it.

    Raises:
        ValueError: It asks for a choice over the folds all the same.
    """
    named = {before["name"]: before for before in earlier}
    above = named.get(step["parent"])
    while above is not None and not _chooses_over_folds(above):
        above = named.get(above["parent"])
    if above is None:
        return step
    if "choose_over" in step and _chooses_over_folds(step):
        raise ValueError(
            f"choose_over is 'folds', but '{above['name']}', on which it is built, has chosen over the folds before: other "
            'folds\' models of it have seen the images that a fold tests. Give choose_over = "fold" here, or there.'
        )
    return {"choose_over": "fold"} | step


def _chooses_over_folds(step: Mapping[str, Any]) -> bool:
    return step.get("choose_over", "folds") == "folds" and len(combinations(step["settings"])) > 1


def not_default(method: str, settings: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """The settings that differ from what the method does by itself."""
    parameters = inspect.signature(METHODS[method].recipe).parameters
    return {key: values for key, values in settings.items() if tuple(values) != (parameters[key].default,)}


def combinations(settings: Mapping[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Every combination of the values, the last setting changing fastest."""
    return [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]


def _check_name(name: Any, earlier: list[str]) -> None:
    # It becomes a folder's name.
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(
            f"the name {name!r} cannot name a folder: give letters, digits, '-', '_' and '.', such as \"obd-2\"."
        )
    if name in earlier:
        raise ValueError(f"the name '{name}' is used twice. Give each step a name of its own.")


def _values(key: str, given: Any, annotation: Any) -> tuple[Any, ...]:
    """The values of a setting; a list is several of them, unless the setting is a list by itself: then a list of lists is."""
    annotation = WRITTEN.get(key, annotation)
    plain = [given] if _is_list(annotation) and not _is_nested(given) else given
    values = list(plain) if isinstance(plain, (list, tuple)) else [plain]
    if not values or given == []:
        raise ValueError(f"{key} is an empty list: give a value, or several for a grid.")
    adapter = TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False, strict=True))
    try:
        return tuple(adapter.validate_python(tuple(v) if isinstance(v, list) else v) for v in values)
    except ValidationError as error:
        said = dict.fromkeys(expected(problem) or str(problem["msg"]) for problem in error.errors())
        raise ValueError(f"{key} is {given!r}, but {' or '.join(said)} is expected.") from error


def _is_list(annotation: Any) -> bool:
    return any(get_origin(part) is tuple for part in (annotation, *get_args(annotation)))


def _is_nested(given: Any) -> bool:
    return isinstance(given, (list, tuple)) and any(isinstance(value, (list, tuple)) for value in given)


def _free_name(method: str, taken: Iterable[str]) -> str:
    numbered = (f"{method}-{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([method], numbered) if name not in taken)

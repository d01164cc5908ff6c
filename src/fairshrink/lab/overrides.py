"""Single settings from the command line: --set section.key=value."""

import tomllib
from collections.abc import Sequence
from typing import Any

from fairshrink.errors import ConfigError


def apply_override(given: dict[str, Any], override: str) -> None:
    """Set one setting in what an experiment file says.

    Args:
        given: The file as nested tables; changed in place.
        override: `section.key=value`, the value in TOML or as plain text; items of a list by number (`shrink.0.ratio=0.5`).

    Raises:
        ConfigError: It has another form, or its place is not there.
    """
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(
            f"--set is '{override}', but it needs the form section.key=value, such as --set train.epochs=3."
        )
    put(given, keys, _value(text), f"--set {override}")


def put(given: dict[str, Any], keys: Sequence[str], value: Any, origin: str) -> None:
    """Set one setting by its path.

    Args:
        given: An experiment as nested tables; changed in place.
        keys: The path; items of a list by number.
        value: What it is set to.
        origin: Who asks for it, for the error.

    Raises:
        ConfigError: Its place is not there.
    """
    place: Any = given
    for depth, key in enumerate(keys[:-1]):
        _check_table(place, keys[: depth + 1], origin)
        place = _item(place, key, origin) if isinstance(place, list) else place.setdefault(key, {})
    _check_table(place, keys, origin)
    if isinstance(place, list):
        _item(place, keys[-1], origin)
        place[int(keys[-1])] = value
    else:
        place[keys[-1]] = value


def _check_table(place: Any, keys: Sequence[str], origin: str) -> None:
    if not isinstance(place, (dict, list)):
        raise ConfigError(f"{origin}: '{'.'.join(keys[:-1])}' is a value, not a table, so it has no '{keys[-1]}'.")


def _item(place: list[Any], key: str, origin: str) -> Any:
    if not (key.isascii() and key.isdecimal()) or int(key) >= len(place):
        raise ConfigError(f"{origin}: there are {len(place)} items, numbered from 0; '{key}' is none of them.")
    return place[int(key)]


def _value(text: str) -> Any:
    """A TOML value, or the text itself: --set data.source=lesions needs no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()

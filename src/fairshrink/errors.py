"""The errors that a user sees: each names the thing, what came, what was expected and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class FairshrinkError(Exception):
    """Anything that fairshrink refuses, in the user's words."""


class DataError(FairshrinkError):
    """Images, tables, labels, groups or arrays that cannot be used as they are."""


class ModelError(FairshrinkError):
    """A model, checkpoint or layer that cannot be used as it is."""


class ConfigError(FairshrinkError):
    """A setting, option or experiment file that cannot be used as it is."""


class StoreError(FairshrinkError):
    """A run folder or decoded store that cannot be read, written or trusted."""


def suggest(name: str, options: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest right one, or all of them."""
    known = [str(option) for option in options]
    if near := get_close_matches(name, known, n=1):
        return f" Did you mean '{near[0]}'?"
    return f" Known: {', '.join(known)}."

"""What every part of an experiment's settings is built from, and the settings of a shrink step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from fairshrink.compress.recipe import Recipe
from fairshrink.errors import ConfigError, ModelError
from fairshrink.lab.grid import METHODS, combinations

Count = Annotated[int, Field(ge=1)]
LARGEST_SEED = 2**32 - 1  # what every library takes


def _seed(given: int) -> int:
    if 0 <= given <= LARGEST_SEED:
        return given
    raise ValueError(f"it is {given}, but a seed from 0 to {LARGEST_SEED:,} is expected.")


Seed = Annotated[int, AfterValidator(_seed)]


def _samples(given: Any) -> Any:
    if given == "all" or (isinstance(given, int) and not isinstance(given, bool) and given >= 1):
        return given
    raise ValueError(f'it is {given!r}, but a whole number from 1 on, or "all", is expected.')


Samples = Annotated[Any, AfterValidator(_samples)]  # of each group


class Settings(BaseModel):
    """Frozen; a key that is not there is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ShrinkDefaults(Settings):
    """`[shrink_defaults]`: what holds for every shrink step that does not say otherwise."""

    unprivileged: str = "auto"
    samples: Samples = 256
    batch: Count = 64

    def of(self, method: object) -> dict[str, Any]:
        """What holds for a method: its own defaults where nothing else was said."""
        own = METHODS[method].reads if isinstance(method, str) and method in METHODS else {}
        return self.model_dump() | {key: value for key, value in own.items() if key not in self.model_fields_set}


class ShrinkSettings(Settings):
    """`[[shrink]]`: one method on one parent; a list as a setting makes a grid.

    Keys that belong to the method itself (ratio, beta, ...) are kept in `settings`, each as a tuple of values. What a preset
    says stands in these, too; its name is kept for the record.

    A method that re-trains gets its control, a step of its own after it, unless `control` is false; once it is written out, as
    here and in a run's config.toml, `control` is false. The models of all candidates are removed once one is chosen, unless
    `keep_candidates` is true.
    """

    method: str
    name: str
    parent: str
    unprivileged: str
    samples: Samples
    batch: Count
    preset: str | None = None
    choose: str = "gap:soft_eopp1:0.01"
    choose_over: Literal["fold", "folds"] = "folds"
    control: bool = True
    keep_candidates: bool = False
    settings: dict[str, tuple[Any, ...]] = {}

    def candidates(self) -> list[dict[str, Any]]:
        """Every combination of the settings, in the order they were written."""
        return combinations(self.settings)

    def recipe(self, candidate: dict[str, Any]) -> Recipe:
        """The method with one combination of settings."""
        return METHODS[self.method].recipe(**candidate)


@contextmanager
def naming(number: int, step: ShrinkSettings) -> Iterator[None]:
    """What is refused inside says which step it is about.

    Args:
        number: The step's, from 1 on, as in its folder's name.
        step: The step.

    Raises:
        ConfigError, ModelError: As raised inside.
    """
    try:
        yield
    except (ConfigError, ModelError) as error:
        raise type(error)(f"[[shrink]] {number} ('{step.name}'): {error}") from error

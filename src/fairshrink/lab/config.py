"""An experiment's settings: read from TOML, checked, written back in one canonical form."""

import hashlib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import Field, ValidationError, model_validator

from fairshrink.data.augment import check_augment
from fairshrink.data.groups import parse_group
from fairshrink.data.normalise import IMAGENET, Normalisation, Triple
from fairshrink.errors import ConfigError, suggest
from fairshrink.lab.choose import rule
from fairshrink.lab.exit_settings import ExitSettings, Share, Taps, check_idle, idle, unsaid, without
from fairshrink.lab.grid import choosing, not_default, spelled_out
from fairshrink.lab.overrides import apply_override
from fairshrink.lab.presets import filled
from fairshrink.lab.settings import Count, Seed, Settings, ShrinkDefaults, ShrinkSettings, naming
from fairshrink.lab.twins import beside, control_of, placed
from fairshrink.lab.wording import expected
from fairshrink.models.backbones import BACKBONES
from fairshrink.train.loop import TrainSettings
from fairshrink.train.objectives import check_objective

# What a source knows about itself, so that an experiment need not say it. Small sets are cross-fitted.
SOURCE_DEFAULTS: dict[str, dict[str, Any]] = {
    "lesions": {"groups": ["tone"], "split_by": "image"},
    "ham10000": {"groups": ["sex", "age >= 60"], "split_by": "lesion_id", "folds": 5},
    "isic2019": {"groups": ["sex", "age_approx >= 60"], "split_by": "lesion_id"},
    "fitzpatrick17k": {"groups": ["fitzpatrick_scale >= 4"], "split_by": "image", "folds": 5, "level": 114},
    "table": {"split_by": "image"},
}
OWN_KEYS = {"classes": "table", "ground_truth": "isic2019", "level": "fitzpatrick17k"}


def source_defaults(source: str, split_file: object) -> dict[str, Any]:
    """What holds for a source unless an experiment says otherwise; a split file is one split, whatever the source."""
    known = SOURCE_DEFAULTS.get(source, {})
    return {key: value for key, value in known.items() if key != "folds"} if split_file else known


class DataSettings(Settings):
    """`[data]`: where the images come from, who is in which group, how they are split."""

    source: str
    images: str | None = None
    metadata: str | None = None
    ground_truth: str | None = None
    image: str = "image"
    label: str = "label"
    classes: tuple[str, ...] = ()
    level: Literal[114, 9, 3] | None = None
    count: Count = 4000
    size: Annotated[int, Field(ge=32, le=256)] = 64
    groups: tuple[str, ...] = ()
    unknown: Literal["train", "exclude"] = "train"
    missing: Literal["error", "exclude"] = "error"
    split_by: str = "image"
    split_file: str | None = None
    folds: Count = 1
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _fill_from_source(cls, given: Any) -> Any:
        return (
            source_defaults(str(given.get("source")), given.get("split_file")) | given
            if isinstance(given, dict)
            else given
        )

    @model_validator(mode="after")
    def _check(self) -> "DataSettings":
        if self.source not in SOURCE_DEFAULTS:
            raise ValueError(f"there is no source called '{self.source}'.{suggest(self.source, SOURCE_DEFAULTS)}")
        if self.source != "lesions" and not (self.images and self.metadata):
            raise ValueError(f"the source '{self.source}' needs images (folder or zip) and metadata (CSV).")
        for key, source in OWN_KEYS.items():
            if getattr(self, key) and self.source != source:
                own = (
                    " has its own, in an order of its own." if key == "classes" else " does not need it: leave it out."
                )
                raise ValueError(f"{key} is for the source '{source}': '{self.source}'{own}")
        if len(self.classes) == 1 or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes is {list(self.classes)}, but two or more different names are needed.")
        if not self.groups:
            raise ValueError('groups is empty: name at least one column, threshold or bins, such as groups = ["sex"].')
        if self.folds == 2:
            raise ValueError(
                "folds is 2, but a fold each is needed to test, to validate and to train: give 1, or 3 and more."
            )
        if self.split_file and self.folds > 1:
            raise ValueError("split_file gives one split, but folds asks for several. Leave one of them out.")
        return self


class ModelSettings(Settings):
    """`[model]`: the backbone, its exits, a checkpoint or ImageNet weights if there are any, how inputs are normalised."""

    backbone: str = "resnet18"
    exits: Taps = None
    heads: Literal["linear", "conv"] = "linear"
    checkpoint: str | None = None
    weights: str | None = None
    mean: Triple = IMAGENET.mean
    std: Triple = IMAGENET.std

    @model_validator(mode="after")
    def _check(self) -> "ModelSettings":
        # Values for pixels up to 255 would train, and predict, nearly black images.
        if not all(0 <= mean <= 1 for mean in self.mean) or not all(0 < std <= 1 for std in self.std):
            raise ValueError(
                f"mean is {list(self.mean)} and std {list(self.std)}, but they are for pixels from 0 to 1: means from 0 to 1, "
                "deviations above 0 and up to 1. Divide those for pixels from 0 to 255 by 255."
            )
        return self

    @property
    def normalisation(self) -> Normalisation:
        """Of the inputs."""
        return Normalisation(self.mean, self.std)


class TrainingSettings(Settings):
    """`[train]`: the one training loop."""

    objective: str = "erm"
    strength: Annotated[float, Field(ge=0)] = 0.01
    exit_weights: tuple[Share, ...] = ()
    teacher: str | None = None
    epochs: Count = 12
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: Annotated[float, Field(gt=0)] = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    batch_size: Annotated[int, Field(ge=2)] = 128
    schedule: Literal["onecycle", "step", "cosine", "constant"] = "onecycle"
    step_epochs: Count | None = None
    step_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    augment: tuple[str, ...] = ("flip", "rotate", "scale", "autoaugment")
    precision: Literal["fp32", "bf16"] = "bf16"
    sampler: Literal["plain", "class-balanced", "group-balanced"] = "plain"
    threads: Count = 2
    seed: Seed = 0

    def loop(self, precision: str | None = None) -> TrainSettings:
        """What the training loop is told; the precision may be another one, where the machine cannot do what was asked for."""
        own: dict[str, Any] = {name: getattr(self, name) for name in TrainSettings.__dataclass_fields__}
        own["precision"] = precision or self.precision
        return TrainSettings(**own)


class Experiment(Settings):
    """A whole experiment."""

    data: DataSettings
    model: ModelSettings = ModelSettings()
    train: TrainingSettings = TrainingSettings()
    exits: ExitSettings = ExitSettings()
    shrink_defaults: ShrinkDefaults = ShrinkDefaults()
    shrink: tuple[ShrinkSettings, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_steps(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("shrink"), (list, tuple)):
            return given
        try:
            defaults = ShrinkDefaults.model_validate(given.get("shrink_defaults", {}))
        except ValidationError:
            return given | {"shrink": ()}  # the table's own check names what is wrong in it
        steps: list[dict[str, Any]] = []
        own_keys = [key for key in ShrinkSettings.model_fields if key != "settings"]
        for number, step in enumerate(given["shrink"]):
            try:
                earlier = [before["name"] for before in steps]
                written = placed(filled(step), steps) if isinstance(step, dict) else step
                filled_in = spelled_out(written, earlier, own_keys)
                steps.append(choosing(beside(defaults.of(filled_in["method"]) | filled_in, steps), steps))
                if (control := control_of(steps[-1])) is not None:
                    # Written out, it is a step as any other, and nobody may make it once more.
                    steps[-1] = steps[-1] | {"control": False}
                    own = spelled_out(control, [*earlier, steps[-1]["name"]], own_keys)
                    steps.append(choosing(beside(defaults.of(own["method"]) | own, steps), steps))
            except ValueError as error:
                raise ValueError(f"shrink.{number}: {error}") from error
        return given | {"shrink": steps}

    @model_validator(mode="after")
    def _check_names(self) -> "Experiment":
        # A name that is wrong, or a ratio of 1.2, is found now, not after a night of training.
        check_objective(self.train.objective)
        check_idle(self)
        check_augment(self.train.augment)
        self.train.loop()
        for text in self.data.groups:
            parse_group(text)
        if self.model.backbone not in BACKBONES:
            raise ConfigError(
                f"there is no backbone called '{self.model.backbone}'.{suggest(self.model.backbone, BACKBONES)}"
            )
        for number, step in enumerate(self.shrink, start=1):
            with naming(number, step):
                rule(step.choose)
                for candidate in step.candidates():
                    step.recipe(candidate)
        return self

    def text(self) -> str:
        """The experiment as TOML, defaults included."""
        return tomli_w.dumps(without(_written(self), idle(self) + unsaid(self)))

    def digest(self) -> str:
        """What this experiment is, in 12 hexadecimal digits; settings left at their default do not change it."""
        text = tomli_w.dumps(_written(self, exclude_defaults=True))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment file.

    Args:
        path: A TOML file as in DESIGN: [data], [model], [train], [shrink_defaults], [[shrink]].
        overrides: Settings as `a.b=value`, each replacing what the file says; list items by number (`shrink.0.ratio=0.5`).

    Raises:
        ConfigError: The file is not there or no TOML, or a setting is unknown or has a wrong value.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"cannot read the experiment '{path}': {error.strerror}. Give the path of a TOML file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"'{path}' is not TOML: {error}. Strings need quotes, and tables look like [data]."
        ) from error
    for override in overrides:
        apply_override(given, override)
    return parse_experiment(given, str(path))


def parse_experiment(given: dict[str, Any], origin: str) -> Experiment:
    """Check settings that were read from somewhere.

    Raises:
        ConfigError: A setting is unknown or has a wrong value; all of them are listed.
    """
    try:
        return Experiment.model_validate(given)
    except ValidationError as error:
        lines = [_in_words(problem) for problem in error.errors()]
        raise ConfigError(f"{len(lines)} setting(s) of '{origin}' cannot be used:\n  " + "\n  ".join(lines)) from error


def _written(settings: Settings, *, exclude_defaults: bool = False) -> dict[str, Any]:
    """Settings as they stand in a TOML file: no None, method settings beside the step's own, single values unpacked."""
    written = settings.model_dump(mode="json", exclude_none=True, exclude_defaults=exclude_defaults)
    for step in written.get("shrink", []):
        own = step.pop("settings", {})
        if exclude_defaults:
            step.pop("preset", None)  # its values stand in the step: written out by hand, it is the same experiment
        for key, values in (not_default(step["method"], own) if exclude_defaults else own).items():
            step[key] = values[0] if len(values) == 1 else values
    return written


def _in_words(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        model: Any = Experiment
        for part in problem["loc"][:-1]:
            model = model.model_fields[part].annotation
        return f"there is no setting '{where}'.{suggest(str(problem['loc'][-1]), model.model_fields)}"
    if problem["type"] == "missing":
        return f"{where} is not there, but it is needed."
    if words := expected(problem):
        return f"{where} is {problem['input']!r}, but {words} is expected."
    message = str(problem["msg"]).removeprefix("Value error, ")
    came = "" if problem["type"] == "value_error" else f". It is {problem['input']!r}."
    return f"{where}: {message}{came}" if where else f"{message}{came}"

"""The run folder: every path in it, and how its records are read and written."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairshrink.errors import StoreError
from fairshrink.files import json_line, write_text

TRAINING = "train"  # the stage that every run begins with


@dataclass(frozen=True)
class FoldPaths:
    """What one fold of one stage leaves behind."""

    root: Path

    @property
    def model(self) -> Path:
        """The model; its settings lie beside it in model.json."""
        return self.root / "model.safetensors"

    @property
    def frozen(self) -> Path:
        """Which weights are fixed."""
        return self.root / "frozen.safetensors"

    @property
    def state(self) -> Path:
        """All state of a training that is under way."""
        return self.root / "training.state"

    @property
    def history(self) -> Path:
        """One line per epoch."""
        return self.root / "history.jsonl"

    @property
    def result(self) -> Path:
        """What this fold's shrink step measured and chose."""
        return self.root / "result.json"

    @property
    def predictions(self) -> Path:
        """Test predictions of this fold."""
        return self.root / "test.csv"

    @property
    def exits(self) -> Path:
        """How sure an exit has to be, how that was chosen, and who leaves where."""
        return self.root / "exits.json"

    @property
    def card(self) -> Path:
        """How the model is used, beside its weights."""
        return self.model.with_suffix(".json")

    @property
    def teacher(self) -> Path:
        """The model that a training compared its own with."""
        return self.root / "teacher.safetensors"

    @property
    def taught(self) -> "FoldPaths":
        """Where a teacher is trained, until it is done."""
        return FoldPaths(self.root / "teacher")

    @property
    def halfway(self) -> Path:
        """A way of several steps, after the last of them that was done."""
        return self.root / "halfway.state"

    def candidate(self, number: int) -> "FoldPaths":
        """One combination of a grid."""
        return FoldPaths(self.root / "candidates" / f"{number:02d}")


@dataclass(frozen=True)
class StagePaths:
    """What one stage leaves behind; with one fold, the fold's files lie beside these."""

    root: Path
    folds: int

    def fold(self, number: int) -> FoldPaths:
        """One fold of the stage."""
        return FoldPaths(self.root if self.folds == 1 else self.root / f"fold-{number}")

    def title(self, number: int) -> str:
        """A fold of the stage, for people."""
        return f"{self.root.name}: fold {number}" if self.folds > 1 else self.root.name

    def complete(self, also: Iterable[Path] = ()) -> bool:
        """Whether all of it was done, and nothing of it was removed by hand since, as a damaged file may be."""
        folds = [self.fold(number) for number in range(self.folds)]
        needed = [path for fold in folds for path in (fold.model, fold.result, fold.predictions)]
        return all(path.exists() for path in (self.record, self.audit, self.predictions, *also, *needed))

    def of_a_step(self) -> tuple[Path, ...]:
        """What a shrink step leaves behind that a training does not; its comparison comes after it is complete."""
        return (self.steps, self.choice, *(self.fold(number).frozen for number in range(self.folds)))

    def of_exits(self) -> tuple[Path, ...]:
        """What a stage of models with exits leaves behind that one of others does not."""
        return tuple(self.fold(number).exits for number in range(self.folds))

    @property
    def record(self) -> Path:
        """What the stage was; written last."""
        return self.root / "stage.json"

    @property
    def audit(self) -> Path:
        """The audit on test, all folds together."""
        return self.root / "audit.json"

    @property
    def comparison(self) -> Path:
        """The model against the trained one on test, all folds together; of a shrunk model only."""
        return self.root / "comparison.json"

    @property
    def twin(self) -> Path:
        """Of a step that goes by another's choice: that one's model against this one's on test, all folds together."""
        return self.root / "twin.json"

    @property
    def portrait(self) -> Path:
        """Weights before and after, importance by group; of the first fold."""
        return self.root / "portrait.json"

    @property
    def predictions(self) -> Path:
        """Test predictions, all folds together."""
        return self.root / "predictions.csv"

    @property
    def history(self) -> Path:
        """One line per fold and epoch."""
        return self.root / "history.jsonl"

    @property
    def steps(self) -> Path:
        """One line per fold, candidate and step."""
        return self.root / "steps.jsonl"

    @property
    def choice(self) -> Path:
        """The rule, the candidates and what was chosen."""
        return self.root / "choice.json"

    @property
    def saliency(self) -> Path:
        """Saliency of the first layer by group."""
        return self.root / "saliency.json"


@dataclass(frozen=True)
class RunPaths:
    """A run folder."""

    root: Path

    @property
    def config(self) -> Path:
        """The experiment, defaults included."""
        return self.root / "config.toml"

    @property
    def environment(self) -> Path:
        """Versions, machine, times."""
        return self.root / "environment.json"

    @property
    def data(self) -> Path:
        """The data card."""
        return self.root / "data.json"

    @property
    def store(self) -> Path:
        """Decoded images, unless a cache folder is given."""
        return self.root / "store"

    @property
    def report(self) -> Path:
        """The page."""
        return self.root / "report.html"

    def stage(self, number: int, name: str, folds: int) -> StagePaths:
        """The folder of a stage."""
        return StagePaths(self.root / "stages" / f"{number:02d}-{name}", folds)


def write_lines(path: Path, records: Iterable[object]) -> Path:
    """Write one record per line.

    Raises:
        StoreError: The file cannot be written.
    """
    return write_text(path, "".join(json_line(record) for record in records))


def read_lines(path: Path) -> list[Any]:
    """Read one record per line.

    Raises:
        StoreError: The file is not there or damaged.
    """
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise StoreError(f"'{path}' could not be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise StoreError(
            f"'{path}' is not made of JSON lines: {error}.\n  It was cut short or edited: remove the stage's folder, and the "
            "stage is done again."
        ) from error

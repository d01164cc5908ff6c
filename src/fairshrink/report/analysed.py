"""What `fairshrink analyse` found, as the page sees it: the records of a run's folder analysis/, read once and checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fairshrink.errors import StoreError
from fairshrink.report.parsing import from_json

PAGE = "analysis.html"
AGAIN = "Remove the run's folder analysis, and start `fairshrink analyse` again."


@dataclass(frozen=True, slots=True)
class AskedRecord:
    """analysis/asked.json: what the page shows.

    Attributes:
        stage: The stage that is looked at.
        against: The one that it is compared with; None where it stands alone.
        layers: Whose channels are drawn; empty: those that lack some, else the last.
        attributes: Which are drawn.
        classes: What the class is called among the labels.
        by: The column of lesions or patients, of each of which one image was read; None: every image is its own.
        fold: The only fold; None: all.
        readings: Files by stage, one for each fold.
    """

    form: int
    backbone: str
    stage: str
    against: str | None
    trained: str
    layers: list[str]
    attributes: list[str]
    classes: str
    by: str | None
    fold: int | None
    readings: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """What images were compared by, and in how many batches there was something to compare."""

    name: str
    groups: list[str]
    batches: int


@dataclass(frozen=True, slots=True)
class ChannelScores:
    """A layer's channels by one label; see `lab.analysis_reading.read_model`."""

    scores: list[float]
    chance: list[float]
    mean: float
    chance_means: list[float]
    within_means: list[float]
    excess: list[float]
    below: int
    below_within: int | None


@dataclass(frozen=True, slots=True)
class LayerReading:
    """One convolution."""

    name: str
    channels: int
    removed: list[int]
    labels: dict[str, ChannelScores]

    @property
    def there(self) -> int:
        """Channels that are not removed."""
        return self.channels - len(self.removed)


@dataclass(frozen=True, slots=True)
class DepthScore:
    """The whole feature at one depth by one label: its SNNL, and that of each draw by lot, over all and within classes."""

    value: float
    chance: list[float]
    within: list[float]


@dataclass(frozen=True, slots=True)
class DepthReading:
    """One depth."""

    name: str
    labels: dict[str, DepthScore]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from the model of one fold of one stage."""

    stage: str
    fold: int
    images: int
    compared: int
    draws: int
    temperature: float
    labels: list[LabelRecord]
    layers: list[LayerReading]
    depth: list[DepthReading]


class Analysis(NamedTuple):
    """Everything on the page; `before` is empty where the stage stands alone, else it has the folds of `after`."""

    folder: Path
    asked: AskedRecord
    before: list[Reading]
    after: list[Reading]

    @property
    def labels(self) -> list[str]:
        """The attributes that are drawn and, last, the class."""
        return [*self.asked.attributes, self.asked.classes]

    @property
    def sides(self) -> list[list[Reading]]:
        """The models before and after, or those alone."""
        return [self.before, self.after] if self.before else [self.after]


def analysis_link(folder: Path) -> str | None:
    """The name of the analysis' page beside a run's own; None where there is none."""
    return PAGE if (Path(folder) / PAGE).is_file() else None


def read_analysis(folder: Path) -> Analysis:
    """Read and check what was found last.

    Args:
        folder: The run folder.

    Raises:
        StoreError: A record is missing, damaged or does not fit the others; the message names the file.
    """
    root = Path(folder) / "analysis"
    asked = from_json(_bytes(root / "asked.json"), "analysis/asked.json", AskedRecord, AGAIN)
    found = {stage: [_reading(root / name, asked) for name in names] for stage, names in asked.readings.items()}
    after, before = found.get(asked.stage, []), found.get(asked.against or "", [])
    if not after or (asked.against is not None and [r.fold for r in before] != [r.fold for r in after]):
        raise StoreError(
            f"'analysis/asked.json' is about '{asked.stage}' and '{asked.against}', but names {len(after)} and {len(before)} "
            f"readings: one for each fold of both is expected. {AGAIN}"
        )
    for one in (*before, *after):
        if [layer.name for layer in one.layers] != [layer.name for layer in after[0].layers]:
            raise StoreError(
                f"the readings in 'analysis' of '{one.stage}', fold {one.fold}, are of other layers. {AGAIN}"
            )
    return Analysis(Path(folder), asked, before, after)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"'{path}' cannot be read: {error.strerror or error}. {AGAIN}") from error


def _reading(path: Path, asked: AskedRecord) -> Reading:
    found = from_json(_bytes(path), f"analysis/{path.name}", Reading, AGAIN)
    wanted = {*asked.attributes, asked.classes}
    places = [*found.layers, *found.depth]
    if not found.layers or not found.depth or any(not wanted <= set(place.labels) for place in places):
        raise StoreError(f"'analysis/{path.name}' has no layers, no depths or not the labels {sorted(wanted)}. {AGAIN}")
    for layer in found.layers:
        for name, one in layer.labels.items():
            if len(one.scores) != layer.channels or len(one.chance) != layer.there or len(one.excess) != 5:
                raise StoreError(
                    f"'analysis/{path.name}': '{layer.name}' has {layer.channels} channels, but {len(one.scores)} scores by "
                    f"'{name}' and {len(one.chance)} of chance. {AGAIN}"
                )
    return found

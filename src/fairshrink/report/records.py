"""What a run leaves behind, as the page sees it: one frozen record per file of the run folder."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fairshrink.report.audited import AuditRecord, Number, Scores
from fairshrink.report.channelled import ChannelPortrait
from fairshrink.report.compared import ComparisonRecord
from fairshrink.report.exited import ExitRecord
from fairshrink.report.portrayed import Portrait

CHANNELS = "channels"  # What the steps of a stage count, where they remove whole channels.


@dataclass(frozen=True, slots=True)
class AttributeData:
    """Counts of one attribute: one row per class, one column per group."""

    groups: list[str]
    unknown: int
    counts: list[list[int]]


@dataclass(frozen=True, slots=True)
class Excluded:
    """A row that was left out, and why."""

    row: int | None
    id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many images of a published data set can be used, and how many it has."""

    here: int
    published: int


@dataclass(frozen=True, slots=True)
class DataRecord:
    """data.json; coverage is that of a published data set.

    Earlier versions wrote neither how many clusters lie in several parts nor the digest of the splits.
    """

    name: str
    count: int
    size: int
    classes: list[str]
    digest: str
    split_by: str | None
    folds: int
    seed: int
    attributes: dict[str, AttributeData]
    splits: list[dict[str, int]]
    excluded: list[Excluded]
    shrunk_for: str
    coverage: Coverage | None = None
    clusters_across: int | None = None
    split_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Unprivileged:
    """Which group a fold favours, and the macro F1 on validation that says so."""

    fold: int
    group: str
    measured: bool
    f1: dict[str, Number]


@dataclass(frozen=True, slots=True)
class StageRecord:
    """stage.json; seconds in total, or by what took them. Parameters are the weights that could be fixed.

    Earlier versions wrote no fixed_fraction, the share of them that is fixed: all that they fixed was 0. `of` is the
    stage whose choice a stage goes by (its twin), `control` the twin that was re-trained in the same way with nothing fixed.
    `unit` is what its steps count, "weights" or "channels"; `controls`, whether it is such a control, was not written earlier.
    """

    name: str
    method: str
    title: str
    parent: str | None
    params: dict[str, Any]
    rule: str | None
    unprivileged: list[Unprivileged]
    seconds: float | dict[str, Number]
    zero_fraction: float
    parameters: int
    fixed_fraction: float | None = None
    control: str | None = None
    of: str | None = None
    unit: str = "weights"
    controls: bool | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """Accuracy and macro F1 of all validation rows."""

    accuracy: Number
    f1: Number


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of history.jsonl."""

    fold: int
    epoch: int
    loss: Number
    lr: Number
    seconds: Number
    images_per_second: Number
    val: Quality


@dataclass(frozen=True, slots=True)
class Step:
    """One line of steps.jsonl: a candidate of a fold after one step, on validation.

    Earlier versions wrote neither counts ([group][true class][predicted class]) nor criteria (the gaps and their soft forms).
    """

    fold: int
    candidate: int
    params: dict[str, Any]
    step: int
    ratio: float
    fixed: int
    total: int
    seconds: Number
    overall: Quality
    groups: dict[str, Scores]
    gaps: dict[str, Number]
    counts: list[list[list[int]]] | None = None
    criteria: dict[str, Number] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One point of the grid in one fold: what the rule saw on validation, of that fold or of several together.

    Earlier versions wrote neither criteria nor the macro F1 before, nor whether it is within the rule's bound; front, whether
    it is on the Pareto front, is there for a rule that goes by one.
    """

    fold: int
    candidate: int
    params: dict[str, Any]
    value: Number
    f1: Number
    gap: Number
    criteria: dict[str, Number] = field(default_factory=dict)
    f1_before: Number = None
    within: bool | None = None
    front: bool | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The candidate that a fold's model was shrunk with; None where the rule took none, and the model stayed as it was."""

    fold: int
    candidate: int | None
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """choice.json; over: "fold" (each by its own validation part) or "folds" (by those of the folds that may be looked at)."""

    rule: str | None
    candidates: list[Candidate]
    chosen: list[Chosen]
    over: str = "fold"


@dataclass(frozen=True, slots=True)
class End:
    """How a candidate's way ended in one fold (result.json).

    Attributes:
        stopped: Why it went no further; None where it came to its end.
        taken: Which of its steps was kept, 0 being the start; None, as earlier versions wrote it: the last.
    """

    stopped: str | None = None
    taken: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """result.json of a fold, as far as the page needs it."""

    runs: list[End]


@dataclass(frozen=True, slots=True)
class Saliency:
    """saliency.json: one list of normalised saliencies per group, over the same weights."""

    layer: str
    groups: list[str]
    values: list[list[Number]]


class Stage(NamedTuple):
    """One stage's records; what a stage does not have is empty or None. The place is its folder's name.

    `comparison` is with the vanilla model; `twin` (twin.json) is there in a stage that goes by another's choice, and is that
    one's model against this one's. Where steps remove channels, `ends` has the candidates of each fold, and `channels` the scores
    of its channels. Where the model has exits, `exits` has each fold's threshold.
    """

    record: StageRecord
    label: str
    audit: AuditRecord
    steps: list[Step]
    history: list[Epoch]
    choice: Choice | None
    saliency: Saliency | None
    comparison: ComparisonRecord | None = None
    place: str = ""
    portrait: Portrait | None = None
    twin: ComparisonRecord | None = None
    ends: tuple[tuple[End, ...], ...] = ()
    channels: tuple[ChannelPortrait, ...] = ()
    exits: tuple[ExitRecord, ...] = ()


class Run(NamedTuple):
    """A whole run; the first stage without a parent is the vanilla model."""

    folder: Path
    config: str
    settings: dict[str, Any]
    environment: dict[str, Any]
    data: DataRecord
    stages: list[Stage]
    vanilla: Stage

    @property
    def attributes(self) -> list[str]:
        """Every audited attribute, the one that was shrunk for first."""
        first = self.data.shrunk_for
        return [first, *(name for name in self.vanilla.audit.attributes if name != first)]

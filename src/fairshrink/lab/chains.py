"""The stages of an experiment, each as the smallest experiment that ends with it: what two runs may share."""

from dataclasses import dataclass
from pathlib import Path

from fairshrink.lab.config import Experiment
from fairshrink.lab.settings import ShrinkDefaults, ShrinkSettings
from fairshrink.lab.store import TRAINING, RunPaths, StagePaths
from fairshrink.lab.twins import twin_of

SAMPLES = ShrinkDefaults().samples


@dataclass(frozen=True)
class Chain:
    """A stage with what it is built on, and nothing else.

    Attributes:
        experiment: [data], [model], [train], and the steps from the training to this stage: whatever decides its bits.
            Its digest is the stage's key.
    """

    experiment: Experiment

    @property
    def name(self) -> str:
        """The stage's."""
        return self.experiment.shrink[-1].name if self.experiment.shrink else TRAINING

    @property
    def key(self) -> str:
        """A folder's name for it: two stages with the same one are the same."""
        return f"{self.name}-{self.experiment.digest()}"

    @property
    def folds(self) -> int:
        """How many."""
        return self.experiment.data.folds

    @property
    def step(self) -> ShrinkSettings | None:
        """Its settings; None for a training."""
        return self.experiment.shrink[-1] if self.experiment.shrink else None

    @property
    def parent(self) -> "Chain | None":
        """The stage before it, which it starts from or goes by; None for a training."""
        if not self.experiment.shrink:
            return None
        return Chain(self.experiment.model_copy(update={"shrink": self.experiment.shrink[:-1]}))

    def stage(self, paths: RunPaths, number: int | None = None) -> StagePaths:
        """Its folder in a run folder: in one of its own it is the last."""
        place = len(self.experiment.shrink) if number is None else number
        return paths.stage(place, self.name, self.folds)

    def done(self, paths: RunPaths, number: int | None = None) -> bool:
        """Whether a run folder holds all of it."""
        stage = self.stage(paths, number)
        last = stage.saliency if self.step is None else stage.comparison
        return stage.complete(self.leaves(stage)) and last.exists()

    def leaves(self, stage: StagePaths) -> tuple[Path, ...]:
        """What its folder holds beside the models, records and predictions of every stage."""
        exits = stage.of_exits() if self.experiment.model.exits is not None else ()
        return exits if self.step is None else (*stage.of_a_step(), *exits)


def chains(experiment: Experiment) -> list[Chain]:
    """The stages of an experiment, in its order."""
    # Every step has its own `samples`; what it would be for others decides nothing.
    defaults = experiment.shrink_defaults.model_copy(update={"samples": SAMPLES})
    bare = experiment.model_copy(update={"shrink": (), "shrink_defaults": defaults})
    steps = {step.name: step for step in experiment.shrink}
    return [Chain(bare)] + [
        Chain(bare.model_copy(update={"shrink": _above(step, steps)})) for step in experiment.shrink
    ]


def _above(step: ShrinkSettings, steps: dict[str, ShrinkSettings]) -> tuple[ShrinkSettings, ...]:
    # A step that goes by another's choice needs that one, which starts where it does.
    above = steps.get(twin_of(step.choose) or step.parent)
    return (step,) if above is None else (*_above(above, steps), step)

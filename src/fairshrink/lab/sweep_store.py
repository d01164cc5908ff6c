"""The sweep folder: every path in it."""

from dataclasses import dataclass
from pathlib import Path

from fairshrink.lab.chains import Chain
from fairshrink.lab.store import RunPaths


@dataclass(frozen=True)
class SweepPaths:
    """A sweep folder."""

    root: Path

    @property
    def config(self) -> Path:
        """The sweep, the base experiment in it."""
        return self.root / "sweep.toml"

    @property
    def states(self) -> Path:
        """Every run with its folder and its state."""
        return self.root / "sweep.json"

    @property
    def store(self) -> Path:
        """Decoded images, unless a cache folder is given."""
        return self.root / "store"

    def run(self, name: str) -> RunPaths:
        """A run, complete and self-contained."""
        return RunPaths(self.root / "runs" / name)

    def stage(self, chain: Chain) -> RunPaths:
        """A stage that runs share, with what it is built on."""
        return RunPaths(self.root / "stages" / chain.key)

    def fold(self, name: str) -> RunPaths:
        """One fold of a stage, until the stage is finished."""
        return RunPaths(self.root / "folds" / name)

    def data(self, name: str) -> RunPaths:
        """The data card."""
        return RunPaths(self.root / "data" / name)

    def log(self, unit: str) -> Path:
        """What a unit has said."""
        return self.root / "log" / f"{unit}.log"

    def failure(self, unit: str) -> Path:
        """Why a unit failed."""
        return self.root / "failed" / f"{unit}.json"

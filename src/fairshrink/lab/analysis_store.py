"""Where an analysis lies: the paths in a run folder that `store` does not have."""

from dataclasses import dataclass
from pathlib import Path

from fairshrink.lab.store import FoldPaths, StagePaths


@dataclass(frozen=True)
class AnalysisPaths:
    """What `fairshrink analyse` leaves in a run folder."""

    root: Path

    @property
    def folder(self) -> Path:
        """Readings of models, and what was asked last."""
        return self.root / "analysis"

    @property
    def asked(self) -> Path:
        """What the page shows, and which readings it is drawn from."""
        return self.folder / "asked.json"

    @property
    def page(self) -> Path:
        """The page."""
        return self.root / "analysis.html"

    def reading(self, stage: StagePaths, fold: int, digest: str) -> Path:
        """What was read from one fold's model; the digest is that of the weights, the images and the settings."""
        return self.folder / f"{stage.root.name}-fold-{fold}-{digest}.json"


def channels_file(fold: FoldPaths) -> Path:
    """Scores of the channels before and after a step that removes channels."""
    return fold.root / "channels.json"

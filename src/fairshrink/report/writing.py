"""What is written when a run is complete: its page, and its model card."""

from pathlib import Path

from fairshrink.files import write_text
from fairshrink.report import card, page
from fairshrink.report.reading import read_run


def write_all(folder: Path) -> None:
    """Write `report.html` and `card.md` into a run folder.

    Raises:
        StoreError: A record is missing or damaged, or a file cannot be written.
    """
    run = read_run(folder)
    write_text(Path(folder) / "report.html", page.render(run))
    write_text(Path(folder) / "card.md", card.render(run))

"""`fairshrink analyse`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fairshrink.cli.stopping import kept
from fairshrink.lab.analysis import SAMPLES, Asked
from fairshrink.lab.analysis import analyse as look
from fairshrink.report.analysed import read_analysis
from fairshrink.report.analysis_page import write_analysis
from fairshrink.report.analysis_words import findings
from fairshrink.terminal import Screen, plain


def analyse(
    run: Annotated[Path, typer.Argument(help="A run folder, as `fairshrink run` writes it.")],
    stage: Annotated[
        str | None, typer.Option(help="A stage of the run; the last that does not go by another's choice.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="The stage that it is compared with; the one it started from.")
    ] = None,
    fold: Annotated[int | None, typer.Option(help="One fold of a run with several; all of them.")] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(help='Whose channels are drawn one by one: a convolution, "last" or "all"; may be repeated.'),
    ] = None,
    attribute: Annotated[str | None, typer.Option(help="Draw one attribute only.")] = None,
    samples: Annotated[int, typer.Option(help="Training images of each fold that are looked at.")] = SAMPLES,
) -> None:
    """How well the channels of a run's models, and their features by depth, tell groups and classes apart; as a page."""
    console = Console()
    asked = Asked(stage, against, fold, tuple(layer or ()), attribute, samples)
    words = f"Models that were looked at are kept in {run / 'analysis'}; the same command goes on from there."
    with kept(words), Screen(console) as screen:
        paths = look(run, asked, screen)
    page = write_analysis(paths.root)
    for found in findings(read_analysis(paths.root)):
        console.print(plain(f"{found.label}: {' '.join(found.sentences)}"), soft_wrap=True)
    console.print(plain(f"page: {page}"), soft_wrap=True)

"""The page of an analysis: no script, nothing fetched, the same bytes for the same records."""

from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from fairshrink.files import write_text
from fairshrink.report import analysis_figures, analysis_words, channel_figures, templates
from fairshrink.report.analysed import PAGE, Analysis, analysis_link, read_analysis
from fairshrink.report.page import write_report
from fairshrink.report.pictures import Picture, panel
from fairshrink.report.style import drawing


class LayerPart(NamedTuple):
    """The channels of one layer, one picture for each label."""

    name: str
    picture: Picture


def write_analysis(folder: Path) -> Path:
    """Write `analysis.html` into a run folder, and the link to it into the run's own page where there is one.

    Args:
        folder: What `fairshrink analyse` wrote into. Only records are read, no model and no image.

    Returns:
        The page. The same records give the same bytes.

    Raises:
        StoreError: A record is missing or damaged, or a page cannot be written.
    """
    folder = Path(folder)
    was = analysis_link(folder)
    page = write_text(folder / PAGE, render_analysis(read_analysis(folder)))
    if was is None and (folder / "report.html").is_file():
        write_report(folder)
    return page


def render_analysis(found: Analysis) -> str:
    """The page of an analysis, as HTML."""
    with drawing():
        layers = [_layer(found, name, at) for at, name in enumerate(analysis_words.shown_layers(found))]
        spreads = _spreads(found)
        depths = _depths(found)
    return templates.page(
        "analysis.html",
        title=f"{found.asked.stage}: what its features tell",
        facts=_facts(found),
        findings=analysis_words.findings(found),
        layers=layers,
        spreads=spreads,
        layer_table=analysis_words.layer_table(found),
        depths=depths,
        depth_table=analysis_words.depth_table(found),
        draws=found.after[0].draws,
        report="report.html" if (found.folder / "report.html").is_file() else None,
        settings=analysis_words.settings(found) | {"page written by": f"fairshrink {version('fairshrink')}"},
    )


def _facts(found: Analysis) -> str:
    against = f" against {found.asked.against}" if found.asked.against else ""
    return f"{found.asked.stage}{against} · {found.asked.backbone} · {', '.join(found.labels)}"


def _names(found: Analysis) -> tuple[str, str]:
    before, after = analysis_words.names(found)
    return (f"before ({before})", f"after ({after})") if before else ("", after)


def _layer(found: Analysis, name: str, at: int) -> LayerPart:
    panels = [
        panel(
            channel_figures.sorted_scores(analysis_figures.curves(found, name, label), _names(found)),
            f"channels{at}-{number}",
            f"Sorted SNNL of the channels of {name} by {label}",
            label,
        )
        for number, label in enumerate(found.labels)
    ]
    thin = (
        " Thin lines are folds, thick ones their mean by rank; folds differ in height with how many of their images are of which "
        "group."
        if len(found.after) > 1
        else ""
    )
    gone = (
        " Removed channels are left out of the curve after; ticks below show where they lay before. A curve whose lowest "
        "channels are taken away rises by that alone."
        if found.before
        else ""
    )
    chance = found.asked.against or found.asked.stage
    caption = (
        f"Each channel's SNNL, sorted; a low one tells apart. Dashed: labels drawn by lot, in '{chance}'.{gone}{thin}"
    )
    return LayerPart(name, Picture(panels, caption))


def _spreads(found: Analysis) -> Picture:
    panels = [
        panel(
            analysis_figures.spread(found, label, _names(found)),
            f"spread{number}",
            f"Channels by layer, {label}",
            label,
        )
        for number, label in enumerate(found.labels)
    ]
    caption = (
        "Each channel's SNNL less its own mean over the draws by lot: 0 is what chance gives. Dot: the median channel; thick: "
        "half of the channels; thin: nine tenths. Removed channels are left out; with several folds, the mean of their quantiles."
    )
    return Picture(panels, caption)


def _depths(found: Analysis) -> Picture:
    panels = [
        panel(
            analysis_figures.depth(found, label, _names(found), analysis_words.published(found, label)),
            f"depth{number}",
            f"SNNL of the whole feature by depth, {label}",
            label,
        )
        for number, label in enumerate(found.labels)
    ]
    caption = (
        "SNNL of the whole flattened feature at each depth, as its change against the first. Band: all draws by lot. By class "
        "alone: groups drawn within the classes, so what telling the classes apart does for the groups. Published: the mean fall "
        "a position for the sensitive attribute on other data (Chiu et al. 2023)."
    )
    return Picture(panels, caption)

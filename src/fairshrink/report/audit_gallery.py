"""Which pictures an audit's page has, with the captions that say how to read them."""

from fairshrink.audit.text import FEW
from fairshrink.report import audit_figures, class_figures, reliability
from fairshrink.report.audited import AttributeAudit
from fairshrink.report.marks import level
from fairshrink.report.pictures import Picture, panel

OVERVIEW = (
    "Mark: the gap on these images. Line: its 95\u00a0% interval. Grey bar: from 0 to what chance alone reaches. Filled and "
    "bold: beyond the bar, above chance; hollow: within chance. Below the thin line: the gap in TPR of the classes that "
    "stand out, or nearly do. The scales differ."
)


def gaps(name: str, found: AttributeAudit, index: int) -> Picture:
    """The gaps of one attribute on their floors."""
    label = f"Gaps between the groups of {name}, each with its interval, on a bar from 0 to what chance alone reaches"
    return Picture([panel(audit_figures.gaps(found), f"gaps{index}", label)], OVERVIEW)


def scores(name: str, found: AttributeAudit, index: int) -> Picture:
    """Accuracy and macro F1 of the groups."""
    label = f"Accuracy and macro F1 of the groups of {name}"
    return Picture([panel(audit_figures.scores(found), f"scores{index}", label)], "Right: images of the group.")


def classes(name: str, found: AttributeAudit, index: int) -> Picture:
    """Rates by class and group, and beside them the gap of each class on its floor."""
    names = class_figures.shown_classes(found)
    if not names:
        return Picture([], "This audit has no rates of single classes.")
    pair = (
        class_figures.class_dots(found, "How often each class is recognised", names),
        class_figures.class_gaps(found, "Its gap, against chance", names),
    )
    level(pair)
    labels = (
        f"True positive rate by class and group of {name}",
        f"Gap in the true positive rate of each class, {name}",
    )
    panels = [
        panel(figure, f"classes{index}-{i}", label) for i, (figure, label) in enumerate(zip(pair, labels, strict=True))
    ]
    many = len(found.classes)
    bar = (
        f" On the right each class's gap: the grey bar is what the largest of {many} gaps reaches by chance; the stroke in "
        "it is what this class reaches by itself, for a class named before looking."
    )
    return Picture(panels, class_figures.class_caption(found) + bar)


def calibration(name: str, found: AttributeAudit, index: int) -> Picture | None:
    """Reliability curves by group; None without probabilities."""
    curves = {
        group: curve for group, curve in (found.calibration or {}).items() if group in found.groups and curve.bins
    }
    if not curves:
        return None
    figure = reliability.reliability(curves)
    return Picture(
        [panel(figure, f"calibration{index}", f"Reliability curves by group of {name}")],
        "Predictions sorted by their confidence, and how many of them are right. On the dashed line, a confidence of 0.8 "
        "means right in eight of ten cases; below it the model is too sure of itself. "
        f"Hollow marks: fewer than {FEW} images.",
    )

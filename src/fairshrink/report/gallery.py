"""Which pictures a page has, with the captions that say how to read them; what cannot be drawn says why."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure
from PIL import Image

from fairshrink.audit.changed import LEVEL
from fairshrink.report import class_figures, control, curves, figures, fixing, grids, paired, strips, style, twins
from fairshrink.report.class_figures import class_caption
from fairshrink.report.pictures import FLOOR, Picture, panel, titled
from fairshrink.report.records import Run, Stage
from fairshrink.report.words import gap_name, listed, percent, plural


def gaps(run: Run) -> Picture:
    """All gaps of all attributes."""
    panels = [
        panel(figures.gap_forest(run, name), f"gap{i}", f"Gaps between the groups of {name}, by model", name)
        for i, name in enumerate(run.attributes)
    ]
    caption = (
        f"Each mark is a gap between groups on test images, each line its interval. {FLOOR}: a mark beyond its bar is "
    )
    return Picture(panels, f"{caption}above chance. The scales differ.")


def changes(run: Run) -> Picture:
    """The paired change of every gap of every attribute against the vanilla model."""
    stages = paired.compared(run)
    missing = [stage.label for stage in run.stages if stage is not run.vanilla and stage not in stages]
    absent = (
        f"For {listed(missing)} there is no paired comparison: the stage has no comparison.json." if missing else ""
    )
    if not stages:
        return Picture([], absent or "There is no shrunk model to compare with the vanilla model.")
    panels = [
        panel(
            figures.change_forest(run, name),
            f"change{i}",
            f"Change of the gaps of {name} against the vanilla model",
            name,
        )
        for i, name in enumerate(run.attributes)
    ]
    caption = (
        "Each mark is the change of a gap against the vanilla model on the same test images, each line its paired 95\u00a0% "
        "interval. A filled arrowhead can be told from no change after adjusting for all "
        f"{paired.family(run)} changes shown here (Holm, p at most {LEVEL}); a hollow ring cannot. {_beside(run)}{absent}"
    )
    return Picture(panels, caption.strip())


def _beside(run: Run) -> str:
    found = [f"{paired.name(pair)}: against {twins.against(pair)}" for pair in paired.pairs(run)]
    return f"{'; '.join(found)}. " if found else ""


def tradeoff(run: Run) -> Picture:
    """F1 against the gap on test."""
    panels = [
        panel(figures.tradeoff(run, name), f"trade{i}", f"Macro F1 against EOpp1 for {name}, by model", name)
        for i, name in enumerate(run.attributes)
    ]
    return Picture(
        panels,
        "Better models lie further right (higher macro F1) and further down (smaller gap). Vertical lines are the intervals of "
        "EOpp1; inside the grey band a gap is not distinguishable from chance. Test images; candidates of a grid, which were "
        "only seen on validation, are in a picture of their own below.",
    )


def classes(run: Run, attribute: str, index: int) -> Picture:
    """Rates by class and group, one panel per model; every panel shows the same classes."""
    first = run.vanilla.audit.attributes[attribute]
    names = class_figures.shown_classes(first)
    panels = [
        panel(
            class_figures.class_dots(stage.audit.attributes[attribute], stage.label, names),
            f"tpr{index}-{i}",
            f"True positive rate by class and group of {attribute}, {stage.label}",
        )
        for i, stage in enumerate(run.stages)
    ]
    return Picture(panels, class_caption(first))


def striking(run: Run, attribute: str, index: int) -> Picture:
    """The gap of the classes that stand out, with interval and floor."""
    audit = run.vanilla.audit.attributes[attribute]
    names = class_figures.striking_classes(audit)
    if not names:
        return Picture([], f"No class of {attribute} has a gap that can be drawn: it is 0 or undefined in all of them.")
    gap = audit.of_class(names[0])
    above = gap is not None and gap.above_chance
    what = "stands out most in" if above else "comes nearest to standing out in (none is above chance)"
    figure = figures.class_forest(run, attribute, names)
    label = f"Gap in the true positive rate of {listed(names)} between the groups of {attribute}, by model"
    return Picture(
        [panel(figure, f"striking{index}", label)],
        f"What {what} the vanilla model: {listed(names)}. Line: interval. {FLOOR}, corrected for the number of classes. "
        "Picked by looking at the vanilla model, so expect a smaller gap in any other model, shrunk or not.",
    )


def ratio(run: Run) -> list[Picture]:
    """Gap and F1 along the way of each shrink step."""
    return [_ratio(run, stage, i) for i, stage in enumerate(fixing.shrunk(run))]


def _ratio(run: Run, stage: Stage, index: int) -> Picture:
    if not stage.steps:
        return Picture(
            [], f"{stage.label}: the path along the ratio is left out, because this stage has no steps.jsonl."
        )
    folds = len({step.fold for step in stage.steps})
    many = len(grids.all_params(stage)) > 1
    parts = [f"{stage.label} on validation, from the model it started from (0 %) to the last step."]
    parts += (
        ["Thick: what was chosen, mean of the folds as far as all of them went; faint: single folds."]
        if folds > 1
        else ["Thick: what was chosen."]
    )
    parts += ["Thin: the ways of the grid, each past what was chosen."] if many else []
    beside = control.steps_of(run, stage)
    parts += [control.caption(stage)] if beside else []
    parts += ["The lowest panel shows which group pays. Validation has no floor here: read the trend, not the value."]
    metric = gap_name(grids.metric_of(stage))
    figure = curves.along_ratio(stage, beside)
    label = f"{metric} and macro F1 along the {fixing.axis([stage])}, {stage.label}"
    drawn = panel(figure, f"ratio{index}", label, stage.label)
    return Picture([drawn], " ".join(parts))


def grid(run: Run) -> Picture:
    """Candidates on validation."""
    stages = [stage for stage in fixing.shrunk(run) if stage.choice is not None and len(grids.all_params(stage)) > 1]
    if not stages:
        return Picture([], "There was no grid to choose from, so no candidates are drawn.")
    panels = [
        panel(curves.grid(stage), f"grid{i}", f"Candidates on validation, {stage.label}")
        for i, stage in enumerate(stages)
    ]
    return Picture(
        panels,
        f"Each mark is a candidate in one fold, on validation; a ring shows what that fold chose. {_spread(stages)}",
    )


def _spread(stages: Sequence[Stage]) -> str:
    """What the spread between marks of one kind is."""
    pooled = [stage.label for stage in stages if stage.choice is not None and stage.choice.over == "folds"]
    noise = "The spread between marks of one kind is the noise of a validation fold"
    shared = (
        "each fold looked at the validation images of all folds but those that it is tested on: marks of one kind share most of "
        "their images, so they lie closer together than the noise of a choice is large"
    )
    if not pooled:
        return f"{noise}."
    if len(pooled) == len(stages):
        return f"{shared[0].upper()}{shared[1:]}."
    return f"{noise}; but for {listed(pooled)} {shared}."


def saliency(run: Run) -> Picture:
    """Saliency of the first layer by group."""
    record = next((stage.saliency for stage in run.stages if stage.saliency is not None), None)
    if record is None:
        return Picture([], "Saliency by group is left out, because no stage of this run has a saliency.json.")
    group = next((s.record.unprivileged[0].group for s in run.stages if s.record.unprivileged), None)
    total, disputed = len(record.values[0]), len(strips.disputed(record, group))
    label = f"Normalised saliency of the weights of {record.layer}, one strip per group: {listed(record.groups)}"
    text = (
        f"One column per weight of {record.layer} ({plural(total, 'weight')}), the same weight in every strip; dark blue is low, "
        "yellow is high saliency (square root of the normalised value). "
        f"Between groups the order of the weights agrees with a rank correlation of {strips.agreement(record)}"
        f"{' at least' if len(record.groups) > 2 else ''}. "
    )
    if group in record.groups:
        text += (
            f"Ticks below: weights that {group} needs little (lower half) and the rest much (upper quarter), the ones that "
            f"FairPrune looks for: {plural(disputed, 'weight')}, {percent(disputed / total)}."
        )
    return Picture([panel(strips.strips(record, group), "saliency", label)], text, wide=True)


def training(run: Run) -> Picture:
    """The training curve."""
    history = run.vanilla.history
    if not history:
        return Picture(
            [], "The training curve is left out: this run has no history.jsonl, the model was trained elsewhere."
        )
    folds = len({epoch.fold for epoch in history})
    how = "Thin lines are folds, the thick one is their mean." if folds > 1 else "One line: there is one fold."
    drawn = panel(curves.training(history), "training", "Training loss and validation macro F1 by epoch")
    return Picture([drawn], f"Training of the vanilla model. {how}")


def overview(run: Run) -> bytes:
    """The gaps of the first two attributes and the trade-off side by side, as one PNG."""
    with style.drawing():
        panels = [titled(figures.gap_forest(run, name), name) for name in run.attributes[:2]]
        panels.append(titled(figures.tradeoff(run, run.data.shrunk_for), f"{run.data.shrunk_for}: trade-off"))
        return side_by_side(panels)


def side_by_side(panels: Sequence[Figure]) -> bytes:
    """Figures in one row, as a PNG; call it within `style.drawing()`."""
    images = [_pixels(figure) for figure in panels]
    pad = 24
    size = (sum(i.width for i in images) + pad * (len(images) + 1), max(i.height for i in images) + 2 * pad)
    whole, left = Image.new("RGB", size, style.PAPER), pad
    for image in images:
        whole.paste(image, (left, pad))
        left += image.width + pad
    buffer = io.BytesIO()
    whole.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _pixels(figure: Figure) -> Image.Image:
    buffer = io.BytesIO()
    style.settle(figure).savefig(buffer, format="png", dpi=160, facecolor=style.PAPER)
    return Image.open(buffer).convert("RGB")

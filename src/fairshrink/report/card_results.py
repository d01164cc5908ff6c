"""The model card's part about each model: what it is, how it was made, what was measured of it on test."""

from collections import Counter
from collections.abc import Sequence

from fairshrink.report import choices, ending, fixing, paired, twins, verdict, words
from fairshrink.report.audited import Gap
from fairshrink.report.card_parts import NOT_STATED
from fairshrink.report.markdown import bullets, heading, named, paragraph, table
from fairshrink.report.records import Run, Stage
from fairshrink.report.tables import fate_of
from fairshrink.report.words import count, counted, gap_name, interval, number, signed

NOBODY = "none: the score treats all groups alike"


def model(run: Run, stage: Stage) -> list[str]:
    """One model: what it is, in words against the vanilla model, then gaps and scores."""
    blocks = [heading(3, stage.label), named(_facts(run, stage))]
    if stage is not run.vanilla:
        compared = {name: verdict.change(run, stage, name) for name in run.attributes}
        blocks += [paragraph("Against the vanilla model, on the same test images:"), named(compared)]
        if paired.twins(run, stage):
            beside = {name: twins.changes(run, stage, name) for name in run.attributes}
            blocks += [paragraph("Against models that differ from it in one thing:"), named(beside)]
        if bare := fixing.warning(run, stage):
            blocks.append(paragraph(bare))
    blocks += [paragraph("Gaps between the groups, on test images:"), _gaps(run, stage)]
    blocks += [paragraph("Scores, on test images (they carry no interval):"), _scores(run, stage)]
    notes = [f"{name}: {note}" for name in run.attributes for note in stage.audit.attributes[name].notes]
    return [*blocks, bullets(notes)] if notes else blocks


def _facts(run: Run, stage: Stage) -> dict[str, str]:
    record = stage.record
    zeros = fixing.sentence(stage).format(
        weights=f"{count(record.parameters)} weights of convolutions and linear layers"
    )
    if stage is run.vanilla:
        return {"Weights": zeros}
    labels = {one.record.name: one.label for one in run.stages}
    if fixing.is_control(stage):
        return {
            "What it is": f"it {fixing.clause(run, stage)}",
            "Started from": labels.get(record.parent or "", record.parent or NOT_STATED),
            "Weights": zeros,
        }
    return {
        "Method": f"{record.method}; tried: {words.settings(record.params) or 'its defaults'}",
        "Started from": labels.get(record.parent or "", record.parent or NOT_STATED),
        "Choice": " ".join(filter(None, [*choices.sentences(stage), *ending.sentences(stage), choices.warning(stage)])),
        "Favoured group": (favoured(stage) or NOT_STATED) if fixing.favours(stage) else NOBODY,
        "Weights": zeros,
    }


def favoured(stage: Stage) -> str:
    """Which group was unprivileged in how many folds, and what says so; empty where the records do not know."""
    found = Counter((one.group, one.measured) for one in stage.record.unprivileged)
    folds = len(stage.record.unprivileged)
    parts = [
        f"{group}{f' in {times} of {folds} folds' if folds > 1 else ''} "
        f"({'measured: the lowest macro F1 on validation' if measured else 'set in the experiment'})"
        for (group, measured), times in found.most_common()
    ]
    return "; ".join(parts)


def _gaps(run: Run, stage: Stage) -> str:
    rows: list[Sequence[str]] = []
    for attribute in run.attributes:
        for name in words.GAP_NAMES:
            if (gap := stage.audit.attributes[attribute].gaps.get(name)) is not None:
                fate = fate_of(run, stage, attribute, name)
                rows.append(
                    [attribute, gap_name(name), *_gap(gap), "baseline" if stage is run.vanilla else signed(fate)]
                )
    return table(["attribute", "gap", "value", "95 % interval", "chance reaches", "above chance", "FATE"], rows)


def _gap(gap: Gap) -> list[str]:
    if gap.value is None:
        return [number(None), number(None), number(gap.null_high), "undefined"]
    left = f" ({words.plural(gap.undefined, 'class', 'classes')} undefined)" if gap.undefined else ""
    return [number(gap.value) + left, interval(gap), number(gap.null_high), "yes" if gap.above_chance else "no"]


def _scores(run: Run, stage: Stage) -> str:
    whole = stage.audit.overall
    rows = [["all images", "", counted(whole.n, None), number(whole.accuracy), number(whole.f1)]]
    rows += [
        [attribute, group, counted(scores.n, None), number(scores.accuracy), number(scores.f1)]
        for attribute in run.attributes
        for group, scores in stage.audit.attributes[attribute].groups.items()
    ]
    return table(["attribute", "group", "n", "accuracy", "macro F1"], rows)

"""The model card's parts about the whole run. What no record says is said to be not stated."""

from collections import Counter
from pathlib import PurePath
from typing import Any

from fairshrink.report import citations, exits, facts, fixing, splitting, words
from fairshrink.report.markdown import bullets, heading, named, of_cells, open_items, paragraph, table
from fairshrink.report.records import Run, Stage
from fairshrink.report.words import count, listed, moment, percent, plural

NOT_STATED = "not stated"
WITHOUT_GROUP = ("erm", "hsic", "mfd")  # training whose models do not ask for the group
OPEN = (
    "Primary intended use, and the setting in which it is to be used",
    "Primary intended users",
    "Uses that are out of scope",
    "Who is responsible for the model, and how to reach them",
    "The licence of the model",
    "What a wrong answer can do, to whom, and what is done about it",
)


def section(run: Run, name: str) -> dict[str, Any]:
    """A table of the run's settings; empty where there is none."""
    found = run.settings.get(name, {})
    return found if isinstance(found, dict) else {}


def details(run: Run) -> list[str]:
    """Model details: what it is, how it was trained, its models."""
    shown, backbone = run.data, section(run, "model").get("backbone", f"network ({NOT_STATED} which)")
    about = {
        "What it is": (
            f"a {backbone} that gives every image, made {shown.size} x {shown.size} pixels, one of "
            f"{plural(len(shown.classes), 'class', 'classes')}: {listed(shown.classes)}"
        ),
        "Made with": f"fairshrink {run.environment.get('fairshrink', NOT_STATED)}",
        "Begun": moment(run.environment.get("started", NOT_STATED)),
        "Training": _training(run),
    }
    if section(run, "train").get("objective", "erm") in WITHOUT_GROUP:
        about["Input"] = "an image alone: whose it is, by group, need not be known when the model is used"
    if leaving := [f"{stage.label}: {_thresholds(stage)}" for stage in run.stages if stage.exits]:
        about["Exits"] = (
            f"{exits.sentences(next(stage for stage in run.stages if stage.exits).exits[0])[0]} {'; '.join(leaving)}"
        )
    if shown.folds > 1:
        about["Folds"] = (
            f"each model below is {shown.folds} models, one for each fold; the numbers are of them together, each on images "
            "that it was not trained on. No model was trained on all images."
        )
    return [heading(2, "Model details"), named(about), _models(run)]


def _thresholds(stage: Stage) -> str:
    """The thetas of a stage's models, in the order of the folds, and what is left of the cost."""
    thetas = listed([f"{one.theta:g}" for one in stage.exits])
    cost = percent(sum(one.saved for one in stage.exits) / len(stage.exits))
    return f"theta {thetas}{' by fold' if len(stage.exits) > 1 else ''}, {cost} of the cost of running to the end on test images"


def _models(run: Run) -> str:
    labels = {stage.record.name: stage.label for stage in run.stages}
    fixed = "of them fixed" if any(map(fixing.quantises, run.stages)) else "of them 0"
    rows = [
        [
            stage.label,
            labels.get(stage.record.parent or "", stage.record.parent or "–"),
            words.settings(stage.record.params) or "–",
            count(stage.record.parameters),
            _fixed(run, stage),
        ]
        for stage in run.stages
    ]
    return table(["model", "starts from", "settings that were tried", "weights", fixed], rows)


def _fixed(run: Run, stage: Stage) -> str:
    share = fixing.cell(run, stage)
    return f"{share.text} ({', '.join(share.notes)})" if share.notes else share.text


def _training(run: Run) -> str:
    model, train = section(run, "model"), section(run, "train")
    if checkpoint := model.get("checkpoint"):
        return f"before this run: the weights are those of {PurePath(str(checkpoint)).name}. How they came about is {NOT_STATED}."
    weights = model.get("weights")
    start = f"begun with the weights in {PurePath(str(weights)).name}" if weights else "from scratch"
    return f"{start}; {words.settings(train) or 'the defaults of this version'}"


def intended(run: Run) -> list[str]:
    """Intended use: what is known, and what the owner has to say."""
    known = [
        f"It always answers with one of its {len(run.data.classes)} classes, also for an image that shows none of them.",
        "It is not a medical device, and it has not been validated for clinical use.",
    ]
    return [heading(2, "Intended use"), bullets(known), paragraph("For the owner to fill in:"), open_items(OPEN)]


def factors(run: Run) -> list[str]:
    """Factors: the groups, how they were defined, which of them was favoured."""
    asked = [str(text) for text in section(run, "data").get("groups", [])]
    texts = {
        "Groups": f"what the metadata say, by {listed(asked or list(run.data.attributes))}",
        "Shrunk for": run.data.shrunk_for,
    }
    if others := run.attributes[1:]:
        texts["Audited beside it"] = listed(others)
    for name, attribute in run.data.attributes.items():
        totals = [sum(column) for column in zip(*attribute.counts, strict=True)]
        sizes = [f"{group} ({plural(n, 'image')})" for group, n in zip(attribute.groups, totals, strict=True)]
        unknown = f"; {plural(attribute.unknown, 'image')} of unknown group" if attribute.unknown else ""
        texts[f"By {name}"] = f"{listed(sizes)}{unknown}"
    favoured = [block for found in facts.unprivileged(run) for block in of_cells(found)]
    return [heading(2, "Factors"), named(texts), *favoured]


def metrics(run: Run) -> list[str]:
    """Metrics: what the numbers are."""
    audit = run.vanilla.audit
    drawn = f", from {plural(audit.n_boot, 'draw')}" if audit.n_boot else ""
    units = f" of {count(audit.clusters)} whole units ({run.data.split_by or 'cluster'})" if audit.clusters else ""
    texts = {
        "EOpp1, EOpp0": (
            "the groups' largest difference in a class's true positive rate, and in its true negative rate; the mean over classes"
        ),
        "EOdd": "the same of half the sum of true and false positive rate; EOdd max: of the one that differs more",
        "95 % interval": f"bias-corrected bootstrap{drawn}{units}; a value may lie above its interval",
        "Chance reaches": "the 97.5 % point of the gap when groups are shuffled within each class",
        "FATE": "relative change of macro F1 (average of the groups) less that of the gap, against the vanilla model",
        "Convention": f"{audit.convention} (strict: a class that a group lacks is left out; published: its rate counts as 0)",
    }
    return [heading(2, "Metrics"), named(texts)]


def data(run: Run) -> list[str]:
    """Evaluation and training data: what they are, who is in them, what was left out."""
    tables = [facts.splits(run), *(facts.class_counts(run, name) for name in run.data.attributes)]
    tested = sum(split.get("test", 0) for split in run.data.splits)
    pooled = f", all {run.data.folds} folds together" if run.data.folds > 1 else ""
    texts = {
        "Data set": f"{run.data.name}, {plural(run.data.count, 'image')}{_covered(run)}",
        "Licence of the data": licence(run),
        "Tested on": f"{plural(tested, 'image')}{pooled}",
        "Kept on one side": _kept(run),
        "Left out": _excluded(run),
        "Digest of the data": run.data.digest,
    }
    return [
        heading(2, "Evaluation data"),
        named(texts),
        heading(2, "Training data"),
        paragraph("Other images of the same data set. Who is in all of it, and how it was split:"),
        *(block for one in tables for block in of_cells(one)),
    ]


def _kept(run: Run) -> str:
    """What is never on both sides of a split."""
    by = run.data.split_by
    own = f"images that share a {by}" if by and by != "image" else "each image by itself"
    return splitting.as_file_says(run) or own


def _covered(run: Run) -> str:
    """How much of a published set this is."""
    found = run.data.coverage
    if found is None:
        return ""
    whole = "the whole published set" if found.here == found.published else "a part of the published set"
    return f": {whole}, {count(found.here)} of {count(found.published)}"


def licence(run: Run) -> str:
    """Of the images, where it is known."""
    source = str(section(run, "data").get("source", ""))
    if source == "lesions":
        return citations.LESIONS
    known = citations.SOURCES.get(source)
    return f"{known.licence}, as its publishers say; check what holds for this copy" if known else NOT_STATED


def _excluded(run: Run) -> str:
    reasons = Counter(row.reason for row in run.data.excluded).most_common()
    return listed([f"{plural(times, 'row')} ({reason})" for reason, times in reasons]) or "no row"

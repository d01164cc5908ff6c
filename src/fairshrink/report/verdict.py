"""What the numbers say, in plain words and no more than they can bear."""

from typing import NamedTuple

from fairshrink.report import fixing, paired, removing, splitting, twins
from fairshrink.report.audited import AttributeAudit, Gap
from fairshrink.report.class_figures import striking_classes
from fairshrink.report.compared import Change
from fairshrink.report.records import Run, Stage
from fairshrink.report.tables import average_f1, fate_of
from fairshrink.report.words import (
    count,
    counted,
    gap_name,
    interval,
    listed,
    number,
    plural,
    probability,
    settings,
    signed,
    signed_interval,
)

ABOVE, WITHIN = "above chance", "not distinguishable from chance"
QUANTISED = (
    " Powers of two need fewer bits in a packed file (fairshrink export --packed); a model that is loaded from it computes with "
    "ordinary numbers, no faster."
)
ABSENT = "There is no paired comparison (comparison.json), so this page cannot judge the change."


class Finding(NamedTuple):
    """What one attribute shows: a headline, whether the vanilla gap is above chance, sentences, what each method changed."""

    attribute: str
    badge: str
    above: bool
    sentences: list[str]
    changes: list[tuple[str, str]]


def headline(run: Run) -> str:
    """The whole page in two sentences."""
    above, within = [], []
    for attribute in run.attributes:
        gaps = run.vanilla.audit.attributes[attribute].gaps
        names = [gap_name(name) for name in ("eopp1", "eopp0", "eodd") if gaps[name].above_chance]
        (above if names else within).append(f"{attribute} ({listed(names)})" if names else attribute)
    parts = [f"{ABOVE} in {listed(above)}"] if above else []
    parts += [f"{WITHIN} in {listed(within)}"] if within else []
    told = f"The vanilla model's gap between groups is {', and '.join(parts)}. {_changes(run)}".strip()
    return f"{told} {twins.headline(run)}".strip()


def _changes(run: Run) -> str:
    """Which EOpp1 became narrower or wider, as far as the paired comparisons can tell."""
    compared = paired.compared(run)
    if not compared:
        return ABSENT if len(run.stages) > 1 else ""
    found = [
        f"{stage.label} {'narrows' if change.change < 0 else 'widens'} EOpp1 in {attribute}"
        for stage in compared
        for attribute in run.attributes
        if (change := paired.change(run, stage, attribute, "eopp1")) and change.told and change.change
    ]
    if found:
        return f"{listed(found)}; no other change of EOpp1 can be told from no change."
    return "No shrunk model changes EOpp1 by more than these test images can tell from no change."


class Post(NamedTuple):
    """A place on the way from data to models, and whether it continues the place before."""

    name: str
    about: str
    follows: bool


def findings(run: Run) -> list[Finding]:
    """One finding per audited attribute, the one that was shrunk for first."""
    return [_finding(run, name) for name in run.attributes]


def _finding(run: Run, attribute: str) -> Finding:
    audit = run.vanilla.audit.attributes[attribute]
    gap = audit.gaps["eopp1"]
    others = [name for name in ("eopp0", "eodd") if audit.gaps[name].above_chance]
    above = gap.above_chance or bool(others)
    badge = (
        f"EOpp1 {ABOVE}"
        if gap.above_chance
        else f"{listed([gap_name(o) for o in others])} {ABOVE}"
        if others
        else WITHIN
    )
    sentences = [_recognised(run, attribute, gap), _other_gaps(audit), _class_sentence(run, attribute)]
    changes = [
        (stage.label, f"{change(run, stage, attribute)} {twins.changes(run, stage, attribute)}".strip())
        for stage in run.stages
        if stage is not run.vanilla
    ]
    return Finding(attribute, badge, above, [text for text in sentences if text], changes)


def _recognised(run: Run, attribute: str, gap: Gap) -> str:
    audit = run.vanilla.audit.attributes[attribute]
    groups = listed([f"{group} ({counted(scores.n, None)} test images)" for group, scores in audit.groups.items()])
    if gap.value is None:
        return f"Between {groups}, EOpp1 is undefined: no class has images in every group."
    reach, most = number(gap.null_high), "up to " if len(audit.groups) > 2 else ""
    end = f"Chance alone reaches {reach}, so this is {ABOVE if gap.above_chance else WITHIN}."
    return (
        f"Between {groups}, the vanilla model's share of recognised images differs by {most}{100 * gap.value:.1f} percentage "
        f"points, averaged over the classes (EOpp1 {number(gap.value)}, interval {interval(gap)}). {end}"
    )


def _other_gaps(audit: AttributeAudit) -> str:
    parts = []
    for name in ("eopp0", "eodd"):
        gap = audit.gaps[name]
        if gap.value is not None:
            state = "above" if gap.above_chance else "within"
            parts.append(f"{gap_name(name)} is {number(gap.value)} (chance reaches {number(gap.null_high)}: {state})")
    return f"{'; '.join(parts)}." if parts else ""


def _class_sentence(run: Run, attribute: str) -> str:
    audit = run.vanilla.audit.attributes[attribute]
    names = striking_classes(audit, most=1)
    gap = audit.of_class(names[0]) if names else None
    if not names or gap is None:
        return "No single class exceeds chance."
    rates = listed([f"{number(rate.tpr)} for {group}" for group, rate in audit.classes[names[0]].items()])
    numbers = (
        f"{rates}: a gap of {number(gap.value)} (interval {interval(gap)}; chance reaches {number(gap.null_high)}, "
        "corrected for the number of classes)"
    )
    if gap.above_chance:
        return f"It stands out most in the class {names[0]}, whose images are recognised at a rate of {numbers}."
    return f"No single class exceeds chance; {names[0]} comes nearest, recognised at a rate of {numbers}."


def change(run: Run, stage: Stage, attribute: str) -> str:
    """What a stage changed against the vanilla model, said only as firmly as the paired comparison allows."""
    before, after = run.vanilla.audit.attributes[attribute], stage.audit.attributes[attribute]
    old, new = before.gaps["eopp1"], after.gaps["eopp1"]
    f1 = f"Macro F1 (average of the groups) goes from {number(average_f1(before))} to {number(average_f1(after))}"
    f1 += f"{_f1_change(stage, attribute)}."
    if old.value is None or new.value is None:
        return f"EOpp1 is undefined, so nothing can be said about the gap. {f1}"
    value = fate_of(run, stage, attribute, "eopp1")
    trade = f" FATE {signed(value)}." if value is not None else ""
    floor = "above" if new.above_chance else "within"
    return (
        f"EOpp1 goes from {number(old.value)} to {number(new.value)} (interval {interval(new)}; chance reaches "
        f"{number(new.null_high)}: {floor}). {_direction(paired.change(run, stage, attribute, 'eopp1'))} {f1}{trade}"
    )


def _direction(found: Change | None) -> str:
    if found is None:
        return ABSENT
    if found.change is None or found.p_holm is None:
        return "The paired change is undefined."
    numbers = f"{signed(found.change)} (interval {signed_interval(found)}, p {probability(found.p_holm)} after Holm)"
    if found.told:
        return f"On the same images the gap is {'narrower' if found.change < 0 else 'wider'}: {numbers}."
    if found.alone:
        side = "narrower" if found.change < 0 else "wider"
        return f"On the same images the gap is {side}, but among all changes on this page it does not hold: {numbers}."
    return f"On the same images this is not distinguishable from no change: {numbers}."


def _f1_change(stage: Stage, attribute: str) -> str:
    """The paired interval of the change of macro F1, where there is a comparison."""
    found = stage.comparison.attributes[attribute].scores.get("average_f1") if stage.comparison is not None else None
    return f" (paired change {signed_interval(found)})" if found is not None and found.change is not None else ""


def done(run: Run) -> str:
    """What was done, in one paragraph."""
    data, backbone = run.data, run.settings.get("model", {}).get("backbone", "model")
    trained = "was trained" if run.vanilla.history else "that had been trained before was taken"
    text = [
        f"A {backbone} {trained} to tell {plural(len(data.classes), 'class', 'classes')} apart"
        f" on {plural(data.count, 'image')} of {data.name}, {data.size} pixels square.",
        _folds(run),
    ]
    shrunk = [stage for stage in run.stages if stage is not run.vanilla]
    steps = [f"{stage.label} {fixing.clause(run, stage)}" for stage in shrunk]
    if steps:
        text.append(f"{'; '.join(steps)}.")
        text.append(f"What was to be narrowed is the gap in {data.shrunk_for}.")
    if others := run.attributes[1:]:
        text.append(
            f"{listed(others)} {'was' if len(others) == 1 else 'were'} audited beside it, and not used for shrinking."
        )
    return " ".join(text)


def _folds(run: Run) -> str:
    by = run.data.split_by
    unit = f" Images that share a {by} are never on both sides." if by and by != "image" else ""
    if told := splitting.as_file_says(run):
        unit = f" The data were split {told}."
    if run.data.folds == 1:
        share = run.data.splits[0].get("test", 0) if run.data.splits else 0
        return f"Everything below is measured once, on {plural(share, 'test image')} that it had not seen.{unit}"
    return (
        f"This was done {run.data.folds} times on different parts of the data (folds), so that every image was tested once, by "
        f"a model that had not seen it; the tables pool these test results.{unit}"
    )


def pipeline(run: Run) -> list[Post]:
    """Data, training, each shrink step."""
    about = f"{run.data.name}: {plural(run.data.count, 'image')}, {plural(run.data.folds, 'fold')}"
    line = [Post("Data", about, follows=False)]
    labels = {stage.record.name: stage.label for stage in run.stages}
    before = None
    for stage in run.stages:
        parent = stage.record.parent
        if parent is None:
            about = "trained here" if stage.history else "trained before, taken from a file"
        else:
            about = f"from {labels.get(parent, parent)}; {fixing.brief(stage)}"
            about += f"; {settings(stage.record.params)}" if stage.record.params else ""
        line.append(Post(stage.label, about, follows=parent == before))
        before = stage.record.name
    return line


def _units(run: Run) -> str:
    audit = run.vanilla.audit
    unit = run.data.split_by if run.data.split_by not in (None, "image") else "cluster"
    drawn = f", drawn again {count(audit.n_boot)} times" if audit.n_boot else ""
    return f"{drawn} by {unit} ({count(audit.clusters)} of them)" if audit.clusters else drawn


def _of_folds(run: Run) -> str:
    """What several folds add to the intervals, and what they do not."""
    folds = run.data.folds
    if folds == 1:
        return ""
    return (
        f": the tests of {folds} models are pooled, so there are {folds} times the images, but each model stays as it came out "
        "of its one training, and the spread between folds is mostly that of their test images"
    )


def _about_changes(run: Run) -> str:
    missing = [stage.label for stage in run.stages if stage is not run.vanilla and stage not in paired.compared(run)]
    absent = f" For {listed(missing)} there is no paired comparison." if missing else ""
    family = paired.family(run)
    if not family:
        return f"Two intervals that overlap do not say that two models are alike.{absent}"
    return (
        f"Changes of {listed([gap_name(name) for name in paired.GAPS])} are adjusted together, {family} of them (Holm); a "
        f"change that is called not distinguishable may still be there.{absent}"
    )


def limits(run: Run) -> list[str]:
    """What this page cannot tell."""
    first = len(run.attributes) * len(run.stages) * 3
    classes = len(run.attributes) * len(run.stages) * len(run.data.classes)
    texts = [
        f"Chance gets its share: the floor is exceeded in one of 40 comparisons when there is no gap at all. This page makes "
        f"{first} comparisons of gaps and {classes} of single classes (the floors of these are corrected for the number of "
        f"classes within a model), and a class picked because it stands out looks better "
        f"in every other model by that alone.",
        f"The intervals are about the test images{_units(run)}. How much another training run, with another seed, would differ "
        f"is not in them{_of_folds(run)}.",
        _about_changes(run),
        "FATE has no interval on this page, and scores of single groups have none. Small differences in them mean nothing.",
        "Ratio, grid and unprivileged group were chosen on validation images, of which there are few in a small class.",
        "Groups are what the metadata says. Why a gap is there, and what it does to patients, images cannot tell.",
        "Weights that are zero make a model neither faster nor its file smaller until it is exported in a form that leaves them "
        "out." + QUANTISED * any(map(fixing.quantises, run.stages)) + removing.LIMIT * removing.any_in(run),
    ]
    texts += list(run.vanilla.audit.notes)
    if bare := fixing.warning(run):
        texts.insert(0, bare)
    texts += [f"{name}: {note}" for name, audit in run.vanilla.audit.attributes.items() for note in audit.notes]
    if run.data.folds == 1:
        texts.insert(0, "One split of the data is one draw: another 20 % of the images would give other numbers.")
    if any(attribute.unknown for attribute in run.data.attributes.values()):
        texts.append("Images whose group is unknown are in the scores over all rows, and in no gap.")
    if torn := splitting.limit(run):
        texts.insert(0, torn)
    return texts

"""What an audit says, in plain words and no more than its numbers can bear."""

from collections.abc import Sequence
from typing import NamedTuple

from fairshrink.audit.text import FEW
from fairshrink.report.audited import AttributeAudit, AuditRecord, Gap
from fairshrink.report.class_figures import striking_classes
from fairshrink.report.words import count, gap_name, in_order, interval, listed, number, plural, statistic_name

ABOVE, WITHIN = "above chance", "within chance"
MOST_NAMED = 3  # Classes named in a sentence; the others are counted.


class Finding(NamedTuple):
    """What one attribute shows: a badge, whether something is above chance, sentences."""

    attribute: str
    badge: str
    above: bool
    sentences: list[str]


def lead(audit: AuditRecord) -> str:
    """The whole page in two or three sentences."""
    above = {name: _above(found) for name, found in audit.attributes.items()}
    beyond = [f"{name} ({listed(names)})" for name, names in above.items() if names]
    within = [name for name, names in above.items() if not names]
    texts = [f"The model differs by more than chance between the groups of {listed(beyond)}." if beyond else ""]
    texts += [f"Between the groups of {listed(within)}, no gap can be told from chance." if within else ""]
    classes = [
        f"{listed(named)} ({name})" for name, of in audit.attributes.items() if (named := _some(classes_above(of)))
    ]
    texts += [f"Single classes that stand out: {'; '.join(classes)}." if classes else ""]
    return " ".join(text for text in texts if text)


def _above(found: AttributeAudit) -> list[str]:
    return [gap_name(name) for name in in_order(found.gaps) if found.gaps[name].above_chance]


def classes_above(found: AttributeAudit) -> list[str]:
    """The classes whose gap exceeds its corrected floor, the furthest first."""
    return [name for name in striking_classes(found, most=len(found.classes)) if _is_above(found.of_class(name))]


def _is_above(gap: Gap | None) -> bool:
    return gap is not None and gap.above_chance


def _some(names: Sequence[str]) -> list[str]:
    rest = len(names) - MOST_NAMED
    return [*names[:MOST_NAMED], plural(rest, "more", "more")] if rest > 0 else list(names)


def finding(name: str, found: AttributeAudit) -> Finding:
    """What one attribute shows, on the first screen."""
    above, classes = _above(found), classes_above(found)
    badge = (
        f"{listed(above)} {ABOVE}"
        if above
        else f"{plural(len(classes), 'class', 'classes')} {ABOVE}"
        if classes
        else WITHIN
    )
    first = next(iter(found.gaps)) if "eopp1" not in found.gaps else "eopp1"
    return Finding(name, badge, bool(above or classes), [verdict(first, found.gaps[first]), _classes(found)])


def verdict(name: str, gap: Gap) -> str:
    """The audit's own sentence about a gap; a shorter one for an audit that was written without."""
    if gap.verdict:
        return gap.verdict
    if gap.value is None:
        return f"{statistic_name(name)} is undefined: no class has images in two groups."
    state = ABOVE if gap.above_chance else WITHIN
    numbers = f"{statistic_name(name)} is {number(gap.value)} (interval {interval(gap)})"
    return f"{numbers}; chance alone reaches {number(gap.null_high)}: {state}."


def _classes(found: AttributeAudit) -> str:
    names = striking_classes(found, most=1)
    gap = found.of_class(names[0]) if names else None
    if gap is None:
        return "No single class has a gap that can be compared."
    if gap.above_chance:
        more = len(classes_above(found)) - 1
        rest = f" {plural(more, 'more class is', 'more classes are')} above chance too." if more else ""
        return f"{verdict(f'tpr[{names[0]}]', gap)}{rest}"
    return f"No single class exceeds chance, corrected for the number of classes; {names[0]} comes nearest."


def facts(audit: AuditRecord) -> str:
    """What was audited, in one line."""
    parts = [
        plural(audit.overall.n, "prediction") if audit.overall.n is not None else "",
        plural(audit.num_classes, "class", "classes"),
        plural(audit.clusters, "cluster") if audit.clusters is not None else "",
        plural(len(audit.attributes), "attribute"),
        f"accuracy {number(audit.overall.accuracy)}",
        f"macro F1 {number(audit.overall.f1)}",
    ]
    return " · ".join(part for part in parts if part)


def about(found: AttributeAudit) -> str:
    """One line about an attribute's rows."""
    parts = [plural(len(found.groups), "group")]
    if found.unknown:
        parts.append(
            f"{plural(found.unknown, 'row')} of unknown group, which {'is' if found.unknown == 1 else 'are'} in no gap"
        )
    if found.worst_group_accuracy is not None:
        parts.append(f"lowest accuracy of a group {number(found.worst_group_accuracy)}")
    if cells := len(found.small_cells):
        why = f"fewer than {FEW} images" if found.min_cell is None else f"few images hidden (limit {found.min_cell})"
        parts.append(f"{plural(cells, 'cell')} of class and group with {why}")
    return " · ".join(parts)


def limits(audit: AuditRecord) -> list[str]:
    """What this page cannot tell."""
    shown = sum(len(found.gaps) for found in audit.attributes.values())
    unit = f"the {count(audit.clusters)} clusters" if audit.clusters is not None else "single rows"
    texts = [
        "Within chance does not mean that there is no gap: it means that these images cannot show it. The number of images "
        "needed says how far away an answer is.",
        "Chance gets its share: without any true gap the floor is exceeded in one of 40 comparisons, and this page makes "
        f"{shown}. The floors of single classes are corrected for the number of classes, not for the number of attributes.",
        f"Intervals and floors are about other images of the same kind, drawn as {unit}. How much another training run of the "
        "same model would differ is not in them.",
        "Why a gap is there, and what it does to people, predictions cannot tell. Groups are what the table says.",
    ]
    if audit.clusters is None:
        texts.append(
            "If several rows are of one person or lesion and no cluster column was given, floors and intervals are too narrow."
        )
    if audit.convention == "published":
        texts.append(
            "Rates of nobody count as 0 here, as in the papers' code: a group without a class looks as if all of it were missed."
        )
    texts += list(audit.notes)
    return texts + [f"{name}: {note}" for name, found in audit.attributes.items() for note in found.notes]


def settings(audit: AuditRecord) -> dict[str, str]:
    """Everything that a repetition has to set."""
    found = {
        "convention": audit.convention,
        "classes": count(audit.num_classes),
        "attributes": listed(list(audit.attributes)),
        "resampled": "rows" if audit.clusters is None else f"{count(audit.clusters)} clusters",
        "resamples": "not recorded" if audit.n_boot is None else count(audit.n_boot),
        "seed": str(audit.seed),
    }
    limits_ = {found.min_cell for found in audit.attributes.values() if found.min_cell is not None}
    return found | ({"smallest cell shown": f"{min(limits_)} images"} if limits_ else {})

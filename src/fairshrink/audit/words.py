"""One sentence about each gap, for a reader who is no statistician. Works on the audit's JSON, where NaN is None."""

from collections.abc import Mapping, Sequence
from typing import Any

from fairshrink.audit.text import interval, number, printable

_MOST_GROUPS = 4  # named one by one; of more, the two ends
_MEANING = {
    "eopp0": "how often other images are wrongly called a class (eopp0) differs",
    "eopp1": "how often a class is found (eopp1) differs",
    "eodd": "hits and false alarms taken together (eodd) differ",
    "eodd_max": "hits or false alarms, whichever differ more (eodd_max), differ",
}
Found = Mapping[str, Any]


def verdicts(found: Found, convention: str) -> dict[str, str]:
    """The sentence of every gap of an attribute, by the gap's name, the single classes' included."""
    means = {name: [finding(name, found, convention), _smallest(found)] for name in found["gaps"]}
    single = {
        f"tpr[{name}]": [class_finding(name, found)]
        for name in found["classes"]  # its counts stand in the sentence
    }
    gaps = found["gaps"] | found["class_gaps"]
    return {name: _sentence([*parts, _needed(gaps[name], convention)]) for name, parts in (means | single).items()}


def finding(name: str, found: Found, convention: str) -> str:
    """What a mean over classes shows, without a full stop."""
    gap = found["gaps"][name]
    if gap["value"] is None:
        return f"{name} cannot be measured: no class has such a rate in two groups"
    groups = list(found["groups"])
    between = f"between {_listed(groups)}" if len(groups) == 2 else f"between the {len(groups)} groups"
    by = f"by {number(gap['value'])}" if len(groups) == 2 else f"by up to {number(gap['value'])}"
    left_out = (
        ", those that a group lacks counted as never found" if convention == "published" else " that two groups have"
    )
    over = f"over the classes{left_out if gap['undefined'] else ''}"
    text = f"{_MEANING[name]} {between} {by}, on average {over}"
    text = _capital(text)
    images = _images(found)
    if gap["value"] > gap["null_high"]:
        return (
            f"{text} ({_interval(gap)}): above the {number(gap['null_high'])} that chance reaches on {images:,} images"
        )
    return (
        f"{text}: within the {number(gap['null_high'])} that chance reaches on {images:,} images, which cannot show "
        f"whether there is a gap{_up_to(gap)}"
    )


def _up_to(gap: Found) -> str:
    """How large the gap may be; nothing where no image was treated differently, so that resampling sees no noise."""
    return f" (it may be up to {number(gap['high'])})" if gap["high"] > 0 else ""


def class_finding(name: str, found: Found) -> str:
    """What the gap of a single class shows, without a full stop."""
    gap, rates, shown = found["class_gaps"][f"tpr[{name}]"], found["classes"][name], printable(name)
    if hidden := [group for group, rate in rates.items() if rate["n"] is None]:
        return (
            f"The gap of {shown} is not shown: its images in {_listed(hidden)} are fewer than {found['min_cell']:,}, or "
            "would give away others that are"
        )
    if gap["value"] is None:
        return f"The gap of {shown} cannot be measured: fewer than two groups have images of it"
    if sum(rate["n"] > 0 for rate in rates.values()) < 2:
        return f"The gap of {shown} means nothing: fewer than two groups have images of it, and the others count as 0"
    text = f"{shown} is found in {_counts(rates)}: a gap of {number(gap['value'])}"
    family = sum(other["value"] is not None for other in found["class_gaps"].values())
    high, alone = number(gap["null_high"]), number(gap["null_alone"])
    if gap["value"] > gap["null_high"]:
        return f"{text} ({_interval(gap)}), above the {high} that chance reaches in any of {family} classes"
    if gap["value"] > gap["null_alone"]:
        return (
            f"{text}{_up_to(gap)}, within the {high} that chance reaches in any of {family} "
            f"classes, but above the {alone} for a class that was named beforehand"
        )
    return (
        f"{text}{_up_to(gap)}, within what chance reaches: {high} in any of {family} classes, "
        f"{alone} for a class that was named beforehand"
    )


def sentences(found: Found, convention: str) -> list[str]:
    """What stands under an attribute's tables: `eopp1` and the means above chance, the smallest cell, the classes to speak of."""
    gaps = found["gaps"]
    within = [name for name, gap in gaps.items() if gap["value"] is not None and gap["value"] <= gap["null_high"]]
    others = [name for name in within if name != "eopp1"]
    texts = [finding(name, found, convention) for name in gaps if name not in others]
    if others:
        also = ", too" if "eopp1" in within else ""
        texts.append(f"{_joined(others)} {'is' if len(others) == 1 else 'are'} within what chance reaches{also}")
    texts += [_capital(_smallest(found)), *(class_finding(name, found) for name in striking(found))]
    return [_sentence([text]) for text in texts if text]


def striking(found: Found) -> list[str]:
    """The classes to speak of: those above chance, the furthest first, and the nearest of the others."""
    gaps = {name: found["class_gaps"][f"tpr[{name}]"] for name in found["classes"]}
    ranked = sorted(
        (name for name, gap in gaps.items() if gap["value"] is not None), key=lambda name: -_part(gaps[name])
    )
    above = [name for name in ranked if gaps[name]["value"] > gaps[name]["null_high"]]
    return [*above, *[name for name in ranked if name not in above][:1]]


def _part(gap: Found) -> float:
    """The gap as a multiple of its floor."""
    return gap["value"] / max(gap["null_high"], 1e-9)


def _needed(gap: Found, convention: str) -> str:
    if gap["value"] is None:
        return ""
    if gap["needed"] is not None:
        return (
            f"a true gap of 0.05 would be seen in four of five cases on about {gap['needed']:,} images of the same mix"
        )
    if convention == "published" and gap["undefined"]:
        return ""
    return "a true gap of 0.05 would take more than 10 million images of the same mix to be seen in four of five cases"


def _smallest(found: Found) -> str:
    cells = {
        (group, name): rate["n"]
        for name, rates in found["classes"].items()
        for group, rate in rates.items()
        if rate["n"]
    }
    hidden = any(rate["n"] is None for rates in found["classes"].values() for rate in rates.values())
    beside = f" shown (cells under {found['min_cell']:,} are not)" if hidden else ""
    if not cells:
        return ""
    least = min(cells.values())
    first, *others = [f"{printable(name)} in {printable(group)}" for (group, name), n in cells.items() if n == least]
    also = f" and {len(others):,} more" if len(others) > 1 else f" and {others[0]}" if others else ""
    what, holds = ("smallest cells", "hold") if others else ("smallest cell", "holds")
    each = " each" if others else ""
    return f"the {what}{beside} {holds} {least:,} image{'s' if least != 1 else ''}{each} ({first}{also})"


def _counts(rates: Mapping[str, Found]) -> str:
    """Hits of each group: 40 of 125 (female) and 76 of 171 (male)."""
    there = {group: rate for group, rate in rates.items() if rate["n"]}
    texts = [
        f"{round(rate['tpr'] * rate['n']):,} of {rate['n']:,} ({printable(group)})" for group, rate in there.items()
    ]
    if len(there) <= _MOST_GROUPS:
        return _joined(texts)
    ranked = sorted(range(len(texts)), key=lambda at: list(there.values())[at]["tpr"])
    return f"{texts[ranked[0]]} to {texts[ranked[-1]]}, the lowest and the highest of {len(there)} groups"


def _images(found: Found) -> int:
    return sum(scores["n"] or 0 for scores in found["groups"].values())


def _interval(gap: Found) -> str:
    return f"interval {interval(gap)}"


def _listed(names: Sequence[str]) -> str:
    return _joined([printable(name) for name in names])


def _joined(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(parts: Sequence[str]) -> str:
    return "; ".join(part for part in parts if part) + "."

"""What a comparison of runs says, in plain words and no more than it can bear."""

from collections.abc import Sequence
from typing import NamedTuple

from fairshrink.report import splitting
from fairshrink.report.runs_changed import F1, Difference, family, pick, twins_of
from fairshrink.report.runs_front import Front
from fairshrink.report.runs_grouped import Method, Section
from fairshrink.report.runs_measured import IMAGES, SEEDS, Estimate, gap
from fairshrink.report.words import count, gap_name, listed, number, plural, probability, signed

SAME = "not distinguishable from vanilla"
_UP_DOWN = {F1: ("lower", "higher")}
_NAMES = {F1: "macro F1"}
TWINS = (
    " Models that go by the choice of another one, such as a control that is re-trained alike with nothing fixed, are "
    "compared with that one, too, among these numbers."
)
FEW_SEEDS = 5  # below it a t interval is wide whatever the method does: t(0.975, 3) is 3.2


class Verdict(NamedTuple):
    """What one attribute shows: one sentence, then one for each method."""

    attribute: str
    lead: str
    vanilla: str
    methods: list[tuple[str, list[str]]]


def name_of(quantity: str) -> str:
    """A quantity as it is printed."""
    return _NAMES.get(quantity, gap_name(quantity))


def ends(pair: tuple[float | None, float | None], *, sign: bool = False) -> str:
    """Both ends of an interval, never torn apart by the end of a line."""
    write = signed if sign else number
    return f"{write(pair[0])}\u00a0to\u00a0{write(pair[1])}"


def headline(sections: Sequence[Section], found: Sequence[Difference]) -> str:
    """The whole page in one or two sentences."""
    first = [section.attributes[0] for section in sections]
    own = [one for one in found if one.twin is None]
    told = [one for one in own if one.told and one.quantity == "eopp1"]
    lost = [one for one in own if one.told and one.quantity == F1 and (one.value or 0) < 0]
    shrunk = sum(len(section.shrunk) for section in sections)
    if not shrunk:
        return "There is no shrunk model in these runs, so nothing is compared with the vanilla model."
    over = f"of {plural(shrunk, 'shrunk model')}, after Holm over {plural(family(found), 'comparison')}"
    if not any(one.p is not None for one in own if one.quantity == "eopp1"):
        text = (
            "Whether a gap in EOpp1 is another than that of the vanilla model could not be judged in any of "
            f"{plural(shrunk, 'shrunk model')}: that takes a paired comparison (comparison.json), or two seeds that differ."
        )
    elif not told:
        text = f"No gap in EOpp1 is distinguishable from that of the vanilla model: none {over}."
    else:
        texts = [f"{one.method.label} {_moves(one)} EOpp1 in {one.attribute}" for one in told]
        text = f"{listed(texts)} ({over}); no other change of EOpp1 is distinguishable from none."
    price = list(dict.fromkeys(one.method.label for one in lost if one.attribute in first))
    return f"{text} Macro F1 is lower than vanilla's in {listed(price)}." if price else text


def _moves(one: Difference) -> str:
    return "narrows" if (one.value or 0) < 0 else "widens"


def verdicts(section: Section, found: Sequence[Difference]) -> list[Verdict]:
    """One for every audited attribute, the one that was shrunk for first."""
    return [_verdict(section, attribute, found) for attribute in section.attributes]


def _verdict(section: Section, attribute: str, found: Sequence[Difference]) -> Verdict:
    mine = [one for method in section.shrunk if (one := pick(found, method, attribute, "eopp1")) is not None]
    methods = [
        (
            method.label,
            [
                sentence(one)
                for twin in (None, *twins_of(section, method))
                for name in ("eopp1", F1)
                if (one := pick(found, method, attribute, name, twin))
            ],
        )
        for method in section.shrunk
    ]
    vanilla = " ".join(_of_vanilla(method, attribute) for method in section.methods if method.vanilla)
    return Verdict(attribute, _lead(attribute, mine), vanilla, methods)


def _lead(attribute: str, mine: Sequence[Difference]) -> str:
    """One sentence on EOpp1."""
    narrower = [one.method.label for one in mine if one.told and (one.value or 0) < 0]
    wider = [one.method.label for one in mine if one.told and (one.value or 0) > 0]
    rest = [one for one in mine if not one.told and one.p is not None]
    unjudged = sum(one.p is None for one in mine)
    parts = [f"{listed(narrower)} {'narrow' if len(narrower) > 1 else 'narrows'} EOpp1"] if narrower else []
    parts += (
        [f"{listed(wider)} {'widen' if len(wider) > 1 else 'widens'} {'it' if narrower else 'EOpp1'}"] if wider else []
    )
    if rest:
        are = "is" if len(rest) == 1 else "are"
        who = (
            "the shrunk model is" if len(mine) == 1 else f"{count(len(rest))} of {count(len(mine))} shrunk models {are}"
        )
        parts.append(f"{who} {SAME}{_hidden(rest)}")
    if unjudged:
        parts.append(
            f"{plural(unjudged, 'change')} of EOpp1 cannot be judged (one seed, or seeds that agree, and no comparison.json)"
        )
    text = "; ".join(parts) or f"there is no shrunk model to judge EOpp1 in {attribute} by"
    return f"{text[0].upper()}{text[1:]}."


def _hidden(rest: Sequence[Difference]) -> str:
    """How large a change could have been missed, in any of them."""
    reach = [one.reach for one in rest if one.reach is not None]
    if not reach:
        return ""
    down, up = max(0.0, -min(low for low, _ in reach)), max(0.0, max(high for _, high in reach))
    return f", but the data could have hidden a narrowing by {number(down)} or a widening by {number(up)}"


def sentence(one: Difference) -> str:
    """One difference in words."""
    name = name_of(one.quantity)
    name = f"{name[0].upper()}{name[1:]}" if one.twin is None else f"Against {one.twin.label}, {name}"
    same = SAME if one.twin is None else "not distinguishable from the same"
    if one.value is None:
        return f"{name} is undefined in one of the two models, so nothing can be said of its change."
    if one.p is None:
        return f"{name} changes by {signed(one.value)}, but {_unjudged(one)}."
    numbers = f"{signed(one.value)} ({_spans(one)}; p {probability(one.p_holm)} after Holm)"
    down, up = _UP_DOWN.get(one.quantity, ("narrower", "wider"))
    word = down if one.value < 0 else up
    if one.told:
        return f"{name} is {word}: {numbers}."
    alone = (
        f" Alone it would count as {word}; among all comparisons of this page it does not hold."
        if one.by_itself
        else ""
    )
    return f"{name} is {same}: {numbers}.{_could_be(one)}{alone}"


def _unjudged(one: Difference) -> str:
    if one.defined == 1 < len(one.values):
        return (
            f"it is defined in 1 of {len(one.values)} seeds and there is no paired comparison (comparison.json), so it cannot "
            "be judged"
        )
    if len(one.values) > 1:
        return "the seeds do not differ at all and there is no paired comparison on the images, so it cannot be judged"
    return "there is one seed and no paired comparison (comparison.json), so it cannot be judged"


def _spans(one: Difference) -> str:
    n = one.defined
    of = f"{n} of {len(one.values)}" if n < len(one.values) else f"{n}"
    parts = [f"over {of} seeds {ends(one.seeds.ends, sign=True)}"] if one.seeds.ends else []
    parts += [f"over the images {ends(one.images.ends, sign=True)}"] if one.images.ends else []
    return "; ".join([*parts, *(["one seed"] if len(one.values) == 1 else [])])


def _could_be(one: Difference) -> str:
    if one.reach is None:
        return ""
    low, high = one.reach
    down, up = _UP_DOWN.get(one.quantity, ("narrower", "wider"))
    parts = [f"{down} by {number(-low)}"] if low < 0 else []
    parts += [f"{up} by {number(high)}"] if high > 0 else []
    return f" It could be {' or '.join(parts)}." if parts else ""


def _of_vanilla(method: Method, attribute: str) -> str:
    """The gap that there is to narrow."""
    found = gap(method, attribute, "eopp1")
    if found.value is None:
        return f"{method.label}: EOpp1 is undefined."
    n = len(method.replicates)
    seeds = "one seed" if n == 1 else f"mean of {n} seeds"
    return f"{method.label} ({seeds}): EOpp1 {number(found.value)}, {interval_words(found)}; {above_words(found)}."


def interval_words(found: Estimate) -> str:
    """An interval and what it is over."""
    what = {SEEDS: "over the seeds", IMAGES: "over the test images"}.get(found.over)
    return f"{ends((found.low, found.high))} {what}" if what else "without an interval"


def above_words(found: Estimate) -> str:
    """Whether a gap is above what chance alone reaches."""
    n = len(found.values)
    state = ("above" if found.above else "within") if n == 1 else f"{found.above} of {n} seeds above it"
    return f"chance alone reaches {number(found.floor)}: {state}"


def hypervolume_words(found: Front) -> str:
    """What the front covers, and what it covers more than the vanilla model."""
    return (
        f"All models together cover {number(found.covered, 4)} of the plane (hypervolume from macro F1 0 and EOpp1 1), the "
        f"vanilla model alone {number(found.vanilla, 4)}: {signed(found.covered - found.vanilla, 4)}."
    )


def about(sections: Sequence[Section], found: Sequence[Difference]) -> list[str]:
    """What the intervals contain, and what this page cannot tell."""
    seeds = [len(method.replicates) for section in sections for method in section.methods]
    texts = [
        f"This page compares {plural(family(found), 'number')} with the vanilla model (EOpp1, EOpp0, EOdd and macro F1 of every "
        "shrunk model and attribute). Their p-values are adjusted together (Holm), so that any false alarm among all of them "
        f"is as rare as one alone would be: 1 in 20.{TWINS if any(one.twin for one in found) else ''}",
        "A change is told from none only when every interval that there is lies on its side of 0 and the adjusted p is at most "
        "0.05. Not distinguishable does not mean the same: the ends of the intervals say how much could have been missed.",
        "Intervals over the images (bootstrap by lesion or patient where the data name them) say how much other test images "
        "would change a number. They do not contain the variance of training: cross-fitted or not, each model was trained once.",
    ]
    texts += _about_seeds(sections, seeds)
    texts += [text for text in dict.fromkeys(map(_of_split, sections)) if text]
    texts += [
        "The Pareto front is made of points, and the luckiest points are on it: where bars overlap, another seed or other "
        "images may give another front. FATE has no interval over the images.",
        "Models were chosen on validation images, never on the images that the model is tested on; whoever takes a model "
        "because it looks best here has used the test images to choose.",
    ]
    return texts


def _about_seeds(sections: Sequence[Section], seeds: Sequence[int]) -> list[str]:
    """What intervals over the seeds contain; seeds says how many each method has."""
    texts: list[str] = []
    if max(seeds) > 1:
        texts += [
            "Intervals over the seeds (Student's t) say how much another training run would change a mean. All seeds share "
            "their test images unless data.seed differs, so they do not contain the variance of the images. For a difference "
            "there are both, and both have to exclude 0; the image intervals of several seeds are averaged, which is too wide "
            "rather than too narrow.",
            "A gap is too large by what noise adds to it, in every seed: averaging over seeds does not take that away. Compare "
            "a mean gap with the floor beside it.",
        ]
    if any(map(_splits_overlap, sections)):
        texts.append(
            "Here data.seed differs between seeds, so each seed splits the same images in another way. The splits overlap, and "
            "the t interval treats them as independent: the variance that it takes for a mean over n seeds is too small, by "
            "a factor of about 1 + n × test / training images (Nadeau and Bengio 2003). Read these intervals as too narrow."
        )
    if min(seeds) == 1:
        texts.append(
            "A model with one seed has no interval over the seeds: another seed may well change what is shown here."
        )
    if any(1 < n < FEW_SEEDS for n in seeds):
        texts.append(
            f"Fewer than {FEW_SEEDS} seeds make a t interval wide: it then tells only large changes from none."
        )
    return texts


def _splits_overlap(section: Section) -> bool:
    """Whether a method's seeds split the same images in different ways; cross-fitted ones each test all of them."""
    some = next(iter(section.runs.values()))
    drawn = some.settings.get("data", {}).get("source") == "lesions"  # other images with every seed
    seeds = [{replicate.seeds.data for replicate in method.replicates} for method in section.methods]
    return some.data.folds == 1 and not drawn and not splitting.split_file(some) and any(len(of) > 1 for of in seeds)


def _of_split(section: Section) -> str:
    text = splitting.limit(next(iter(section.runs.values())))
    return f"{section.title}: {text}" if text else ""

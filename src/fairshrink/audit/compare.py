"""What changed between two classifiers on the same rows, and whether it is more than chance."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.audit.comparison import AttributeComparison, Change, Comparison, Family, Named, adjust
from fairshrink.audit.inputs import (
    Coded,
    Codes,
    encode_clusters,
    encode_groups,
    encode_predictions,
    first_few,
    quoted,
)
from fairshrink.metrics.comparison import SCORES, Changes, changes
from fairshrink.metrics.gaps import GAPS, check_convention
from fairshrink.metrics.pairs import PairedRows, pair
from fairshrink.metrics.uncertainty import check_whole

_FEWEST_DRAWS = 39  # with fewer, no p is 0.05


class _Settings(NamedTuple):
    convention: str
    n_boot: int
    seed: int
    classes: tuple[str, ...]


class _Rows(NamedTuple):
    true: Codes
    pred: NDArray[np.int64]
    cluster: Codes | None


def compare(  # noqa: PLR0913  # Each is a choice of its own, and all but four are named.
    y_true: Any,
    y_pred_a: Any,
    y_pred_b: Any,
    sensitive_features: Any,
    *,
    num_classes: int | None = None,
    clusters: Any = None,
    convention: str = "strict",
    n_boot: int = 1000,
    seed: int = 0,
) -> Comparison:
    """The change of every score and gap from model A, the baseline, to model B, with paired intervals.

    Both models are drawn on the same rows, so that what is hard for both cancels.

    Args:
        y_true: True classes, (N,), as for `audit`.
        y_pred_a: Classes that A predicted, (N,), row by row those of y_true.
        y_pred_b: Classes that B predicted, (N,).
        sensitive_features: Group of each sample, or several attributes, as for `audit`.
        num_classes: Classes are 0 to num_classes - 1. None: the categories of y_true, or else the union of labels and both
            models' predictions.
        clusters: Lesion or patient of each sample, (N,): resampled as wholes.
        convention: "strict" or "published", as for `audit`.
        n_boot: Paired draws.
        seed: Of the draws.

    Returns:
        Changes are B - A: below 0 for a gap that narrows. `p_holm` is adjusted over all scores, all gaps, or all single
        classes of this comparison; `adjust` (from fairshrink.audit import adjust) does so over several.

    Raises:
        DataError: Lengths differ, nothing there, missing labels, one group only, a class out of range.
        ConfigError: num_classes, convention, n_boot or seed cannot be used.
    """
    check_convention(convention)
    n_boot, seed = check_whole("n_boot", n_boot, 1), check_whole("seed", seed, 0)
    predictions = {"y_pred_a": y_pred_a, "y_pred_b": y_pred_b}
    true, pred, names = encode_predictions(y_true, predictions, num_classes)
    attributes = encode_groups(sensitive_features, true.size)
    cluster, alone = encode_clusters(clusters, true.size)
    settings, rows = _Settings(convention, n_boot, seed, names), _Rows(true, np.stack(pred), cluster)
    declared = num_classes is not None or isinstance(getattr(y_true, "dtype", None), pd.CategoricalDtype)
    compared = {attribute.name: _compare_attribute(rows, attribute, settings) for attribute in attributes}
    found = Comparison(
        models=("A", "B"),
        overall=_overall(rows, settings),
        attributes=compared,
        convention=convention,
        num_classes=len(names),
        n_boot=n_boot,
        seed=seed,
        clusters=None if cluster is None else int(np.unique(cluster).size),
        notes=(*_notes(settings, declared, alone), *_left_out(attributes, compared)),
    )
    return adjust([found])[0]


def _overall(rows: _Rows, settings: _Settings) -> Named:
    """All rows as one group, those of unknown group too."""
    pairs = pair(
        PairedRows(rows.true, rows.pred, np.zeros_like(rows.true), rows.cluster),
        num_groups=1,
        num_classes=len(settings.classes),
    )
    found = changes(pairs, convention=settings.convention, n_boot=settings.n_boot, seed=settings.seed)
    return _named(SCORES, list(SCORES), ("scores", [rows.true.size] * len(SCORES)), found.scores)


def _compare_attribute(rows: _Rows, attribute: Coded, settings: _Settings) -> AttributeComparison:
    groups, classes = attribute.names, settings.classes
    pairs = pair(
        PairedRows(rows.true, rows.pred, attribute.codes, rows.cluster),
        num_groups=len(groups),
        num_classes=len(classes),
    )
    found = changes(pairs, convention=settings.convention, n_boot=settings.n_boot, seed=settings.seed)
    known = attribute.codes >= 0
    sizes, everyone = np.bincount(attribute.codes[known], minlength=len(groups)).tolist(), int(known.sum())
    of_class = np.bincount(rows.true[known], minlength=len(classes)).tolist()
    by_group = {}
    for at, group in enumerate(groups):
        titles = [f"{score} of '{group}'" for score in SCORES]
        by_group[group] = _named(SCORES, titles, ("scores", [sizes[at]] * len(SCORES)), found.scores, at * len(SCORES))
    over = ("average_f1", "worst_group_accuracy")
    single = [f"tpr[{name}]" for name in classes]
    return AttributeComparison(
        groups=by_group,
        scores=_named(over, list(over), ("scores", [everyone, everyone]), found.scores, len(groups) * len(SCORES)),
        gaps=_named(GAPS, list(GAPS), ("gaps", [everyone] * len(GAPS)), found.gaps),
        class_gaps=_named(single, single, ("classes", of_class), found.gaps, len(GAPS)),
    )


def _named(
    keys: Sequence[str], titles: Sequence[str], of: tuple[Family, list[int]], found: Changes, start: int = 0
) -> Named:
    """The changes from `start` on, by name."""
    family, images = of
    named = {}
    for at, (key, title, rows) in enumerate(zip(keys, titles, images, strict=True), start=start):
        a, b, low, high, p = (float(end[at]) for end in (found.a, found.b, found.low, found.high, found.p))
        named[key] = Change(title, family, rows, a=a, b=b, low=low, high=high, p=p)
    return named


def _notes(settings: _Settings, declared: bool, alone: int) -> list[str]:
    notes = []
    if not declared:
        notes.append(
            f"num_classes was not given: the {len(settings.classes)} classes are the union of labels and of both models' "
            "predictions; a class that occurs in none of them is not counted."
        )
    if alone:
        notes.append(f"{alone:,} rows have no cluster: each was resampled by itself.")
    if settings.n_boot < _FEWEST_DRAWS:
        notes.append(
            f"{settings.n_boot:,} resamples are too few for a 95 % interval: ask for {_FEWEST_DRAWS} or more, better 1,000."
        )
    return notes


def _left_out(attributes: Sequence[Coded], compared: dict[str, AttributeComparison]) -> list[str]:
    """Groups that nobody is in, and what cannot be compared."""
    notes = [f"{a.name}: nobody is in {first_few(quoted(a.empty))}: left out." for a in attributes if a.empty]
    for name, found in compared.items():
        blank = [gap for gap, change in (found.gaps | found.class_gaps).items() if np.isnan(change.change)]
        if blank:
            notes.append(
                f"{name}: {first_few(blank)} cannot be compared: fewer than two groups have images of the class."
            )
    return notes

"""One sensitive attribute: its scores, gaps, single classes and probabilities, from rows in codes."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairshrink.audit.inputs import Coded, Codes, first_few, quoted
from fairshrink.audit.probabilities import Probabilistic, bins, by_group
from fairshrink.audit.record import AttributeAudit, Gap, record, without_nan
from fairshrink.audit.text import FEW
from fairshrink.audit.words import verdicts
from fairshrink.metrics.counts import GroupCounts, count
from fairshrink.metrics.gaps import GAPS, gaps, tpr_gaps
from fairshrink.metrics.power import Floors, images_needed
from fairshrink.metrics.rates import accuracy, f1, fpr, precision, recall, tnr, tpr, worst_group_accuracy
from fairshrink.metrics.uncertainty import Uncertainty, uncertainty
from fairshrink.metrics.units import units_of_clusters, units_of_rows

SCORES = {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}
Rates = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Rows:
    """The rows of an audit (N), in codes.

    Attributes:
        true: True classes.
        pred: Predicted classes.
        cluster: Lesions or patients; None: every row by itself.
        prob: Probabilities, (N, C), or None.
        classes: Names of the classes.
    """

    true: Codes
    pred: Codes
    cluster: Codes | None
    prob: NDArray[np.float64] | None
    classes: tuple[str, ...]

    def only(self, keep: NDArray[np.bool_]) -> "Rows":
        """Some of the rows."""
        cluster = None if self.cluster is None else self.cluster[keep]
        prob = None if self.prob is None else self.prob[keep]
        return replace(self, true=self.true[keep], pred=self.pred[keep], cluster=cluster, prob=prob)


@dataclass(frozen=True)
class Settings:
    """What an audit was asked for: see `audit`."""

    convention: str
    n_boot: int
    seed: int
    min_cell: int | None


def audit_attribute(rows: Rows, attribute: Coded, settings: Settings, hidden: NDArray[np.bool_]) -> AttributeAudit:
    """Everything about one attribute.

    Args:
        rows: The rows that may be used.
        attribute: Their groups.
        settings: What was asked for.
        hidden: Cells whose rows were left out, (G, C).
    """
    classes, codes, convention = rows.classes, attribute.codes, settings.convention
    counts = count(rows.true, rows.pred, codes, num_groups=len(attribute.names), num_classes=len(classes))
    found = _gaps(rows, codes, counts, settings)
    seen = None if rows.prob is None else by_group(rows.prob, rows.true, attribute, settings.seed)
    rates = _class_rates(counts, attribute.names, classes, hidden, seen)
    names = [f"tpr[{name}]" for name in classes]
    single = [_not_shown(gap) if hidden[:, k].any() else gap for k, gap in enumerate(found[len(GAPS) :])]
    scores = group_scores(counts)
    of_groups = scores[list(SCORES)]
    return _with_words(
        AttributeAudit(
            name=attribute.name,
            by_group=_by_group(scores, attribute, hidden, seen),
            gaps=dict(zip(GAPS, found, strict=False)),
            classes=rates,
            class_gaps=dict(zip(names, single, strict=True)),
            worst_group_accuracy=float(worst_group_accuracy(counts.counts)),
            average=record(of_groups.mean()),
            difference=record(of_groups.max() - of_groups.min()),
            unknown=int((codes < 0).sum()),
            notes=(*_empty(attribute), *_lacking(counts, attribute.names, classes, convention, hidden)),
            small_cells=_small(rates),
            min_cell=settings.min_cell,
            calibration=None if seen is None or settings.min_cell else bins(seen.curve, attribute.names),
        ),
        convention,
    )


def group_scores(counts: GroupCounts) -> pd.DataFrame:
    """n, accuracy, and macro precision, recall and f1 of each group."""
    table = {"n": counts.counts.sum((1, 2))} | {name: score(counts.counts) for name, score in SCORES.items()}
    return pd.DataFrame(table)


def _gaps(rows: Rows, codes: Codes, counts: GroupCounts, settings: Settings) -> list[Gap]:
    """The means over classes, then the single classes."""
    convention = settings.convention
    if rows.cluster is None:
        units = units_of_rows(counts)
    else:
        units = units_of_clusters(rows.true, rows.pred, codes, rows.cluster, counts)
    sure = uncertainty(units, convention=convention, n_boot=settings.n_boot, seed=settings.seed)
    needed = images_needed(counts.counts, Floors(sure.null_high, sure.null_alone), convention, seed=settings.seed)
    undefined = [int(gap.undefined) for gap in gaps(counts.counts, convention).values()]
    undefined += tpr_gaps(counts.counts, convention).undefined.astype(int).tolist()
    return [_gap(sure, needed, at, missing) for at, missing in enumerate(undefined)]


def _gap(sure: Uncertainty, needed: NDArray[np.float64], at: int, undefined: int) -> Gap:
    ends = (sure.value, sure.low, sure.high, sure.null_mean, sure.null_high, sure.null_alone)
    value, low, high, null_mean, null_high, null_alone = (float(end[at]) for end in ends)
    images = int(needed[at]) if np.isfinite(needed[at]) and not np.isnan(value) else None
    return Gap(value, low, high, null_mean, null_high, null_alone, undefined, images)


def _not_shown(gap: Gap) -> Gap:
    nan = float("nan")
    return Gap(nan, nan, nan, nan, nan, nan, gap.undefined)


def _with_words(found: AttributeAudit, convention: str) -> AttributeAudit:
    words = verdicts(without_nan(found.to_dict()), convention)
    means = {name: replace(gap, verdict=words[name]) for name, gap in found.gaps.items()}
    single = {name: replace(gap, verdict=words[name]) for name, gap in found.class_gaps.items()}
    return replace(found, gaps=means, class_gaps=single)


def _by_group(
    scores: pd.DataFrame, attribute: Coded, hidden: NDArray[np.bool_], seen: Probabilistic | None
) -> pd.DataFrame:
    table = scores if seen is None else pd.concat([scores, seen.scores], axis=1)
    whole = hidden.any(1) & (table["n"].to_numpy() == 0)
    if whole.any():
        table["n"] = table["n"].astype(np.float64).mask(whole)
    return table.set_axis(pd.Index(attribute.names, name=attribute.name))


def _class_rates(
    counts: GroupCounts,
    groups: tuple[str, ...],
    classes: tuple[str, ...],
    hidden: NDArray[np.bool_],
    seen: Probabilistic | None,
) -> Rates:
    support = np.where(hidden, np.nan, counts.counts.sum(-1))
    rates = {"tpr": tpr(counts.counts), "tnr": tnr(counts.counts), "fpr": fpr(counts.counts)}
    if seen is not None:
        rates["auc"] = seen.auc
    shown = {rate: np.where(hidden, np.nan, values) for rate, values in rates.items()}
    return {
        name: {
            group: record({"n": support[g, k]} | {rate: values[g, k] for rate, values in shown.items()})
            for g, group in enumerate(groups)
        }
        for k, name in enumerate(classes)
    }


def _small(rates: Rates) -> tuple[dict[str, Any], ...]:
    """Cells that are filled with fewer than ten, and those that are hidden."""
    return tuple(
        {"group": group, "class": name, "n": rate["n"]}
        for name, of_groups in rates.items()
        for group, rate in of_groups.items()
        if not (rate["n"] == 0 or rate["n"] >= FEW)
    )


def _empty(attribute: Coded) -> list[str]:
    return [f"nobody is in {first_few(quoted(attribute.empty))}: left out of the gaps."] if attribute.empty else []


def _lacking(
    counts: GroupCounts,
    groups: tuple[str, ...],
    classes: tuple[str, ...],
    convention: str,
    hidden: NDArray[np.bool_],
) -> list[str]:
    """One sentence for each group that lacks classes."""
    then = "it counts as 0" if convention == "published" else "it is left out"
    there = (counts.counts.sum(-1) > 0) | hidden
    lacking = {group: [name for k, name in enumerate(classes) if not there[g, k]] for g, group in enumerate(groups)}
    return [
        f"nobody in '{group}' has {first_few(names)} ({len(names)} of {len(classes)} classes): "
        f"the TPR there is undefined, and {then}."
        for group, names in lacking.items()
        if names
    ]

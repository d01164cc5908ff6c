"""How differently a classifier treats groups of people, from labels, predictions and groups alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fairshrink.audit.inputs import Coded, Codes, encode_clusters, encode_groups, encode_labels, first_few, quoted
from fairshrink.audit.record import AttributeAudit, Audit, Gap, record
from fairshrink.metrics.counts import GroupCounts, count
from fairshrink.metrics.gaps import GAPS, check_convention, gaps, tpr_gaps
from fairshrink.metrics.rates import accuracy, f1, fpr, precision, recall, tnr, tpr, worst_group_accuracy
from fairshrink.metrics.uncertainty import Uncertainty, check_whole, uncertainty
from fairshrink.metrics.units import units_of_clusters, units_of_rows

SCORES = {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}


def audit(
    y_true: Any,
    y_pred: Any,
    sensitive_features: Any,
    *,
    num_classes: int | None = None,
    clusters: Any = None,
    convention: str = "strict",
    n_boot: int = 1000,
    seed: int = 0,
) -> Audit:
    """Scores by group, gaps between groups, and how much of them is chance.

    Args:
        y_true: True classes, (N,): integers, text or anything hashable. A pandas Categorical names the classes and
            their order: `pd.Categorical.from_codes(codes, categories=names)`.
        y_pred: Predicted classes, (N,), in the same form.
        sensitive_features: Group of each sample, (N,); or a dict or DataFrame of several attributes, whose
            intersection is audited too. None, NaN, "" and the integer -1 are unknown: counted and left out of groups.
            The order of a Categorical's categories is kept; one that nobody is in is said in the attribute's notes.
        num_classes: Classes are 0 to num_classes - 1. None: the categories of y_true, or else the union of labels and
            predictions; a class that nobody has or gets is then not known of, and the audit says so.
        clusters: Lesion or patient of each sample, (N,): resampled and permuted as wholes.
        convention: "strict": rates of nobody are left out. "published": they count as 0, as in the papers' code.
        n_boot: Draws for each floor and interval.
        seed: Of the draws.

    Raises:
        DataError: Lengths differ, nothing there, missing labels, one group only, a class out of range.
        ConfigError: num_classes, convention, n_boot or seed cannot be used.
    """
    check_convention(convention)
    n_boot, seed = check_whole("n_boot", n_boot, 1), check_whole("seed", seed, 0)
    true, pred, names = encode_labels(y_true, y_pred, num_classes)
    attributes = encode_groups(sensitive_features, true.size)
    cluster, alone = encode_clusters(clusters, true.size)
    everyone = count(true, pred, np.zeros_like(true), num_groups=1, num_classes=len(names))
    settings = {"convention": convention, "n_boot": n_boot, "seed": seed}
    return Audit(
        overall=record(_scores(everyone).iloc[0]),
        attributes={a.name: _audit_attribute((true, pred, cluster), a, names, settings) for a in attributes},
        num_classes=len(names),
        class_names=names,
        clusters=None if cluster is None else int(np.unique(cluster).size),
        notes=_notes(y_true, num_classes, names, alone),
        **settings,
    )


def _audit_attribute(
    rows: tuple[Codes, Codes, Codes | None], attribute: Coded, classes: tuple[str, ...], settings: Mapping[str, Any]
) -> AttributeAudit:
    true, pred, cluster = rows
    counts = count(true, pred, attribute.codes, num_groups=len(attribute.names), num_classes=len(classes))
    codes = attribute.codes
    units = units_of_rows(counts) if cluster is None else units_of_clusters(true, pred, codes, cluster, counts)
    sure = uncertainty(units, **settings)
    undefined = [int(gap.undefined) for gap in gaps(counts.counts, settings["convention"]).values()]
    undefined += tpr_gaps(counts.counts, settings["convention"]).undefined.astype(int).tolist()
    found = [_gap(sure, at, missing) for at, missing in enumerate(undefined)]
    scores = _scores(counts)
    by_group = scores.set_axis(pd.Index(attribute.names, name=attribute.name))
    of_groups = scores[list(SCORES)]
    return AttributeAudit(
        name=attribute.name,
        by_group=by_group,
        gaps=dict(zip(GAPS, found, strict=False)),
        classes=_class_rates(counts, attribute.names, classes),
        class_gaps={f"tpr[{name}]": gap for name, gap in zip(classes, found[len(GAPS) :], strict=True)},
        worst_group_accuracy=float(worst_group_accuracy(counts.counts)),
        average=record(of_groups.mean()),
        difference=record(of_groups.max() - of_groups.min()),
        unknown=int((attribute.codes < 0).sum()),
        notes=(*_empty(attribute), *_lacking(counts, attribute.names, classes, settings["convention"])),
    )


def _scores(counts: GroupCounts) -> pd.DataFrame:
    table = {"n": counts.counts.sum((1, 2))} | {name: score(counts.counts) for name, score in SCORES.items()}
    return pd.DataFrame(table)


def _class_rates(
    counts: GroupCounts, groups: tuple[str, ...], classes: tuple[str, ...]
) -> dict[str, dict[str, dict[str, float]]]:
    support = counts.counts.sum(-1)
    rates = {"tpr": tpr(counts.counts), "tnr": tnr(counts.counts), "fpr": fpr(counts.counts)}
    return {
        name: {
            group: {"n": int(support[g, k])} | {rate: float(values[g, k]) for rate, values in rates.items()}
            for g, group in enumerate(groups)
        }
        for k, name in enumerate(classes)
    }


def _empty(attribute: Coded) -> list[str]:
    return [f"nobody is in {first_few(quoted(attribute.empty))}: left out of the gaps."] if attribute.empty else []


def _lacking(counts: GroupCounts, groups: tuple[str, ...], classes: tuple[str, ...], convention: str) -> list[str]:
    """One sentence for each group that lacks classes."""
    then = "it counts as 0" if convention == "published" else "it is left out"
    support = counts.counts.sum(-1)
    lacking = {group: [name for k, name in enumerate(classes) if not support[g, k]] for g, group in enumerate(groups)}
    return [
        f"nobody in '{group}' has {first_few(names)} ({len(names)} of {len(classes)} classes): "
        f"the TPR there is undefined, and {then}."
        for group, names in lacking.items()
        if names
    ]


def _notes(y_true: Any, num_classes: int | None, names: tuple[str, ...], alone: int) -> tuple[str, ...]:
    notes = []
    if num_classes is None and not isinstance(getattr(y_true, "dtype", None), pd.CategoricalDtype):
        notes.append(
            f"num_classes was not given: the {len(names)} classes are the union of labels and predictions; "
            "a class that occurs in neither is not counted."
        )
    if alone:
        notes.append(f"{alone:,} rows have no cluster: each was resampled by itself.")
    return tuple(notes)


def _gap(sure: Uncertainty, at: int, undefined: int) -> Gap:
    ends = (sure.value, sure.low, sure.high, sure.null_mean, sure.null_high)
    value, low, high, null_mean, null_high = (float(end[at]) for end in ends)
    return Gap(value, low, high, null_mean, null_high, undefined)

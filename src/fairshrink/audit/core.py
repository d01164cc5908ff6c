"""How differently a classifier treats groups of people, from labels, predictions and groups alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from fairshrink.audit.attribute import Rows, Settings, audit_attribute, group_scores
from fairshrink.audit.inputs import Coded, Codes, encode_clusters, encode_groups, encode_labels, first_few, quoted
from fairshrink.audit.privacy import Suppressed, nothing_suppressed, suppress
from fairshrink.audit.probabilities import encode_probabilities
from fairshrink.audit.record import Audit, record
from fairshrink.errors import ConfigError
from fairshrink.metrics.counts import count
from fairshrink.metrics.gaps import check_convention
from fairshrink.metrics.uncertainty import check_whole


def audit(  # noqa: PLR0913  # Each is a choice of its own, and all but three are named.
    y_true: Any,
    y_pred: Any,
    sensitive_features: Any,
    *,
    y_prob: Any = None,
    num_classes: int | None = None,
    clusters: Any = None,
    convention: str = "strict",
    min_cell: int | None = None,
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
        y_prob: Probabilities, (N, C) in the order of the classes, or a DataFrame with a column for each class; adds AUC
            and calibration by group. None: neither.
        num_classes: Classes are 0 to num_classes - 1. None: the categories of y_true, or else the union of labels and
            predictions; a class that nobody has or gets is then not known of, and the audit says so.
        clusters: Lesion or patient of each sample, (N,): resampled and permuted as wholes.
        convention: "strict": rates of nobody are left out. "published": they count as 0, as in the papers' code.
        min_cell: For privacy: a group's samples of a class that are fewer than this are left out of every number of the
            audit, and with them what would give them away; names of classes and groups stay. See
            `fairshrink.audit.privacy.suppress` for how, and for what it does not protect. None: nothing is suppressed.
        n_boot: Draws for each floor and interval.
        seed: Of the draws.

    Raises:
        DataError: Lengths differ, nothing there, missing labels, one group only, a class out of range, probabilities that
            are none, no cell as large as min_cell.
        ConfigError: num_classes, convention, min_cell, n_boot or seed cannot be used.
    """
    settings = _settings(convention, n_boot, seed, min_cell)
    true, pred, names = encode_labels(y_true, y_pred, num_classes)
    attributes = encode_groups(sensitive_features, true.size)
    cluster, alone = encode_clusters(clusters, true.size)
    rows = Rows(true, pred, cluster, encode_probabilities(y_prob, names, true.size), names)
    if settings.min_cell is None:
        left = nothing_suppressed(attributes, true.size, len(names))
    else:
        left = suppress(true, attributes, len(names), settings.min_cell)
    rows = rows.only(left.keep)
    everyone = count(rows.true, rows.pred, np.zeros_like(rows.true), num_groups=1, num_classes=len(names))
    found = {a.name: audit_attribute(rows, _only(a, left.keep), settings, left.hidden[a.name]) for a in attributes}
    return Audit(
        overall=record(group_scores(everyone).iloc[0]),
        attributes=found,
        num_classes=len(names),
        class_names=names,
        clusters=None if rows.cluster is None else int(np.unique(rows.cluster).size),
        notes=(
            *_class_notes(y_true, num_classes, true, rows),
            *_row_notes(rows, alone, left, settings.min_cell),
        ),
        convention=convention,
        n_boot=settings.n_boot,
        seed=settings.seed,
    )


def _settings(convention: str, n_boot: Any, seed: Any, min_cell: Any) -> Settings:
    check_convention(convention)
    n_boot, seed = check_whole("n_boot", n_boot, 1), check_whole("seed", seed, 0)
    if min_cell is not None:
        min_cell = check_whole("min_cell", min_cell, 2)
        if convention == "published":
            raise ConfigError(
                "min_cell cannot be used with the convention 'published', which would count a hidden cell as never found: "
                "use 'strict'."
            )
    return Settings(convention, n_boot, seed, min_cell)


def _only(attribute: Coded, keep: np.ndarray) -> Coded:
    return replace(attribute, codes=attribute.codes[keep])


def _class_notes(y_true: Any, num_classes: int | None, true: Codes, rows: Rows) -> list[str]:
    """Where the classes come from, and which are predicted although nobody has them."""
    notes, names = [], rows.classes
    if num_classes is None and not isinstance(getattr(y_true, "dtype", None), pd.CategoricalDtype):
        notes.append(
            f"num_classes was not given: the {len(names)} classes are the union of labels and predictions; "
            "a class that occurs in neither is not counted."
        )
    nobody = np.bincount(true, minlength=len(names)) == 0
    strange = [name for k, name in enumerate(names) if nobody[k] and (rows.pred == k).any()]
    if strange:
        wrong = int(nobody[rows.pred].sum())
        notes.append(
            f"{wrong:,} predictions are of {first_few(quoted(strange))}, which no label is: they count as wrong."
        )
    return notes


def _row_notes(rows: Rows, alone: int, left: Suppressed, min_cell: int | None) -> list[str]:
    """Rows without cluster, rows whose prediction is not the likeliest class, rows that are not shown."""
    notes = []
    if alone:
        # How many there are could tell how many are hidden.
        who = f"{alone:,} rows have no cluster: each" if min_cell is None else "Of rows without cluster each"
        notes.append(f"{who} was resampled by itself.")
    if rows.prob is not None and (other := int((rows.prob.argmax(1) != rows.pred).sum())):
        notes.append(
            f"in {other:,} rows the prediction is not the class with the largest probability (the first of equal ones): "
            "the gaps are about the prediction, calibration about that class."
        )
    if any(table.any() for table in left.hidden.values()):
        notes.append(
            f"cells of a group and a class with fewer than {min_cell:,} rows are not shown, and neither are cells that would "
            "give them away. Their rows are left out of every number here, the overall ones too; how many they are is not said."
        )
    return notes

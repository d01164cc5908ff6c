"""What a run writes down: the data card, predictions, steps, the environment."""

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from fairshrink.compress.steps import Step
from fairshrink.data.groups import Attribute
from fairshrink.data.splits import PARTS, empty_cells, unassigned
from fairshrink.lab.config import Experiment
from fairshrink.lab.data import Prepared
from fairshrink.metrics.counts import GroupCounts
from fairshrink.metrics.rates import accuracy, f1, precision, recall
from fairshrink.metrics.soft import Soft
from fairshrink.train.evaluate import Predictions
from fairshrink.train.processes import crew

SOFT_SUMS = ("support", "true_prob", "log_loss")


def data_card(experiment: Experiment, prepared: Prepared) -> dict[str, Any]:
    """Who is in the data: classes by group, splits, what was left out and why."""
    dataset, splits = prepared.dataset, prepared.splits
    first = dataset.attribute()
    shape = (len(dataset.classes), len(first.groups))
    return {
        "name": dataset.name,
        "count": len(dataset.ids),
        "size": experiment.data.size,
        "classes": list(dataset.classes),
        "digest": dataset.digest,
        "split_digest": _split_digest(prepared),
        "split_by": experiment.data.split_by,
        "folds": experiment.data.folds,
        "seed": experiment.data.seed,
        "shrunk_for": next(iter(dataset.attributes)),
        "attributes": {name: _attribute_card(a, dataset.counts(name)) for name, a in dataset.attributes.items()},
        "clusters_across": _clusters_across(dataset.clusters, splits),
        "splits": [{name: int((row == code).sum()) for code, name in enumerate(PARTS)} for row in splits],
        "empty_cells": [cell._asdict() for cell in empty_cells(splits, dataset.labels, first.codes, shape=shape)],
        "coverage": None if dataset.coverage is None else dataset.coverage._asdict(),
        "excluded": pd.concat([dataset.excluded, unassigned(splits, dataset.ids)]).to_dict("records"),
    }


def _split_digest(prepared: Prepared) -> str:
    """SHA-256 of which image is in which part of each fold."""
    known = [prepared.dataset.ids.tolist(), prepared.splits.tolist()]
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _clusters_across(clusters: NDArray[np.str_] | None, splits: NDArray[np.int8]) -> int | None:
    """How many lesions or patients lie in more than one part of a fold; None where every image is its own."""
    if clusters is None:
        return None
    names, codes = np.unique(clusters, return_inverse=True)
    across = np.zeros(len(names), dtype=bool)
    for row in splits:
        seen = np.zeros((len(PARTS), len(names)), dtype=bool)
        seen[row[row >= 0], codes[row >= 0]] = True
        across |= seen.sum(axis=0) > 1
    return int(across.sum())


def _attribute_card(attribute: Attribute, counts: NDArray[np.int64]) -> dict[str, Any]:
    unknown = int((attribute.codes < 0).sum())
    return {"groups": list(attribute.groups), "unknown": unknown, "counts": counts.tolist()}


def predictions_table(
    prepared: Prepared, rows: NDArray[np.int64], fold: int, seen: Predictions, exits: Sequence[str] | None = None
) -> pd.DataFrame:
    """One row per test image: id, fold, label, prediction, each attribute, the cluster, the exit, the probabilities.

    Args:
        prepared: The data.
        rows: Which images.
        fold: Which fold's model.
        seen: What it says of them.
        exits: Names of the exits, where there are several.
    """
    dataset = prepared.dataset
    classes = np.array(dataset.classes, dtype=object)
    columns: dict[str, Any] = {
        "id": dataset.ids[rows],
        "fold": fold,
        "label": classes[dataset.labels[rows]],
        "prediction": classes[seen.pred],
    }
    columns |= {name: group_names(a)[a.codes[rows]] for name, a in dataset.attributes.items()}
    if dataset.clusters is not None:
        columns["cluster"] = dataset.clusters[rows]
    if exits is not None:
        columns["exit"] = np.array(exits, dtype=object)[seen.exit]
    columns |= {f"prob_{name}": seen.prob[:, k].round(6) for k, name in enumerate(dataset.classes)}
    return pd.DataFrame(columns)


def group_names(attribute: Attribute) -> NDArray[np.object_]:
    """Names by code; the last one, which code -1 finds, is empty: unknown."""
    return np.array([*attribute.groups, ""], dtype=object)


def step_record(step: Step, groups: Sequence[str]) -> dict[str, Any]:
    """A step as it is written down, counts and sums of probabilities included, so that it can be read back exactly."""
    record: dict[str, Any] = {
        "ratio": step.ratio,
        "fixed": step.fixed,
        "total": step.total,
        "seconds": round(step.seconds, 3),
        "overall": scores(step.counts.counts.sum(axis=0, keepdims=True), ["all"])["all"],
        "groups": scores(step.counts.counts, groups),
        "gaps": step.gaps,
        "criteria": step.criteria,
        "counts": step.counts.counts.tolist(),
    }
    if step.soft is not None:
        record["soft"] = {name: getattr(step.soft, name).tolist() for name in SOFT_SUMS}
    return record


def read_step(record: Mapping[str, Any]) -> Step:
    """A step as it was before it was written down."""
    counts = GroupCounts(np.array(record["counts"], dtype=np.int64))
    soft = Soft(**{name: np.array(record["soft"][name]) for name in SOFT_SUMS}) if "soft" in record else None
    return Step(record["ratio"], record["fixed"], record["total"], record["seconds"], counts, soft)


def scores(counts: NDArray[np.int64], groups: Sequence[str]) -> dict[str, dict[str, float]]:
    """n, accuracy and macro precision, recall and F1 of each group, from counts (G, C, C)."""
    table = {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}
    values = {name: rate(counts) for name, rate in table.items()}
    sizes = counts.sum(axis=(1, 2))
    return {
        group: {"n": int(sizes[g])} | {name: float(value[g]) for name, value in values.items()}
        for g, group in enumerate(groups)
    }


def environment(threads: int) -> dict[str, Any]:
    """Where the run takes place: what somebody needs to get the same bits, or to know why not."""
    return {
        "fairshrink": version("fairshrink"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "processes": crew().count,
        "device": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu",
        "started": now(),
    }


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"

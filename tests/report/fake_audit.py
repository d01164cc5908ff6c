"""Audits and comparisons as the audit room writes them, made up: realistic layout, no computation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SCORES = ("accuracy", "precision", "recall", "f1")


def fake_gap(value: float, chance: float, spread: float, *, alone: bool = False) -> dict[str, Any]:
    """A gap; that of a single class also has its own floor, below the corrected one."""
    high = 1.3 * chance
    return {
        "value": value,
        "low": max(0.0, value - 1.96 * spread),
        "high": value + 1.96 * spread,
        "null_mean": 0.7 * chance,
        "null_high": high,
        "undefined": 0,
    } | ({"null_alone": 0.8 * high} if alone else {})


def fake_audit(
    attributes: Mapping[str, Sequence[str]],
    classes: Sequence[str],
    *,
    probabilities: bool = False,
    min_cell: int | None = None,
    sizes: Sequence[int] = (300, 40, 7),
) -> dict[str, Any]:
    """An audit of the given groups and classes; class c of group g has sizes[c + g] images, over and over."""
    rng = np.random.default_rng(5)
    found = {
        name: _attribute(list(groups), list(classes), rng, (sizes, probabilities, min_cell))
        for name, groups in attributes.items()
    }
    overall = {"n": 4000, "accuracy": 0.81, "precision": 0.62, "recall": 0.6, "f1": 0.61}
    return {
        "overall": overall,
        "attributes": found,
        "convention": "strict",
        "num_classes": len(classes),
        "class_names": list(classes),
        "n_boot": 1000,
        "seed": 0,
        "clusters": 3100,
        "notes": ["the classes are as given"],
    }


def _attribute(
    groups: list[str], classes: list[str], rng: np.random.Generator, how: tuple[Sequence[int], bool, int | None]
) -> dict[str, Any]:
    sizes, probabilities, min_cell = how
    rates = {
        c: {g: _rates(sizes[(i + j) % len(sizes)], rng, probabilities, min_cell) for j, g in enumerate(groups)}
        for i, c in enumerate(classes)
    }
    small = [
        {"group": g, "class": c, "n": rate["n"]}
        for c, of in rates.items()
        for g, rate in of.items()
        if rate["n"] is None or 0 < rate["n"] < 10
    ]
    class_gaps = {f"tpr[{c}]": fake_gap(float(rng.uniform(0, 0.2)), 0.09, 0.03, alone=True) for c in classes}
    gaps = {name: fake_gap(float(rng.uniform(0, 0.1)), 0.04, 0.015) for name in ("eopp0", "eopp1", "eodd", "eodd_max")}
    for name, gap in (gaps | class_gaps).items():
        gap |= {"needed": 12_000, "verdict": f"In words: {name} is {gap['value']:.3f}."}
    return {
        "groups": {g: _scores(rng, probabilities) for g in groups},
        "gaps": gaps,
        "classes": rates,
        "class_gaps": class_gaps,
        "worst_group_accuracy": 0.79,
        "average": {},
        "difference": {},
        "unknown": 57,
        "notes": [f"nobody in '{groups[0]}' has one class"],
        "small_cells": small,
        "min_cell": min_cell,
        "calibration": {g: {"bins": _bins(rng)} for g in groups} if probabilities else None,
    }


def _rates(n: int, rng: np.random.Generator, probabilities: bool, min_cell: int | None) -> dict[str, Any]:
    if min_cell is not None and n < min_cell:
        return {"n": None, "tpr": None, "tnr": None, "fpr": None}
    rates = {"n": n, "tpr": float(rng.uniform(0.4, 0.9)), "tnr": 0.93, "fpr": 0.07}
    return rates | ({"auc": 0.88} if probabilities else {})


def _scores(rng: np.random.Generator, probabilities: bool) -> dict[str, Any]:
    scores = {"n": int(rng.integers(500, 2000))} | {name: float(rng.uniform(0.5, 0.8)) for name in SCORES}
    return scores | ({"auc": 0.9, "ece": 0.08, "ece_null_mean": 0.01, "ece_null_high": 0.03} if probabilities else {})


def _bins(rng: np.random.Generator) -> list[dict[str, Any]]:
    bins = []
    for low in np.arange(10) / 10:
        known = low >= 0.3
        middle = float(low + 0.05)
        bins.append(
            {
                "low": float(low),
                "high": float(low + 0.1),
                "n": int(30 * low) if known else 0,
                "confidence": middle if known else None,
                "accuracy": float(np.clip(middle + rng.normal(0, 0.05), 0, 1)) if known else None,
            }
        )
    return bins


def fake_change(a: float, b: float, spread: float) -> dict[str, Any]:
    """A change with an interval; p falls with its size, and Holm has made it ten times larger."""
    change = b - a
    p = float(np.exp(-0.7 * (change / spread) ** 2))
    return {
        "a": a,
        "b": b,
        "change": change,
        "low": change - 1.96 * spread,
        "high": change + 1.96 * spread,
        "p": p,
        "p_holm": min(1.0, 10 * p),
        "verdict": "as made up",
    }


def fake_comparison(a: Mapping[str, Any], b: Mapping[str, Any], models: Sequence[str]) -> dict[str, Any]:
    """What `compare` would say of two audits of the same rows."""
    return {
        "models": list(models),
        "overall": {name: fake_change(a["overall"][name], b["overall"][name], 0.005) for name in SCORES},
        "attributes": {name: _compared(found, b["attributes"][name]) for name, found in a["attributes"].items()},
        "convention": a["convention"],
        "num_classes": a["num_classes"],
        "n_boot": 1000,
        "seed": 0,
        "clusters": a["clusters"],
        "notes": ["made up"],
    }


def _compared(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    f1 = [float(np.mean([scores["f1"] for scores in found["groups"].values()])) for found in (a, b)]
    lowest = [min(scores["accuracy"] for scores in found["groups"].values()) for found in (a, b)]
    return {
        "groups": {
            group: {name: fake_change(scores[name], b["groups"][group][name], 0.01) for name in SCORES}
            for group, scores in a["groups"].items()
        },
        "scores": {"average_f1": fake_change(*f1, 0.008), "worst_group_accuracy": fake_change(*lowest, 0.01)},
        "gaps": {name: fake_change(gap["value"], b["gaps"][name]["value"], 0.012) for name, gap in a["gaps"].items()},
        "class_gaps": {
            name: fake_change(gap["value"], b["class_gaps"][name]["value"], 0.03)
            for name, gap in a["class_gaps"].items()
        },
    }

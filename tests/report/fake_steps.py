"""The steps of a made-up shrinking with their counts on validation, and what was chosen from them."""

import itertools
from typing import Any

import numpy as np

from fairshrink.metrics.gaps import gaps
from fairshrink.metrics.rates import accuracy, f1, precision, recall

RATES = {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}


def fake_steps(plan: Any, betas: tuple[float | None, ...]) -> list[dict[str, Any]]:
    """Steps of 5 % up to the ratio of every candidate in every fold of a plan; candidates of one beta share their way."""
    lines = []
    for fold in range(plan.folds):
        start = _start(plan, np.random.default_rng([13, fold]))  # the same model for every stage
        ways = {beta: _way(plan, beta or 0.0, start) for beta in betas}
        for candidate, (beta, ratio) in enumerate(itertools.product(betas, plan.ratios)):
            params = {"ratio": ratio} | ({} if beta is None else {"beta": beta})
            keys = {"fold": fold, "candidate": candidate, "params": params}
            lines += [keys | line for line in ways[beta] if line["ratio"] <= ratio + 1e-9]
    return lines


def _start(plan: Any, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Sizes (C,), mean rates (C,), how far each group is from them (G, C), and one number for each image."""
    groups = len(next(iter(plan.attributes.values())))
    sizes = np.maximum(np.array(list(plan.classes.values())) // (5 * groups), 2)
    base = np.clip(rng.normal(0.55, 0.03, len(sizes)) + 0.3 * (sizes == sizes.max()), 0.1, 0.9)
    lift = np.linspace(-0.5, 0.5, groups)[:, None] * rng.normal(0.14, 0.05, len(sizes))[None]
    return sizes, base, lift, rng.random((groups, int(sizes.max())))


def _way(plan: Any, beta: float, start: tuple[np.ndarray, ...]) -> list[dict[str, Any]]:
    """Small steps: a gap that narrows with beta, and scores that fall, slowly and then quickly; always the same images."""
    sizes, base, lift, images = start
    lines = []
    for step in range(round(max(plan.ratios) / 0.05) + 1):
        ratio = round(0.05 * step, 6)
        lost = 0.9 * ratio**3 * (1 + 0.6 * beta) + 0.05 * beta * ratio
        tpr = np.clip(base[None] + lift * (1 - min(1.3 * beta * ratio, 0.9)), 0.02, 0.98) * max(1 - lost, 0.05)
        groups = next(iter(plan.attributes.values()))
        lines.append(_step(step, ratio, groups, _counts(tpr, sizes, images)))
    return lines


def _counts(tpr: np.ndarray, sizes: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Predictions (G, C, C): an image is right where its number is below the rate, else it is the class after its own."""
    counts = np.zeros((*tpr.shape, len(sizes)), dtype=np.int64)
    for g, c in itertools.product(range(tpr.shape[0]), range(tpr.shape[1])):
        hits = int((images[g, : sizes[c]] < tpr[g, c]).sum())
        counts[g, c, c] = hits
        counts[g, c, (c + 1) % len(sizes)] += sizes[c] - hits
    return counts


def _step(step: int, ratio: float, groups: tuple[str, ...], counts: np.ndarray) -> dict[str, Any]:
    found = {name: float(gap.value) for name, gap in gaps(counts).items()}
    every = _scores(counts.sum(0, keepdims=True), ("all",))["all"]
    return {
        "step": step,
        "ratio": ratio,
        "fixed": 558_000 * step,
        "total": 11_160_000,
        "seconds": 2.5 * bool(step),
        "overall": every,
        "groups": _scores(counts, groups),
        "gaps": found,
        "counts": counts.tolist(),
        "criteria": found | {"soft_eopp1": 0.6 * found["eopp1"], "loss_gap": 0.2, "class_loss_gap": 0.3},
    }


def _scores(counts: np.ndarray, groups: tuple[str, ...]) -> dict[str, dict[str, float]]:
    values = {name: rate(counts) for name, rate in RATES.items()}
    return {
        group: {"n": int(counts[g].sum())} | {name: float(value[g]) for name, value in values.items()}
        for g, group in enumerate(groups)
    }


def fake_choice(steps: list[dict[str, Any]], rule: str = "fate:eopp1", over: str = "fold") -> dict[str, Any]:
    """The candidate of each fold with the largest value."""
    start = {step["fold"]: step for step in steps if step["step"] == 0}
    last = {(step["fold"], step["candidate"]): step for step in steps}
    kind, metric, *bound = rule.split(":")
    candidates = []
    for step in last.values():
        score, gap, before = _mean_f1(step), step["criteria"][metric], start[step["fold"]]
        value = score / _mean_f1(before) - gap / before["criteria"][metric]
        within = kind != "gap" or score >= _mean_f1(before) - float(bound[0])
        keys = {key: step[key] for key in ("fold", "candidate", "params", "criteria")}
        seen = {"f1": score, "f1_before": _mean_f1(before), "gap": gap, "within": within}
        candidates.append(keys | seen | {"value": gap if kind == "gap" else value})
    best = {fold: _best([c for c in candidates if c["fold"] == fold], kind) for fold in sorted(start)}
    none = {"candidate": None, "params": {}}
    chosen = [{"fold": fold, "said": ""} | {key: (c or none)[key] for key in none} for fold, c in best.items()]
    return {"rule": rule, "over": over, "candidates": candidates, "chosen": chosen}


def _best(candidates: list[dict[str, Any]], kind: str) -> dict[str, Any] | None:
    """The one that the rule takes; None when all are beyond its bound."""
    allowed = [candidate for candidate in candidates if candidate["within"]]
    return max(allowed, key=lambda c: -c["value"] if kind == "gap" else c["value"], default=None)


def _mean_f1(step: dict[str, Any]) -> float:
    return float(np.mean([scores["f1"] for scores in step["groups"].values()]))

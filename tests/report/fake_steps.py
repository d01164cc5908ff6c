"""The steps of a made-up shrinking, and what was chosen from them."""

from typing import Any

import numpy as np


def fake_steps(plan: Any, betas: tuple[float | None, ...], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Eight steps of every candidate in every fold of a plan."""
    groups = next(iter(plan.attributes.values()))
    lines = []
    for fold in range(plan.folds):
        start = rng.normal(0.12, 0.02)
        for candidate, beta in enumerate(betas):
            walk = np.cumsum(rng.normal(0, 0.004, 8))
            for step in range(8):
                ratio = 0.05 * step
                gap = abs(start * (1 - 0.9 * ratio * (beta or 0)) + walk[step] * bool(step))
                f1 = 0.53 - 0.25 * ratio**2 * (1 + 3 * (beta or 0)) + 0.005 * fold
                lines.append(_step(fold, candidate, beta, step, groups, f1=f1, gap=gap))
    return lines


def _step(
    fold: int, candidate: int, beta: float | None, step: int, groups: tuple[str, ...], *, f1: float, gap: float
) -> dict[str, Any]:
    def scores(value: float) -> dict[str, Any]:
        return {"n": 900, "accuracy": value + 0.2, "precision": value, "recall": value, "f1": value}

    return {
        "fold": fold,
        "candidate": candidate,
        "params": {"ratio": 0.35} | ({} if beta is None else {"beta": beta}),
        "step": step,
        "ratio": 0.05 * step,
        "fixed": 558_000 * step,
        "total": 11_160_000,
        "seconds": 2.5,
        "overall": {"accuracy": f1 + 0.2, "f1": f1},
        "groups": {
            group: scores(f1 + 0.04 * (i / (len(groups) - 1) - 0.5) * (1 - step / 10)) for i, group in enumerate(groups)
        },
        "gaps": {"eopp0": gap / 5, "eopp1": gap, "eodd": gap / 2, "eodd_max": gap},
    }


def fake_choice(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """The candidate of each fold with the largest value."""
    start = {step["fold"]: step for step in steps if step["step"] == 0}
    candidates = []
    for step in steps:
        if step["step"] == 7:
            f1, gap = step["overall"]["f1"], step["gaps"]["eopp1"]
            before = start[step["fold"]]
            value = f1 / before["overall"]["f1"] - gap / before["gaps"]["eopp1"]
            keys = {key: step[key] for key in ("fold", "candidate", "params")}
            candidates.append(keys | {"value": value, "f1": f1, "gap": gap})
    folds = sorted({c["fold"] for c in candidates})
    best = [max((c for c in candidates if c["fold"] == fold), key=lambda c: c["value"]) for fold in folds]
    chosen = [{key: c[key] for key in ("fold", "candidate", "params")} for c in best]
    return {"rule": "fate:eopp1", "candidates": candidates, "chosen": chosen}

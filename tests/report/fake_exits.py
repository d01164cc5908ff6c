"""exits.json as a run writes it, from made-up probabilities of five exits; nothing is trained."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from fairshrink.files import write_json
from fairshrink.metrics.thresholds import THETAS, choose_theta, curve, each_exit, finer, policy

TAPS = ("layer1", "layer2", "layer3", "layer4")
COSTS = (37_000_000, 71_000_000, 106_000_000, 141_000_000, 141_500_000)
RULE = "gap:soft_eopp1:0.01"
GROUPS = ("female", "male")


def drawn(seed: int, count: int, classes: int, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (E, N, C), classes and groups: later exits are surer, and more often right; the first group is harder."""
    rng = np.random.default_rng([23, seed])
    y, g = rng.integers(0, classes, count), rng.integers(-1 if count > 100 else 0, groups, count)
    hard = rng.normal(0, 1.1, count) + 0.5 * (g == 0)
    logits = []
    for strength in (2.2, 3.4, 4.6, 5.4, 5.6):
        noise = rng.normal(0, 1.5, (count, classes))
        noise[np.arange(count), y] += strength * (1 - 0.4 * hard)
        logits.append(noise * strength / 3)
    raised = np.exp(np.stack(logits) - np.stack(logits).max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True), y, g


def fake_exits(
    seed: int = 0, *, count: int = 240, rule: str = RULE, groups: tuple[str, ...] = GROUPS
) -> dict[str, Any]:
    """The record of one fold."""
    prob, y, g = drawn(seed, count, 4, len(groups))
    shapes = {"num_groups": len(groups), "num_classes": 4, "costs": COSTS}
    single = each_exit(prob, y, g, **shapes)
    points = curve(prob, y, g, **shapes, thetas=sorted({*THETAS, *finer(prob)}))
    grid = [point for point in points if point.theta in THETAS]
    theta = grid[choose_theta(grid, single[-1], rule)].theta
    exits, _ = policy(prob, [theta])
    leave = [[float((exits[0][g == k] == e).mean()) for e in range(5)] for k in range(len(groups))]
    return {
        "theta": theta,
        "rule": rule,
        "said": "not for the page",
        "grid": list(THETAS),
        "costs": list(COSTS),
        "val": {"curve": [one._asdict() for one in points], "single": [one._asdict() for one in single]},
        "leave": leave,
        "groups": list(groups),
        "taps": list(TAPS),
        "saved": float(np.array(COSTS)[exits[0]].mean() / COSTS[-1]),
    }


def add_exits(folder: Path, *, stages: int = 3, folds: int = 3, **more: Any) -> Path:
    """Give the first stages of a run an exits.json for each fold."""
    for at, stage in enumerate(sorted((folder / "stages").iterdir())[:stages]):
        for fold in range(folds):
            place = stage if folds == 1 else stage / f"fold-{fold}"
            place.mkdir(exist_ok=True)
            write_json(place / "exits.json", fake_exits(10 * at + fold, **more))
    return folder


def plain(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The record as it is read back from a file."""
    return json.loads(write_json(folder / "exits.json", record).read_text(encoding="utf-8"))

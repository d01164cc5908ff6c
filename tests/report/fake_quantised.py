"""FairQuantize and its control beside the made-up stages of a run; nothing is trained."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from report.fake_audit import fake_comparison
from report.fake_run import Plan, write_fake_run

NAME, TITLE, CONTROL = "fairquantize", "FairQuantize", "Re-training only"


def write_quantised_run(folder: Path, plan: Plan, *, control: bool = True) -> Path:
    """A run with a fairquantize stage after the others, and the same further training with nothing fixed."""
    write_fake_run(folder, plan)
    stage = folder / "stages" / f"03-{NAME}"
    shutil.copytree(folder / "stages/02-fairprune", stage)
    _edit(stage / "stage.json", _stage(plan, control=control))
    (stage / "portrait.json").write_text(json.dumps(fake_portrait(plan)), encoding="utf-8")
    _edit(stage / "comparison.json", {"models": ["Vanilla", TITLE]})
    if control:
        beside = folder / "stages" / f"04-{NAME}-control"
        shutil.copytree(folder / "stages/01-obd", beside)
        _edit(beside / "stage.json", _control())
        _edit(beside / "comparison.json", {"models": ["Vanilla", CONTROL]})
        _still(beside / "steps.jsonl")
        (beside / "choice.json").unlink()
        audits = [json.loads((place / "audit.json").read_text(encoding="utf-8")) for place in (beside, stage)]
        compared = fake_comparison(*audits, (CONTROL, TITLE))
        (beside / "twin.json").write_text(json.dumps(compared), encoding="utf-8")
    return folder


def _edit(path: Path, changes: dict[str, Any]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def _stage(plan: Plan, *, control: bool) -> dict[str, Any]:
    return {
        "name": NAME,
        "method": "fairquantize",
        "title": TITLE,
        "params": {"ratio": list(plan.ratios), "beta": list(plan.betas), "bits": [None]},
        "zero_fraction": 0.0,
        "fixed_fraction": 0.35,
        "control": f"{NAME}-control" if control else None,
    }


def _control() -> dict[str, Any]:
    return {
        "name": f"{NAME}-control",
        "method": "retrain",
        "title": CONTROL,
        "params": {},
        "zero_fraction": 0.0,
        "fixed_fraction": 0.0,
        "of": NAME,
    }


def _still(path: Path) -> None:
    """Steps that fix nothing."""
    lines = [json.loads(line) | {"ratio": 0.0, "fixed": 0, "params": {}} for line in path.read_text().splitlines()]
    longest = max(line["candidate"] for line in lines)
    kept = [line | {"candidate": 0} for line in lines if line["candidate"] == longest]
    path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def fake_portrait(plan: Plan) -> dict[str, Any]:
    """Weights of a few layers, and how much they count for each group: the less they do, the sooner they are fixed."""
    rng = np.random.default_rng(5)
    groups = next(iter(plan.attributes.values()))
    shared = rng.normal(-9, 1.1, 6000)
    logs = np.stack([shared + rng.normal(0.15 * g, 0.5, 6000) for g in range(len(groups))])
    score = 10 ** logs[0] - 0.8 * (10 ** logs[1:]).mean(0)
    fixed = score <= np.quantile(score, 0.35)
    low, width, bins = -13.0, 0.25, 32
    edges = low + width * np.arange(bins + 1)
    others = np.log10((10 ** logs[1:]).mean(0))
    every, some = ([np.histogram(row[keep], edges)[0].tolist() for row in logs] for keep in (slice(None), fixed))
    both = [
        np.histogram2d(logs[0][keep], others[keep], [edges, edges])[0].astype(int).tolist()
        for keep in (slice(None), fixed)
    ]
    axis = {"low": low, "width": width}
    return {
        "layers": [_layer(f"layer{number}.conv1.weight", rng) for number in range(10)],
        "groups": list(groups),
        "unprivileged": groups[0],
        "samples": [64] * len(groups),
        "importance": axis
        | {
            "all": every,
            "fixed": some,
            "none": [12] * len(groups),
            "outside": [0] * len(groups),
            "sums": [[float((10**row).sum()), float((10 ** row[fixed]).sum())] for row in logs],
        },
        "joint": axis | {"all": both[0], "fixed": both[1]},
        "score": {
            "weights": 6012,
            "fixed": int(fixed.sum()),
            "below": int((score < 0).sum()),
            "below_fixed": int((score[fixed] < 0).sum()),
            "coefficients": [1.0] + [-0.8 / (len(groups) - 1)] * (len(groups) - 1),
            "beta": 0.8,
        },
    }


def _layer(name: str, rng: np.random.Generator) -> dict[str, Any]:
    before = rng.normal(0, 0.02, 3000)
    fixed = rng.random(3000) < 0.35
    after = np.where(
        fixed, np.sign(before) * 2.0 ** np.round(np.log2(np.abs(before))), before + rng.normal(0, 0.001, 3000)
    )
    reach = 4 * float(np.sqrt((before**2).mean()))
    counts = [np.histogram(w, 61, (-reach, reach))[0] for w in (before, after)]
    return {
        "name": name,
        "weights": 3000,
        "reach": reach,
        "before": counts[0].tolist(),
        "after": counts[1].tolist(),
        "outside": [int(3000 - count.sum()) for count in counts],
        "zero": 0,
        "quantised": int(fixed.sum()),
    }

"""SCP, its control and the same by lot beside the made-up stages of a run; nothing is trained."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from report.fake_audit import fake_comparison
from report.fake_run import Plan, write_fake_run

LAYER = "layer4.1.conv2"
CHANNELS, SCORED, STOPPED = 512, 16, "macro F1 0.410 is more than 0.01 below the start's 0.440"


class Added(NamedTuple):
    """A stage beside the others."""

    place: str
    name: str
    method: str
    title: str
    params: dict[str, Any]
    of: str | None = None
    removes: bool = True


SCP = Added("03-scp", "scp", "scp", "SCP", {"channel_ratio": [0.01, 0.02]})
CONTROL = Added("04-scp-control", "scp-control", "scp", "SCP control", {"select": ["none"]}, of="scp", removes=False)
RANDOM = Added("05-scp-random", "scp-random", "scp", "SCP random", {"select": ["random"]}, of="scp")


def write_channel_run(folder: Path, plan: Plan, *, twins: bool = True) -> Path:
    """A run with SCP from the vanilla model: two ratios, three iterations, each fold takes another one."""
    write_fake_run(folder, plan)
    for added in (SCP, CONTROL, RANDOM) if twins else (SCP,):
        _add(folder / "stages", added, plan)
    return folder


def _add(stages: Path, added: Added, plan: Plan) -> None:
    stage = stages / added.place
    shutil.copytree(stages / "02-fairprune", stage)
    ratios = added.params.get("channel_ratio", [0.02])
    lines = [json.loads(line) for line in (stage / "steps.jsonl").read_text(encoding="utf-8").splitlines()]
    longest = max(line["step"] for line in lines)
    kept = [
        _step(line, ratio, candidate, added)
        for fold in range(plan.folds)
        for candidate, ratio in enumerate(ratios)
        for line in _way(lines, fold, candidate, longest)
    ]
    (stage / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    _edit(stage / "stage.json", _record(added))
    _choose(stage / "choice.json", plan, len(ratios))
    for fold in range(plan.folds):
        runs = [_end(fold, candidate) for candidate in range(len(ratios))]
        place = stage if plan.folds == 1 else stage / f"fold-{fold}"
        place.mkdir(exist_ok=True)
        (place / "result.json").write_text(json.dumps({"chosen": 0, "runs": runs}), encoding="utf-8")
        (place / "channels.json").write_text(json.dumps(_scores(plan, fold, added)), encoding="utf-8")
    if added.of is not None:
        own, other = (_audit(at) for at in (stage, stages / SCP.place))
        compared = fake_comparison(own, other, (added.title, SCP.title))
        (stage / "twin.json").write_text(json.dumps(compared), encoding="utf-8")


def _audit(stage: Path) -> dict[str, Any]:
    return json.loads((stage / "audit.json").read_text(encoding="utf-8"))


def _way(lines: list[dict[str, Any]], fold: int, candidate: int, longest: int) -> list[dict[str, Any]]:
    """The steps of one of the candidates that went to the end; the last fold stops after two of them."""
    every = {line["candidate"]: line for line in lines if line["step"] == longest and line["fold"] == fold}
    numbers = list(every)
    own = [line for line in lines if line["fold"] == fold and line["candidate"] == numbers[candidate % len(numbers)]]
    return own[: 3 if fold == 2 else 4]


def _step(line: dict[str, Any], ratio: float, candidate: int, added: Added) -> dict[str, Any]:
    number = line["step"]
    fixed = round(ratio * number * CHANNELS) if added.removes else 0
    params = {"channel_ratio": ratio} if "channel_ratio" in added.params else {}
    new = {"candidate": candidate, "params": params, "ratio": ratio * number, "fixed": fixed, "total": CHANNELS}
    return line | new


def _record(added: Added) -> dict[str, Any]:
    return {
        "name": added.name,
        "method": added.method,
        "title": added.title,
        "params": added.params,
        "zero_fraction": 0.013 if added.removes else 0.0,
        "fixed_fraction": 0.013 if added.removes else 0.0,
        "unit": "channels",
        "controls": added.name.endswith("-control"),
        "control": "scp-control" if added.of is None else None,
        "of": added.of,
    }


def _end(fold: int, candidate: int) -> dict[str, Any]:
    """Fold 0 takes the last step, fold 1 the one before it, fold 2 its first: it was stopped after the second."""
    taken = (3, 2, 1)[min(fold, 2)]
    return {"params": {}, "stopped": STOPPED if fold == 2 else None, "steps": [], "taken": taken - candidate % 2}


def _scores(plan: Plan, fold: int, added: Added) -> dict[str, Any]:
    """The channels of a small layer, the lowest of them removed."""
    rng = np.random.default_rng([17, fold])
    before = np.sort(0.69 - rng.gamma(1.0, 0.002, SCORED))
    layer = {
        "name": LAYER,
        "channels": SCORED,
        "removed": [0, 1] if added.removes else [],
        "lacked": [],
        "before": before.tolist(),
        "after": (before + 0.001).tolist(),
        "chance": np.sort(0.69 - rng.gamma(1.0, 0.0005, SCORED)).tolist(),
    }
    attribute, groups = next(iter(plan.attributes.items()))
    how = {"images": 512, "compared": 128, "temperature": 2.0, "normalize": True, "tap": "before"}
    return {"attribute": attribute, "groups": list(groups), "layers": [layer]} | how


def _choose(path: Path, plan: Plan, candidates: int) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    rows = [row for row in record["candidates"] if row["candidate"] < candidates]
    ratios = (0.01, 0.02)
    rows = [row | {"params": {"channel_ratio": ratios[row["candidate"]]} if candidates > 1 else {}} for row in rows]
    chosen = [{"fold": fold, "candidate": candidates - 1, "params": {}, "said": ""} for fold in range(plan.folds)]
    path.write_text(json.dumps(record | {"candidates": rows, "chosen": chosen}), encoding="utf-8")


def _edit(path: Path, changes: dict[str, Any]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")

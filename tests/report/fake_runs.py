"""Several run folders, and a sweep of them, as they are when the training is done: seeds, settings, failures."""

import json
from pathlib import Path
from typing import Any

from report.fake_run import CONFIG, Plan, write_fake_run

SMALL = {"one": 400, "two": 900, "three": 250}


def seed_plan(seed: int, **changes: Any) -> Plan:
    """One attribute, three classes, one fold; every seed draws other numbers around the same truth."""
    config = CONFIG.replace("folds = 5\n", "folds = 1\n").replace(
        "epochs = 12\nseed = 0", f"epochs = 12\nseed = {seed}"
    )
    plan = Plan(classes=SMALL, attributes={"sex": ("female", "male")}, folds=1, betas=(0.33,), config=config, draw=seed)
    return plan._replace(**changes)


def write_seeds(folder: Path, count: int = 4) -> list[Path]:
    """Runs that differ in train.seed only."""
    return [write_fake_run(folder / f"seed-{seed}", seed_plan(seed)) for seed in range(count)]


def write_sweep(folder: Path, count: int = 3) -> Path:
    """A sweep whose runs are done but for two: one failed, one waits for it."""
    write_seeds(folder / "runs", count)
    runs = [_entry(f"seed-{seed}", "done") for seed in range(count)]
    runs.append(_entry("broken", "failed", "DataError: row 3 of <b>x</b> has no label"))
    runs.append(_entry("waiting", "blocked"))
    (folder / "sweep.toml").write_text("[sweep]\n", encoding="utf-8")
    record = {"name": "seeds", "runs": runs}
    (folder / "sweep.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def _entry(name: str, state: str, error: str | None = None) -> dict[str, Any]:
    known = {"name": name, "folder": f"runs/{name}", "digest": "ab12", "varied": {"train.seed": 0}, "seed": 0}
    return known | {"state": state, "error": error}

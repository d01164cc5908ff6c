"""A run folder as `fairshrink run` writes it, drawn at random: realistic records, no training."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from report.fake_audit import fake_comparison, fake_gap
from report.fake_steps import fake_choice, fake_steps

HAM = {"akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6705, "vasc": 142}
FOUND = {"akiec": 0.42, "bcc": 0.55, "bkl": 0.52, "df": 0.22, "mel": 0.38, "nv": 0.93, "vasc": 0.62}
CONFIG = """[data]
source = "ham10000"
images = "HAM10000_images_128.zip"
metadata = "HAM10000_metadata.csv"
size = 64
groups = ["sex", "age >= 60"]
split_by = "lesion_id"
folds = 5
seed = 0

[model]
backbone = "resnet18"

[train]
epochs = 12
seed = 0

[[shrink]]
method = "obd"
ratio = 0.35

[[shrink]]
method = "fairprune"
parent = "train"
ratio = 0.35
beta = [0.2, 0.33, 0.5, 0.7]
choose = "fate:eopp1"
"""


class Plan(NamedTuple):
    """What the fake run is about; groups by attribute, the first attribute is shrunk for."""

    name: str = "ham10000"
    classes: dict[str, int] = HAM
    attributes: dict[str, tuple[str, ...]] = {"sex": ("female", "male"), "age >= 60": ("age < 60", "age >= 60")}  # noqa: RUF012
    folds: int = 5
    betas: tuple[float, ...] = (0.2, 0.33, 0.5, 0.7)
    layer: str = "conv1.weight"
    config: str = CONFIG
    ratios: tuple[float, ...] = (0.35,)
    rule: str = "fate:eopp1"
    over: str = "fold"
    draw: int = 0  # another training run of the same plan: other numbers around the same truth


def three_groups() -> Plan:
    """One fold, one attribute with three groups, no grid."""
    classes = {f"class {letter}": 800 for letter in "ABCDE"}
    config = '[data]\nsource = "lesions"\nseed = 3\n\n[model]\nbackbone = "small_cnn"\n'
    return Plan("lesions", classes, {"tone": ("tone 1", "tone 2", "tone 3")}, 1, (0.33,), "features.0.weight", config)


def mapped_grid() -> Plan:
    """Three folds, a grid of beta and ratio, a rule with a bound on macro F1 over all folds."""
    classes = {f"class {letter}": size for letter, size in zip("ABC", (400, 700, 300), strict=True)}
    return three_groups()._replace(
        classes=classes,
        attributes={"sex": ("female", "male")},
        folds=3,
        betas=(0.0, 0.33, 0.8),
        ratios=(0.1, 0.2, 0.35),
        rule="gap:soft_eopp1:0.02",
        over="folds",
    )


def write_fake_run(folder: Path, plan: Plan | None = None) -> Path:
    """Write every record of the brief; the same plan gives the same bytes."""
    plan = plan or Plan()
    rng = np.random.default_rng(7 + plan.draw)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(plan.config, encoding="utf-8")
    _json(folder / "environment.json", ENVIRONMENT)
    _json(folder / "data.json", _data(plan))
    shift = {"vanilla": 0.0, "obd": 0.015, "fairprune": -0.045}
    drawn = {name: _rates(plan, name, np.random.default_rng(11)) for name in plan.attributes}
    vanilla: dict[str, Any] = {}
    for place, method, title in STAGES:
        stage = folder / "stages" / place
        stage.mkdir(parents=True)
        audits = {name: _audit(plan, name, drawn[name], shift[method], rng) for name in plan.attributes}
        _json(stage / "audit.json", _whole(plan, audits))
        vanilla = _whole(plan, audits) if method == "vanilla" else vanilla
        _json(stage / "stage.json", _stage(plan, method, title))
        if method != "vanilla":
            _json(stage / "comparison.json", fake_comparison(vanilla, _whole(plan, audits), ("Vanilla", title)))
        if method == "vanilla":
            _lines(stage / "history.jsonl", _history(plan, rng))
            _json(stage / "saliency.json", _saliency(plan, rng))
        else:
            betas = plan.betas if method == "fairprune" else (None,)
            steps = fake_steps(plan, betas)
            _lines(stage / "steps.jsonl", steps)
            _json(stage / "choice.json", fake_choice(steps, plan.rule, plan.over))
    return folder


STAGES = [
    ("00-train", "vanilla", "Vanilla"),
    ("01-obd", "obd", "OBD"),
    ("02-fairprune", "fairprune", "FairPrune"),
]
ENVIRONMENT = {
    "fairshrink": "0.1.0",
    "python": "3.11.2",
    "torch": "2.15.0",
    "platform": "Linux x86_64",
    "cpu": "A processor with two cores",
    "threads": 2,
    "device": "cpu",
    "started": "2026-01-05T08:00:00+00:00",
    "finished": "2026-01-05T09:12:40+00:00",
    "seconds": 4360.25,
}


def named(run: Any, name: str) -> Any:
    """The stage of a run by its name."""
    return next(stage for stage in run.stages if stage.record.name == name)


def _data(plan: Plan) -> dict[str, Any]:
    total = sum(plan.classes.values())
    attributes = {}
    for name, groups in plan.attributes.items():
        shares = np.linspace(0.45, 0.55, len(groups)) / np.linspace(0.45, 0.55, len(groups)).sum()
        counts = [[int(n * share * 0.994) for share in shares] for n in plan.classes.values()]
        attributes[name] = {"groups": list(groups), "unknown": total - int(np.sum(counts)), "counts": counts}
    test = total // 5
    excluded = [{"row": 17 + i, "id": f"ISIC_{i:07d}", "reason": "no image of that name"} for i in range(30)]
    excluded.append({"row": 9001, "id": "ISIC_0029938", "reason": "the same picture as ISIC_0024777"})
    return {
        "name": plan.name,
        "count": total,
        "size": 64,
        "classes": list(plan.classes),
        "digest": "9f2c" * 16,
        "split_by": "lesion_id",
        "folds": plan.folds,
        "seed": 0,
        "attributes": attributes,
        "splits": [{"train": total - 2 * test, "val": test, "test": test}] * plan.folds,
        "excluded": excluded,
        "shrunk_for": next(iter(plan.attributes)),
    }


def _rates(plan: Plan, attribute: str, rng: np.random.Generator) -> np.ndarray:
    """True positive rates (G, C) of the vanilla model: the last group is served better."""
    base = np.array([FOUND.get(name, 0.6) for name in plan.classes])
    groups = len(plan.attributes[attribute])
    lift = np.linspace(-0.5, 0.5, groups)[:, None] * rng.normal(0.08, 0.05, len(base))[None]
    return np.clip(base + lift, 0.02, 0.98)


def _audit(plan: Plan, attribute: str, found: np.ndarray, shift: float, rng: np.random.Generator) -> dict[str, Any]:
    groups, names = plan.attributes[attribute], list(plan.classes)
    sizes = np.array([[n * 0.99 / len(groups) for n in plan.classes.values()]] * len(groups)).astype(int)
    if plan.folds == 1:
        sizes //= 5
    mean = found.mean(axis=0, keepdims=True)
    tpr = rng.binomial(sizes, np.clip(mean + (found - mean) * (1 + 8 * shift), 0.01, 0.99)) / sizes
    fpr = np.clip((1 - tpr) * 0.05, 0, 1)
    classes = {
        name: {
            group: {"n": int(sizes[g, c]), "tpr": tpr[g, c], "tnr": 1 - fpr[g, c], "fpr": fpr[g, c]}
            for g, group in enumerate(groups)
        }
        for c, name in enumerate(names)
    }
    by_class = np.ptp(tpr, axis=0)
    noise = np.sqrt(2 * mean[0] * (1 - mean[0]) / sizes[0])
    gaps = {
        "eopp0": fake_gap(float(np.ptp(fpr, axis=0).mean()), 0.009, 0.004),
        "eopp1": fake_gap(float(by_class.mean()), float(noise.mean()), float(noise.mean()) / 2),
        "eodd": fake_gap(float(np.ptp(tpr - fpr, axis=0).mean() / 2), float(noise.mean()) / 2, 0.01),
        "eodd_max": fake_gap(float(by_class.mean()), float(noise.mean()), float(noise.mean()) / 2),
    }
    return {
        "groups": {group: _scores(tpr[g], sizes[g]) for g, group in enumerate(groups)},
        "gaps": gaps,
        "classes": classes,
        "class_gaps": {
            f"tpr[{name}]": fake_gap(float(by_class[c]), float(noise[c]), float(noise[c]), alone=True)
            for c, name in enumerate(names)
        },
        "unknown": 57,
        "notes": [f"{groups[0]} has no image of one class"],
    }


def _scores(tpr: np.ndarray, sizes: np.ndarray) -> dict[str, Any]:
    recall = float(tpr.mean())
    accuracy = float((tpr * sizes).sum() / sizes.sum())
    return {
        "n": int(sizes.sum()),
        "accuracy": accuracy,
        "precision": recall + 0.06,
        "recall": recall,
        "f1": recall + 0.02,
    }


def _whole(plan: Plan, audits: dict[str, Any]) -> dict[str, Any]:
    first = next(iter(audits.values()))["groups"]
    overall = {
        key: float(np.mean([scores[key] for scores in first.values()]))
        for key in ("accuracy", "precision", "recall", "f1")
    }
    return {
        "overall": {"n": sum(scores["n"] for scores in first.values()), **overall},
        "attributes": audits,
        "convention": "strict",
        "num_classes": len(plan.classes),
        "seed": 0,
        "n_boot": 1000,
        "clusters": 7470,
        "notes": ["classes: as given"],
    }


def _stage(plan: Plan, method: str, title: str) -> dict[str, Any]:
    shrunk = method != "vanilla"
    groups = next(iter(plan.attributes.values()))
    unprivileged = [
        {
            "fold": fold,
            "group": groups[0],
            "measured": True,
            "f1": {g: 0.49 + 0.03 * i + 0.01 * fold for i, g in enumerate(groups)},
        }
        for fold in range(plan.folds)
    ]
    params = {"ratio": list(plan.ratios)} | ({"beta": list(plan.betas)} if method == "fairprune" else {})
    return {
        "name": method if shrunk else "train",
        "method": method,
        "title": title,
        "parent": "train" if shrunk else None,
        "params": params if shrunk else {},
        "rule": plan.rule if len(plan.ratios) > 1 or method == "fairprune" else None,
        "unprivileged": unprivileged,
        "seconds": 170.5 if method == "vanilla" else {"score": 41.2, "evaluate": 120.0, "total": 170.5},
        "zero_fraction": 0.3491 if shrunk else 0.0,
        "parameters": 11_172_423,
    }


def _history(plan: Plan, rng: np.random.Generator) -> list[dict[str, Any]]:
    return [
        {
            "fold": fold,
            "epoch": epoch,
            "loss": 1.1 * np.exp(-epoch / 5) + 0.25 + rng.normal(0, 0.02),
            "lr": 0.05,
            "seconds": 21.0,
            "images_per_second": 290.0,
            "val": {
                "accuracy": 0.6 + 0.015 * epoch,
                "f1": 0.25 + 0.28 * (1 - np.exp(-epoch / 4)) + rng.normal(0, 0.02),
            },
        }
        for fold in range(plan.folds)
        for epoch in range(1, 13)
    ]


def _saliency(plan: Plan, rng: np.random.Generator) -> dict[str, Any]:
    groups = next(iter(plan.attributes.values()))
    shared = rng.gamma(0.5, 1.0, 1728)
    values = [shared * rng.lognormal(0, 0.7, 1728) for _ in groups]
    return {"layer": plan.layer, "groups": list(groups), "values": [(v / v.max()).tolist() for v in values]}


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")


def _lines(path: Path, values: list[Any]) -> None:
    path.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8")

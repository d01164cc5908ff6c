"""What `fairshrink analyse` leaves behind, made up: two labels, two layers, three depths."""

import json
from pathlib import Path
from typing import Any

import numpy as np

LABELS = {"sex": ("female", "male"), "class": ("a", "b", "c")}
LAYERS = {"conv1": 6, "conv2": 10}
DEPTHS = ("layer1", "layer2", "layer3")
DRAWS = 19


def write_fake_analysis(folder: Path, folds: int = 2, *, against: bool = True, **asked: Any) -> Path:
    """The records of a stage 'scp', and of 'train' before it; the last one lacks two channels of conv2."""
    (folder / "analysis").mkdir(parents=True)
    stages = ["train", "scp"] if against else ["scp"]
    readings = {stage: [f"{stage}-{fold}.json" for fold in range(folds)] for stage in stages}
    for stage in stages:
        for fold in range(folds):
            _write(folder, f"{stage}-{fold}.json", fake_reading(stage, fold))
    record = {
        "form": 1,
        "backbone": "resnet18",
        "stage": "scp",
        "against": "train" if against else None,
        "trained": "train",
        "layers": [],
        "attributes": ["sex"],
        "classes": "class",
        "by": "lesion_id",
        "fold": None,
        "readings": readings,
    }
    _write(folder, "asked.json", record | asked)
    return folder


def fake_reading(stage: str, fold: int) -> dict[str, Any]:
    """One model: by class all channels lie below chance, by sex half of those of conv2."""
    rng = np.random.default_rng([fold, stage == "scp"])
    return {
        "stage": stage,
        "fold": fold,
        "images": 512,
        "compared": 128,
        "draws": DRAWS,
        "temperature": 2.0,
        "labels": [{"name": name, "groups": list(groups), "batches": 4} for name, groups in LABELS.items()],
        "layers": [_layer(name, count, stage, rng) for name, count in LAYERS.items()],
        "depth": [
            {"name": name, "labels": {label: _depth(label, stage, place, rng) for label in LABELS}}
            for place, name in enumerate(DEPTHS)
        ],
    }


def _layer(name: str, count: int, stage: str, rng: np.random.Generator) -> dict[str, Any]:
    removed = [1, 4] if (stage, name) == ("scp", "conv2") else []
    there = count - len(removed)
    labels = {}
    for label in LABELS:
        scores, chance = rng.normal(0.6, 0.01, count), np.sort(rng.normal(0.69, 0.001, there))
        labels[label] = {
            "scores": scores.tolist(),
            "chance": chance.tolist(),
            "mean": float(np.delete(scores, removed).mean()),
            "chance_means": [0.69] * DRAWS,
            "within_means": [0.68] * DRAWS if label == "sex" else [],
            "excess": [-0.1, -0.05, -0.02, 0.0, 0.01],
            "below": there if label == "class" else there // 2,
            "below_within": 1 if label == "sex" else None,
        }
    return {"name": name, "channels": count, "removed": removed, "labels": labels}


def _depth(label: str, stage: str, place: int, rng: np.random.Generator) -> dict[str, Any]:
    fall = {"sex": 0.01, "class": 0.1}[label] + 0.01 * (stage == "scp")
    drawn = (0.69 + rng.normal(0, 1e-4, DRAWS)).tolist()
    return {"value": 0.7 * (1 - fall) ** place, "chance": drawn, "within": drawn if label == "sex" else []}


def _write(folder: Path, name: str, value: object) -> None:
    (folder / "analysis" / name).write_text(json.dumps(value), encoding="utf-8")


def fake_channels(channels: int = 40, seed: int = 0, *, lacked: int = 1, gone: int = 3) -> dict[str, Any]:
    """channels.json of a fold: the lowest were removed, and the one before them already before."""
    rng = np.random.default_rng(seed)
    before, after = rng.normal(0.68, 0.01, channels), rng.normal(0.69, 0.01, channels)
    order = np.argsort(before).tolist()
    layer = {
        "name": "layer4.1.conv2",
        "channels": channels,
        "removed": sorted(order[:gone]),
        "lacked": order[:lacked],
        "before": before.tolist(),
        "after": after.tolist(),
        "chance": np.sort(rng.normal(0.69, 0.001, channels - lacked)).tolist(),
    }
    settings = {"images": 512, "compared": 128, "temperature": 2.0, "normalize": True, "tap": "before"}
    return {"attribute": "sex", "groups": ["female", "male"], **settings, "layers": [layer]}

"""The experiment of `fairshrink demo`: synthetic lesions, a small network, two methods."""

from typing import Any

from fairshrink.lab.config import Experiment, parse_experiment

SETTINGS: dict[str, Any] = {
    "data": {"source": "lesions", "count": 4000, "size": 48, "groups": ["tone", "age >= 60"]},
    "model": {"backbone": "small_cnn"},
    "train": {"epochs": 8, "lr": 0.1, "augment": ["flip"], "precision": "fp32"},
    "shrink": [
        {"method": "obd", "ratio": 0.35},
        {"method": "fairprune", "parent": "train", "ratio": 0.35, "beta": [0.05, 0.2, 0.33]},
    ],
}
QUICK: dict[str, Any] = {
    "data": {"count": 600, "size": 32},
    "train": {"epochs": 2, "batch_size": 64},
    "shrink_defaults": {"samples": 32},
}


def demo_experiment(*, quick: bool = False) -> Experiment:
    """The demo, or a version of it that takes seconds and shows only that everything works."""
    settings = dict(SETTINGS)
    for section, changes in QUICK.items() if quick else ():
        settings[section] = settings.get(section, {}) | changes
    return parse_experiment(settings, "the demo")

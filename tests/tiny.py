"""The smallest experiment that goes through everything."""

from typing import Any

from fairshrink.lab.config import Experiment, parse_experiment

TINY: dict[str, Any] = {
    "data": {"source": "lesions", "count": 150, "size": 32, "groups": ["tone", "age >= 60"]},
    "model": {"backbone": "small_cnn"},
    "train": {"epochs": 2, "augment": ["flip"], "precision": "fp32", "threads": 1, "batch_size": 32, "lr": 0.02},
    "shrink_defaults": {"samples": 6},
    "shrink": [
        {"method": "obd", "ratio": 0.3},
        {
            "method": "fairprune",
            "parent": "train",
            "ratio": 0.2,
            "step": 0.1,
            "beta": [0.0, 0.5],
            "choose": "gap:eopp1:0.01",
        },
    ],
}


def tiny(**sections: Any) -> Experiment:
    """The smallest experiment with some sections changed."""
    changed = {
        name: TINY.get(name, {}) | change if isinstance(change, dict) else change for name, change in sections.items()
    }
    return parse_experiment(TINY | changed, "tiny")

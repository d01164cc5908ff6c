"""The small experiment that is stopped again and again: images from a zip, three folds, two methods, a report."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from fairshrink.lab.config import Experiment, parse_experiment

COUNT = 90
SETTINGS = {
    "model": {"backbone": "small_cnn"},
    "train": {"epochs": 2, "augment": ["flip"], "precision": "fp32", "threads": 1, "batch_size": 18, "lr": 0.02},
    "shrink_defaults": {"samples": 4},
    "shrink": [
        {"method": "obd", "ratio": 0.3},
        {
            "method": "fairprune",
            "parent": "train",
            "ratio": 0.2,
            "step": 0.1,
            "beta": [0.0, 0.5],
            "choose": "gap:soft_eopp1:0.5",
            "choose_over": "folds",
        },
    ],
}


def experiment_in(folder: Path) -> Experiment:
    """Write the images and the table; return the experiment on them."""
    rng = np.random.default_rng(0)
    rows = ["image,label,tone,lesion"]
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for number in range(COUNT):
            label, tone = number % 3, number // 3 % 2
            pixels = rng.integers(60 * label, 60 * label + 120, (32, 32, 3), dtype=np.uint8)
            data = io.BytesIO()
            Image.fromarray(pixels).save(data, "PNG")
            archive.writestr(f"i{number:03d}.png", data.getvalue())
            rows.append(f"i{number:03d},class {label},tone {tone},lesion {number // 2}")
    (folder / "table.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    data = {
        "source": "table",
        "images": str(folder / "images.zip"),
        "metadata": str(folder / "table.csv"),
        "size": 32,
        "groups": ["tone"],
        "split_by": "lesion",
        "folds": 3,
    }
    return parse_experiment(SETTINGS | {"data": data}, "the restart harness")

"""The picture of the documentation can be drawn again from any run's predictions."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from fairshrink.files import write_text
from fairshrink.tables import safe_csv

SCRIPT = Path(__file__).parents[1] / "examples" / "cross_fitting.py"


def test_each_fold_and_all_together_are_audited_and_drawn(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"fold": np.arange(90) % 3, "label": rng.choice(["a", "b"], 90), "sex": rng.choice(["f", "m", ""], 90)}
    )
    table["prediction"], table["cluster"] = rng.permutation(table["label"]), [f"p{row // 2}" for row in range(90)]
    predictions, picture = write_text(tmp_path / "predictions.csv", safe_csv(table)), tmp_path / "picture.png"
    monkeypatch.setattr(sys, "argv", ["cross_fitting.py", str(predictions), "sex", str(picture)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    known = table[table["sex"] != ""]
    assert [int(line.split()[0]) for line in lines] == [*known.groupby("fold").size(), len(known)]
    assert Image.open(picture).format == "PNG"

import io

import numpy as np
from rich.console import Console

from fairshrink.audit import audit
from fairshrink.audit.terminal import show


def test_every_attribute_is_shown_and_long_lists_are_cut():
    rng = np.random.default_rng(0)
    y, sex, age = rng.integers(0, 15, 600), rng.choice(["f", "m"], 600), rng.choice(["old", "young"], 600)
    console = Console(file=io.StringIO(), width=160)
    show(audit(y, y, {"sex": sex, "age": age}, num_classes=16, n_boot=5), console)
    text = console.file.getvalue()
    assert [line.split(":")[0] for line in text.splitlines() if "groups" in line and "note" not in line] == [
        "sex",
        "age",
        "sex & age",
    ]
    assert "4 more classes are in the JSON" in text
    assert "nobody in 'f' has 15 (1 of 16 classes)" in text

"""Shape annotations are checked in the tests; real data is found here and nowhere else."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

CHECKED = ["types", "maths", "metrics", "compress", "train"]
_hook = install_import_hook([f"fairshrink.{room}" for room in CHECKED], "beartype.beartype")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with the real data; tests that need it say so when it is not there."""
    root = Path(os.environ.get("FAIRSHRINK_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / "ham10000").is_dir():
        pytest.skip(f"no real data in {root}: set FAIRSHRINK_DATA to the folder that holds ham10000/")
    return root

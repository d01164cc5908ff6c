"""A sweep killed at random times, workers and all, and started again: the same bits as one that was left alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from restart.sweeps import differences


@pytest.mark.parametrize("options", [("--kills", "4"), ("--kills", "1", "--jobs", "1")], ids=["here", "workers"])
def test_killed_and_started_again_every_run_is_the_same(options, tmp_path):
    command = [sys.executable, "-m", "restart.sweeps", *options, "--folder", str(tmp_path)]
    quiet = os.environ | {"OMP_NUM_THREADS": "1", "FAIRSHRINK_CACHE": ""}
    ended = subprocess.run(command, cwd=Path(__file__).parents[1], env=quiet, capture_output=True, text=True)
    assert ended.stdout, ended.stderr
    found = json.loads(ended.stdout)
    assert found["faults"] == []
    assert len(found["kills"]) >= 1


def test_runs_are_compared_by_name_and_bytes():
    assert differences({"a": b"1", "b": b"2"}, {"a": b"1", "c": b"2"}) == ["b differs", "c differs"]

"""A sweep killed at random times, workers and all, and started again: the same bits as one that was left alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

from restart.sweeps import differences


def test_killed_and_started_again_every_run_is_the_same(tmp_path):
    options = ("--kills", "1", "--jobs", "0", "1")  # in the sweep's own process, and with a worker
    command = [sys.executable, "-m", "restart.sweeps", *options, "--folder", str(tmp_path)]
    quiet = os.environ | {"OMP_NUM_THREADS": "1", "FAIRSHRINK_CACHE": ""}
    ended = subprocess.run(command, cwd=Path(__file__).parents[1], env=quiet, capture_output=True, text=True)
    assert ended.stdout, ended.stderr
    found = json.loads(ended.stdout)
    assert found["faults"] == []
    assert [len(kills) for kills in found["kills"]] == [1, 1]


def test_runs_are_compared_by_name_and_bytes():
    assert differences({"a": b"1", "b": b"2"}, {"a": b"1", "c": b"2"}) == ["b differs", "c differs"]

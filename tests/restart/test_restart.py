"""Killed at any moment, or out of room, and started again: the same bits as a run that was left alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from restart.chains import differences, every_point, points
from restart.session import PHASES

CHAINS = 7  # four of five kills each, one of five times Ctrl-C, one of five full disks, one of files that may not grow


def harness(*options: str) -> list[dict]:
    """What the harness prints, in a process that nothing else has run in (a fork takes everything along)."""
    command = [sys.executable, "-m", "restart", *options]
    quiet = os.environ | {"OMP_NUM_THREADS": "1", "FAIRSHRINK_CACHE": ""}
    ended = subprocess.run(command, cwd=Path(__file__).parents[1], env=quiet, capture_output=True, text=True)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert lines, ended.stderr
    return lines[1:]


@pytest.fixture(scope="module")
def chains(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("restart"))
    return harness("--kills", "20", "--interrupts", "5", "--full", "5", "--limits", "--seed", "0", "--folder", folder)


@pytest.mark.parametrize("number", range(CHAINS))
def test_stopped_and_started_again_every_file_is_the_same(chains, number):
    assert chains[number]["faults"] == []


def test_twenty_kills_came_about_in_every_phase(chains):
    assert len(chains) == CHAINS
    ends = [end for chain in chains[:4] for end in chain["ends"]]
    assert len(ends) == 20
    assert all(sum(end.startswith(phase) for end in ends) >= 4 for phase in PHASES)


def test_ctrl_c_came_about_in_every_phase(chains):
    ends = chains[4]["ends"]
    assert len(ends) == 5
    assert all(any(end.startswith(phase) for end in ends) for phase in PHASES)


def test_a_full_disk_is_an_error_that_names_the_file_and_what_to_do(chains):
    injected, grown = chains[5:]
    assert len(injected["ends"]) == len(injected["errors"]) == 5
    assert len(grown["ends"]) == 7
    assert len(grown["errors"]) == 5
    for error, why in [(error, "No space left") for error in injected["errors"]] + [
        (error, "File too large") for error in grown["errors"]
    ]:
        assert why in error
        assert "then start again" in error
    names = ("config.toml", "images.npy", "training.state", "model.safetensors", "report.html")
    assert all(f"{name}' could not be written" in error for name, error in zip(names, grown["errors"], strict=True))


def test_a_writer_that_leaves_half_a_file_is_noticed(tmp_path):
    (chain,) = harness("--careless", "--folder", str(tmp_path))
    assert len(chain["ends"]) == 1
    assert "ConfigError" in chain["faults"][0]


def test_files_are_compared_by_name_and_bytes():
    alone = {"a": b"1", "b": b"2"}
    assert differences(alone, dict(alone)) == []
    found = {"a": b"0", "c": b"", ".tmp-00000000-b": b""}
    assert differences(alone, found) == [
        "b is missing",
        "a differs",
        "c is too many",
        ".tmp-00000000-b is a leftover",
    ]


def test_points_are_spread_over_every_phase():
    events = {"import": 40, "train": 200, "shrink": 600, "report": 7}
    planned = list(points(events, 4, seed=1))
    for phase, most in events.items():
        at = sorted(stop.at for chain in planned for stop in chain if stop.phase == phase)
        quarters = [(most * number / 4, most * (number + 1) / 4) for number in range(4)]
        assert all(low <= one <= high + 1 for one, (low, high) in zip(at, quarters, strict=True))
    assert sum(map(len, every_point(events))) == sum(events.values())

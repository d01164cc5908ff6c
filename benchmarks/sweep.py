"""A sweep of tiny runs with two processes, with one, and the same runs one after the other by `fairshrink run`.

python -m benchmarks.sweep [--runs 24] [--jobs 2]     on an idle machine: every part wants all its cores for itself
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tomli_w

BASE = {
    "data": {"source": "lesions", "count": 600, "size": 32, "groups": ["tone"]},
    "model": {"backbone": "small_cnn"},
    "train": {"epochs": 10, "augment": ["flip"], "precision": "fp32", "threads": 1, "batch_size": 32, "lr": 0.02},
    "shrink_defaults": {"samples": 32},
    "shrink": [{"method": "obd", "ratio": 0.3}, {"method": "fairprune", "parent": "train", "ratio": 0.3, "beta": 0.33}],
}


def timed(arguments: list[str], folder: Path) -> float:
    """Seconds of one command."""
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "fairshrink", *arguments],
        cwd=folder,
        env=os.environ | {"FAIRSHRINK_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
    )
    if ended.returncode != 0:
        raise RuntimeError(f"{arguments} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return time.perf_counter() - began


def main() -> None:
    """Print the times and their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--jobs", type=int, default=2)
    options, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "base.toml").write_text(tomli_w.dumps(BASE), encoding="utf-8")
        sweep = {"base": "base.toml", "seeds": list(range(options.runs))}
        (folder / "sweep.toml").write_text(tomli_w.dumps(sweep), encoding="utf-8")
        # Nobody's time has the decoding in it.
        timed(["run", "base.toml", "--out", "first", "--set", "shrink=[]", "--set", "train.epochs=1"], folder)
        many, one = (
            timed(["sweep", "sweep.toml", "--out", f"sweep-{jobs}", "--jobs", str(jobs)], folder)
            for jobs in (options.jobs, 1)
        )
        alone = sum(
            timed(["run", "base.toml", "--out", f"run-{seed}", "--set", f"train.seed={seed}"], folder)
            for seed in range(options.runs)
        )
    print(f"{options.runs} runs, {len(os.sched_getaffinity(0))} cores, {time.strftime('%Y-%m-%d', time.gmtime())}\n")
    print("| how | seconds | faster than one after the other | than one process |\n|---|---|---|---|")
    for name, seconds in (
        (f"sweep --jobs {options.jobs}", many),
        ("sweep --jobs 1", one),
        ("run, one after the other", alone),
    ):
        print(f"| {name} | {seconds:.0f} | {alone / seconds:.2f} x | {one / seconds:.2f} x |")


if __name__ == "__main__":
    main()

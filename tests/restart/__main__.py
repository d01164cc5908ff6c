"""Kill a small run at random points, start it again, and compare: python -m tests.restart --kills 200 --seed 7."""

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from markupsafe import Markup

from fairshrink import files
from fairshrink.report import pictures

from .chains import by_the_clock, chain, every_point, points, reference
from .experiment import experiment_in
from .session import ANY, PHASES, Stop

PER_CHAIN = 5
CARELESS = 6  # the event at which half of config.toml is there, when it is written without care
# What grows beyond each: the experiment's text, the decoded images, a training's state, a shrunk model, the page.
LIMITS = [
    *(Stop("limit", ANY, size) for size in (300, 100_000, 500_000)),
    Stop("kill", "shrink", 1),
    Stop("limit", ANY, 100_000),
    Stop("kill", "report", 1),
    Stop("limit", ANY, 9_000),
]


def main() -> int:
    """Print one line of JSON for each chain; exit status 1 if one of them found a fault."""
    options = _options()
    torch.set_num_threads(1)
    if not options.drawn:
        pictures.inline_svg = lambda figure, prefix, label: Markup("<svg>{}</svg>").format(label)
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        experiment = experiment_in(folder)
        left_alone = reference(experiment, folder / "alone")
        print(json.dumps({"events": left_alone.events, "milliseconds": left_alone.milliseconds}), flush=True)
        if options.careless:
            files.write_atomically = _carelessly
        faults, ends = 0, 0
        for number, stops in enumerate(_stops(options, left_alone.events, left_alone.milliseconds)):
            found = chain(experiment, folder / f"run-{number:04d}", stops, left_alone)
            print(json.dumps(asdict(found)), flush=True)
            faults, ends = faults + len(found.faults), ends + len(found.ends)
    print(f"{ends} stops, {faults} faults", file=sys.stderr)
    return 1 if faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.restart", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="SIGKILL at so many points, spread over all phases")
    parser.add_argument("--clock", type=int, default=0, help="SIGKILL so many times after a random time")
    parser.add_argument("--interrupts", type=int, default=0, help="Ctrl-C at so many points")
    parser.add_argument("--full", type=int, default=0, help="a full disk at so many points")
    parser.add_argument("--limits", action="store_true", help="files that may not grow beyond a size")
    parser.add_argument(
        "--every", choices=("kill", "interrupt", "full"), help="at every point, one after the other (long)"
    )
    parser.add_argument("--drawn", action="store_true", help="draw the report's pictures, which takes most of the time")
    parser.add_argument("--careless", action="store_true", help="write without care, to see that this is noticed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where the runs go; the system's folder for temporary files by default")
    return parser.parse_args()


def _carelessly(path: Path, write: Callable[[Path], object]) -> Path:
    """As `files.write_atomically`, but a stop in the middle leaves half of the file under its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    files._flush(path)
    path.write_bytes(content)
    return path


def _stops(options: argparse.Namespace, events: dict[str, dict[str, int]], milliseconds: int) -> Iterator[list[Stop]]:
    if options.careless:
        return iter([[Stop("kill", PHASES[0], CARELESS)]])
    if options.every:
        return every_point(events["full" if options.every == "full" else "kill"], options.every)
    return itertools.chain(
        points(events["kill"], -(-options.kills // PER_CHAIN), options.seed),
        points(events["kill"], -(-options.interrupts // PER_CHAIN), options.seed, "interrupt"),
        by_the_clock(milliseconds, -(-options.clock // PER_CHAIN), options.seed),
        points(events["full"], -(-options.full // PER_CHAIN), options.seed, "full"),
        [LIMITS] if options.limits else [],
    )


if __name__ == "__main__":
    sys.exit(main())

"""What a sweep would do, without doing it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from fairshrink.lab.chains import Chain, chains
from fairshrink.lab.data import open_source
from fairshrink.lab.estimate import Pace, Sizes, split_sizes, stage_seconds
from fairshrink.lab.observer import Observer
from fairshrink.lab.pace import measure
from fairshrink.lab.plan import check_columns, duration
from fairshrink.lab.states import done_units, known_failures, needed, run_states, run_unit
from fairshrink.lab.sweep_store import SweepPaths
from fairshrink.lab.units import units
from fairshrink.lab.variants import Variant

SHOWN = 30  # runs named one by one


def plan_sweep(runs: Sequence[Variant], out: Path, beside: Path, slots: int, observer: Observer) -> None:
    """Say the runs, what they share, what is there already and what the rest costs; nothing is written.

    A few seconds go into measuring how fast this machine is, for each network and size.

    Raises:
        DataError: The tables cannot be used.
    """
    paths = SweepPaths(out.absolute())
    parts = units(runs, paths)
    done = done_units(parts, paths)
    failures = known_failures((name for name in parts if name not in done), paths, retry=False, look_only=True)
    for state in run_states(runs, parts, done, failures)[:SHOWN]:
        observer.say(f"run {state.run.name}: {state.state}{f' ({state.error})' if state.error else ''}")
    if len(runs) > SHOWN:
        observer.say(f"... and {len(runs) - SHOWN} more")
    stages = {chain.key: chain for run in runs for chain in chains(run.experiment)}
    each = sum(len(chains(run.experiment)) for run in runs)
    left = [stages[key] for key in stages if key in needed(map(run_unit, runs), parts, done)]
    observer.say(
        f"into {out}: {len(runs)} runs of {each} stages, {len(stages)} of them different, {len(left)} not done yet"
    )
    _say_cost(runs, left, beside, slots, observer)


def _say_cost(runs: Sequence[Variant], left: Iterable[Chain], beside: Path, slots: int, observer: Observer) -> None:
    measured: dict[str, tuple[Sizes, Pace]] = {}
    seconds = 0.0
    for chain in left:
        kind = _kind(chain)
        if kind not in measured:
            measured[kind] = _measure(next(run for run in runs if _kind(chains(run.experiment)[-1]) == kind), beside)
        sizes, pace = measured[kind]
        seconds += stage_seconds(chain.experiment, len(chain.experiment.shrink), sizes, pace)
    observer.say(
        f"work left: about {duration(seconds)} by one process, {duration(seconds / slots)} by {slots} that do not slow each "
        "other down. This is an estimate from a few seconds on this machine just now; decoding, audits and reports are not in it."
    )


def _measure(run: Variant, beside: Path) -> tuple[Sizes, Pace]:
    data = run.experiment.data
    manifest = open_source(data, beside)
    groups = check_columns(run.experiment, manifest).groups
    sizes = Sizes(*split_sizes(len(manifest.frame), data.folds), classes=len(manifest.classes), groups=len(groups))
    return sizes, measure(run.experiment, manifest, sizes)


def _kind(chain: Chain) -> str:
    """What decides how fast a stage is: everything but the numbers of the optimiser."""
    train = chain.experiment.train
    return repr(
        (chain.experiment.data, chain.experiment.model, train.batch_size, train.threads, train.precision, train.augment)
    )

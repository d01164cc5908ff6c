"""What a sweep would do, without doing it."""

from collections.abc import Sequence
from pathlib import Path

from fairshrink.lab.adoptable import adoptable, check_sources
from fairshrink.lab.chains import Chain, chains
from fairshrink.lab.data import open_source
from fairshrink.lab.estimate import Pace, Sizes, stage_seconds
from fairshrink.lab.foresee import foreseen_parts
from fairshrink.lab.observer import Observer
from fairshrink.lab.pace import measure
from fairshrink.lab.plan import check_columns, duration
from fairshrink.lab.states import done_units, known_failures, needed, run_states, run_unit
from fairshrink.lab.sweep_claim import check_folder
from fairshrink.lab.sweep_store import SweepPaths
from fairshrink.lab.units import units
from fairshrink.lab.variants import Variant

SHOWN = 30  # runs named one by one


def plan_sweep(
    runs: Sequence[Variant], out: Path, beside: Path, observer: Observer, *, slots: int, sources: Sequence[Path] = ()
) -> None:
    """Say the runs, what they share, what is there already and what the rest costs; nothing is written.

    A few seconds go into measuring how fast this machine is, for each network and size.

    Args:
        runs: The runs.
        out: The sweep folder, which need not be there.
        beside: Where relative paths of the experiments are looked for.
        observer: Told all of it.
        slots: How many processes there would be.
        sources: Run or sweep folders whose finished stages would be taken over.

    Raises:
        ConfigError: The folder holds another sweep, or a source is no run or sweep folder.
        DataError: The tables cannot be used.
    """
    paths = SweepPaths(out.absolute())
    check_folder(runs, paths)
    check_sources(sources)
    parts = units(runs, paths)
    done = done_units(parts, paths)
    stages = {chain.key: chain for run in runs for chain in chains(run.experiment)}
    brought = {source: adoptable(source, stages, paths) for source in sources}
    for source, keys in brought.items():
        what = f"would be taken over, if its data are the same: {', '.join(keys)}" if keys else "nothing to take over"
        observer.say(f"from {source}: {what}")
    taken = {key for keys in brought.values() for key in keys}
    done |= {name for name, unit in parts.items() if unit.chain is not None and unit.chain.key in taken}
    left_over = [name for name in parts if name not in done]
    failures = known_failures(left_over, paths, observer, retry=False, look_only=True)
    for state in run_states(runs, parts, done, failures)[:SHOWN]:
        observer.say(f"run {state.run.name}: {state.state}{f' ({state.error})' if state.error else ''}")
    if len(runs) > SHOWN:
        observer.say(f"... and {len(runs) - SHOWN} more")
    each = sum(len(chains(run.experiment)) for run in runs)
    left = [stages[key] for key in stages if key in needed(map(run_unit, runs), parts, done)]
    observer.say(
        f"into {out}: runs: {len(runs)}; stages: {each}, {len(stages)} of them different, {len(left)} not done yet"
    )
    _say_cost(runs, left, beside, slots, observer)


def _say_cost(runs: Sequence[Variant], left: Sequence[Chain], beside: Path, slots: int, observer: Observer) -> None:
    measured: dict[str, tuple[Sizes, Pace]] = {}
    seconds = 0.0
    if not left:
        observer.say("work left: none but putting runs together, if that")
        return
    observer.say("measuring this machine ...")
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
    first = check_columns(run.experiment, manifest)
    sizes = foreseen_parts(data, manifest, first, beside).sizes(len(manifest.classes), len(first.groups))
    return sizes, measure(run.experiment, manifest, sizes)


def _kind(chain: Chain) -> str:
    """What decides how fast a stage is: everything but the numbers of the optimiser."""
    train = chain.experiment.train
    return repr(
        (chain.experiment.data, chain.experiment.model, train.batch_size, train.threads, train.precision, train.augment)
    )

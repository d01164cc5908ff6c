"""`fairshrink sweep`."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from fairshrink.cli.stopping import kept
from fairshrink.errors import ConfigError
from fairshrink.lab.engines import Engine, local
from fairshrink.lab.foreseen import check_runs
from fairshrink.lab.states import RunState
from fairshrink.lab.sweep import Options
from fairshrink.lab.sweep import sweep as do_sweep
from fairshrink.lab.sweep_file import load_sweep
from fairshrink.lab.sweep_plan import plan_sweep
from fairshrink.lab.variants import Variant, variants
from fairshrink.report.writing import write_all
from fairshrink.terminal import Screen, plain, table

LEAVES = ("report.html", "card.md")  # what write_all writes


def sweep(
    sweep: Annotated[Path, typer.Argument(help="A sweep file (TOML), such as examples/ham10000-sweep.toml.")],
    out: Annotated[Path | None, typer.Option(help="The sweep folder; sweeps/NAME-DIGEST by default.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Units at a time; by default one per GPU, or cores / train.threads.")
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Processes of this machine, or a Ray cluster.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster that runs; without it, one on this machine only.")
    ] = None,
    source: Annotated[
        list[Path] | None,
        typer.Option("--from", help="A run or sweep folder whose finished stages are taken over; may be repeated."),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do what has failed before once more.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and say what would be done.")] = False,
) -> None:
    """Many runs of one experiment: what they share is done once; started again, it does what is missing."""
    _check_alone()
    _check_address(engine, address)
    file = load_sweep(sweep)
    runs, said = variants(file.sweep, str(sweep))
    folder = out or Path("sweeps") / f"{file.name}-{file.sweep.digest()}"
    console = Console()
    check_runs(runs, file.beside)
    if dry_run:
        screen = Screen(console)
        for line in said:
            screen.say(line)
        plan_sweep(runs, folder, file.beside, screen, slots=local(jobs, _threads(runs)).slots, sources=source or ())
        return
    chosen = Options(tuple(source or ()), retry_failed, write_all, LEAVES)
    words = f"What was finished is kept in {folder}, epochs of trainings included; the same command goes on from there."
    with kept(words), Screen(console, guess=False) as screen:
        states = do_sweep(file, folder, _engine((engine, address), jobs, runs, folder), observer=screen, options=chosen)
    _show(states, folder, console)
    if any(state.state != "done" for state in states):
        raise typer.Exit(2)


def _check_alone() -> None:
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ConfigError(
            f"a sweep was started by torchrun, with {os.environ['WORLD_SIZE']} processes, but it starts its own: start it once, "
            "and say how many with --jobs."
        )


def _check_address(engine: str, address: str | None) -> None:
    if address is not None and engine != "ray":
        raise ConfigError(f"--address is '{address}', but it belongs to --engine ray: give both, or leave it out.")


def _engine(which: tuple[str, str | None], jobs: int | None, runs: Sequence[Variant], folder: Path) -> Engine:
    name, address = which
    threads = _threads(runs)
    if name == "local":
        return local(jobs, threads)
    from fairshrink.lab.ray_engine import start_ray  # an extra, which takes seconds to import

    return start_ray(address, folder, threads=threads, jobs=jobs)


def _threads(runs: Sequence[Variant]) -> int:
    return max(run.experiment.train.threads for run in runs)


def _show(states: Sequence[RunState], folder: Path, console: Console) -> None:
    rows = [{"run": state.run.name, "state": state.state, "why": state.error or ""} for state in states]
    if bad := [row for row in rows if row["state"] != "done"]:
        console.print(table("Not done", bad))
    counts = Counter(state.state for state in states)
    console.print(plain(f"runs: {', '.join(f'{count} {state}' for state, count in counts.items())}"), soft_wrap=True)
    if counts["failed"]:
        console.print(
            plain("--retry-failed does what failed once more; log/ and failed/ say what happened."), soft_wrap=True
        )
    if counts["done"]:
        console.print(plain(f"compare them: fairshrink report {folder}"), soft_wrap=True)

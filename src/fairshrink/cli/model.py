"""`fairshrink predict` and `fairshrink export`: a model in use."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from fairshrink.cli.exported import notes_of, said_of_channels, said_of_onnx, said_of_stages
from fairshrink.cli.stopping import kept
from fairshrink.compress.frozen import Frozen
from fairshrink.deploy.export import export_onnx, export_stages
from fairshrink.deploy.images import Named, find_images
from fairshrink.deploy.inspect import inspect_packed, together
from fairshrink.deploy.packed import is_packed, save_packed
from fairshrink.deploy.predict import Failure, write_predictions
from fairshrink.deploy.predictor import BATCH, Predictor
from fairshrink.deploy.ready import Ready, make_ready, save_cut
from fairshrink.deploy.stages import is_stages
from fairshrink.errors import ConfigError
from fairshrink.files import write_atomically
from fairshrink.lab.masks import load_frozen, save_frozen
from fairshrink.lab.models import Chosen, find_models
from fairshrink.lab.store import FoldPaths
from fairshrink.terminal import Screen, plain

ENDINGS = {
    "onnx": (".onnx", "model.onnx"),
    "packed": (".safetensors", "model.packed.safetensors"),
    "cut": (".safetensors", "small.safetensors"),
}
SHOWN = 20  # reasons on the screen; all are in the CSV

Model = Annotated[
    Path,
    typer.Argument(
        help="A run folder, a stage's folder, model.safetensors, a packed or an exported .onnx file, or a folder of "
        "exported stages."
    ),
]
Stage = Annotated[str | None, typer.Option(help="Stage of a run folder, such as train; the last one by default.")]


def predict(
    model: Model,
    images: Annotated[
        list[str], typer.Argument(help="Files, folders, zip archives or patterns of JPEG and PNG images.")
    ],
    csv: Annotated[Path | None, typer.Option(help="Write here; otherwise to standard output.")] = None,
    stage: Stage = None,
    fold: Annotated[int | None, typer.Option(help="One fold; by default the mean of all folds' probabilities.")] = None,
    batch_size: Annotated[int, typer.Option(help="Images computed at once.")] = BATCH,
    threads: Annotated[int | None, typer.Option(help="Threads; by default one for each core.")] = None,
) -> None:
    """Predict images; nobody's attribute is asked for. Exit status 2 if an image could not be read."""
    console = Console(stderr=True)
    _check(csv, threads)
    if threads is not None:
        torch.set_num_threads(threads)
    chosen = find_models(model, stage, fold)
    found = find_images(images)
    predictor = Predictor.load(*chosen.files, threads=threads)
    console.print(plain(f"{len(found.images):,} images, {chosen.said}"), soft_wrap=True)
    for note in [*found.notes, *notes_of(predictor)]:
        console.print(plain(f"note: {note}"), soft_wrap=True)

    def work(write: Callable[[str], object], screen: Screen) -> list[Failure]:
        return write_predictions(
            predictor,
            found.images,
            write,
            batch_size=batch_size,
            threads=threads,
            observer=lambda done, total: screen.advance("predicting", done, total),
        )

    with (
        kept(f"{csv} was not written." if csv else "The rows that were written are complete."),
        Screen(console) as screen,
    ):
        failures = _to_file(csv, lambda write: work(write, screen)) if csv else work(_to_screen(), screen)
    _tell(console, failures, found.images, csv)
    raise typer.Exit(2 if failures else 0)


def export(
    model: Model,
    onnx: Annotated[Path | None, typer.Option(help="Write an ONNX file, such as model.onnx.")] = None,
    packed: Annotated[
        Path | None, typer.Option(help="Write a packed file, such as model.packed.safetensors: few bits a weight.")
    ] = None,
    cut: Annotated[
        Path | None,
        typer.Option(help="Write model.safetensors without the channels that are 0, such as small.safetensors."),
    ] = None,
    stages: Annotated[
        Path | None,
        typer.Option(help="Write a model with exits as a folder of ONNX files, one for each stage, such as stages."),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Leave channels that are 0 in the ONNX or packed files.")
    ] = False,
    stage: Stage = None,
    fold: Annotated[int | None, typer.Option(help="Which fold of a run with several.")] = None,
) -> None:
    """Write a model as ONNX (pixels in, probabilities out), packed or cut; compared with the model first.

    Channels that are 0 wherever they are read are cut out of all of them.
    """
    _check_targets(model, {"onnx": onnx, "packed": packed, "cut": cut, "stages": stages}, whole)
    chosen = find_models(model, stage, fold)
    file = only(chosen, model)
    console = Console()
    work: list[tuple[str, Path | None, Callable[[Path], list[str]]]] = [
        ("cutting", cut, lambda target: _export_cut(file, target, chosen.said)),
        ("packing", packed, lambda target: _export_packed(file, target, chosen.said, whole=whole)),
        ("exporting", onnx, lambda target: said_of_onnx(export_onnx(file, target, whole=whole), chosen.said)),
        ("exporting", stages, lambda target: said_of_stages(export_stages(file, target, whole=whole), chosen.said)),
    ]
    for doing, target, write in work:
        if target is not None:
            with console.status(doing):
                lines = write(target)
            for line in lines:
                console.print(plain(line), soft_wrap=True)


def only(chosen: Chosen, model: Path) -> Path:
    """The one file that was chosen.

    Raises:
        ConfigError: There is one for each fold.
    """
    file, *others = chosen.files
    if others:
        raise ConfigError(
            f"'{model}' has one model for each of {len(chosen.files)} folds, and a file holds one. Name it:  --fold 0.  "
            "It is tested on its own fold only; what was audited is all of them."
        )
    return file


def _check_targets(model: Path, targets: dict[str, Path | None], whole: bool) -> None:
    named = {name: target for name, target in targets.items() if target is not None}
    if not named:
        raise ConfigError(
            "nothing is to be written: name a file with --onnx model.onnx or --packed model.packed.safetensors, or with "
            "--cut small.safetensors, or a folder with --stages stages."
        )
    for name, (ending, such) in ENDINGS.items():
        target = named.get(name)
        if target is not None and target.suffix.lower() != ending:
            raise ConfigError(f"--{name} is '{target}': a name that ends in {ending} was expected, such as {such}.")
    if len({target.resolve() for target in named.values()}) < len(named):
        raise ConfigError(
            f"{' and '.join(f'--{name}' for name in named)} name the same file. Give each a name of its own."
        )
    if whole and "cut" in named:
        raise ConfigError("--whole leaves every channel where it is, and --cut takes some out. Leave one of them out.")
    if model.suffix.lower() == ".onnx" or is_stages(model) or (model.is_file() and is_packed(model)):
        raise ConfigError(f"'{model}' is exported already. Give the run folder or model.safetensors that it came from.")


def _refuse_itself(name: str, target: Path, file: Path) -> None:
    if target.resolve() == file.resolve():
        raise ConfigError(f"--{name} is '{target}', which is the model itself. Give another name.")


def masks_of(file: Path, *, cut: bool) -> Path:
    """Where it is written down which weights of a model's file are fixed; a cut file has masks of its own."""
    own = file.with_suffix(".frozen.safetensors")
    return own if cut or own.is_file() else FoldPaths(file.parent).frozen


def _fixed(file: Path, ready: Ready) -> Frozen | None:
    """Which weights of what is exported are fixed; None: nobody wrote that down."""
    beside = masks_of(file, cut=ready.was_cut)
    return ready.fixed(load_frozen(beside, ready.whole)) if beside.is_file() else None


def _export_cut(file: Path, target: Path, said: str) -> list[str]:
    _refuse_itself("cut", target, file)
    ready = make_ready(file)
    fixed, masks = _fixed(file, ready), masks_of(target, cut=True)
    if fixed is None:
        masks.unlink(missing_ok=True)  # of an earlier export
    else:
        save_frozen(masks, fixed)
    save_cut(target, ready, file)
    size, before = target.stat().st_size, file.stat().st_size
    return [
        f"{target}: {ready.card.backbone} from {said}, {size / 1e6:.2f} MB of {before / 1e6:.2f} MB ({size / before:.1%})",
        *said_of_channels(ready.card, ready.cut),
    ]


def _export_packed(file: Path, target: Path, said: str, *, whole: bool) -> list[str]:
    _refuse_itself("packed", target, file)
    ready = make_ready(file, whole=whole)
    card = ready.card
    save_packed(target, ready.model, _fixed(file, ready) or Frozen(), card)
    found = inspect_packed(target)
    every = together("all", found.rows)
    return [
        f"{target}: {card.backbone} from {said}, {found.size / 1e6:.2f} MB",
        f"  {every.pruned:,} of {every.weights:,} weights are pruned, {every.quantised:,} quantised, {every.free:,} free",
        f"  against {file.stat().st_size / 1e6:.2f} MB unpacked: {found.size / file.stat().st_size:.3f}; "
        f"in theory {found.theory / 1e6:.2f} MB",
        "  unpacked again and compared with the model: the same bits",
        *said_of_channels(card, ready.cut),
    ]


def _check(csv: Path | None, threads: int | None) -> None:
    """Find now what would otherwise end the work at its end."""
    if csv is not None and csv.is_dir():
        raise ConfigError(
            f"--csv is the folder '{csv}'. Give the name of a file in it, such as {csv / 'predictions.csv'}."
        )
    if threads is not None and threads < 1:
        raise ConfigError(f"threads is {threads}, but at least 1 is needed.")


def _to_file(csv: Path, work: Callable[[Callable[[str], object]], list[Failure]]) -> list[Failure]:
    failures: list[Failure] = []

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            failures.extend(work(file.write))

    write_atomically(csv, write)
    return failures


def _to_screen() -> Callable[[str], object]:
    """Standard output: UTF-8 into a pipe or file, without control characters on a terminal."""
    if sys.stdout.isatty():
        return lambda text: sys.stdout.write(plain(text).plain)
    return lambda text: typer.echo(text.encode(), nl=False)


def _tell(console: Console, failures: list[Failure], images: list[Named], csv: Path | None) -> None:
    for name, reason in failures[:SHOWN]:
        console.print(plain(f"{name}: {reason}"), soft_wrap=True)
    if len(failures) > SHOWN:
        console.print(f"... and {len(failures) - SHOWN:,} more; the column 'error' has them all")
    where = f" into {csv}" if csv else ""
    without = f"; {len(failures):,} could not be read and have no prediction" if failures else ""
    console.print(plain(f"{len(images) - len(failures):,} predictions{where}{without}."), soft_wrap=True)

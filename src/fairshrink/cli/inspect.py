"""`fairshrink inspect`: what a model's file holds."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fairshrink.cli.cutting import said_of_card
from fairshrink.cli.exported import said_of_leaving
from fairshrink.cli.model import Stage, masks_of, only
from fairshrink.deploy.card import Card, read_card
from fairshrink.deploy.inspect import Inspected, Row, in_short, inspect_packed, inspect_weights, together
from fairshrink.deploy.packed import card_of, is_packed, read_packed
from fairshrink.deploy.predictor import load_network
from fairshrink.deploy.stages import is_stages
from fairshrink.errors import ConfigError, ModelError, StoreError
from fairshrink.files import write_json
from fairshrink.lab.masks import load_frozen
from fairshrink.lab.models import find_models
from fairshrink.models.checkpoint import read_meta, read_weights
from fairshrink.terminal import plain, table

WIDE = 140  # columns in a file or pipe


def inspect(
    model: Annotated[Path, typer.Argument(help="A packed file, model.safetensors, a run folder or a stage's folder.")],
    stage: Stage = None,
    fold: Annotated[int | None, typer.Option(help="Which fold of a run with several.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all tensors here.")] = None,
) -> None:
    """Show which weights are pruned, quantised and free, and in how many bits each layer is stored."""
    if model.suffix.lower() == ".onnx" or is_stages(model):
        what = "a folder of ONNX files, which do" if is_stages(model) else "an ONNX file, which does"
        raise ConfigError(
            f"'{model}' is {what} not say what is quantised. Give the packed file, the run folder or the "
            "model.safetensors that it came from."
        )
    if json is not None and json.is_dir():
        raise ConfigError(
            f"--json is the folder '{json}'. Give the name of a file in it, such as {json / 'model.json'}."
        )
    chosen = find_models(model, stage, fold)
    found = _inspected(only(chosen, model))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    shown = table(chosen.said, [*map(_cells, in_short(found.rows)), _cells(together("all", found.rows))])
    for column in shown.columns:
        column.overflow = "fold"  # in a narrow terminal a number or a name goes on below, and is not cut
    console.print(shown)
    for line in _said(found):
        console.print(plain(line), soft_wrap=True)
    if json is not None:
        write_json(json, _as_dict(found))


def _inspected(file: Path) -> Inspected:
    if is_packed(file):
        found, card = inspect_packed(file), _card_of_packed(file)
    else:
        card = _card_of(file)
        beside = masks_of(file, cut=card is not None and card.cut is not None)
        if beside.is_file():
            _, network = load_network(file)
            found = inspect_weights(file, network.state_dict(), load_frozen(beside, network))
        else:
            found = inspect_weights(file, read_weights(file), None)
    return found if card is None else replace(found, notes=(*found.notes, *_notes_of(card)))


def _notes_of(card: Card) -> list[str]:
    cut = [] if card.cut is None else [said_of_card(card.cut)]
    exits = card.exits
    return cut if exits is None else [*cut, f"exits: {', '.join(exits.names)}; {said_of_leaving(exits)}"]


def _card_of_packed(file: Path) -> Card | None:
    about = read_packed(file).about
    return None if about.card is None else card_of(file, about)


def _card_of(file: Path) -> Card | None:
    """How a model is used, if it has a card that says so."""
    try:
        return read_card(read_meta(file), str(file))
    except (ModelError, StoreError):
        return None


def _cells(row: Row) -> dict[str, object]:
    return {
        "tensor": row.name,
        "shape": "x".join(map(str, row.shape)),
        "weights": f"{row.weights:,}",
        "pruned": _share(row.pruned, row),
        "quantised": _share(row.quantised, row),
        "free": _share(row.free, row),
        "levels": "" if row.levels is None else row.levels,
        "bits": f"{row.bits:.2f}",
    }


def _share(count: int, row: Row) -> str:
    return f"{count / max(row.weights, 1):.1%}" if count else "0"


def _said(found: Inspected) -> list[str]:
    what = "packed, checked and unpacked" if found.packed else "not packed"
    return [
        f"{found.path}: {found.size / 1e6:.2f} MB, {what}; bits: of a weight, as stored",
        f"  {found.size / found.full:.3f} of its {found.full / 1e6:.2f} MB as fp32; in theory {found.theory / 1e6:.2f} MB",
        *(f"  note: {note}" for note in found.notes),
    ]


def _as_dict(found: Inspected) -> dict[str, Any]:
    rows = [asdict(row) | {"free": row.free, "bits": row.bits} for row in found.rows]
    sizes = {"bytes": found.size, "bytes_as_fp32": found.full, "bytes_in_theory": found.theory}
    return {"file": str(found.path), "packed": found.packed} | sizes | {"notes": found.notes, "tensors": rows}

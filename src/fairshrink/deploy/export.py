"""A model as one ONNX file, or as one for each of its stages, compared with PyTorch before it is written."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fairshrink.deploy.answers import Pixels
from fairshrink.deploy.card import Card
from fairshrink.deploy.cut import Cut
from fairshrink.deploy.onnx_file import INPUT, LOGITS, PROBABILITIES, STAGE, Outputs, label, need, session
from fairshrink.deploy.predictor import example_of
from fairshrink.deploy.ready import Ready, make_ready
from fairshrink.deploy.stages import (
    DIGESTS,
    RECORD,
    digest,
    given_by,
    is_stages,
    logits_of,
    passed_on,
    stage_file,
    taken_by,
)
from fairshrink.deploy.tracing import Deployed, Staged, cut_out, deployed, traced, zeros_in
from fairshrink.errors import ConfigError, ModelError, StoreError
from fairshrink.files import TEMPORARY, write_bytes, write_json
from fairshrink.models.checkpoint import DIGEST, read_meta
from fairshrink.models.multi_exit import MultiExit

BATCHES = (1, 2, 7)  # images; the file takes any number
TOLERANCE = 1e-4  # of probabilities, and of logits relative to the largest


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: The file, or the folder of stages.
        card: How the model is used; all of it is in the file, too.
        zeros: Weights of convolutions and linear layers that are 0, in the model and in the file alike.
        weights: How many there are.
        difference: Largest difference of a probability between PyTorch and onnxruntime.
        images: Random images that were compared.
        cut: What was cut out of the model first; None: nothing was tried.
        macs: Multiplications for an image up to each exit, (E,); empty where there is one exit.
    """

    path: Path
    card: Card
    zeros: int
    weights: int
    difference: float
    images: int
    cut: Cut | None = None
    macs: tuple[int, ...] = ()


class _Source(NamedTuple):
    """A model that was traced, with what is written into its files."""

    ready: Ready
    network: Deployed | Staged
    proto: Any
    facts: dict[str, str]
    zeros: int
    weights: int


def export_onnx(model: Path, target: Path, *, whole: bool = False) -> Exported:
    """Export a model that fairshrink saved; the file appears only if it gives what PyTorch gives.

    A model with exits gives the logits and probabilities of all of them, (N, E, C), the final one last.

    Args:
        model: `model.safetensors` with its `model.json` beside.
        target: The ONNX file.
        whole: Leave in it the channels that are 0 wherever they are read; otherwise they are cut out.

    Raises:
        ModelError: The model cannot be read, or the exported one computes something else.
        ConfigError: The packages for ONNX are not installed.
        StoreError: The file cannot be written.
    """
    _check_packages()
    source = _source(model, make_ready(model, whole=whole))
    content = _content(source, INPUT, [LOGITS, PROBABILITIES], {})
    difference = _compare(source, session(content, None, "the exported model"))
    write_bytes(target, content)
    return _exported(target, source, difference)


def export_stages(model: Path, folder: Path, *, whole: bool = False) -> Exported:
    """Export a model with exits as one ONNX file for each stage; they appear only if they give what PyTorch gives.

    Stage k is the backbone between two exits, and the head of the second.

    Args:
        model: `model.safetensors` with its `model.json` beside.
        folder: Where the files go: a new folder, an empty one, or one of an earlier export, which is replaced.
        whole: Leave in them the channels that are 0 wherever they are read; otherwise they are cut out.

    Raises:
        ModelError: The model cannot be read, or the exported one computes something else.
        ConfigError: The packages for ONNX are not installed, the model has no exits, or the folder holds something else.
        StoreError: A file cannot be written.
    """
    with _on_disk(folder):
        if folder.exists() and not is_stages(folder) and (folder.is_file() or not all(map(_is_ours, folder.iterdir()))):
            raise ConfigError(f"'{folder}' is there and is no folder of stages. Name a new folder.")
    _check_packages()
    ready = make_ready(model, whole=whole)
    if ready.card.exits is None:
        raise ConfigError(f"'{model}' has one exit, so there are no stages. Export it with  --onnx model.onnx.")
    source = _source(model, ready)
    last = len(ready.card.exits.taps)
    contents = [
        _content(source, taken_by(number), given_by(number, last), {STAGE: str(number)}) for number in range(last + 1)
    ]
    difference = _compare(source, _in_a_row(contents))
    _write_stages(folder, contents, ready.card.to_dict() | source.facts)
    return _exported(folder, source, difference)


def _check_packages() -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        need(name)


def _source(model: Path, ready: Ready) -> _Source:
    network = deployed(ready.model, ready.card.normalisation)
    proto = traced(network, ready.card.size)
    facts = {"fairshrink_version": version("fairshrink"), DIGEST: str(read_meta(model).get(DIGEST, ""))}
    return _Source(ready, network, proto, facts, *zeros_in(network, proto))


def _content(source: _Source, taken: str, given: Sequence[str], facts: dict[str, str]) -> bytes:
    """The bytes of a file with the whole of a model, or with what lies between two of its places."""
    proto = cut_out(source.proto, taken, given, _called(source.ready.card, facts.get(STAGE)))
    label(proto, source.ready.card, source.facts | facts)
    return proto.SerializeToString()


def _called(card: Card, stage: str | None) -> str:
    """The whole of a model, or a stage of it, for errors."""
    if card.exits is None:
        return "the model"
    if stage is None:
        return f"the model with taps {', '.join(card.exits.taps)}"
    places = ("the input", *card.exits.names)
    return f"stage {stage} of the model, from {places[int(stage)]} to {places[int(stage) + 1]},"


def _in_a_row(contents: Sequence[bytes]) -> Callable[[Pixels], Outputs]:
    """All exits' logits and probabilities by stages, with nobody leaving."""
    last = len(contents) - 1
    runs = [
        session(content, None, f"stage {number} of the exported model", taken_by(number), given_by(number, last))
        for number, content in enumerate(contents)
    ]

    def run(pixels: Pixels) -> Outputs:
        found, x = [], pixels
        for number, stage in enumerate(runs):
            outputs = stage(x)
            found.append(outputs[logits_of(number)])
            x = outputs.get(passed_on(number), x)
        logits = np.stack(found, axis=1)
        return {LOGITS: logits, PROBABILITIES: torch.from_numpy(logits).softmax(dim=2).numpy()}

    return run


def _write_stages(folder: Path, contents: Sequence[bytes], facts: dict[str, Any]) -> None:
    """The record first goes and last comes: a folder with a record has the stages that it was written for, or is refused."""
    with _on_disk(folder):
        (folder / RECORD).unlink(missing_ok=True)
        for old in [path for path in folder.glob("*") if _is_ours(path)]:
            old.unlink()
    for number, content in enumerate(contents):
        write_bytes(stage_file(folder, number), content)
    write_json(folder / RECORD, facts | {DIGESTS: [digest(content) for content in contents]})


def _is_ours(path: Path) -> bool:
    """Whether an export that was stopped half-way leaves such a file."""
    return path.match(stage_file(path.parent, "*").name) or path.name.startswith(TEMPORARY)


@contextmanager
def _on_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the stages cannot be written to '{folder}': {error.strerror or error}. "
            "Name a new folder, or make this one writable."
        ) from error


def _exported(target: Path, source: _Source, difference: float) -> Exported:
    card, network = source.ready.card, source.ready.model
    macs = network.costs(example_of(card)) if isinstance(network, MultiExit) else ()
    return Exported(target, card, source.zeros, source.weights, difference, sum(BATCHES), source.ready.cut, macs)


def _compare(source: _Source, run: Callable[[Pixels], Outputs]) -> float:
    size = source.ready.card.size
    worst = 0.0
    for batch in BATCHES:
        pixels = np.random.default_rng(batch).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
        with torch.inference_mode():
            logits, probabilities, *_ = (out.numpy() for out in source.network(torch.from_numpy(pixels)))
        found = run(pixels)
        scale = max(1.0, float(np.abs(logits).max()))
        worst = max(worst, _furthest(found[PROBABILITIES], probabilities))
        if worst > TOLERANCE or _furthest(found[LOGITS], logits) > TOLERANCE * scale:
            raise ModelError(
                f"the exported model differs from PyTorch by {worst:.2g} in a probability and by "
                f"{_furthest(found[LOGITS], logits):.2g} in a logit (on {batch} random images), more than {TOLERANCE:g}. "
                "Nothing was written."
            )
    return worst


def _furthest(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf

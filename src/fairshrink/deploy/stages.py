"""A model with exits as a folder of ONNX files, run one after the other: an image that is sure never pays for the rest."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fairshrink.deploy.answers import Answer, Member, check_finite
from fairshrink.deploy.card import Card, read_card
from fairshrink.deploy.onnx_file import (
    INPUT,
    LOGITS,
    STAGE,
    Form,
    Run,
    card_in,
    check_form,
    forms,
    need,
    pixels_of,
    read_onnx,
    session,
)
from fairshrink.errors import ModelError, StoreError
from fairshrink.files import read_json
from fairshrink.maths.exits import confidence

RECORD = "stages.json"
DIGESTS = "stages_sha256"
AGAIN = "Export the model again with  fairshrink export --stages."


def is_stages(path: Path) -> bool:
    """Whether a path is a folder of stages."""
    return (path / RECORD).is_file()


def stage_file(folder: Path, number: int | str) -> Path:
    """Where stage k lies."""
    return folder / f"stage-{number}.onnx"


def passed_on(number: int) -> str:
    """Name of what stage k passes on."""
    return f"passed_on_{number}"


def logits_of(number: int) -> str:
    """Name of the logits of exit k."""
    return f"{LOGITS}_{number}"


def taken_by(number: int) -> str:
    """Name of what stage k takes."""
    return passed_on(number - 1) if number else INPUT


def given_by(number: int, last: int) -> tuple[str, ...]:
    """Names of what stage k gives: the final one passes nothing on."""
    return (logits_of(number),) if number == last else (passed_on(number), logits_of(number))


def digest(content: bytes) -> str:
    """SHA-256 of a stage's file."""
    return hashlib.sha256(content).hexdigest()


def open_stages(folder: Path, threads: int | None = None) -> tuple[Card, Member]:
    """Read and check a folder of stages.

    Args:
        folder: What `fairshrink export --stages` wrote.
        threads: Threads that compute; None: one for each core.

    Returns:
        How the model is used, and a function from decoded images (N, size, size, 3) to what it says about them.

    Raises:
        ModelError: A file is missing, damaged, changed, of another export, or not what the export writes.
        ConfigError: The packages for ONNX are not installed.
    """
    card, digests = _record(folder)
    threshold = card.exits.threshold if card.exits else 1.0
    runs: list[Run] = []
    taken = pixels_of(card)
    for number, expected in enumerate(digests):
        path, given = stage_file(folder, number), given_by(number, len(digests) - 1)
        read = read_onnx(path)
        if digest(read.content) != expected or read.facts.get(STAGE) != str(number):
            raise ModelError(f"'{path}' is not the file that '{RECORD}' beside it was written for. {AGAIN}")
        if card_in(path, read) != card:
            raise ModelError(f"'{RECORD}' says otherwise than '{path}' how the model is used: it was changed. {AGAIN}")
        outputs = [_passed(read.proto, given[0]), _logits(card, given[-1])][-len(given) :]
        check_form(path, read.proto, [taken], outputs)
        runs.append(session(read.content, threads, f"'{path}'", taken[0], given))
        taken = outputs[0]
    return card, lambda pixels: by_stages(runs, pixels, threshold, f"'{folder}'")


def by_stages(runs: Sequence[Run], pixels: NDArray[np.uint8], threshold: float, whose: str) -> Answer:
    """Run stage by stage; images that are sure leave, and the rest go on.

    Args:
        runs: E stages.
        pixels: Decoded images, (N, size, size, 3).
        threshold: Least confidence at which an image leaves, in (0, 1].
        whose: For errors.

    Raises:
        ModelError: The outputs are not finite.
    """
    going, values = np.arange(len(pixels)), pixels
    parts: list[tuple[NDArray[np.int64], torch.Tensor, int]] = []
    for number, run in enumerate(runs):
        found = run(values)
        check_finite(found[logits_of(number)], whose, AGAIN)
        logits = torch.from_numpy(found[logits_of(number)])
        final = number == len(runs) - 1
        leave = np.ones(len(going), dtype=bool) if final else (confidence(logits) >= threshold).numpy()
        parts.append((going[leave], logits[torch.from_numpy(leave)], number))
        going = going[~leave]
        if not len(going):
            break
        values = found[passed_on(number)][~leave]
    back = np.argsort(np.concatenate([part for part, _, _ in parts]))
    probabilities = torch.cat([logits for _, logits, _ in parts]).softmax(dim=1).numpy()
    exits = np.concatenate([np.full(len(part), number, dtype=np.int64) for part, _, number in parts])
    return Answer(probabilities[back], exits[back])


def _record(folder: Path) -> tuple[Card, list[str]]:
    """How the model is used, and the digest of each stage's file."""
    path = folder / RECORD
    try:
        meta = read_json(path)
    except StoreError as error:
        raise ModelError(f"the stages in '{folder}' cannot be used: {error}\n  {AGAIN}") from error
    card = read_card(meta, str(path))
    digests = meta.get(DIGESTS)
    expected = 0 if card.exits is None else len(card.exits.names)
    if not expected or not isinstance(digests, list) or len(digests) != expected:
        raise ModelError(f"'{path}' does not name one file for each exit of its model. {AGAIN}")
    return card, [str(each) for each in digests]


def _passed(proto: Any, wanted: str) -> Form:
    """What a stage says that it passes on: maps of a known size."""
    shapes = [shape for name, _, shape in forms(proto)[1] if name == wanted and shape and min(shape) > 0]
    return wanted, need("onnx").TensorProto.FLOAT, (shapes or [[1, 1, 1]])[0]


def _logits(card: Card, name: str) -> Form:
    return name, need("onnx").TensorProto.FLOAT, [len(card.classes)]

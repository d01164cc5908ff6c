"""A trained model as a function from images to probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fairshrink.data.normalise import Normalisation, network_inputs
from fairshrink.deploy.answers import Answer, Member, Probabilities, mean
from fairshrink.deploy.card import Card, Exits, read_card
from fairshrink.deploy.images import decoded, one_file
from fairshrink.deploy.onnx_file import open_onnx
from fairshrink.deploy.packed import card_of, fill, is_packed, read_packed
from fairshrink.deploy.resize import resize
from fairshrink.deploy.stages import is_stages, open_stages
from fairshrink.errors import ConfigError, DataError, ModelError, StoreError
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import load_into, read_meta, read_weights
from fairshrink.models.multi_exit import MultiExit, build_multi_exit
from fairshrink.train.evaluate import predict
from fairshrink.train.precision import device_of
from fairshrink.types import GroupBatch

BATCH = 64


@dataclass(frozen=True)
class Predictor:
    """One model, or several whose probabilities are averaged. No attribute of a person is asked for.

    >>> predictor = Predictor.load("model.safetensors")                    # doctest: +SKIP
    >>> predictor(["a.jpg", "b.png"]).argmax(axis=1)                       # doctest: +SKIP

    Attributes:
        card: Classes, size of the images, normalisation.
        members: The models, each from decoded images to its answer.
    """

    card: Card
    members: tuple[Member, ...]

    @classmethod
    def load(cls, *paths: Path | str, threads: int | None = None) -> "Predictor":
        """Read models: `model.safetensors` with its `model.json` beside, a packed file, an ONNX file or a folder of stages that
        we exported.

        Args:
            paths: One file, or those of several folds.
            threads: For ONNX files; other models compute as `torch.set_num_threads` says. None: as many as there are cores.

        Raises:
            ModelError: A file is missing, damaged, not fairshrink's, or the models are of different classes or sizes.
            ConfigError: The packages for ONNX are not installed.
        """
        if not paths:
            raise ModelError("no model was named. Give model.safetensors, a packed file or an exported .onnx file.")
        opened = [_open(Path(path), threads) for path in paths]
        cards = [card for card, _ in opened]
        if different := [path for path, card in zip(paths, cards, strict=True) if _use(card) != _use(cards[0])]:
            raise ModelError(
                f"'{different[0]}' and '{paths[0]}' differ in classes, image size, normalisation, backbone or exits, so their "
                "probabilities cannot be averaged. Take one of them."
            )
        return cls(cards[0], tuple(member for _, member in opened))

    def __call__(self, images: Sequence[str | Path] | NDArray[np.uint8]) -> Probabilities:
        """Probabilities, (N, C), in the order of the images.

        Args:
            images: Paths of JPEG or PNG files; or decoded images, (N, size, size, 3), bytes.

        Raises:
            DataError: An image cannot be read (the first is named), or the array has another form.
        """
        if isinstance(images, np.ndarray):
            return self.of_pixels(images)
        parts = [self.of_pixels(np.zeros((0, self.card.size, self.card.size, 3), dtype=np.uint8))]
        for batch in decoded([one_file(Path(path)) for path in images], self.card.size, BATCH):
            if batch.errors:
                at, why = next(iter(batch.errors.items()))
                raise DataError(f"'{batch.names[at]}' cannot be predicted: {why}")
            parts.append(self.of_pixels(batch.pixels))
        return np.concatenate(parts)

    def of_pixels(self, pixels: NDArray[np.uint8]) -> Probabilities:
        """Probabilities of decoded images, (N, size, size, 3) -> (N, C).

        Raises:
            DataError: The array has another form.
        """
        return self.answer(pixels).probabilities

    @property
    def exits(self) -> Exits | None:
        """Where images leave; None: at the end, or each of several models has its own say."""
        return self.card.exits if len(self.members) == 1 else None

    def answer(self, pixels: NDArray[np.uint8]) -> Answer:
        """Probabilities of decoded images, (N, size, size, 3), and where a model has exits the one each image left at.

        Raises:
            DataError: The array has another form.
        """
        size = self.card.size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
            raise DataError(
                f"the images are {pixels.dtype} of shape {pixels.shape}, but bytes of shape (N, {size}, {size}, 3) are "
                "expected: red, green, blue from 0 to 255."
            )
        if not len(pixels):
            nobody = np.zeros(0, dtype=np.int64) if self.exits else None
            return Answer(np.zeros((0, len(self.card.classes)), dtype=np.float32), nobody)
        return mean([member(pixels) for member in self.members])


def load_network(path: Path) -> tuple[Card, nn.Module]:
    """A model that fairshrink saved, in eval mode on the CPU, and how it is used.

    Raises:
        ModelError: The weights or the JSON file beside them are missing, damaged or do not fit each other.
    """
    if is_packed(path):
        return _packed_network(path)
    weights = read_weights(path)
    beside = path.with_suffix(".json")
    try:
        meta = read_meta(path)
    except StoreError as error:
        raise ModelError(
            f"'{path}' cannot be used without '{beside.name}' beside it, which says its classes, backbone and image size.\n"
            f"  {error}\n  For a checkpoint of your own, `fairshrink run` with model.checkpoint writes both: see docs/models.md."
        ) from error
    card = read_card(meta, str(beside))
    model = _built(path, card, weights)
    load_into(model, weights)
    return card, model.eval()


def _packed_network(path: Path) -> tuple[Card, nn.Module]:
    """Everything stands in the one file."""
    found = read_packed(path)
    card = card_of(path, found.about)
    model = _built(path, card, found.weights)
    fill(path, model, found.weights)
    return card, model.eval()


def _built(path: Path, card: Card, weights: dict[str, Tensor]) -> nn.Module:
    """The network of a card; where channels were cut out of it, as narrow as its weights."""
    try:
        model = network_of(card)
    except (ConfigError, ModelError) as error:
        if card.exits is None:
            raise
        raise ModelError(f"'{path}' says that its model has exits, but {error}") from error
    if card.cut is not None:
        try:
            resize(model, {name: tuple(tensor.shape) for name, tensor in weights.items()}, example_of(card))
        except ModelError as error:
            raise ModelError(f"'{path}' says that channels were cut out of it, but {error}") from error
    return model


def network_of(card: Card) -> nn.Module:
    """The untrained network that a card describes, none of its channels cut."""
    if card.exits is None:
        return build(card.backbone, num_classes=len(card.classes), size=card.size)
    taps, heads = card.exits.taps, card.exits.heads
    return build_multi_exit(card.backbone, taps, heads, num_classes=len(card.classes), size=card.size)


def example_of(card: Card) -> Tensor:
    """An image of a model's size, (1, 3, size, size)."""
    return torch.zeros(1, 3, card.size, card.size)


def _use(card: Card) -> Card:
    """What models must share to be averaged: each has a threshold and training of its own."""
    exits = card.exits
    return card if exits is None else replace(card, exits=replace(exits, weights=(), threshold=1.0))


def _open(path: Path, threads: int | None) -> tuple[Card, Member]:
    if is_stages(path):
        return open_stages(path, threads)
    if path.suffix.lower() == ".onnx":
        return open_onnx(path, threads)
    card, model = load_network(path)
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if card.exits is not None and isinstance(model, MultiExit):
        return card, _leaving(model, card.normalisation, card.exits.threshold)
    return card, _member(model, card.normalisation)


def _member(model: nn.Module, normalisation: Normalisation) -> Member:
    def answer(pixels: NDArray[np.uint8]) -> Answer:
        unknown = torch.zeros(len(pixels), dtype=torch.int64)
        return Answer(predict(model, [GroupBatch(network_inputs(pixels, normalisation), unknown, unknown - 1)]).prob)

    return answer


def _leaving(model: MultiExit, normalisation: Normalisation, threshold: float) -> Member:
    """A model whose sure images leave early, so that they do not pay for the rest."""

    def answer(pixels: NDArray[np.uint8]) -> Answer:
        with torch.inference_mode():
            logits, exits = model.exit_early(network_inputs(pixels, normalisation).to(device_of(model)), threshold)
        return Answer(logits.float().softmax(dim=1).cpu().numpy(), exits.cpu().numpy())

    return answer

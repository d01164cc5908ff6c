"""A trained model as a function from images to probabilities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fairshrink.data.normalise import Normalisation, network_inputs
from fairshrink.deploy.card import Card, read_card
from fairshrink.deploy.images import decoded, one_file
from fairshrink.deploy.onnx_file import open_onnx
from fairshrink.deploy.packed import card_of, fill, is_packed, read_packed
from fairshrink.deploy.resize import resize
from fairshrink.errors import DataError, ModelError, StoreError
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import load_into, read_meta, read_weights
from fairshrink.train.evaluate import predict
from fairshrink.types import GroupBatch

BATCH = 64
Probabilities = NDArray[np.float32]
Member = Callable[[NDArray[np.uint8]], Probabilities]  # (n, size, size, 3) -> (n, C)


@dataclass(frozen=True)
class Predictor:
    """One model, or several whose probabilities are averaged. No attribute of a person is asked for.

    >>> predictor = Predictor.load("model.safetensors")                    # doctest: +SKIP
    >>> predictor(["a.jpg", "b.png"]).argmax(axis=1)                       # doctest: +SKIP

    Attributes:
        card: Classes, size of the images, normalisation.
        members: The models, each from decoded images to probabilities.
    """

    card: Card
    members: tuple[Member, ...]

    @classmethod
    def load(cls, *paths: Path | str, threads: int | None = None) -> "Predictor":
        """Read models: `model.safetensors` with its `model.json` beside, a packed file, or an ONNX file that we exported.

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
        if different := [path for path, card in zip(paths, cards, strict=True) if card != cards[0]]:
            raise ModelError(
                f"'{different[0]}' and '{paths[0]}' differ in classes, image size, normalisation or backbone, so their "
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
        size = self.card.size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
            raise DataError(
                f"the images are {pixels.dtype} of shape {pixels.shape}, but bytes of shape (N, {size}, {size}, 3) are "
                "expected: red, green, blue from 0 to 255."
            )
        if not len(pixels):
            return np.zeros((0, len(self.card.classes)), dtype=np.float32)
        each = np.stack([member(pixels) for member in self.members]).astype(np.float64)
        return each.mean(axis=0).astype(np.float32)


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
    model = build(card.backbone, num_classes=len(card.classes), size=card.size)
    if card.cut is not None:
        try:
            resize(model, {name: tuple(tensor.shape) for name, tensor in weights.items()}, example_of(card))
        except ModelError as error:
            raise ModelError(f"'{path}' says that channels were cut out of it, but {error}") from error
    return model


def example_of(card: Card) -> Tensor:
    """An image of a model's size, (1, 3, size, size)."""
    return torch.zeros(1, 3, card.size, card.size)


def _open(path: Path, threads: int | None) -> tuple[Card, Member]:
    if path.suffix.lower() == ".onnx":
        return open_onnx(path, threads)
    card, model = load_network(path)
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return card, _member(model, card.normalisation)


def _member(model: nn.Module, normalisation: Normalisation) -> Member:
    def probabilities(pixels: NDArray[np.uint8]) -> Probabilities:
        unknown = torch.zeros(len(pixels), dtype=torch.int64)
        return predict(model, [GroupBatch(network_inputs(pixels, normalisation), unknown, unknown - 1)]).prob

    return probabilities

"""A saved model made ready to be exported: what can be cut out of it is cut."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from torch import nn

from fairshrink.compress.frozen import Frozen
from fairshrink.deploy.card import Card
from fairshrink.deploy.cut import Cut, cut
from fairshrink.deploy.predictor import example_of, load_network
from fairshrink.errors import ModelError
from fairshrink.models.checkpoint import DIGEST, read_meta, save_model


class Ready(NamedTuple):
    """A model to be exported.

    Attributes:
        card: How it is used, and what was cut out of it.
        model: What is exported.
        whole: The model as it was saved.
        cut: What was done to it; None: nothing was tried, because that was not wanted or was done before.
    """

    card: Card
    model: nn.Module
    whole: nn.Module
    cut: Cut | None

    @property
    def was_cut(self) -> bool:
        """Whether channels were cut out of it before it was saved."""
        return self.cut is None and self.card.cut is not None

    def fixed(self, frozen: Frozen) -> Frozen:
        """What is fixed of the exported model, when `frozen` is what is fixed of the saved one."""
        return frozen if self.cut is None else self.cut.fixed(frozen, self.whole)


def make_ready(model: Path, *, whole: bool = False) -> Ready:
    """Load a model that fairshrink saved, and cut out of it what can be cut.

    Args:
        model: `model.safetensors` with its `model.json` beside.
        whole: Cut nothing.

    Raises:
        ModelError: The model cannot be read, or does not give the same without its channels that are 0.
    """
    card, network = load_network(model)
    if whole or card.cut is not None:
        return Ready(card, network, network, None)
    try:
        done = cut(network, example_of(card))
    except ModelError as error:
        raise ModelError(f"{error}\n  With --whole nothing is cut, and the model is exported as it is.") from error
    if not done.removed:
        return Ready(card, network, network, done)
    return Ready(replace(card, cut=done.removed), done.model.eval(), network, done)


def save_cut(target: Path, ready: Ready, model: Path) -> Path:
    """Write the weights of a model that is ready, with its card in a JSON file beside.

    Args:
        target: The file.
        ready: What is written.
        model: The file that it was made from; what else stands in its JSON is taken over.

    Raises:
        StoreError: A file could not be written.
    """
    meta = read_meta(model)
    came = {"cut_from": meta.get(DIGEST)} if ready.card.cut is not None else {}
    return save_model(target, ready.model, meta | came | ready.card.to_dict())

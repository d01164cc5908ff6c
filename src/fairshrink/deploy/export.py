"""A model as one ONNX file, compared with PyTorch before it is written."""

import copy
import logging
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fairshrink.compress.units import compressible
from fairshrink.data.normalise import Normalisation, in_bytes
from fairshrink.deploy.card import Card
from fairshrink.deploy.cut import Cut
from fairshrink.deploy.onnx_file import INPUT, LOGITS, PROBABILITIES, label, need, session
from fairshrink.deploy.ready import make_ready
from fairshrink.errors import ModelError
from fairshrink.files import write_bytes
from fairshrink.models.checkpoint import DIGEST, read_meta

OPSET = 18
BATCHES = (1, 2, 7)  # images; the file takes any number
TOLERANCE = 1e-4  # of probabilities, and of logits relative to the largest


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: The file.
        card: How the model is used; all of it is in the file, too.
        zeros: Weights of convolutions and linear layers that are 0, in the model and in the file alike.
        weights: How many there are.
        difference: Largest difference of a probability between PyTorch and onnxruntime.
        images: Random images that were compared.
        cut: What was cut out of the model first; None: nothing was tried.
    """

    path: Path
    card: Card
    zeros: int
    weights: int
    difference: float
    images: int
    cut: Cut | None = None


class Deployed(nn.Module):
    """A classifier with its normalisation before it and the softmax behind it.

    Takes pixels (N, size, size, 3) from 0 to 255, bytes; gives logits and probabilities, (N, C) each.
    """

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()  # torch exports nothing but modules
        self.network = network
        self.mean, self.std = (nn.Buffer(tensor) for tensor in in_bytes(normalisation))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and probabilities."""
        logits = self.network((pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std)
        return logits, logits.softmax(dim=1)


class Mean(nn.Module):
    """The mean over a map: what AdaptiveAvgPool2d(1) computes, which torch exports as nine operators."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, K, h, w) -> (N, K, 1, 1)."""
        return maps.mean(dim=(2, 3), keepdim=True)


def export_onnx(model: Path, target: Path, *, whole: bool = False) -> Exported:
    """Export a model that fairshrink saved; the file appears only if it gives what PyTorch gives.

    Args:
        model: `model.safetensors` with its `model.json` beside.
        target: The ONNX file.
        whole: Leave in it the channels that are 0 wherever they are read; otherwise they are cut out.

    Raises:
        ModelError: The model cannot be read, or the exported one computes something else.
        ConfigError: The packages for ONNX are not installed.
        StoreError: The file cannot be written.
    """
    onnx = need("onnx")
    for name in ("onnxscript", "onnxruntime"):
        need(name)
    card, network, _, cut = make_ready(model, whole=whole)
    deployed = Deployed(_pooling_by_mean(network), card.normalisation).eval()
    proto = _traced(deployed, card.size)
    _strip(proto)
    facts = {"fairshrink_version": version("fairshrink"), DIGEST: str(read_meta(model).get(DIGEST, ""))}
    label(proto, card, facts)
    zeros, weights = _zeros(network, proto)
    content = proto.SerializeToString()
    onnx.checker.check_model(onnx.load_model_from_string(content))
    difference = _compare(deployed, content, card.size)
    write_bytes(target, content)
    return Exported(target, card, zeros, weights, difference, sum(BATCHES), cut)


def _pooling_by_mean(network: nn.Module) -> nn.Module:
    network = copy.deepcopy(network)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1)):
            network.set_submodule(name, Mean())
    return network


def _traced(deployed: nn.Module, size: int) -> Any:
    """The model as ONNX; what torch says on the way (it counts its steps) is kept from the terminal."""
    pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                deployed,
                (pixels,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[LOGITS, PROBABILITIES],
                dynamic_shapes=({0: torch.export.Dim("N")},),
                external_data=False,
                verbose=False,
            )
    finally:
        logging.disable(before)
    if program is None:
        raise ModelError("torch exported nothing. Export from another version of torch.")
    return program.model_proto


def _strip(proto: Any) -> None:
    """Take out what the exporter writes about the machine: stack traces with the paths of source files."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    graph.ClearField("value_info")


def _zeros(network: nn.Module, proto: Any) -> tuple[int, int]:
    """Weights that are 0, and all of them; an export that brought one back to life is refused."""
    to_array = need("onnx.numpy_helper").to_array
    exported = {tensor.name: tensor for tensor in proto.graph.initializer}
    zeros = weights = 0
    for name, weight in compressible(network).items():
        here = int((weight == 0).sum())
        tensor = exported.get(f"network.{name}")
        there = None if tensor is None else int((to_array(tensor) == 0).sum())
        if there != here:
            raise ModelError(
                f"'{name}' has {here:,} weights of 0, and {'none of it is' if there is None else f'{there:,} are'} in the "
                "exported model. This version of torch exports otherwise than expected: use the one of constraints.txt."
            )
        zeros, weights = zeros + here, weights + weight.numel()
    return zeros, weights


def _compare(deployed: nn.Module, content: bytes, size: int) -> float:
    run = session(content, None, "the exported model")
    worst = 0.0
    for batch in BATCHES:
        pixels = np.random.default_rng(batch).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
        with torch.inference_mode():
            logits, probabilities = (out.numpy() for out in deployed(torch.from_numpy(pixels)))
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

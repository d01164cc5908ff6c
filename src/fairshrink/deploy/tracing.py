"""A model as an ONNX graph, with the normalisation in front and the softmax behind."""

import copy
import logging
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fairshrink.compress.units import compressible
from fairshrink.data.normalise import Normalisation, in_bytes
from fairshrink.deploy.onnx_file import INPUT, LOGITS, PROBABILITIES, need
from fairshrink.deploy.stages import logits_of, passed_on
from fairshrink.errors import ModelError
from fairshrink.models.multi_exit import MultiExit

OPSET = 18


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


class Staged(nn.Module):
    """A classifier with E exits, and the places where it can be cut.

    Takes pixels (N, size, size, 3) from 0 to 255, bytes; gives logits and probabilities of all exits, (N, E, C) each, then of
    every stage but the last what it passes on, (N, K, h, w), then the logits of every exit, (N, C).
    """

    def __init__(self, network: MultiExit, normalisation: Normalisation) -> None:
        super().__init__()  # torch exports nothing but modules
        self.stages = nn.ModuleList(network.stages())
        self.mean, self.std = (nn.Buffer(tensor) for tensor in in_bytes(normalisation))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """All exits together, what is passed on, each exit."""
        x: Tensor | None = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        passed: list[Tensor] = []
        each: list[Tensor] = []
        for stage in self.stages:
            x, logits = stage(x)
            each.append(logits)
            passed += [] if x is None else [x]
        every = torch.stack(each, dim=1)
        return every, every.softmax(dim=2), *passed, *each


class Mean(nn.Module):
    """The mean over a map: what AdaptiveAvgPool2d(1) computes, which torch exports as nine operators."""

    def forward(self, maps: Tensor) -> Tensor:
        """(N, K, h, w) -> (N, K, 1, 1)."""
        return maps.mean(dim=(2, 3), keepdim=True)


def deployed(network: nn.Module, normalisation: Normalisation) -> Deployed | Staged:
    """A copy of a network as it is exported, in eval mode."""
    network = copy.deepcopy(network)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1)):
            network.set_submodule(name, Mean())
    whole = Staged(network, normalisation) if isinstance(network, MultiExit) else Deployed(network, normalisation)
    return whole.eval()


def outputs_of(whole: Deployed | Staged) -> list[str]:
    """Names of all that a network gives as it is exported."""
    if isinstance(whole, Deployed):
        return [LOGITS, PROBABILITIES]
    count = len(whole.stages)
    return [LOGITS, PROBABILITIES, *map(passed_on, range(count - 1)), *map(logits_of, range(count))]


def traced(whole: Deployed | Staged, size: int) -> Any:
    """The model as ONNX, without what the exporter says about the machine.

    Raises:
        ModelError: torch exports nothing, or brought weights that are 0 back to life.
    """
    pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # torch counts its steps, on the terminal
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                whole,
                (pixels,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=outputs_of(whole),
                dynamic_shapes=({0: torch.export.Dim("N")},),
                external_data=False,
                verbose=False,
            )
    finally:
        logging.disable(before)
    if program is None:
        raise ModelError("torch exported nothing. Export from another version of torch.")
    _strip(program.model_proto)
    return program.model_proto


def cut_out(proto: Any, taken: str, given: Sequence[str], whose: str) -> Any:
    """The part of a traced model between one tensor and others, all of which it names among its inputs and outputs.

    Raises:
        ModelError: There is no such part that runs by itself; it is called `whose`.
    """
    try:
        found = need("onnx.utils").Extractor(proto).extract_model([taken], list(given))
        _strip(found)
        need("onnx.checker").check_model(found)
    except (ValueError, KeyError, need("onnx.checker").ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{whose} cannot be exported: {reason}. Two taps with nothing to compute between them are one place in ONNX: "
            "train the model with only one of them."
        ) from error
    return found


def zeros_in(whole: nn.Module, proto: Any) -> tuple[int, int]:
    """Weights that are 0, and all of them; a trace that brought one back to life is refused.

    Raises:
        ModelError: A weight has other zeros in the trace, or is not there.
    """
    to_array = need("onnx.numpy_helper").to_array
    exported = {tensor.name: tensor for tensor in proto.graph.initializer}
    zeros = weights = 0
    for name, weight in compressible(whole).items():
        here = int((weight == 0).sum())
        tensor = exported.get(name)
        there = None if tensor is None else int((to_array(tensor) == 0).sum())
        if there != here:
            raise ModelError(
                f"'{name}' has {here:,} weights of 0, and {'none of it is' if there is None else f'{there:,} are'} in the "
                "exported model. This version of torch exports otherwise than expected: use the one of constraints.txt."
            )
        zeros, weights = zeros + here, weights + weight.numel()
    return zeros, weights


def _strip(proto: Any) -> None:
    """Take out what the exporter writes about the machine: stack traces with the paths of source files."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    graph.ClearField("value_info")

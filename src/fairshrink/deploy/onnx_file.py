"""ONNX files that fairshrink exported: what is written into them, what is checked before one is run.

The digest inside finds damage and later changes; it is no signature. A file is run only if it is what the export writes:
its inputs and outputs, standard operators without inner graphs, and every weight inside the file.
"""

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairshrink.deploy.answers import Answer, Member, Pixels, check_finite, early
from fairshrink.deploy.card import Card, read_card
from fairshrink.errors import ConfigError, ModelError

INPUT, LOGITS, PROBABILITIES = "pixels", "logits", "probabilities"
STAGE = "stage"  # Metadata: which one a file is of a model exported by stages.
DIGEST = "graph_sha256"
AGAIN = "Export the model again with  fairshrink export."
INSTALL = "pip install 'fairshrink[onnx]'"
Outputs = dict[str, NDArray[np.float32]]
Run = Callable[[NDArray[Any]], Outputs]
Form = tuple[str, int, list[int]]  # name, ONNX's number of its type, shape without N


class Read(NamedTuple):
    """An exported file that was read and checked, not yet opened.

    Attributes:
        content: Its bytes.
        proto: The model in it.
        facts: Its metadata.
    """

    content: bytes
    proto: Any
    facts: dict[str, str]


def need(name: str) -> Any:
    """A module of the extra `onnx`.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"ONNX files need the package {name}, which is not installed: {INSTALL}") from error


def label(proto: Any, card: Card, facts: dict[str, str]) -> None:
    """Write into a model how it is used, and the digest of its graph."""
    known = {name: value if isinstance(value, str) else json.dumps(value) for name, value in card.to_dict().items()}
    for key, value in (known | facts | {DIGEST: graph_digest(proto)}).items():
        proto.metadata_props.add(key=key, value=value)


def graph_digest(proto: Any) -> str:
    """SHA-256 of the graph, weights included."""
    return hashlib.sha256(proto.graph.SerializeToString(deterministic=True)).hexdigest()


def open_onnx(path: Path, threads: int | None = None) -> tuple[Card, Member]:
    """Read and check an exported file; nothing else on the disk is read for it.

    Args:
        path: The file.
        threads: Threads that compute; None: one for each core.

    Returns:
        How it is used, and a function from decoded images (N, size, size, 3) to what it says about them.

    Raises:
        ModelError: It is missing, damaged, changed, or not what the export writes.
        ConfigError: The packages are not installed.
    """
    read = read_onnx(path)
    content, proto, facts = read
    if STAGE in facts:
        raise ModelError(f"'{path}' is only a stage of a model. Give the folder that it lies in: '{path.parent}'.")
    card = card_in(path, read)
    float32, classes = need("onnx").TensorProto.FLOAT, len(card.classes)
    shape = [classes] if card.exits is None else [len(card.exits.names), classes]
    check_form(path, proto, [pixels_of(card)], [(name, float32, shape) for name in (LOGITS, PROBABILITIES)])
    run = session(content, threads, f"'{path}'")

    def answer(pixels: Pixels) -> Answer:
        found = run(pixels)
        check_finite(found[PROBABILITIES], f"'{path}'", AGAIN)
        return early(found[LOGITS], card.exits.threshold) if card.exits else Answer(found[PROBABILITIES])

    return card, answer


def read_onnx(path: Path) -> Read:
    """Read a file, and refuse what no export of ours is.

    Raises:
        ModelError: It is missing, damaged, changed, or not what the export writes.
        ConfigError: The packages are not installed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"the model '{path}' could not be read: {error.strerror or error}.") from error
    proto = _parsed(path, content)
    _check_graph(path, proto)
    return Read(content, proto, _facts(path, proto))


def card_in(path: Path, read: Read) -> Card:
    """How the model in a file is used.

    Raises:
        ModelError: Its metadata do not say so.
    """
    return read_card({key: _value(value) for key, value in read.facts.items()}, str(path))


def pixels_of(card: Card) -> Form:
    """What an exported model takes."""
    return INPUT, need("onnx").TensorProto.UINT8, [card.size, card.size, 3]


def session(
    content: bytes,
    threads: int | None,
    whose: str,
    taken: str = INPUT,
    given: Sequence[str] = (LOGITS, PROBABILITIES),
) -> Run:
    """A function that runs a model on the CPU.

    Args:
        content: The bytes of the file.
        threads: Threads that compute; None: one for each core.
        whose: For errors.
        taken: Name of its input.
        given: Names of its outputs.

    Raises:
        ModelError: The runtime refuses the model.
        ConfigError: The runtime is not installed.
    """
    runtime = need("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    try:
        opened = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # The runtime has a class of its own for each of its dozen reasons.
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{whose} could not be opened by onnxruntime: {reason}. {AGAIN}") from error
    return lambda values: dict(zip(given, opened.run(list(given), {taken: values}), strict=True))


def _parsed(path: Path, content: bytes) -> Any:
    onnx = need("onnx")
    try:
        return onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own class, which has moved between its versions.
        raise ModelError(f"'{path}' is damaged or not an ONNX file. Copy it again.") from error


def _facts(path: Path, proto: Any) -> dict[str, str]:
    props = {prop.key: prop.value for prop in proto.metadata_props}
    if DIGEST not in props:
        raise ModelError(
            f"'{path}' was not exported by fairshrink: it does not say its classes, its image size and how pixels go in.\n"
            f"  {AGAIN}"
        )
    if props[DIGEST] != graph_digest(proto):
        raise ModelError(
            f"'{path}' is damaged or was changed since fairshrink exported it. Copy it again, or:\n  {AGAIN}"
        )
    return props


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _check_graph(path: Path, proto: Any) -> None:
    """Refuse what no export of ours holds: weights in other files, operators from elsewhere, graphs within the graph."""
    graph, attribute = proto.graph, need("onnx").AttributeProto
    inner = (attribute.GRAPH, attribute.GRAPHS, attribute.SPARSE_TENSOR, attribute.SPARSE_TENSORS)
    strange = [
        f"the operator {node.domain}.{node.op_type}" for node in graph.node if node.domain not in ("", "ai.onnx")
    ]
    strange += [f"{node.op_type} with a graph inside" for node in graph.node for a in node.attribute if a.type in inner]
    strange += [f"weights in another file ('{tensor.name}')" for tensor in _tensors(graph) if _is_outside(tensor)]
    strange += ["functions of its own"] * bool(proto.functions) + ["sparse weights"] * bool(graph.sparse_initializer)
    if strange:
        raise ModelError(f"'{path}' is not run, because fairshrink exports no such file: it has {strange[0]}. {AGAIN}")


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors


def _is_outside(tensor: Any) -> bool:
    return bool(tensor.external_data) or tensor.data_location == need("onnx").TensorProto.EXTERNAL


def check_form(path: Path, proto: Any, expected: Sequence[Form], given: Sequence[Form]) -> None:
    """Refuse a model with other inputs or outputs.

    Raises:
        ModelError: They differ.
    """
    inputs, outputs = forms(proto)
    if inputs != expected or outputs != given:
        raise ModelError(
            f"'{path}' takes {_names(inputs)} and gives {_names(outputs)}, but {_names(expected)} and {_names(given)} are "
            f"expected. {AGAIN}"
        )


def forms(proto: Any) -> tuple[list[Form], list[Form]]:
    """Inputs and outputs of a model."""
    fed = {tensor.name for tensor in proto.graph.initializer}
    return [_form(value) for value in proto.graph.input if value.name not in fed], [
        _form(value) for value in proto.graph.output
    ]


def _form(value: Any) -> Form:
    tensor = value.type.tensor_type
    return value.name, tensor.elem_type, [dim.dim_value for dim in tensor.shape.dim][1:]


def _names(forms: Sequence[Form]) -> str:
    return " and ".join(f"{name} (N, {', '.join(map(str, shape))})" for name, _, shape in forms) or "nothing"

"""Weights on disk: our own (safetensors with a JSON file beside), and other people's, which are not trusted."""

import hashlib
import io
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from fairshrink.errors import ModelError, StoreError, suggest
from fairshrink.files import read_json, write_bytes, write_json

DIGEST = "weights_sha256"
WRAPPERS = ("state_dict", "model_state_dict")
PREFIXES = ("module.", "_orig_mod.")  # left by DataParallel and torch.compile
SHOWN = 5
WAY_OUT = (
    "Open it where it came from and save plain tensors:\n"
    "    safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
)


def save_model(path: Path, model: nn.Module, meta: dict[str, Any]) -> Path:
    """Write a model's weights, and what is needed to use them in a JSON file of the same name beside.

    >>> save_model(Path("run/model.safetensors"), model, {"backbone": "resnet18", "num_classes": 7})   # doctest: +SKIP

    The JSON is written first: where the weights are, both are.

    Raises:
        StoreError: A file could not be written.
    """
    content = safetensors.torch.save({n: t.detach().cpu().contiguous().clone() for n, t in model.state_dict().items()})
    write_json(_beside(path), meta | {DIGEST: hashlib.sha256(content).hexdigest()})
    return write_bytes(path, content)


def read_meta(path: Path) -> dict[str, Any]:
    """What `save_model` wrote beside the weights at `path`.

    Raises:
        StoreError: It is not there or damaged.
    """
    return read_json(_beside(path))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read tensors by name from a safetensors file, or from a .pt or .pth file that holds nothing but tensors.

    A dictionary inside "state_dict" and the prefix "module." are understood. Nothing in the file is executed. Where a
    JSON file of ours lies beside, the weights must be the ones that it was written for.

    Raises:
        ModelError: The file is missing, damaged, changed, or holds other things than finite tensors.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"the weights '{path}' could not be read: {error.strerror or error}.") from error
    if not content:
        raise ModelError(f"the weights '{path}' are an empty file: copy them again.")
    _check_digest(path, content)
    # A safetensors file begins with eight bytes of length and a JSON object, whatever its name ends in.
    ours = path.suffix == ".safetensors" or content[8:9] == b"{"
    weights = _named_tensors(path, _from_safetensors(path, content) if ours else _from_torch(path, content))
    _check_values(weights, f"'{path}'")
    return weights


def load_into(model: nn.Module, weights: dict[str, Tensor], *, leave: Collection[str] = ()) -> None:
    """Put weights into a model, all of them or none.

    Args:
        model: Changed in place; keeps its dtype and device.
        weights: Tensor by name, as in the model's state_dict; batch counters may be missing.
        leave: Names that stay as they are.

    Raises:
        ModelError: Names or shapes differ, or a tensor is not finite.
    """
    own = {name: tensor for name, tensor in model.state_dict().items() if name not in leave}
    missing = [name for name in own if name not in weights and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in weights if name not in own]
    if missing or unexpected:
        raise ModelError(_names_differ(missing, unexpected, own))
    other = [
        f"'{name}' is {tuple(weights[name].shape)}, the model needs {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if other:
        raise ModelError(
            f"{len(other)} of {len(own)} tensors have another shape: {_some(other, '; ')}.\n"
            "  Check the backbone, the number of classes and the image size."
        )
    _check_values(weights, "the weights")
    model.load_state_dict(weights, strict=False)


def _beside(path: Path) -> Path:
    return Path(path).with_suffix(".json")


def _check_digest(path: Path, content: bytes) -> None:
    try:
        meta = read_json(_beside(path))
    except StoreError:
        return  # none there, or a file of the user's own that happens to have this name
    written = meta.get(DIGEST) if isinstance(meta, dict) else None
    if written is not None and written != hashlib.sha256(content).hexdigest():
        raise ModelError(
            f"the weights '{path}' are not the ones that '{_beside(path).name}' was written for: one of them was changed or "
            "cut short.\n  Restore both, or remove both and train again."
        )


def _from_safetensors(path: Path, content: bytes) -> object:
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # Damaged bytes: safetensors' own error, or what torch says about a dtype.
        raise ModelError(
            f"'{path}' is damaged or not a safetensors file: {_first_line(error)}. Copy it again."
        ) from error


def _from_torch(path: Path, content: bytes) -> object:
    try:
        return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu", mmap=False)
    except Exception as error:  # A refused pickle, and damaged bytes, which make torch.load raise nearly anything.
        raise ModelError(
            f"'{path}' was not loaded: it is damaged, or a pickle that holds more than tensors (a whole model, say), and such "
            f"a file can run any code when it is opened. {WAY_OUT}"
        ) from error


def _named_tensors(path: Path, found: object) -> dict[str, Tensor]:
    for wrapper in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict) or not found:
        raise ModelError(f"'{path}' holds no tensors by name, but {_kind(found)}. {WAY_OUT}")
    wrong = [f"{name!r} ({_kind(value)})" for name, value in found.items() if not _is_named_tensor(name, value)]
    if wrong:
        raise ModelError(f"'{path}' should hold tensors by name and nothing else, but has {_some(wrong)}. {WAY_OUT}")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


def _check_values(weights: dict[str, Tensor], whose: str) -> None:
    strange = [
        f"'{n}' ({t.dtype})" for n, t in weights.items() if not (t.is_floating_point() or t.dtype == torch.int64)
    ]
    if strange:
        raise ModelError(f"{whose} should hold floating-point numbers, but {_some(strange)} have another type.")
    broken = [
        f"'{name}' ({int((~torch.isfinite(tensor)).count_nonzero()):,} of {tensor.numel():,} values)"
        for name, tensor in weights.items()
        if not torch.isfinite(tensor).all()
    ]
    if broken:
        raise ModelError(
            f"{whose} hold NaN or infinity in {len(broken)} of {len(weights)} tensors: {_some(broken)}.\n"
            "  The training that made them went wrong: take an earlier checkpoint."
        )


def _names_differ(missing: list[str], unexpected: list[str], own: Iterable[str]) -> str:
    lines = ["the weights do not fit the model: names differ."]
    if missing:
        lines.append(f"missing ({len(missing)}): {_some([repr(name) for name in missing])}")
    if unexpected:
        named = [f"{name!r}{suggest(name, missing or own)[:60]}" for name in unexpected[:1]]
        lines.append(f"unexpected ({len(unexpected)}): {_some(named + [repr(name) for name in unexpected[1:]])}")
    return "\n  ".join([*lines, "Check the backbone, and whether it was built for the same image size."])


def _some(items: list[str], between: str = ", ") -> str:
    more = f"{between}and {len(items) - SHOWN:,} more" if len(items) > SHOWN else ""
    return between.join(items[:SHOWN]) + more


def _is_named_tensor(name: object, value: object) -> bool:
    plain = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized
    return isinstance(name, str) and plain


def _kind(value: object) -> str:
    return f"an empty {type(value).__name__}" if isinstance(value, dict) and not value else f"a {type(value).__name__}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

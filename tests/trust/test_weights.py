"""Weights that are damaged, exchanged or no numbers are refused before anything is computed with them."""

import json
import struct

import numpy as np
import pytest
import torch
from safetensors.numpy import save as save_numpy
from safetensors.torch import save

from fairshrink.compress.frozen import Frozen
from fairshrink.errors import ModelError, StoreError
from fairshrink.lab.masks import load_frozen, save_frozen
from fairshrink.models.checkpoint import load_into, read_weights
from toys import toy_model


def parts(content):
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def whole(header, data, size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def changed(content, **fields):
    """The file with some fields of its largest tensor changed."""
    header, data = parts(content)
    name = max(header, key=lambda name: header[name]["data_offsets"][1] - header[name]["data_offsets"][0])
    return whole(header | {name: header[name] | fields}, data)


DAMAGES = {
    "cut in the header": lambda c: c[:20],
    "cut in the numbers": lambda c: c[:-5],
    "too long": lambda c: c + b"more",
    "header longer than the file": lambda c: whole(parts(c)[0], parts(c)[1], size=len(c)),
    "header of many exabytes": lambda c: whole(parts(c)[0], parts(c)[1], size=2**63),
    "header of no bytes": lambda c: whole(b"", parts(c)[1]),
    "header is no JSON": lambda c: whole(b"{'a': 1}" + b" " * 8, parts(c)[1]),
    "header is a list": lambda c: whole([parts(c)[0]], parts(c)[1]),
    "header nested deeply": lambda c: whole(b'{"a":' * 100_000, parts(c)[1]),
    "another dtype": lambda c: changed(c, dtype="F64"),
    "unknown dtype": lambda c: changed(c, dtype="F99"),
    "dtype without a number in torch": lambda c: changed(c, dtype="F8_E8M0"),
    "another shape": lambda c: changed(c, shape=[1, 1]),
    "a negative shape": lambda c: changed(c, shape=[-1]),
    "a huge shape": lambda c: changed(c, shape=[2**40, 2**40]),
    "overlapping offsets": lambda c: changed(c, data_offsets=[0, 8]),
    "offsets behind the end": lambda c: changed(c, data_offsets=[2**40, 2**40 + 16]),
    "offsets that run backwards": lambda c: changed(c, data_offsets=[16, 0]),
    "no offsets": lambda c: changed(c, data_offsets=[]),
    "a name twice": lambda c: c.replace(b'"4.bias"', b'"1.bias"'),
}


@pytest.fixture(scope="module")
def content():
    return save(toy_model().state_dict())


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file(tmp_path, content, damage):
    damaged = DAMAGES[damage](content)
    assert damaged != content
    (tmp_path / "a.safetensors").write_bytes(damaged)
    with pytest.raises(ModelError, match=r"a\.safetensors' is damaged|hold NaN|do not fit|another shape|another type"):
        load_into(toy_model(), read_weights(tmp_path / "a.safetensors"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_masks(tmp_path, damage):
    model = toy_model()
    path = tmp_path / "frozen.safetensors"
    save_frozen(path, Frozen({name: torch.ones_like(p, dtype=torch.bool) for name, p in model.named_parameters()}, {}))
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(StoreError, match=r"frozen\.safetensors' (could not be read|holds a mask for)"):
        load_frozen(path, model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: {f"net.{name}": tensor for name, tensor in w.items()}, "names differ"),
        (lambda w: {name: tensor for name, tensor in w.items() if name != "4.bias"}, r"missing \(1\): '4.bias'"),
        (lambda w: w | {"4.extra": torch.zeros(1)}, r"unexpected \(1\): '4.extra'"),
        (lambda w: w | {"4.bias": torch.zeros(4)}, r"'4.bias' is \(4,\), the model needs \(3,\)"),
        (lambda w: w | {"0.weight": w["0.weight"].flatten()}, "tensors have another shape"),
        (lambda w: w | {"4.bias": torch.tensor([0.0, float("nan"), 1.0])}, r"'4.bias' \(1 of 3 values\)"),
        (lambda w: w | {"4.bias": torch.tensor([0.0, float("-inf"), 1.0])}, "hold NaN or infinity in 1 of"),
        (lambda w: w | {"4.bias": torch.zeros(3, dtype=torch.bool)}, "another type"),
        (lambda w: w | {"4.bias": torch.zeros(3, dtype=torch.int8)}, "another type"),
    ],
)
def test_whole_files_of_something_else(tmp_path, change, message):
    weights = change(dict(toy_model().state_dict()))
    (tmp_path / "a.safetensors").write_bytes(save(weights))
    model = toy_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ModelError, match=message):
        load_into(model, read_weights(tmp_path / "a.safetensors"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_masks_of_another_type(tmp_path):
    (tmp_path / "f.safetensors").write_bytes(save_numpy({"4.bias": np.zeros(1, dtype=np.int16)}))
    with pytest.raises(StoreError, match="holds a mask for '4.bias' that does not fit"):
        load_frozen(tmp_path / "f.safetensors", toy_model())

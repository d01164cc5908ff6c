import pytest
import torch
from safetensors.torch import save_file

from fairshrink.compress.frozen import Frozen
from fairshrink.deploy.packed import load_packed, read_packed, save_packed
from fairshrink.deploy.packed_header import KEY, Description, Entry, metadata
from fairshrink.errors import ModelError
from toys import toy_model


@pytest.fixture
def file(tmp_path):
    return tmp_path / "m.packed.safetensors"


def with_tensor(name, **fields):
    return lambda about: about | {"tensors": about["tensors"] | {name: about["tensors"][name] | fields}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about | {"version": 2}, "its format is version '2', but 1 is known. It was written by another"),
        (lambda about: [about], "its format is version 'None'"),
        (lambda about: about | {"more": 1}, "its description cannot be understood: 'more'"),
        (lambda about: about | {"stretch": 0}, "cannot be understood: 'stretch'"),
        (with_tensor("4.bias", shape=[-1]), "cannot be understood: 'tensors.4.bias.shape"),
        (with_tensor("4.bias", shape=[4]), r"'4.bias' is F32 \[3\], but F32 \[4\] is expected"),
        (with_tensor("4.bias", shape=[2**40, 2]), "would unpack to 8,796.1 GB, more than a file of"),
        (with_tensor("4.bias", pruned=4), "'4.bias': 4 of its 3 weights cannot be fixed"),
        (with_tensor("4.bias", stored="I64"), "'4.bias': a tensor of type F32 cannot be stored as 'I64'"),
        (with_tensor("4.bias", stored=None), "'4.bias': it has 1 stretches, but 0 are described"),
        (with_tensor("4.bias", dtype="C64"), "cannot be understood: 'tensors.4.bias.dtype"),
        (lambda about: about | {"tensors": {}}, "'0.bias' is not expected"),
    ],
)
def test_descriptions_that_cannot_be(change, message, file, rewrite):
    save_packed(file, toy_model(), Frozen())
    rewrite(file, change)
    with pytest.raises(ModelError, match=message):
        load_packed(file, toy_model())


def test_a_tensor_that_is_missing(file, rewrite):
    save_packed(file, toy_model(), Frozen())
    rewrite(file, lambda about: about | {"tensors": about["tensors"] | {"x": about["tensors"]["4.bias"]}})
    with pytest.raises(ModelError, match="'x' is missing"):
        load_packed(file, toy_model())


def test_text_that_is_no_description(file):
    for text in ("", "x", "x " + "[" * 100_000, "x {"):
        save_file({"a": torch.zeros(1)}, file, {KEY: text})
        with pytest.raises(ModelError, match="its description is no JSON"):
            read_packed(file)


def test_the_description_is_one_entry_of_the_header():
    entry = Entry(dtype="F32", shape=(1,), stored="F32")
    assert list(metadata(Description(version=1, stretch=8, tensors={"a": entry}), {"a": torch.zeros(1)})) == [KEY]

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fairshrink.errors import ModelError, StoreError
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import DIGEST, load_into, read_meta, read_weights, save_model


class Evil:
    def __reduce__(self):
        return (open, ("opened-by-the-pickle", "w"))


@pytest.fixture
def model():
    return build("small_cnn", num_classes=3, size=32, seed=5)


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_model_comes_back_as_it_went(tmp_path, model):
    path = save_model(
        tmp_path / "run" / "model.safetensors", model, {"backbone": "small_cnn", "classes": ["a", "b", "c"]}
    )
    assert sorted(file.name for file in path.parent.iterdir()) == ["model.json", "model.safetensors"]
    other = build("small_cnn", num_classes=3, size=32, seed=6)
    load_into(other, read_weights(path))
    assert same(other.state_dict(), model.state_dict())
    meta = read_meta(path)
    assert meta["classes"] == ["a", "b", "c"]
    assert len(meta[DIGEST]) == 64


def test_layout_and_shared_tensors_do_not_matter(tmp_path, model):
    model.to(memory_format=torch.channels_last)
    model.features[1].bias = model.features[1].weight
    path = save_model(tmp_path / "model.safetensors", model, {})
    assert same(read_weights(path), model.state_dict())


def test_weights_that_are_not_the_ones_of_the_json_are_refused(tmp_path, model):
    path = save_model(tmp_path / "model.safetensors", model, {})
    with torch.no_grad():
        model.classifier.bias.add_(1)
    save_file(model.state_dict(), path)
    with pytest.raises(ModelError, match=r"not the ones that 'model\.json' was written for"):
        read_weights(path)


@pytest.mark.parametrize("beside", ['{"note": "of the user"}', "[1]", "{"])
def test_a_json_file_of_somebody_else_is_left_alone(tmp_path, model, beside):
    save_file(model.state_dict(), tmp_path / "mine.safetensors")
    (tmp_path / "mine.json").write_text(beside)
    assert same(read_weights(tmp_path / "mine.safetensors"), model.state_dict())


@pytest.mark.parametrize("wrap", [dict, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model_state_dict": s}])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_state_dicts_of_torch_in_their_usual_forms(tmp_path, model, wrap, prefix):
    torch.save(wrap({prefix + name: tensor for name, tensor in model.state_dict().items()}), tmp_path / "a.pt")
    assert same(read_weights(tmp_path / "a.pt"), model.state_dict())


def test_safetensors_by_another_name(tmp_path, model):
    save_file(model.state_dict(), tmp_path / "model.bin")
    assert same(read_weights(tmp_path / "model.bin"), model.state_dict())


def test_a_whole_model_is_refused_with_a_way_out(tmp_path, model):
    torch.save(model, tmp_path / "whole.pth")
    with pytest.raises(ModelError, match=r"(?s)whole\.pth' was not loaded.*pickle.*save_file\(model\.state_dict\(\)"):
        read_weights(tmp_path / "whole.pth")


@pytest.mark.parametrize(
    "write", [lambda p: torch.save({"a": Evil()}, p), lambda p: p.write_bytes(pickle.dumps(Evil()))]
)
def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "evil.pth")
    with pytest.raises(ModelError, match="can run any code when it is opened"):
        read_weights(tmp_path / "evil.pth")
    assert not (tmp_path / "opened-by-the-pickle").exists()


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
@pytest.mark.parametrize("kept", [0, 5, 100, 0.5, 0.999])
def test_cut_files_are_refused(tmp_path, model, ending, kept):
    path = tmp_path / f"cut.{ending}"
    if ending == "pth":
        torch.save(model.state_dict(), path)
    else:
        save_file(model.state_dict(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(ModelError, match="damaged" if kept else "are an empty file: copy them again"):
        read_weights(path)


def test_missing_files_and_folders_are_said(tmp_path):
    with pytest.raises(ModelError, match=r"no\.pth' could not be read: No such file"):
        read_weights(tmp_path / "no.pth")
    with pytest.raises(ModelError, match="could not be read: Is a directory"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(2)], "holds no tensors by name, but a list"),
        ({}, "holds no tensors by name, but an empty dict"),
        ({"a": torch.zeros(2), "epoch": 3, 4: torch.zeros(1)}, r"but has 'epoch' \(a int\), 4 \(a Tensor\)\."),
        ({"a": torch.eye(3).to_sparse()}, r"but has 'a' \(a Tensor\)"),
        (
            {"a": torch.zeros(2, dtype=torch.uint8)},
            r"floating-point numbers, but 'a' \(torch\.uint8\) have another type",
        ),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, r"'a' \(torch\.complex64\)"),
        (
            {"a": torch.tensor([1.0, float("nan"), float("inf")]), "b": torch.zeros(2)},
            r"hold NaN or infinity in 1 of 2 tensors: 'a' \(2 of 3 values\)\.\n.*earlier checkpoint",
        ),
    ],
)
def test_other_content_is_named(tmp_path, content, message):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ModelError, match=message):
        read_weights(tmp_path / "a.pt")


def test_names_that_differ_are_listed_with_the_nearest_and_nothing_is_loaded(model):
    weights = {name.replace("classifier", "clasifier"): torch.zeros_like(t) for name, t in model.state_dict().items()}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ModelError) as caught:
        load_into(model, weights)
    assert "missing (2): 'classifier.weight', 'classifier.bias'" in str(caught.value)
    assert "unexpected (2): 'clasifier.weight' Did you mean 'classifier.weight'?, 'clasifier.bias'" in str(caught.value)
    assert same(before, model.state_dict())


def test_many_names_are_counted(model):
    with pytest.raises(ModelError, match=r"missing \(22\): 'features\.0\.weight', .*, and 17 more"):
        load_into(model, {})


def test_shapes_that_differ_are_named_and_nothing_is_loaded(model):
    weights = {name: torch.zeros_like(tensor) for name, tensor in model.state_dict().items()}
    weights["classifier.weight"] = torch.zeros(7, 128)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(
        ModelError, match=r"1 of 26 .* shape: 'classifier\.weight' is \(7, 128\), the model needs \(3, 128\)"
    ):
        load_into(model, weights)
    assert same(before, model.state_dict())


def test_what_is_not_finite_is_refused_on_the_way_in_too():
    linear = nn.Linear(2, 2)
    with pytest.raises(
        ModelError, match=r"the weights hold NaN or infinity in 1 of 2 tensors: 'weight' \(4 of 4 values\)"
    ):
        load_into(linear, {"weight": torch.full((2, 2), float("nan")), "bias": torch.zeros(2)})


def test_other_precisions_are_converted_and_old_files_lack_batch_counters(model):
    weights = {n: t.half() for n, t in model.state_dict().items() if not n.endswith("num_batches_tracked")}
    load_into(model, weights)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert torch.equal(model.classifier.weight, weights["classifier.weight"].float())


def test_the_json_is_there_before_the_weights(tmp_path, model, monkeypatch):
    """Where the weights are, the model is complete: this is what a run looks for when it is started again."""
    monkeypatch.setattr(
        "fairshrink.models.checkpoint.write_bytes", lambda path, content: (_ for _ in ()).throw(StoreError("full"))
    )
    with pytest.raises(StoreError, match="full"):
        save_model(tmp_path / "model.safetensors", model, {"size": 32})
    assert json.loads((tmp_path / "model.json").read_text())["size"] == 32
    assert not (tmp_path / "model.safetensors").exists()

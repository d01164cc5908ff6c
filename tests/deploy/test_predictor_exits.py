from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fairshrink.compress.frozen import Frozen
from fairshrink.data.normalise import network_inputs
from fairshrink.deploy.card import Exits
from fairshrink.deploy.packed import save_packed
from fairshrink.deploy.predictor import Predictor
from fairshrink.deploy.ready import make_ready, save_cut
from fairshrink.errors import ModelError
from fairshrink.files import write_json
from fairshrink.maths.exits import leaving
from fairshrink.models.checkpoint import save_model
from fairshrink.models.multi_exit import build_multi_exit


def in_full(early_model, scenes, threshold=None):
    """All exits computed, then the rule."""
    with torch.inference_mode():
        outputs = early_model.network(network_inputs(scenes, early_model.card.normalisation))
    return leaving(outputs, threshold or early_model.card.exits.threshold)


def test_images_leave_where_the_full_computation_says(early_model, scenes):
    predictor = Predictor.load(early_model.file)
    answer, expected = predictor.answer(scenes), in_full(early_model, scenes)
    assert set(expected.exit.tolist()) == {0, 1, 2}
    assert answer.exit.tolist() == expected.exit.tolist()
    assert np.abs(answer.probabilities - expected.logits.softmax(1).numpy()).max() < 1e-6
    assert predictor.exits == early_model.card.exits
    assert np.array_equal(predictor(scenes), answer.probabilities)


@pytest.mark.parametrize("count", [0, 1])
def test_few_images(early_model, scenes, count):
    answer, expected = Predictor.load(early_model.file).answer(scenes[:count]), in_full(early_model, scenes[:1])
    assert answer.probabilities.shape == (count, 3)
    assert answer.exit.tolist() == expected.exit[:count].tolist()


@pytest.fixture
def other(early_model, tmp_path):
    """Another fold: other weights, and a threshold of its own."""
    card = early_model.card
    card = replace(card, exits=replace(card.exits, threshold=0.34, weights=(1.0, 1.0, 1.0)))
    network = build_multi_exit("small_cnn", card.exits.taps, num_classes=3, size=32, seed=8)
    return save_model(tmp_path / "model.safetensors", network, card.to_dict())


def test_folds_give_the_mean_of_what_each_image_left_with(early_model, other, scenes):
    both = Predictor.load(early_model.file, other)
    each = [Predictor.load(path)(scenes) for path in (early_model.file, other)]
    answer = both.answer(scenes)
    assert np.abs(answer.probabilities - np.mean(each, axis=0)).max() < 1e-6
    assert np.abs(each[0] - each[1]).max() > 0.01
    assert (answer.exit, both.exits, both.answer(scenes[:0]).exit) == (None, None, None)


def test_models_with_other_exits_cannot_be_averaged(early_model, tmp_path):
    card = replace(early_model.card, exits=Exits(("features.6",), "linear", (0.3, 0.9), 0.8))
    network = build_multi_exit("small_cnn", ["features.6"], num_classes=3, size=32)
    file = save_model(tmp_path / "model.safetensors", network, card.to_dict())
    with pytest.raises(ModelError, match="differ in classes.*exits.*cannot be averaged"):
        Predictor.load(early_model.file, file)


def test_a_tap_that_the_backbone_does_not_have_is_refused(early_model, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(early_model.file.read_bytes())
    exits = replace(early_model.card.exits, taps=("features.6", "features.100"))
    write_json(tmp_path / "m.json", replace(early_model.card, exits=exits).to_dict())
    with pytest.raises(ModelError, match=r"m.safetensors' says that its model has exits, but .*features\.100"):
        Predictor.load(tmp_path / "m.safetensors")


def test_outputs_that_overflow_are_refused(early_model, tmp_path, scenes):
    weights = {
        name: torch.full_like(w, 3e38) if "classifier" in name else w for name, w in load_file(early_model.file).items()
    }
    save_file(weights, tmp_path / "m.safetensors")
    write_json(tmp_path / "m.json", early_model.card.to_dict())
    with pytest.raises(ModelError, match="outputs of exit 0, at .*, are not finite for 24 of the 24 samples"):
        Predictor.load(tmp_path / "m.safetensors")(scenes)


def test_a_packed_file_leaves_as_the_model_does(early_model, tmp_path, scenes):
    packed = save_packed(tmp_path / "p.safetensors", early_model.network, Frozen(), early_model.card)
    predictor, expected = Predictor.load(packed), Predictor.load(early_model.file).answer(scenes)
    assert predictor.card == early_model.card
    assert all(np.array_equal(*pair) for pair in zip(predictor.answer(scenes), expected, strict=True))


def test_a_cut_file_leaves_as_the_whole_model_does(early_model, tmp_path, scenes):
    network = build_multi_exit("small_cnn", early_model.card.exits.taps, num_classes=3, size=32).eval()
    network.load_state_dict(early_model.network.state_dict())
    with torch.no_grad():
        for layer, channels in ((1, [0, 5]), (4, [1, 2, 3]), (8, [7]), (12, [100])):
            norm = network.backbone.features[layer]
            norm.weight[channels] = norm.bias[channels] = 0
    whole = save_model(tmp_path / "whole.safetensors", network, early_model.card.to_dict())
    ready = make_ready(whole)
    small = save_cut(tmp_path / "small.safetensors", ready, whole)
    assert {name: list(gone) for name, gone in ready.card.cut.items()} == {
        "backbone.features.0": [0, 5],
        "backbone.features.3": [1, 2, 3],
        "backbone.features.7": [7],
        "backbone.features.11": [100],
    }
    found, expected = (Predictor.load(path).answer(scenes) for path in (small, whole))
    assert found.exit.tolist() == expected.exit.tolist()
    assert np.abs(found.probabilities - expected.probabilities).max() < 2e-6
    assert ready.cut.after.macs < ready.cut.before.macs

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fairshrink.deploy.predictor import Predictor, load_network
from fairshrink.errors import DataError, ModelError
from fairshrink.files import read_json, write_json
from fairshrink.models.backbones import build
from fairshrink.models.checkpoint import save_model


@pytest.fixture
def copied(model_file, tmp_path):
    """A copy that a test may damage."""
    for ending in (".safetensors", ".json"):
        shutil.copy(model_file.with_suffix(ending), tmp_path / f"model{ending}")
    return tmp_path / "model.safetensors"


def test_probabilities_are_the_softmax_of_the_network_on_normalised_pixels(model_file, network, card, pixels):
    x = torch.from_numpy(pixels).double().permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in card.normalisation)
    with torch.inference_mode():
        expected = network(((x - mean) / std).float()).double().softmax(dim=1).numpy()
    found = Predictor.load(model_file)(pixels)
    assert found.dtype == np.float32
    assert np.ptp(found, axis=0).max() > 0.02
    assert np.abs(found - expected).max() < 1e-6


def test_files_and_their_pixels_are_the_same(model_file, photos, pixels):
    predictor = Predictor.load(model_file)
    paths = sorted(photos.rglob("*.png"))
    assert np.array_equal(predictor([paths[2], str(paths[0]), paths[2]]), predictor(pixels[[2, 0, 2]]))


def test_nothing_gives_nothing(model_file):
    assert Predictor.load(model_file)([]).shape == (0, 3)


def test_several_models_give_the_mean_of_their_probabilities(model_file, card, tmp_path, pixels):
    other = build("small_cnn", num_classes=3, size=32, seed=9).eval()
    other = save_model(tmp_path / "model.safetensors", other, card.to_dict())
    one, two = (Predictor.load(path)(pixels) for path in (model_file, other))
    assert np.abs(one - two).max() > 1e-3
    assert np.abs(Predictor.load(model_file, other)(pixels) - (one + two) / 2).max() < 1e-7


def test_models_that_differ_cannot_be_averaged(model_file, copied):
    meta = read_json(copied.with_suffix(".json"))
    write_json(copied.with_suffix(".json"), meta | {"classes": meta["classes"][::-1]})
    with pytest.raises(ModelError, match="differ in classes.*cannot be averaged"):
        Predictor.load(model_file, copied)


def test_no_model_is_an_error():
    with pytest.raises(ModelError, match="no model was named"):
        Predictor.load()


def test_an_unreadable_image_is_named(model_file, photos):
    (photos / "1.png").write_text("no image")
    with pytest.raises(DataError, match=r"1\.png' cannot be predicted: not a JPEG or PNG"):
        Predictor.load(model_file)([photos / "0.png", photos / "1.png"])


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (2, 16, 32, 3), (32, 32, 3)])
def test_pixels_of_another_form_are_refused(model_file, shape):
    with pytest.raises(DataError, match=r"bytes of shape \(N, 32, 32, 3\) are expected"):
        Predictor.load(model_file)(np.zeros(shape, np.uint8))


def test_pixels_that_are_no_bytes_are_refused(model_file, pixels):
    with pytest.raises(DataError, match="the images are float32"):
        Predictor.load(model_file)(pixels.astype(np.float32))


def test_weights_without_their_json_are_refused_with_a_way_out(copied):
    copied.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"cannot be used without 'model.json' beside it.*(\n.*)*model.checkpoint"):
        load_network(copied)


def test_a_json_without_classes_is_refused(copied):
    meta = read_json(copied.with_suffix(".json"))
    del meta["classes"]
    write_json(copied.with_suffix(".json"), meta)
    with pytest.raises(ModelError, match="it lacks classes"):
        load_network(copied)


def test_damaged_weights_are_refused(copied):
    content = bytearray(copied.read_bytes())
    content[-100] ^= 1
    copied.write_bytes(content)
    with pytest.raises(ModelError, match="are not the ones that 'model.json' was written for"):
        load_network(copied)


def test_weights_that_are_nan_are_refused(copied, card):
    weights = load_file(copied)
    weights["classifier.bias"][1] = float("nan")
    save_file(weights, copied)
    write_json(copied.with_suffix(".json"), card.to_dict())
    with pytest.raises(ModelError, match=r"NaN or infinity in 1 of \d+ tensors: 'classifier.bias'"):
        load_network(copied)


def test_outputs_that_overflow_are_refused(copied, card, pixels):
    weights = load_file(copied)
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = torch.full_like(weights[name], 3.4e38)
    save_file(weights, copied)
    write_json(copied.with_suffix(".json"), card.to_dict())
    with pytest.raises(ModelError, match="outputs are not finite for 5 of 5"):
        Predictor.load(copied)(pixels)

import io

import numpy as np
import pandas as pd
import pytest

from fairshrink.deploy.images import decoded, find_images
from fairshrink.deploy.predict import write_predictions
from fairshrink.deploy.predictor import Predictor
from fairshrink.errors import ConfigError


@pytest.fixture
def predictor(model_file):
    return Predictor.load(model_file)


def pixels_of(image):
    (batch,) = decoded([image], 32, 1)
    return batch.pixels


def table(predictor, photos, **options):
    parts: list[str] = []
    failures = write_predictions(predictor, find_images([photos]).images, parts.append, **options)
    return pd.read_csv(io.StringIO("".join(parts)), keep_default_na=False), failures, parts


def test_a_row_for_every_image(predictor, photos, pixels):
    found, failures, _ = table(predictor, photos)
    assert list(found) == ["image", "prediction", "prob_naevus", "prob_=mel", "prob_bkl", "error"]
    assert found["image"].tolist() == [image.name for image in find_images([photos]).images]
    probabilities = predictor(pixels)
    assert np.abs(found.filter(like="prob_").to_numpy(float) - probabilities).max() < 1e-6
    names = np.array(["naevus", "'=mel", "bkl"])  # what a spreadsheet would take for a formula is guarded
    assert found["prediction"].tolist() == names[probabilities.argmax(axis=1)].tolist()
    assert (failures, set(found["error"])) == ([], {""})


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_the_batches_make_no_difference(predictor, photos, batch_size):
    whole, some = table(predictor, photos)[0], table(predictor, photos, batch_size=batch_size)[0]
    assert some.drop(columns=list(some.filter(like="prob_"))).equals(
        whole.drop(columns=list(whole.filter(like="prob_")))
    )
    assert np.abs(some.filter(like="prob_") - whole.filter(like="prob_")).to_numpy().max() < 2e-6


def test_rows_come_batch_by_batch_and_are_told(predictor, photos):
    told = []
    _, _, parts = table(predictor, photos, batch_size=2, observer=lambda *done: told.append(done))
    assert len(parts) == 3
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_an_unreadable_image_has_a_reason_and_no_prediction(predictor, photos):
    (photos / "1.png").write_text("no image")
    found, failures, _ = table(predictor, photos, batch_size=2)
    assert (found["prediction"] == "").tolist() == [False, True, False, False, False]
    assert found["error"][1].startswith("not a JPEG or PNG")
    assert found.loc[1, "prob_bkl"] == ""
    assert [(failure.name, failure.reason) for failure in failures] == [(f"{photos}/1.png", found["error"][1])]


def test_a_batch_of_nothing_but_unreadable_images(predictor, photos):
    for path in photos.rglob("*.png"):
        path.write_text("no image")
    found, failures, _ = table(predictor, photos)
    assert len(found) == len(failures) == 5


def test_a_batch_size_of_0_is_refused(predictor, photos):
    with pytest.raises(ConfigError, match="the batch size is 0"):
        table(predictor, photos, batch_size=0)


def test_of_a_model_with_exits_the_table_names_the_one_that_each_image_left_at(early_model, photos):
    predictor = Predictor.load(early_model.file)
    (photos / "1.png").write_text("no image")
    found, _, _ = table(predictor, photos, batch_size=2)
    images = [image for image in find_images([photos]).images if "1.png" not in image.name]
    expected = predictor.answer(np.concatenate([pixels_of(image) for image in images]))
    names = np.array(["features.6", "features.10", "final"])[expected.exit]
    assert list(found)[-2:] == ["exit", "error"]
    assert found["exit"].drop(1).tolist() == names.tolist()
    assert found["exit"][1] == ""


def test_the_mean_of_several_models_has_no_exits(early_model, photos):
    found, _, _ = table(Predictor.load(early_model.file, early_model.file), photos)
    assert "exit" not in found
    assert len(found) == 5

"""The synthetic set: the same picture for the same (seed, index, size), exact shares, a planted bias, and refusals."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fairshrink.data.sources.lesions import BLOCK, CLASSES, TONES, lesions
from fairshrink.errors import ConfigError, DataError


def test_the_table_says_what_is_drawn():
    manifest = lesions(1000, seed=4)
    frame = manifest.frame
    assert manifest.classes == CLASSES
    assert len(CLASSES) == 5
    assert list(frame.columns) == ["id", "label", "tone", "age"]
    assert frame["id"].is_unique
    assert manifest.excluded.empty
    counts = frame.groupby(["tone", "label"]).size().unstack().loc[list(TONES), list(CLASSES)].to_numpy()
    assert np.array_equal(counts, 5 * BLOCK)
    assert BLOCK.sum(axis=1).tolist() == [150, 50]


def test_age_is_whole_years_and_tells_nothing():
    frame = lesions(8000).frame
    assert frame["age"].dtype == np.int64
    assert (frame["age"].min(), frame["age"].max()) == (18, 90)
    for column in ("label", "tone"):
        means = frame.groupby(column)["age"].mean()
        assert means.max() - means.min() < 3


def test_a_larger_set_starts_with_the_same_images():
    small, large = lesions(130, seed=2), lesions(777, seed=2)
    assert small.frame.equals(large.frame.head(130))
    some = np.array([0, 64, 129])
    assert np.array_equal(small.images.read(some, 24), large.images.read(some, 24))


def test_pixels_are_bytes_and_fill_the_range():
    pixels = lesions(100).images.read(np.arange(100), 40)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (100, 40, 40, 3)
    assert pixels.min() < 60
    assert pixels.max() > 225


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 599), min_size=1, max_size=40), st.sampled_from([8, 31, 48]))
def test_an_image_does_not_depend_on_the_batch(indices, size):
    images = lesions(600, seed=9).images
    together = images.read(np.array(indices), size)
    for at in {0, len(indices) // 2, len(indices) - 1}:
        assert np.array_equal(together[at], images.read(np.array(indices[at : at + 1]), size)[0])


def test_long_reads_are_cut_without_a_seam():
    images = lesions(600).images
    whole = images.read(np.arange(600), 16)
    pieces = [images.read(np.arange(start, start + 100), 16) for start in range(0, 600, 100)]
    assert np.array_equal(whole, np.concatenate(pieces))


def test_large_pictures_and_empty_reads():
    images = lesions(50).images
    assert images.read(np.array([7]), 300).shape == (1, 300, 300, 3)
    assert images.read(np.array([], dtype=np.int64), 32).shape == (0, 32, 32, 3)


def test_the_fingerprint_tells_sets_apart():
    prints = {lesions(count, seed=seed).images.fingerprint for count in (50, 60) for seed in (0, 1)}
    assert len(prints) == 4
    assert lesions(50).images.fingerprint == lesions(50, seed=0).images.fingerprint


def test_another_seed_gives_another_set():
    one, two = lesions(200, seed=0), lesions(200, seed=1)
    assert not one.frame["label"].equals(two.frame["label"])
    assert not np.array_equal(one.images.read(np.arange(4), 16), two.images.read(np.arange(4), 16))


def test_skin_around_the_lesion_is_darker_in_the_second_tone():
    manifest = lesions(400)
    pixels = manifest.images.read(np.arange(400), 16).astype(float)
    frame = np.concatenate([pixels[:, 0], pixels[:, -1]], axis=1).mean(axis=(1, 2))
    first = (manifest.frame["tone"] == TONES[0]).to_numpy()
    assert frame[first].mean() - frame[~first].mean() > 40


@pytest.mark.parametrize("count", [49, 0, -5, 4000.0, "4000", True, None, 10**10])
def test_a_bad_count_is_refused(count):
    with pytest.raises(ConfigError, match=r"count is .*: lesions needs a whole number from 50 .* Write  count = 4000"):
        lesions(count)


@pytest.mark.parametrize("seed", [-1, 0.5, "x", 2**63, False])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ConfigError, match=r"seed is .*: lesions needs a whole number from 0 .* Write  seed = 0"):
        lesions(100, seed=seed)


def test_numpy_integers_are_whole_numbers():
    assert len(lesions(np.int64(60), seed=np.int64(3)).frame) == 60


def test_reading_outside_the_set_is_refused():
    images = lesions(50).images
    with pytest.raises(DataError, match=r"2 of 3 indices are outside 0 to 49"):
        images.read(np.array([-1, 3, 50]), 32)
    with pytest.raises(ConfigError, match=r"size is 4: lesions are drawn from 8 pixels up"):
        images.read(np.array([0]), 4)


def test_the_contact_sheet_is_drawn_and_small(tmp_path):
    script = Path(__file__).parents[3] / "examples" / "contact_sheet.py"
    target = tmp_path / "new" / "sheet.png"
    runpy.run_path(str(script))["main"](target)
    assert target.stat().st_size < 250 * 1024
    with Image.open(target) as sheet:
        assert min(sheet.size) > 400

"""Scenes: what the two tones share, what they do not, and what only the class decides."""

import numpy as np
import pytest

from fairshrink.data.sources.scenes import CONTRAST, MELANIN, RADIUS, WOBBLE, Scene, compose

COUNT = 4000


@pytest.fixture(scope="module")
def drawn() -> tuple[Scene, np.ndarray, np.ndarray]:
    rows = np.arange(COUNT)
    return compose(3, rows, rows % 5, rows // 5 % 2), rows % 5, rows // 5 % 2


def test_tones_differ_in_skin_and_contrast_as_documented(drawn):
    scene, _, tones = drawn
    density = scene.colours.mean(axis=(1, 2))
    ratio = density[tones == 1].mean() / density[tones == 0].mean()
    assert ratio == pytest.approx(CONTRAST[1].mean() / CONTRAST[0].mean(), rel=0.05)
    brightness = scene.skin.mean(axis=1)
    assert brightness[tones == 0].min() > brightness[tones == 1].max() - 0.05
    assert MELANIN[0].max() < MELANIN[1].min()


@pytest.mark.parametrize("part", ["place", "border", "texture", "light", "hairs", "noise", "grain"])
def test_everything_else_is_drawn_alike_for_both_tones(drawn, part):
    scene, _, tones = drawn
    values = getattr(scene, part).reshape(COUNT, -1)
    one, two = values[tones == 0], values[tones == 1]
    apart = np.abs(one.mean(axis=0) - two.mean(axis=0)) / (values.std(axis=0) + 1e-9)
    assert apart.max() < 5 * 2 / np.sqrt(COUNT)


def test_the_same_image_of_another_tone_has_the_same_lesion_but_fainter():
    rows = np.arange(50)
    one, two = (compose(0, rows, rows % 5, np.full(50, tone)) for tone in (0, 1))
    assert np.array_equal(one.border, two.border)
    ratio = two.colours / one.colours
    assert np.allclose(ratio, ratio[:, :1, :1], rtol=1e-5)
    assert (ratio < 1).all()


def test_classes_differ_in_radius_and_border(drawn):
    scene, labels, _ = drawn
    for label in range(5):
        assert scene.place[labels == label, 2].mean() == pytest.approx(RADIUS[label, 0], abs=0.01)
    rough = [np.abs(scene.border[labels == label]).mean() for label in range(5)]
    assert np.argsort(rough).tolist() == np.argsort(WOBBLE[:, 0]).tolist()


def test_a_part_of_the_scenes_is_those_rows(drawn):
    scene = drawn[0]
    part = scene.part(slice(10, 13))
    assert np.array_equal(part.hairs, scene.hairs[10:13])
    assert part.keys.tolist() == scene.keys[10:13].tolist()

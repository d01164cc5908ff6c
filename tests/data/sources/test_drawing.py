"""Drawing: the two formulas against slow twins, and the same picture at every size."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import BSpline

from fairshrink.data.sources.drawing import fourier, paint, spline_field
from fairshrink.data.sources.scenes import Scene, compose


def scenes(count: int = 20, tone: int = 0) -> Scene:
    rows = np.arange(count)
    return compose(1, rows, rows % 5, np.full(count, tone))


def test_the_border_equals_a_sum_over_angles():
    rng = np.random.default_rng(0)
    border, angle = rng.normal(size=(2, 2, 6)), rng.uniform(-np.pi, np.pi, size=(2, 5, 5))
    slow = np.zeros_like(angle)
    for image in range(2):
        for k in range(6):
            slow[image] += border[image, 0, k] * np.cos((k + 1) * angle[image])
            slow[image] += border[image, 1, k] * np.sin((k + 1) * angle[image])
    fast = fourier(border, np.cos(angle), np.sin(angle))
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-12)


def test_a_field_is_a_cubic_b_spline_surface():
    rng = np.random.default_rng(0)
    lattice, line = rng.normal(size=(2, 1, 7, 7)), (2 * np.arange(16) + 1) / 16 - 1
    knots = np.arange(-3.0, 8.0)
    at = (line + 1) / 2 * 4
    rows = BSpline(knots, np.moveaxis(lattice, 2, 0), 3)(at)
    slow = BSpline(knots, np.moveaxis(rows, 3, 0), 3)(at)
    fast = spline_field(lattice, line)
    np.testing.assert_allclose(fast * 0.4794, np.moveaxis(slow, (0, 1), (3, 2)), rtol=1e-6, atol=1e-9)


def test_a_field_has_the_stated_spread():
    lattice = np.random.default_rng(0).normal(size=(200, 1, 15, 15))
    assert spline_field(lattice, np.linspace(-1, 1, 48)).std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("small", "large"), [(32, 128), (64, 128), (20, 60)])
def test_a_small_picture_is_a_large_one_seen_from_afar(small, large):
    scene = scenes()
    scene = replace(scene, noise=np.zeros_like(scene.noise))
    times = large // small
    near = paint(scene, large).reshape(20, small, times, small, times, 3).mean(axis=(2, 4))
    apart = np.abs(near - paint(scene, small))
    assert apart.mean() < 3
    assert apart.mean(axis=(1, 2, 3)).max() < 6


def test_lesions_lie_fainter_on_the_second_tone():
    def contrast(tone: int) -> float:
        # Without hair, light and noise: how much less light comes from the middle than from the skin.
        scene = scenes(100, tone)
        scene = replace(scene, hairs=scene.hairs * 0, noise=scene.noise * 0, light=scene.light * [1, 0, 0, 0])
        pixels = paint(scene, 32).astype(float).mean(axis=-1)
        skin, middle = pixels[:, :2].mean(axis=(1, 2)), pixels[:, 12:20, 12:20].mean(axis=(1, 2))
        return float(np.log(skin / middle).mean())

    assert 0.2 < contrast(1) / contrast(0) < 0.6


def test_hairs_and_noise_are_drawn():
    scene = scenes(40)
    bald, clean = replace(scene, hairs=scene.hairs * 0), replace(scene, noise=scene.noise * 0)
    hairy = scene.hairs[:, :, 5].max(axis=1) > 0
    assert 0 < hairy.sum() < 40
    changed = (paint(scene, 32) != paint(bald, 32)).any(axis=(1, 2, 3))
    assert np.array_equal(changed, hairy)
    grain = paint(scene, 32).astype(float) - paint(clean, 32)
    assert grain.std() / 255 == pytest.approx(float(scene.noise.mean()), rel=0.15)

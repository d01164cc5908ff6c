import numpy as np
import pytest
import torch
from PIL import Image

from data.pictures import picture
from fairshrink.data.augment import AUGMENTS, LARGEST, MOST_DEGREES, augmented, check_augment
from fairshrink.data.draws import Draws
from fairshrink.errors import ConfigError

PIXELS = np.stack(
    [np.asarray(Image.fromarray(picture(at, 6)).resize((32, 32), Image.Resampling.BICUBIC)) for at in range(64)]
)
DRAWS = Draws(0, np.arange(64))


def plain(pixels):
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float()


def twin(image, draws, at, epoch):
    """Slow and obvious: one image, one pixel at a time, in float64."""
    across, down = (-1.0 if u < 0.5 else 1.0 for u in draws.even(f"flip {epoch}", 2)[at])
    angle = np.radians(MOST_DEGREES) * (2 * draws.even(f"rotate {epoch}")[at] - 1)
    scale = LARGEST ** (2 * draws.even(f"scale {epoch}")[at] - 1)
    side = image.shape[0]
    result = np.empty((side, side, 3))
    for row in range(side):
        for column in range(side):
            x, y = (column + 0.5) - side / 2, (row + 0.5) - side / 2
            u = across * (np.cos(angle) * x - np.sin(angle) * y) / scale + side / 2 - 0.5
            v = down * (np.sin(angle) * x + np.cos(angle) * y) / scale + side / 2 - 0.5
            result[row, column] = bilinear(image, reflected(v, side), reflected(u, side))
    return result


def reflected(position, side):
    """The mirror stands on the outer edge of the image."""
    position = abs(position + 0.5) % (2 * side)
    return min(max(min(position, 2 * side - position) - 0.5, 0), side - 1)


def bilinear(image, v, u):
    top, left = int(v), int(u)
    bottom, right = min(top + 1, len(image) - 1), min(left + 1, len(image) - 1)
    upper = image[top, left] * (1 - (u - left)) + image[top, right] * (u - left)
    lower = image[bottom, left] * (1 - (u - left)) + image[bottom, right] * (u - left)
    return upper * (1 - (v - top)) + lower * (v - top)


def test_the_batch_in_one_pass_equals_every_pixel_by_itself():
    got = augmented(PIXELS[:6], ("flip", "rotate", "scale"), Draws(5, np.arange(6)), 2)
    for at in range(6):
        slow = twin(PIXELS[at].astype(np.float64), Draws(5, np.arange(6)), at, 2)
        assert np.abs(got[at].permute(1, 2, 0).numpy() - slow).max() < 0.01


def test_nothing_asked_for_changes_nothing():
    assert torch.equal(augmented(PIXELS, (), DRAWS, 0), plain(PIXELS))


def test_flips_are_exact_and_half_of_the_samples_each_way():
    got, x = augmented(PIXELS, ("flip",), DRAWS, 0), plain(PIXELS)
    kinds = [x, x.flip(-1), x.flip(-2), x.flip(-1, -2)]
    counts = [sum(torch.equal(a, b) for a, b in zip(got, kind, strict=True)) for kind in kinds]
    assert sum(counts) == 64
    assert min(counts) >= 8


def test_flips_are_the_same_whether_or_not_something_else_moves_too():
    left = PIXELS.copy()
    left[:, :, :16], left[:, :, 16:] = 0, 255
    alone = augmented(left, ("flip",), DRAWS, 0)[:, 0, :, :8].mean((1, 2)) > 127
    scaled = augmented(left, ("flip", "scale"), DRAWS, 0)[:, 0, :, :8].mean((1, 2)) > 127
    assert torch.equal(alone, scaled)


@pytest.mark.parametrize("names", [("flip",), ("rotate",), ("scale",), ("autoaugment",), AUGMENTS])
def test_a_sample_is_drawn_by_itself(names):
    whole = augmented(PIXELS, names, DRAWS, 1)
    parts = [augmented(PIXELS[at : at + 5], names, Draws(0, np.arange(64)[at : at + 5]), 1) for at in range(0, 64, 5)]
    assert torch.equal(whole, torch.cat(parts))
    same = np.repeat(PIXELS[:1], 64, axis=0)
    assert len({image.numpy().tobytes() for image in augmented(same, names, DRAWS, 1)}) > 1
    assert not torch.equal(whole, augmented(PIXELS, names, DRAWS, 2))
    assert not torch.equal(whole, augmented(PIXELS, names, Draws(1, np.arange(64)), 1))


def test_rotation_and_scale_stay_in_their_range_and_keep_the_brightness():
    x = augmented(np.full_like(PIXELS, 200), ("rotate", "scale"), DRAWS, 0)
    assert (x - 200).abs().max() < 1e-3  # what comes into view is mirrored image, never black


def test_autoaugment_leaves_torchs_generator_and_the_pixels_as_they_were():
    before, state = PIXELS.copy(), torch.random.get_rng_state()
    got = augmented(PIXELS, ("autoaugment",), DRAWS, 0)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(PIXELS, before)
    assert got.min() >= 0
    assert got.max() <= 255
    assert sum(not torch.equal(a, b) for a, b in zip(got, plain(PIXELS), strict=True)) > 32


def test_an_unknown_augmentation():
    with pytest.raises(ConfigError, match=r"there is no augmentation 'rotation'\. Did you mean 'rotate'\?"):
        check_augment(["flip", "rotation"])
    with pytest.raises(ConfigError, match=r"augment is 'flip', but a list was expected"):
        check_augment("flip")
    assert check_augment(["flip"]) == ("flip",)

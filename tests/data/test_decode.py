import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.pictures import encoded, picture
from fairshrink.data import decode as module
from fairshrink.data.decode import decode
from fairshrink.errors import DataError

PHOTO = Image.fromarray(picture(3, 12)).resize((96, 64), Image.Resampling.BICUBIC)


def test_the_whole_image_is_squashed_with_antialiasing():
    stripes = np.zeros((64, 128, 3), dtype=np.uint8)
    stripes[:, ::2] = 254
    assert np.abs(decode(encoded(stripes), 16).astype(int) - 127).max() <= 6  # without it: 0 or 254
    assert np.array_equal(decode(encoded(picture(1, 16)), 16), picture(1, 16))


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA", "CMYK", "I;16"])
def test_every_kind_of_pixel_becomes_the_rgb_it_shows(mode):
    grey = np.array(Image.fromarray(picture(2, 12)).convert("L").resize((32, 32), Image.Resampling.BICUBIC))
    if mode == "I;16":
        data = encoded(Image.fromarray(grey.astype(np.uint16) * 257))
    elif mode == "CMYK":
        data = encoded(Image.fromarray(grey).convert("RGB").convert("CMYK"), "JPEG", quality=100)
    else:
        image = Image.fromarray(grey if mode != "1" else (grey > 127).astype(np.uint8) * 255)
        data = encoded(image.convert(mode, dither=Image.Dither.NONE))
    expected = (grey > 127) * 255 if mode == "1" else grey
    got = decode(data, 32)
    assert got.shape == (32, 32, 3)
    assert np.abs(got.astype(int) - expected[..., None]).max() <= (3 if mode == "CMYK" else 0)


def test_exif_turns_the_image():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    plain = decode(encoded(PHOTO, "JPEG", quality=95), 32)
    turned = decode(encoded(PHOTO, "JPEG", quality=95, exif=exif), 32)
    assert np.abs(turned.astype(int) - np.rot90(plain, -1)).mean() < 1


def test_a_large_jpeg_is_decoded_smaller_without_a_visible_change():
    large = PHOTO.resize((1024, 1024), Image.Resampling.BICUBIC)
    data = encoded(large, "JPEG", quality=95)
    whole = np.asarray(Image.open(io.BytesIO(data)).resize((64, 64), Image.Resampling.BILINEAR))
    assert np.abs(decode(data, 64).astype(int) - whole).max() <= 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GIF89a is something else", "not a JPEG or PNG image"),
        (encoded(PHOTO, "GIF"), "not a JPEG or PNG image"),
        (b"", "not a JPEG or PNG image"),
        (encoded(PHOTO, "JPEG")[:700], "the image is damaged .*truncated"),
        (encoded(picture(), "PNG")[:900], "the image is damaged"),
        (encoded(Image.new("RGBA", (8, 8), (9, 9, 9, 128))), "parts of the image are transparent"),
    ],
)
def test_what_cannot_be_read_as_meant_is_refused(data, message):
    with pytest.raises(DataError, match=message):
        decode(data, 16)


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(module, "MAX_PIXELS", 500)
    with pytest.raises(DataError, match=r"24 x 24 pixels are more than 500\. Make it smaller"):
        decode(encoded(picture()), 16)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow's own limit stays on
    with pytest.raises(DataError, match="damaged .*decompression bomb"):
        decode(encoded(picture()), 16)


EXIF = Image.Exif()
EXIF[0x0112] = 3
FILES = [
    encoded(PHOTO, "JPEG", exif=EXIF),
    encoded(picture(0, 16)),
    encoded(Image.fromarray(picture(0, 16)).convert("P")),
]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about damaged EXIF
@settings(deadline=None, max_examples=150)
@given(which=st.sampled_from(FILES), cuts=st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 255)), max_size=6))
def test_no_damage_ends_in_anything_but_an_image_or_an_error_of_ours(which, cuts):
    data = bytearray(which)
    for at, value in cuts:
        data[at % len(data)] = value
    with contextlib.suppress(DataError):
        assert decode(bytes(data), 16).shape == (16, 16, 3)

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.pictures import encoded, picture
from fairshrink.data import decode as module
from fairshrink.data.decode import decode, examine, name_format
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


def png(width, height, bits, colour, rows):
    """A PNG of any kind, by hand: Pillow writes no 16-bit colour."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", head), (b"IDAT", data), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_sixteen_bit_colour_keeps_its_brightness():
    wide = picture(4, 16).astype(">u2") * 257
    assert np.array_equal(decode(png(16, 16, 16, 2, [row.tobytes() for row in wide]), 16), picture(4, 16))
    grey = wide[..., 0]
    got = decode(png(16, 16, 16, 0, [row.tobytes() for row in grey]), 16)
    assert np.array_equal(got, np.repeat(picture(4, 16)[..., :1], 3, axis=2))


def test_a_progressive_jpeg_is_the_same_picture():
    one, other = (decode(encoded(PHOTO, "JPEG", quality=95, progressive=on), 32) for on in (True, False))
    assert np.abs(one.astype(int) - other).max() <= 1


def test_opaque_palettes_are_read_and_transparent_ones_refused():
    palette = Image.fromarray(picture(2, 16)).quantize(8)
    assert decode(encoded(palette, "PNG", transparency=bytes([255] * 8)), 16).shape == (16, 16, 3)
    with pytest.raises(DataError, match="parts of the image are transparent"):
        decode(encoded(palette, "PNG", transparency=bytes([255] * 7 + [0])), 16)


@pytest.mark.parametrize("shape", [(1, 1), (1, 100_000), (30_000, 2)])
def test_any_shape_is_squashed(shape):
    grey = np.full(shape, 77, dtype=np.uint8)
    assert np.array_equal(decode(encoded(Image.fromarray(grey)), 16), np.full((16, 16, 3), 77))


def test_of_an_animation_nobody_knows_which_frame_is_meant():
    frames = [Image.fromarray(picture(at)) for at in range(3)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=r"the image is animated \(3 frames\)\. Save the one that is meant"):
        decode(data, 16)


@pytest.mark.parametrize(
    ("data", "called"),
    [
        (b"", "empty"),
        (b"label,image\n1,2\n", "text"),
        ("Größe".encode() * 200, "text"),
        (encoded(PHOTO, "GIF"), "GIF"),
        (encoded(PHOTO, "WEBP"), "WebP"),
        (encoded(PHOTO, "BMP"), "BMP"),
        (encoded(PHOTO, "TIFF"), "TIFF"),
        (b"%PDF-1.7 and so on", "PDF"),
        (b"\0\0\0\x1cftypheic" + bytes(50), "HEIF, AVIF or a film"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(data, called):
    assert name_format(data) == called
    with pytest.raises(DataError, match=f"not a JPEG or PNG image \\(its content is {called}\\)"):
        decode(data, 16)


@pytest.mark.parametrize("data", [bytes(range(128, 256)) * 8, b"\xff\xd8\xff\xe0" + bytes(99), b"\x89PNG\r\n\x1a\n"])
def test_rubbish_is_an_error(data):
    with pytest.raises(DataError, match="the image is damaged|it is damaged from the start"):
        decode(data, 16)


def test_examining_gives_the_same_pixels_and_tells_pictures_apart():
    large = PHOTO.resize((400, 300), Image.Resampling.BICUBIC)
    files = [encoded(large, "JPEG", quality=95), encoded(PHOTO, "JPEG"), encoded(PHOTO), encoded(PHOTO.convert("L"))]
    looks = [examine(data, 32) for data in files]
    assert all(np.array_equal(look.pixels, decode(data, 32)) for look, data in zip(looks, files, strict=True))
    assert [(look.width, look.height, look.format) for look in looks[:3:2]] == [(400, 300, "JPEG"), (96, 64, "PNG")]
    assert len({look.digest for look in looks}) == 4
    again = encoded(Image.open(io.BytesIO(files[0])), "PNG")
    assert examine(again, 32).digest == looks[0].digest


def test_the_digest_follows_what_is_shown_not_how_it_is_stored():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(PHOTO.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)
    assert examine(turned, 32).digest == examine(encoded(PHOTO), 32).digest
    assert (examine(turned, 32).width, examine(turned, 32).height) == (96, 64)
    flat = Image.new("RGB", (8, 2)), Image.new("RGB", (2, 8))
    assert len({examine(encoded(image), 8).digest for image in flat}) == 2


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
    with pytest.raises(DataError, match="its pixels are more than 500. Make it smaller"):
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

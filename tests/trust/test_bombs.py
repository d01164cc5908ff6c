"""Small files that would become huge are refused before they do."""

import struct
import zipfile
import zlib

import numpy as np
import pytest

from data.pictures import encoded, picture, zip_of
from fairshrink.data.archive import FileImages, open_archive
from fairshrink.data.decode import decode
from fairshrink.data.listing import MAX_BYTES
from fairshrink.errors import DataError


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, *more, depth=8, colour=2):
    """A PNG that says it has these sides, with a few bytes of pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = [chunk(b"IHDR", header), *more, chunk(b"IDAT", zlib.compress(bytes(100))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def jpeg(width, height):
    """A JPEG whose header says it has these sides."""
    data = bytearray(encoded(picture(0, 16), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


TEXT = zlib.compress(bytes(100 * 2**20), 9)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(50_000, 50_000), "its pixels are more than 89,478,485. Make it smaller"),
        (png(2**31 - 1, 2**31 - 1), "its pixels are more than 89,478,485. Make it smaller"),
        (png(12_000, 12_000), "144,000,000 pixels|12,000 x 12,000 pixels are more than"),
        (png(1, 2**31 - 1), "its pixels are more than 89,478,485. Make it smaller"),
        (jpeg(65_535, 65_535), "its pixels are more than 89,478,485. Make it smaller"),
        (png(8, 8, chunk(b"zTXt", b"note\0\0" + TEXT)), "damaged .*too large"),
        (png(8, 8, chunk(b"iCCP", b"profile\0\0" + TEXT)), "damaged"),
        (png(0, 0), "not a JPEG or PNG|damaged"),
    ],
    ids=["png", "largest png", "above our limit", "one line", "jpeg", "text", "profile", "nothing"],
)
def test_an_image(data, message):
    assert len(data) < 200_000
    with pytest.raises(DataError, match=message):
        decode(data, 16)


def test_a_member_that_says_it_is_huge(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a.png": bytes(1000)})
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<I", MAX_BYTES + 1)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"member 'a.png' has 268,435,457 bytes; at most 268,435,456 are expected"):
        open_archive(path)


def test_a_member_that_is_larger_than_it_says(tmp_path):
    """What a header promises is all that is unpacked: 10 MB of zeros that call themselves 100 bytes."""
    path = zip_of(tmp_path / "a.zip", {"a.png": bytes(10 * 2**20)})
    content = bytearray(path.read_bytes())
    assert len(content) < 20_000
    for sign, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = content.index(sign) + offset
        content[at : at + 4] = struct.pack("<I", 100)
    path.write_bytes(content)
    with pytest.raises(DataError, match="'a.png': the file cannot be read: Bad CRC-32"):
        FileImages(open_archive(path), ("a.png",)).read(np.array([0]), 16)


def test_an_archive_in_an_archive_is_left_packed(tmp_path):
    inner = zip_of(tmp_path / "inner.zip", {"b.png": encoded(picture())}).read_bytes()
    outer = zip_of(tmp_path / "a.zip", {"inner.zip": inner, "a.png": encoded(picture())})
    assert list(open_archive(outer).members) == ["a.png"]


def test_many_members(tmp_path):
    """They are listed once, and each is looked up, not searched for."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number}.png", b"")
    assert len(open_archive(path).members) == 20_000


def test_overlapping_members(tmp_path):
    """The trick of the densest bombs: many names for the same packed bytes."""
    path = zip_of(tmp_path / "a.zip", {"a.png": encoded(picture(1)), "b.png": encoded(picture(2))})
    content = bytearray(path.read_bytes())
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    content[second + 42 : second + 46] = struct.pack("<I", 0)
    path.write_bytes(content)
    with pytest.raises(DataError, match="'b.png': the file cannot be read: File name in directory"):
        FileImages(open_archive(path), ("b.png",)).read(np.array([0]), 16)

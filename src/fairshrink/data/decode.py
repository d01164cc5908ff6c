"""One image file to square pixels. JPEG and PNG only; what cannot be read as it was meant is refused."""

import hashlib
import io
import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fairshrink.errors import DataError

MAX_PIXELS = 89_478_485  # Pillow's own limit, which it only warns of up to twice this
FORMATS = ("JPEG", "PNG")
SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error)

# First bytes; only to say what a refused file is. Pillow's readers of these formats are never called.
_BEGINNINGS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "zip"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\0\x0cjP", "JPEG 2000"),
)


class Examined(NamedTuple):
    """What an image file holds.

    Attributes:
        pixels: As `decode` gives them, (size, size, 3).
        digest: Of every original pixel, turned as EXIF says, and of the two sides.
        width: Pixels, turned as EXIF says.
        height: The same.
        format: "JPEG" or "PNG", by content.
    """

    pixels: NDArray[np.uint8]
    digest: str
    width: int
    height: int
    format: str


def decode(data: bytes, size: int) -> NDArray[np.uint8]:
    """The pixels of a JPEG or PNG file, turned as its EXIF says and squashed to a square.

    The whole image is kept and its sides are scaled apart (as the papers resize), bilinear with antialiasing.
    Grey, palette, CMYK and 16-bit images become 8-bit RGB.

    Args:
        data: The file's bytes.
        size: Pixels a side.

    Returns:
        (size, size, 3).

    Raises:
        DataError: Not a JPEG or PNG, truncated, animated, too many pixels, or partly transparent.
    """
    return _squashed(_upright(data, at_least=2 * size), size)


def examine(data: bytes, size: int) -> Examined:
    """The same pixels, and a digest of the originals: equal for two files that show the same in another encoding.

    Raises:
        DataError: As `decode`.
    """
    whole = _upright(data)
    digest = hashlib.blake2b(f"{whole.width} {whole.height} ".encode(), digest_size=16)
    digest.update(whole.tobytes())
    # Where `decode` would take a JPEG at a fraction of its size, its pixels are other ones than the whole image gives.
    smaller = name_format(data) == "JPEG" and min(whole.size) >= 4 * size
    pixels = decode(data, size) if smaller else _squashed(whole, size)
    return Examined(pixels, digest.hexdigest(), whole.width, whole.height, name_format(data))


def name_format(data: bytes) -> str:
    """What a file is by its content: "JPEG", "PNG", another format's name, "empty", "text" or "unknown"."""
    if not data:
        return "empty"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return "HEIF, AVIF or a film"
    known = next((name for beginning, name in _BEGINNINGS if data.startswith(beginning)), None)
    return known or ("text" if _is_text(data[:512]) else "unknown")


def _is_text(start: bytes) -> bool:
    text = start.decode("utf-8", errors="ignore")  # the cut may go through a letter
    return len(text.encode()) > len(start) - 4 and all(sign.isprintable() or sign in "\r\n\t\ufeff" for sign in text)


def _upright(data: bytes, at_least: int | None = None) -> Image.Image:
    """RGB, turned as EXIF says; a JPEG at 1/2, 1/4 or 1/8 where that leaves `at_least` pixels each way.

    At twice the size that is wanted, no value of the result moves by more than 2 of 255.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(
                    f"{image.width:,} x {image.height:,} pixels are more than {MAX_PIXELS:,}. Make it smaller."
                )
            if image.format == "PNG" and (frames := getattr(image, "n_frames", 1)) > 1:
                raise DataError(f"the image is animated ({frames} frames). Save the one that is meant.")
            if at_least is not None:
                image.draft(None, (at_least, at_least))
            image.load()
            return _rgb(ImageOps.exif_transpose(image))
    except Image.UnidentifiedImageError as error:
        found = name_format(data)
        what = "it is damaged from the start" if found in (*FORMATS, "unknown") else f"its content is {found}"
        raise DataError(f"not a JPEG or PNG image ({what}). Convert it, whatever its name ends in.") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"its pixels are more than {MAX_PIXELS:,}. Make it smaller.") from error
    except _BROKEN as error:
        raise DataError(f"the image is damaged ({error}). Fetch or save it again.") from error


def _squashed(image: Image.Image, size: int) -> NDArray[np.uint8]:
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in SIXTEEN_BITS:
        # Pillow clips here instead of scaling: 256 and 65,535 would both be white.
        return Image.fromarray((np.asarray(image).astype(np.int64) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if np.asarray(image)[..., 3].min() < 255:
            raise DataError("parts of the image are transparent, so their colour is unknown. Flatten it.")
    return image.convert("RGB")

"""One image file to square pixels. JPEG and PNG only; what cannot be read as it was meant is refused."""

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fairshrink.errors import DataError

MAX_PIXELS = 89_478_485  # Pillow's own limit, which it only warns of up to twice this
SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, Image.DecompressionBombError)


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
        DataError: Not a JPEG or PNG, truncated, too many pixels, or partly transparent.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(
                    f"{image.width:,} x {image.height:,} pixels are more than {MAX_PIXELS:,}. Make it smaller."
                )
            # JPEG decodes at 1/2, 1/4 or 1/8 where that is at least twice the size: no value moves by more than 2 of 255.
            image.draft(None, (2 * size, 2 * size))
            image.load()
            turned = ImageOps.exif_transpose(image)
            return np.asarray(_rgb(turned).resize((size, size), Image.Resampling.BILINEAR))
    except Image.UnidentifiedImageError as error:
        raise DataError("not a JPEG or PNG image. Convert it, whatever its name ends in.") from error
    except _BROKEN as error:
        raise DataError(f"the image is damaged ({error}). Fetch or save it again.") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in SIXTEEN_BITS:
        # Pillow clips here instead of scaling: 256 and 65,535 would both be white.
        return Image.fromarray((np.asarray(image).astype(np.int64) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
        if alpha.min() < 255:
            raise DataError("parts of the image are transparent, so their colour is unknown. Flatten it.")
    return image.convert("RGB")

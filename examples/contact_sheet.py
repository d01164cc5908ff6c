"""Draws docs/pictures/lesions.png: synthetic lesions, a row for each class, samples of both tones.

python examples/contact_sheet.py [FILE]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fairshrink.data.sources.lesions import TONES, lesions

PIXELS, SAMPLES, GAP, LEFT, TOP = 84, 4, 4, 128, 26


def main(target: Path, seed: int = 0) -> None:
    """Writes the sheet as a PNG with a palette, which keeps it small."""
    manifest = lesions(1000, seed=seed)
    cell, block = PIXELS + GAP, SAMPLES * (PIXELS + GAP) + 3 * GAP
    sheet = Image.new("RGB", (LEFT + len(TONES) * block, TOP + len(manifest.classes) * cell), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for column, tone in enumerate(TONES):
        left = LEFT + column * block
        pen.text((left, 4), tone, fill="black", font=font)
        for row, name in enumerate(manifest.classes):
            top = TOP + row * cell
            pen.text((4, top + PIXELS // 2 - 9), name, fill="black", font=font)
            here = (manifest.frame["tone"] == tone) & (manifest.frame["label"] == name)
            drawn = manifest.images.read(np.flatnonzero(here)[:SAMPLES], PIXELS)
            for place, pixels in enumerate(drawn):
                sheet.paste(Image.fromarray(pixels), (left + place * cell, top))
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(128, kmeans=3).save(target, optimize=True)
    print(f"{target}: {target.stat().st_size // 1024} KB")


if __name__ == "__main__":
    here = Path(__file__).parents[1] / "docs" / "pictures" / "lesions.png"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else here)

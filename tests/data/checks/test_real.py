"""HAM10000 as it is, and 300 of its images damaged in every way that a check should find."""

import io
import struct
import zipfile
import zlib
from dataclasses import replace

import pandas as pd
import pytest
from PIL import Image

from fairshrink.data.checks import Subject, check
from fairshrink.data.sources.ham10000 import COLUMNS
from fairshrink.data.sources.isic2019 import columns

pytestmark = pytest.mark.real
TWINS = {("ISIC_0024366", "ISIC_0029861"), ("ISIC_0024777", "ISIC_0029938")}


def subject(root, **settings):
    defaults = {"groups": ("sex", "age >= 60"), "split_by": "lesion_id"} | settings
    return Subject("ham10000", root / "HAM10000_metadata.csv", root / "HAM10000_images_128.zip", COLUMNS, **defaults)


def test_ham10000_has_two_pairs_of_twins_and_1956_lesions_with_several_images(data_root):
    report = check(subject(data_root / "ham10000"))
    assert (report.rows, report.images, report.errors) == (10_015, 10_015, 0)
    assert report.kinds() == {
        "few images in a part": 3,
        "same pixels": 2,
        "cluster with several images": 1_956,
        "unknown group": 57 + 57,
    }
    ids = pd.read_csv(data_root / "ham10000" / "HAM10000_metadata.csv")["image_id"]
    assert {tuple(ids[row - 2] for row in one.rows) for one in report.of("same pixels")} == TWINS


def test_the_published_split_of_isic_2019_cuts_3220_lesions(data_root):
    root = data_root / "isic2019"
    metadata = root / "ISIC_2019_Training_Metadata.csv"
    table = pd.read_csv(metadata, dtype=str, keep_default_na=False)
    named = Subject("isic2019", metadata, None, columns(metadata), ("sex",), split_file=root / "published_split.csv")
    report = check(replace(named, split_by="lesion_id"))
    assert (len(report.of("row without split")), len(report.of("row without cluster"))) == (491, 2_084)
    assert not report.of("split of no row") + report.of("part of a published set")
    part = pd.read_csv(root / "published_split.csv", index_col="image")["split"]
    known = table[(table["lesion_id"] != "") & table["image"].isin(part.index)]
    crossing = known.assign(part=part.loc[known["image"]].to_numpy()).groupby("lesion_id")["part"].nunique() > 1
    assert len(report.of("cluster across parts")) == crossing.sum() == 3_220
    by_image = check(replace(named, split_by="image"))
    assert "and 3,220 of them are in several parts" in by_image.of("images of a cluster told apart")[0].what


@pytest.fixture
def part(data_root, tmp_path):
    """300 images of 300 lesions in a folder, and their rows."""
    root = data_root / "ham10000"
    table = pd.read_csv(root / "HAM10000_metadata.csv", dtype=str, keep_default_na=False)
    alone = table[~table["lesion_id"].duplicated(keep=False) & (table["sex"] != "unknown") & (table["age"] != "")]
    table = alone.iloc[:300].reset_index(drop=True)
    folder = tmp_path / "images"
    folder.mkdir()
    with zipfile.ZipFile(root / "HAM10000_images_128.zip") as archive:
        for name in table["image_id"]:
            (folder / f"{name}.jpg").write_bytes(archive.read(f"{name}.jpg"))
    return folder, table


def bomb(side=20_000):
    """A PNG of a few hundred bytes that says that it is large."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    chunk = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk)


def saved(image, format, **options):
    data = io.BytesIO()
    image.save(data, format, **options)
    return data.getvalue()


def test_300_images_damaged_in_sixteen_ways_are_all_found_with_their_rows(part):
    folder, table = part
    ids = table["image_id"].tolist()
    files = [folder / f"{name}.jpg" for name in ids]
    whole = [file.read_bytes() for file in files]
    picture = Image.open(io.BytesIO(whole[0])).convert("RGB")
    damaged = {
        "empty file": b"",
        "text file": b"<html>404 not found</html>",
        "truncated": whole[2][: len(whole[2]) // 2],
        "wrong format": saved(picture, "WEBP"),
        "damaged": whole[4][:30] + bytes(500) + whole[4][-30:],
        "animated": saved(picture, "PNG", save_all=True, append_images=[picture.rotate(90)]),
        "too many pixels": bomb(),
        "transparent": saved(Image.new("RGBA", (64, 64), (200, 100, 50, 99)), "PNG"),
    }
    for file, data in zip(files, damaged.values(), strict=False):
        file.write_bytes(data)
    expected = {kind: (at + 2, ids[at]) for at, kind in enumerate(damaged)}
    files[8].unlink()
    expected["row without image"] = (10, ids[8])
    (folder / "more.jpg").write_bytes(saved(picture.rotate(5), "JPEG"))
    expected["image without row"] = (0, "more.jpg")
    (folder / "out.jpg").symlink_to("/etc/hostname")
    expected["outside the root"] = (0, "out.jpg")
    table.loc[11, "dx"] = "nev"
    expected["unknown label"] = (13, ids[11])
    table.loc[12, "dx"] = ""
    expected["row without label"] = (14, ids[12])
    table.loc[13, "age"] = "sixty"
    expected["not a number"] = (15, ids[13])
    other = next(at for at in range(20, 300) if table["dx"][at] != table["dx"][14])
    files[other].write_bytes(saved(Image.open(io.BytesIO(whole[14])), "PNG"))  # the same picture in another encoding
    expected["same pixels, another label"] = (16, ids[14])
    table.loc[300] = table.loc[15]
    expected["repeated name"] = (302, ids[15])
    table.to_csv(folder.parent / "table.csv", index=False)
    report = check(
        Subject("part", folder.parent / "table.csv", folder, COLUMNS, ("sex", "age >= 60"), "lesion_id", min_cell=0)
    )
    assert {kind: [(one.row, one.id) for one in report.of(kind)] for kind in expected} == {
        kind: [place] for kind, place in expected.items()
    }
    others = {
        "same pixels across parts",
        "same pixels, another group",
        "ending of another format",
        "part of a published set",
    }
    assert set(report.kinds()) - set(expected) <= others | {"cluster with several images"}

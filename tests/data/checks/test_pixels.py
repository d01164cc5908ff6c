import numpy as np
import pytest
from PIL import Image

from data.checking import checked, found, photo
from data.pictures import csv_of, encoded, picture
from fairshrink.data.checks import Subject, check
from fairshrink.data.sources.table import Columns, table
from fairshrink.data.store import open_store

FRAMES = [Image.fromarray(picture(at)) for at in (90, 91)]


BAD_FILES = {
    "empty file": b"",
    "text file": b"this was a picture once\n",
    "truncated": photo(50)[:-300],
    "wrong format": encoded(picture(50), "GIF"),
    "animated": encoded(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]),
    "transparent": encoded(Image.new("RGBA", (40, 40), (1, 2, 3, 4))),
    "damaged": photo(50)[:20] + b"\0" * 400 + photo(50)[-40:],
    "unusual shape": encoded(picture(50, 3)),
    "ending of another format": encoded(picture(50)),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_every_bad_file_is_told_apart_with_its_row(good, kind):
    folder, lines = good
    (folder / "p03.jpg").write_bytes(BAD_FILES[kind])
    report = checked(folder, lines)
    assert found(report, kind) == [(5, "p03")]
    assert report.errors == (kind not in ("unusual shape", "ending of another format"))
    assert checked(folder, lines, missing="exclude").errors == 0


def test_a_picture_of_too_many_pixels_is_a_finding(good, monkeypatch):
    folder, lines = good
    monkeypatch.setattr("fairshrink.data.decode.MAX_PIXELS", 48 * 40)
    (folder / "p03.jpg").write_bytes(encoded(picture(1, 60)))
    assert found(checked(folder, lines), "too many pixels") == [(5, "p03")]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    assert len(found(checked(folder, lines), "too many pixels")) == 12


def test_the_same_pixels_are_found_through_other_encodings(good):
    folder, lines = good
    whole = Image.open(folder / "p04.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "p05.jpg").write_bytes(encoded(whole, "PNG"))  # the same lesion
    turned = whole.transpose(Image.Transpose.ROTATE_90)
    (folder / "p09.jpg").write_bytes(encoded(turned, "PNG", exif=exif))
    (folder / "p06.jpg").write_bytes((folder / "p04.jpg").read_bytes()[:-2] + b"\0\xff\xd9")
    report = checked(folder, lines, groups=())
    assert [(one.row, one.rows) for one in report.of("same pixels, another label")] == [(6, (6, 7, 8, 11))]
    what = report.of("same pixels, another label")[0].what
    assert what == "the same pixels as row 7 'p05', row 8 'p06', row 11 'p09': a, a, b, a"
    (folder / "p09.jpg").write_bytes(encoded(turned, "PNG"))  # without its EXIF it shows something else
    assert (
        report.of("same pixels, another label")[0].rows
        != checked(folder, lines).of("same pixels, another label")[0].rows
    )


def test_large_images_are_compared_by_all_their_pixels(good):
    folder, lines = good
    large = Image.fromarray(picture(5, 20)).resize((200, 200), Image.Resampling.BICUBIC)
    (folder / "p04.jpg").write_bytes(encoded(large, "JPEG", quality=95))
    (folder / "p05.jpg").write_bytes(encoded(Image.open(folder / "p04.jpg"), "PNG"))
    assert [one.rows for one in checked(folder, lines).of("same pixels")] == [(6, 7)]


def test_import_leaves_the_store_that_a_run_opens(good, tmp_path):
    folder, lines = good
    cache = tmp_path / "cache"
    calls = []
    metadata = csv_of(tmp_path / "table.csv", *lines)
    subject = Subject("table", metadata, folder, Columns(), size=32)
    report = check(subject, cache=cache, observer=lambda *call: calls.append(call))
    assert report.stored == str(next(cache.iterdir()))
    assert calls[-1] == (12, 12)
    manifest = table(folder, metadata)
    store = open_store(manifest, 32, cache, lambda *_: pytest.fail("decoded again"))
    assert np.array_equal(store.images[:], manifest.images.read(np.arange(12), 32))
    assert check(subject, cache=cache) == report  # and once more, from the files


def test_import_stores_nothing_where_a_run_would_refuse(good, tmp_path):
    folder, lines = good
    (folder / "p03.jpg").write_bytes(b"")
    assert checked(folder, lines, cache=tmp_path / "cache").stored == ""
    report = checked(folder, lines, cache=tmp_path / "cache", missing="exclude")
    assert report.stored
    assert found(report, "empty file") == [(5, "p03")]
    assert report.images == 12

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from data.pictures import encoded, folder_of, picture, zip_of
from fairshrink.data import listing as module
from fairshrink.data.archive import Absent, FileImages, find, open_archive
from fairshrink.errors import DataError


def images_of(path, *ids):
    archive = open_archive(path)
    return FileImages(archive, tuple(find(archive, list(ids))))


def test_images_are_found_by_name_wherever_they_lie(tmp_path):
    folder_of(tmp_path, ["part_1/a", "part_2/deep/b", "c"])
    (tmp_path / "d.JPEG").write_bytes(encoded(picture(9), "JPEG"))
    (tmp_path / "._a.png").write_bytes(b"a desktop's companion")
    (tmp_path / "licence.txt").write_text("no image")
    archive = open_archive(tmp_path)
    assert sorted(archive.members) == ["c.png", "d.JPEG", "part_1/a.png", "part_2/deep/b.png"]
    assert find(archive, ["a", "b.png", "part_2/deep/b", "zzz"][:2]) == ["part_1/a.png", "part_2/deep/b.png"]
    assert find(archive, ["part_2/deep/b", "d", "zzz"]) == ["part_2/deep/b.png", "d.JPEG", None]


def test_folder_and_zip_give_the_same_pixels(tmp_path):
    folder = folder_of(tmp_path / "f", ["a", "x/b"])
    packed = zip_of(
        tmp_path / "z.zip", {"a.png": encoded(picture(0)), "x/b.png": encoded(picture(1)), "__MACOSX/a.png": b""}
    )
    rows = np.array([1, 0])
    one, other = (images_of(path, "a", "b").read(rows, 16) for path in (folder, packed))
    assert one.shape == (2, 16, 16, 3)
    assert np.array_equal(one, other)


def test_a_zip_is_read_from_many_threads(tmp_path):
    packed = zip_of(tmp_path / "z.zip", {f"{at}.png": encoded(picture(at)) for at in range(60)})
    images = images_of(packed, *map(str, range(60)))
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda at: images.read(np.array([at]), 24)[0], list(range(60)) * 4))
    assert all(np.array_equal(one, picture(at % 60)) for at, one in enumerate(got))


def test_the_fingerprint_follows_the_files(tmp_path):
    folder = folder_of(tmp_path / "f", ["a", "b"])
    before = images_of(folder, "a", "b").fingerprint
    assert images_of(folder, "a", "b").fingerprint == before
    assert images_of(folder, "b", "a").fingerprint != before
    os.utime(folder / "a.png", ns=(1, 1))
    assert images_of(folder, "a", "b").fingerprint != before
    one, other = (zip_of(tmp_path / f"{n}.zip", {"a.png": encoded(picture(n))}) for n in (0, 1))
    assert images_of(one, "a").fingerprint != images_of(other, "a").fingerprint


def test_one_image_for_two_ids_or_two_for_one_are_refused(tmp_path):
    archive = open_archive(folder_of(tmp_path, ["part_1/a", "part_2/a"]))
    with pytest.raises(DataError, match=r"more than one image for 1 ids, such as 'a': 'part_1/a.png', 'part_2/a.png'"):
        find(archive, ["a"])
    assert find(archive, ["part_1/a.png", "part_2/a"]) == ["part_1/a.png", "part_2/a.png"]
    with pytest.raises(DataError, match=r"ids 'part_1/a' and 'part_1/a.png' both mean the image 'part_1/a.png'"):
        find(archive, ["part_1/a", "part_1/a.png"])


@pytest.mark.parametrize("name", ["../a", "/etc/a.png", "x/../../a", "..\\a", "C:\\a.png"])
def test_an_id_may_not_leave_the_root(tmp_path, name):
    with pytest.raises(DataError, match="1 ids point out of folder"):
        find(open_archive(folder_of(tmp_path, ["a"])), [name])


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "x/../../a.png", "..\\a.png", "C:/a.png", "../note.txt"])
def test_a_zip_member_may_not_leave_the_archive(tmp_path, name):
    packed = zip_of(tmp_path / "z.zip", {"b.png": encoded(picture()), name: encoded(picture())})
    with pytest.raises(DataError, match=r"archive 'z.zip': the member '.*' points out of the archive"):
        open_archive(packed)


def test_links_out_of_the_root_are_refused_and_links_inside_are_files(tmp_path):
    outside = folder_of(tmp_path / "outside", ["secret"])
    root = folder_of(tmp_path / "root", ["a"])
    (root / "b.png").symlink_to(root / "a.png")
    assert sorted(open_archive(root).members) == ["a.png", "b.png"]
    (root / "c.png").symlink_to(outside / "secret.png")
    with pytest.raises(DataError, match=r"'c.png' in folder '.*' is a link that points out of it"):
        open_archive(root)
    (root / "c.png").unlink()
    (root / "more").symlink_to(outside)
    with pytest.raises(DataError, match="'more' in folder"):
        open_archive(root)


def test_a_zip_member_that_is_a_link_twice_encrypted_or_huge_is_refused(tmp_path, monkeypatch):
    link = zipfile.ZipInfo("l.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "l.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="the member 'l.png' is a link"):
        open_archive(tmp_path / "l.zip")
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.png", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", b"2")
    with pytest.raises(DataError, match="archive 't.zip' holds 'a.png' twice"):
        open_archive(tmp_path / "t.zip")
    data = bytearray(zip_of(tmp_path / "e.zip", {"a.png": b"abc"}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "e.zip").write_bytes(data)
    with pytest.raises(DataError, match="the member 'a.png' is encrypted"):
        open_archive(tmp_path / "e.zip")
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    packed = zip_of(tmp_path / "h.zip", {"a.png": bytes(101)})
    with pytest.raises(DataError, match="has 101 bytes; at most 100 are expected"):
        open_archive(packed)


def test_what_is_no_place_for_images_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no folder or zip archive"):
        open_archive(tmp_path / "nothing")
    (tmp_path / "a.zip").write_text("no zip")
    with pytest.raises(DataError, match="is not a zip archive"):
        open_archive(tmp_path / "a.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no image\. Files that end in \.jpg, \.jpeg, \.png"):
        open_archive(tmp_path / "empty")


def test_an_unreadable_image_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="'a.png': not a JPEG or PNG image"):
        images_of(tmp_path, "a").read(np.array([0]), 16)
    images = images_of(tmp_path, "a")
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match="'a.png': the file cannot be read: .*No such file"):
        images.read(np.array([0]), 16)


def test_a_member_whose_checksum_is_wrong_is_named(tmp_path):
    packed = tmp_path / "z.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.png", encoded(picture()))
    data = bytearray(packed.read_bytes())
    data[200] ^= 255
    packed.write_bytes(data)
    with pytest.raises(DataError, match="'a.png': the file cannot be read: Bad CRC-32"):
        images_of(packed, "a").read(np.array([0]), 16)


def test_images_that_are_to_come_cannot_be_read():
    images = FileImages(Absent({"a": "", "b": ""}), ("a", "b"))
    with pytest.raises(DataError, match="'b': the file cannot be read: only the table of 'b' is here"):
        images.read(np.array([1]), 32)

"""Nothing is read from outside of the folder or archive that the user named."""

import os
import zipfile

import pytest

from data.pictures import csv_of, encoded, folder_of, picture, zip_of
from fairshrink.data.archive import open_archive
from fairshrink.data.sources.table import table
from fairshrink.data.splits import read_split_file
from fairshrink.errors import DataError
from fairshrink.files import read_json, write_json

OUT = ["../secret", "../secret.png", "x/../../secret", "/etc/secret", "..\\secret", "C:\\secret.png", "\\\\host\\a.png"]


@pytest.fixture
def root(tmp_path):
    """A folder with an image, beside a secret that nothing may reach."""
    folder_of(tmp_path, ["secret"])
    return folder_of(tmp_path / "images", ["a", "b"])


@pytest.mark.parametrize("name", OUT)
def test_a_manifest(tmp_path, root, name):
    metadata = csv_of(tmp_path / "t.csv", "image,label", "a,x", f"{name},y")
    with pytest.raises(DataError, match="1 ids point out of folder"):
        table(root, metadata)
    with pytest.raises(DataError, match="1 ids point out of archive"):
        table(zip_of(tmp_path / "z.zip", {"a.png": encoded(picture())}), metadata)


@pytest.mark.parametrize("name", OUT)
def test_a_published_split(tmp_path, name):
    """Its names are compared with the data's and open nothing."""
    path = csv_of(tmp_path / "s.csv", "image,split", "a,train", "b,val", "c,test", f"{name},test")
    with pytest.raises(DataError, match="names 1 images that the data does not have"):
        read_split_file(path, ["a", "b", "c"])


@pytest.mark.parametrize("name", [name if "." in name[3:] else f"{name}.png" for name in OUT])
def test_a_member_of_an_archive(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.png", encoded(picture()))
        archive.writestr(name, encoded(picture()))
    with pytest.raises(DataError, match="points out of the archive"):
        open_archive(tmp_path / "z.zip")


@pytest.mark.parametrize("kind", ["file", "folder", "chain", "absolute"])
def test_a_link_out_of_a_folder(tmp_path, root, kind):
    if kind == "file":
        (root / "l.png").symlink_to("../secret.png")
    elif kind == "folder":
        (root / "l").symlink_to("..")
    elif kind == "chain":
        (root / "m.png").symlink_to("../secret.png")
        (root / "l.png").symlink_to("m.png")
    else:
        (root / "l.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match="is a link that points out of it"):
        open_archive(root)


def test_a_link_in_an_archive(tmp_path):
    link = zipfile.ZipInfo("l.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.png", encoded(picture()))
        archive.writestr(link, "../secret.png")
    with pytest.raises(DataError, match="the member 'l.png' is a link"):
        open_archive(tmp_path / "z.zip")


def test_what_is_no_file_is_not_waited_for(root):
    os.mkfifo(root / "p.png")
    with pytest.raises(DataError, match="is no plain file"):
        open_archive(root)


def test_the_folder_itself_may_be_a_link(tmp_path, root):
    (tmp_path / "link").symlink_to(root)
    assert list(open_archive(tmp_path / "link").members) == ["a.png", "b.png"]


def test_names_that_are_no_text_are_read_and_written_down(tmp_path, root):
    """Bytes in a file's name that are not UTF-8, as old archives leave them."""
    os.mkdir(os.fsencode(root) + b"/\xff")
    (root / "a.png").rename(os.fsdecode(os.fsencode(root) + b"/\xff/c.png"))
    (root / os.fsdecode(b"e\xfe.png")).write_bytes(encoded(picture()))
    metadata = csv_of(tmp_path / "t.csv", "image,label", "b,x", "c,y", "d,y")
    manifest = table(root, metadata, missing="exclude")
    assert len(manifest.images.fingerprint) == 64
    written = write_json(tmp_path / "excluded.json", manifest.excluded["id"].tolist())
    assert os.fsencode(root / read_json(written)[0]) == os.fsencode(root) + b"/e\xfe.png"
    assert read_json(written)[1] == "d"

import os

import pytest

from data.pictures import encoded, folder_of, picture
from fairshrink.data import listing as module
from fairshrink.data.archive import find, open_archive, survey
from fairshrink.data.listing import bare, leaves_root, list_folder, match, names_of
from fairshrink.errors import DataError

MEMBERS = {"part_1/a.jpg": "", "part_2/B.PNG": "", "c.1.jpeg": ""}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", ("part_1/a.jpg",)),
        ("a.jpg", ("part_1/a.jpg",)),
        ("part_1/a", ("part_1/a.jpg",)),
        ("A.JPG", ("part_1/a.jpg",)),
        ("b", ("part_2/B.PNG",)),
        ("PART_2/b.png", ("part_2/B.PNG",)),
        ("a.png", ("part_1/a.jpg",)),
        ("A.JPEG", ("part_1/a.jpg",)),
        ("c.1", ("c.1.jpeg",)),
        ("c", ()),
        ("a.gif", ()),
        ("part_2/a", ()),
    ],
)
def test_a_name_finds_its_image_whatever_its_case_and_ending(name, expected):
    assert match(MEMBERS, [name]) == [expected]


def test_what_is_written_exactly_goes_before_what_is_similar():
    members = {"a.jpg": "", "A.jpg": "", "a.png": ""}
    assert match(members, ["A.jpg", "a.jpg", "A", "a"]) == [("A.jpg",), ("a.jpg",), ("A.jpg",), ("a.jpg", "a.png")]
    assert match({"b.jpg": "", "B.jpg": ""}, ["b.JPG"]) == [("b.jpg", "B.jpg")]


def test_ids_that_differ_in_case_mean_one_image_or_two_but_never_the_wrong_one(tmp_path):
    archive = open_archive(folder_of(tmp_path / "one", ["isic_1"], ending=".jpg"))
    assert find(archive, ["ISIC_1.JPG"]) == ["isic_1.jpg"]
    with pytest.raises(DataError, match=r"the ids 'isic_1' and 'ISIC_1.JPG' both mean the image 'isic_1.jpg'"):
        find(archive, ["isic_1", "ISIC_1.JPG"])
    both = open_archive(folder_of(tmp_path / "two", ["isic_1", "ISIC_1"]))
    assert find(both, ["ISIC_1", "isic_1.png"]) == ["ISIC_1.png", "isic_1.png"]
    with pytest.raises(DataError, match=r"more than one image for 1 ids, such as 'Isic_1': "):
        find(both, ["Isic_1"])


def test_names_and_bare_names():
    assert names_of("x/a.jpg") == {"x/a.jpg", "x/a", "a.jpg", "a"}
    assert [bare(name) for name in ("A.JPG", "a.jpeg", "a.b.PNG", "a.gif")] == ["a", "a", "a.b", "a.gif"]


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/a", "\\a", "..\\a", "C:\\a", "c:/a"])
def test_names_that_leave_the_root(name):
    assert leaves_root(name)
    assert not leaves_root(name.replace("..", "x").replace(":", "").lstrip("/\\"))


def test_everything_that_is_refused_is_listed_at_once(tmp_path, monkeypatch):
    root = folder_of(tmp_path / "root", ["a", "b"])
    (root / "out.png").symlink_to("/etc/hostname")
    (root / "gone.png").symlink_to(root / "nothing")
    (root / "notes.txt").write_text("no image")
    os.mkfifo(root / "pipe.png")
    (root / "large.png").write_bytes(bytes(2000))
    monkeypatch.setattr(module, "MAX_BYTES", 1999)
    members, troubles, others = list_folder(root)
    assert (list(members), others) == (["a.png", "b.png"], ["notes.txt"])
    assert [(trouble.kind, trouble.name) for trouble in troubles] == [
        ("outside the root", "out.png"),
        ("unusable file", "gone.png"),
        ("unusable file", "large.png"),
        ("unusable file", "pipe.png"),
    ]
    assert "has 2,000 bytes; at most 1,999 are expected of an image" in troubles[2].why
    assert "is no plain file (a pipe or device)" in troubles[3].why
    with pytest.raises(DataError, match=r"a link that points out of it\. .* 3 more are like this"):
        open_archive(root)


def test_a_folder_that_may_not_be_read_is_not_passed_over(tmp_path, monkeypatch):
    root = folder_of(tmp_path, ["a", "closed/b"])
    real = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r"the folder 'closed' in '.*' cannot be read: Permission denied"):
        open_archive(root)


def test_a_file_that_grows_after_it_was_listed_is_not_read_whole(tmp_path, monkeypatch):
    folder_of(tmp_path, ["a"])
    archive = survey(tmp_path)[0]
    monkeypatch.setattr("fairshrink.data.archive.MAX_BYTES", 10)
    with pytest.raises(ValueError, match="it has grown beyond 10 bytes"):
        archive.read("a.png")
    assert len(encoded(picture())) > 10


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ISIC_1", ("a/ISIC_1_downsampled.jpg",)),
        ("ISIC_1_downsampled", ("a/ISIC_1_downsampled.jpg",)),
        ("isic_2_downsampled", ("a/ISIC_2.jpg",)),
        ("ISIC_3", ("a/ISIC_3.jpg",)),
        ("ISIC_3_downsampled", ("a/ISIC_3_downsampled.jpg",)),
        ("ISIC_4", ()),
    ],
)
def test_what_isic_appends_is_overlooked_where_nothing_fits_better(name, found):
    names = ("ISIC_1_downsampled", "ISIC_2", "ISIC_3", "ISIC_3_downsampled")
    assert match({f"a/{each}.jpg": "" for each in names}, [name]) == [found]

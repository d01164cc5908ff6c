import os

import pytest

from fairshrink.errors import StoreError
from fairshrink.files import write_text
from fairshrink.lab.links import link_file, link_tree


def test_files_get_a_second_name_locks_and_leftovers_do_not(tmp_path):
    for name in ("a/b.txt", "c.txt", ".lock", "a/.tmp-12345678-b.txt"):
        write_text(tmp_path / "from" / name, name) if ".tmp" not in name else (tmp_path / "from" / name).write_text("")
    link_tree(tmp_path / "from", tmp_path / "to")
    found = sorted(
        path.relative_to(tmp_path / "to").as_posix() for path in (tmp_path / "to").rglob("*") if path.is_file()
    )
    assert found == ["a/b.txt", "c.txt"]
    assert (tmp_path / "to" / "c.txt").samefile(tmp_path / "from" / "c.txt")
    link_tree(tmp_path / "from", tmp_path / "to")


def test_what_is_written_under_one_name_leaves_the_other(tmp_path):
    write_text(tmp_path / "a", "before")
    link_file(tmp_path / "a", tmp_path / "b")
    write_text(tmp_path / "a", "after")
    assert (tmp_path / "b").read_text() == "before"
    link_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "before"


def test_where_links_are_refused_it_copies(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError

    write_text(tmp_path / "a", "text")
    monkeypatch.setattr(os, "link", refuse)
    link_file(tmp_path / "a", tmp_path / "deep" / "b")
    assert (tmp_path / "deep" / "b").read_text() == "text"
    assert not (tmp_path / "deep" / "b").samefile(tmp_path / "a")
    with pytest.raises(StoreError, match=r"is to be taken over, but it is not there any more"):
        link_file(tmp_path / "no", tmp_path / "c")


def test_of_two_that_link_at_once_both_are_content(tmp_path, monkeypatch):
    def late(source, target):
        raise FileExistsError

    write_text(tmp_path / "a", "text")
    monkeypatch.setattr(os, "link", late)
    link_file(tmp_path / "a", tmp_path / "b")
    assert not (tmp_path / "b").exists()

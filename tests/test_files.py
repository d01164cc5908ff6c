import errno
import json
import os
import signal
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from fairshrink import files
from fairshrink.errors import StoreError


def test_the_file_and_its_folder_are_made_and_nothing_is_left_beside_it(tmp_path):
    path = files.write_text(tmp_path / "runs" / "a" / "note.txt", "ä\r\n")
    assert path.read_bytes() == "ä\r\n".encode()
    assert [found.name for found in path.parent.iterdir()] == ["note.txt"]


def test_the_temporary_file_is_in_the_same_folder_with_the_same_ending(tmp_path):
    seen = []

    def write(temporary):
        seen.append(temporary)
        np.save(temporary, np.arange(3))  # adds .npy by itself where the name does not end so

    path = files.write_atomically(tmp_path / "a.npy", write)
    assert seen[0].parent == tmp_path
    assert seen[0].name.startswith(files.TEMPORARY)
    assert np.load(path).tolist() == [0, 1, 2]


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_stops_half_way_leaves_what_was_there(tmp_path, stop):
    path = files.write_text(tmp_path / "a.txt", "before")

    def write(temporary):
        temporary.write_text("ha")
        raise stop

    with pytest.raises(stop):
        files.write_atomically(path, write)
    assert path.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_said_with_the_path(tmp_path):
    path = files.write_text(tmp_path / "a.txt", "before")

    def write(temporary):
        temporary.write_text("ha")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match=r"a\.txt' could not be written: No space left on device\.\n.*untouched"):
        files.write_atomically(path, write)
    assert path.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_where_a_folder_should_be_is_said(tmp_path):
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(StoreError, match="could not be written: "):
        files.write_text(tmp_path / "runs" / "a.txt", "")


def test_a_writer_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="could not be written: No such file"):
        files.write_atomically(tmp_path / "a", lambda temporary: None)


def test_content_is_flushed_before_the_name_changes_and_the_folder_after(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle):
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def note_replace(source, target):
        order.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    files.write_text(tmp_path / "a", "x")
    assert order == ["file", "replace", "folder"]


def test_json_knows_numpy_and_writes_undefined_as_null(tmp_path):
    value = {"a": np.float32(0.5), "b": (np.int64(3), float("nan")), "c": np.array([[1.0, np.nan]]), 4: "ü"}
    path = files.write_json(tmp_path / "a.json", value)
    assert json.loads(path.read_text()) == {"a": 0.5, "b": [3, None], "c": [[1.0, None]], "4": "ü"}
    assert files.read_json(path) == json.loads(files.json_line(value))
    assert files.json_line(value).count("\n") == 1


def test_json_refuses_infinity_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "a.json", {"loss": float("inf")})
    assert list(tmp_path.iterdir()) == []


def test_reading_says_what_is_wrong(tmp_path):
    with pytest.raises(StoreError, match=r"a\.json' could not be read: No such file"):
        files.read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(StoreError, match=r"(?s)a\.json' is not a JSON file: Expecting value.*made again"):
        files.read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StoreError, match="is not a JSON file"):
        files.read_json(tmp_path / "a.json")


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path):
    message = rf"process \(number {os.getpid()}\) is at work in '.*run'\.\n.*--out"
    with files.alone_in(tmp_path / "run") as held:
        assert held
        with pytest.raises(StoreError, match=message), files.alone_in(tmp_path / "run"):
            pass
    with files.alone_in(tmp_path / "run") as held:
        assert held


def test_one_process_waits_for_another_where_it_is_told_to(tmp_path):
    order = []

    def other():
        with files.alone_in(tmp_path, wait=True):
            order.append("second")

    with files.alone_in(tmp_path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_process_that_was_killed_holds_nothing(tmp_path):
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with files.alone_in(tmp_path):
                os.write(tell, b"held")
                signal.pause()
        finally:
            os._exit(1)
    assert os.read(ready, 4) == b"held"
    with pytest.raises(StoreError, match=f"number {child}"), files.alone_in(tmp_path):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with files.alone_in(tmp_path) as held:
        assert held


def test_leftovers_are_cleared_away_and_nothing_else(tmp_path):
    kept = [tmp_path / "a" / name for name in (".tmp-mine", ".tmp-0123456-short", "x.tmp-01234567-a", ".hidden")]
    (tmp_path / "a").mkdir()
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (tmp_path / "link").symlink_to(outside)
    for path in (
        *kept,
        tmp_path / "a" / ".tmp-01234567-b.json",
        tmp_path / ".tmp-89abcdef-c",
        outside / ".tmp-01234567-d",
    ):
        path.write_text("half")
    with files.alone_in(tmp_path):
        pass
    assert sorted((tmp_path / "a").iterdir()) == sorted(kept)
    assert not (tmp_path / ".tmp-89abcdef-c").exists()
    assert (outside / ".tmp-01234567-d").exists()


def test_a_file_system_without_locks_is_worked_on_without_clearing_away(tmp_path, monkeypatch):
    def unable(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", unable)
    (tmp_path / ".tmp-01234567-a").write_text("of somebody else, perhaps")
    with files.alone_in(tmp_path) as held:
        assert not held
    assert (tmp_path / ".tmp-01234567-a").exists()


def test_a_folder_that_cannot_be_held_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(StoreError, match="file' cannot be written: File exists. Choose another"),
        files.alone_in(tmp_path / "file"),
    ):
        pass

    def broken(file, how):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files.fcntl, "flock", broken)
    with pytest.raises(StoreError, match="cannot be locked: Input/output error"), files.alone_in(tmp_path):
        pass


@pytest.mark.parametrize("name", ["", ".", "folder"])
def test_a_folder_is_not_written_over(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="is a folder, but a file is to be written: give the name of a file in it"):
        files.write_text(Path(name), "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]

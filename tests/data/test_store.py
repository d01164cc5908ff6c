import errno
import hashlib
import threading

import numpy as np
import pytest

from data.pictures import NoiseImages, manifest_of, picture
from fairshrink.data import store as module
from fairshrink.data.store import open_store, store_folder
from fairshrink.errors import ConfigError, DataError, StoreError
from fairshrink.files import LOCK


def folders(cache):
    return sorted(path.name for path in cache.iterdir())


def test_every_image_is_decoded_once_in_order_and_mapped(tmp_path):
    calls = []
    store = open_store(manifest_of(200), 16, tmp_path, lambda done, total: calls.append((done, total)))
    assert isinstance(store.images, np.memmap)
    assert not store.images.flags.writeable
    expected = np.stack([picture(row, 16) for row in range(200)])
    assert np.array_equal(store.images, expected)
    assert store.digest == hashlib.sha256(expected.tobytes()).hexdigest()
    assert calls == [(64, 200), (128, 200), (192, 200), (200, 200)]
    again = open_store(manifest_of(200), 16, tmp_path, lambda *_: pytest.fail("decoded again"))
    assert (again.digest, again.unreadable) == (store.digest, {})
    assert [path.name for path in (tmp_path / folders(tmp_path)[0]).iterdir() if path.name.startswith(".")] == [LOCK]


def test_other_pixels_sizes_or_rows_are_other_stores(tmp_path):
    digests = [
        open_store(manifest, size, tmp_path).digest
        for manifest, size in [
            (manifest_of(9), 16),
            (manifest_of(9), 8),
            (manifest_of(8), 16),
            (manifest_of(9, images=NoiseImages("more noise")), 16),
            (manifest_of(9, id=[f"other{row}" for row in range(9)]), 16),
        ]
    ]
    assert len(folders(tmp_path)) == 5
    assert len(set(digests)) == 3  # the last two have the first's pixels


def test_several_threads_decode(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    meet = threading.Barrier(4, timeout=20)

    class Meeting(NoiseImages):
        def read(self, indices, size):
            if indices[0] < 4 * module.CHUNK:
                meet.wait()  # only passes where four chunks are decoded at the same time
            return NoiseImages.read(self, indices, size)

    store = open_store(manifest_of(300, images=Meeting()), 8, tmp_path)
    assert np.array_equal(store.images[299], picture(299, 8))


@pytest.mark.parametrize("damage", ["cut", "longer", "pixels", "header", "record", "empty", "other", "gone"])
def test_a_damaged_store_is_made_again(tmp_path, damage):
    good = open_store(manifest_of(20), 8, tmp_path)
    digest = good.digest
    del good
    folder = next(tmp_path.iterdir())
    pixels, record = folder / "images.npy", folder / "store.json"
    data = bytearray(pixels.read_bytes())
    if damage == "cut":
        pixels.write_bytes(data[:-50])
    elif damage == "longer":
        pixels.write_bytes(b"\x93NUMPY" + data)
    elif damage == "pixels":
        data[-1] ^= 255
        pixels.write_bytes(data)
    elif damage == "header":
        pixels.write_bytes(data.replace(b"|u1", b"|i1"))
    elif damage == "record":
        record.write_text('{"version": ')
    elif damage == "empty":
        record.write_text("[]")
    elif damage == "other":
        record.write_text(record.read_text().replace('"count": 20', '"count": 21'))
    else:
        pixels.unlink()
    calls = []
    store = open_store(manifest_of(20), 8, tmp_path, lambda *call: calls.append(call))
    assert calls == [(20, 20)]
    assert store.digest == digest
    assert np.array_equal(store.images[19], picture(19, 8))


def test_all_images_that_cannot_be_decoded_are_counted(tmp_path):
    images = NoiseImages(broken=(3, 70, 71))
    message = r"row 5 of 'toy.csv': image '3.png': the image is damaged\.\n  3 images .*: 'image0003', 'image0070', 'image0071'"
    with pytest.raises(DataError, match=message):
        open_store(manifest_of(100, images=images), 8, tmp_path)
    assert not list(tmp_path.rglob("store.json"))
    assert not list(tmp_path.rglob("*.npy"))


def test_unreadable_images_are_listed_where_that_is_asked_for(tmp_path):
    images = NoiseImages(broken=(3, 70))
    for _ in range(2):
        store = open_store(manifest_of(100, images=images, missing="exclude"), 8, tmp_path)
        assert store.unreadable == {3: "'3.png': the image is damaged.", 70: "'70.png': the image is damaged."}
    assert not store.images[3].any()
    assert np.array_equal(store.images[4], picture(4, 8))
    with pytest.raises(
        DataError, match="2 images cannot be decoded"
    ):  # what one policy listed, the other still refuses
        open_store(manifest_of(100, images=images), 8, tmp_path)


def test_a_full_disk_is_an_error_and_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_write_header", full)
    with pytest.raises(StoreError, match="No space left on device"):
        open_store(manifest_of(10), 8, tmp_path)
    monkeypatch.undo()
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {LOCK}
    assert len(open_store(manifest_of(10), 8, tmp_path).images) == 10


def test_a_stop_in_the_middle_leaves_nothing_behind(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_store(manifest_of(400), 8, tmp_path, stop)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {LOCK}


def test_a_store_that_is_not_what_was_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_read", lambda *_: None)
    with pytest.raises(StoreError, match="is not what was just written"):
        open_store(manifest_of(10), 8, tmp_path)


@pytest.mark.parametrize("size", [0, 7, 1025, -64])
def test_sizes_have_limits(tmp_path, size):
    with pytest.raises(ConfigError, match=rf"size is {size}, but images are 8 to 1,024 pixels a side"):
        open_store(manifest_of(10), size, tmp_path)


def test_of_two_that_begin_at_once_one_decodes(tmp_path):
    began, decoded = threading.Event(), []

    def slowly(done, total):
        decoded.append(done)
        began.set()

    def other():
        began.wait()
        open_store(manifest_of(), 16, tmp_path, lambda done, total: decoded.append(-done))

    thread = threading.Thread(target=other)
    thread.start()
    first = open_store(manifest_of(), 16, tmp_path, slowly)
    thread.join()
    assert decoded == [len(first.images)]


def test_pixels_without_a_record_do_not_take_the_room_of_the_new_ones(tmp_path):
    first = open_store(manifest_of(), 16, tmp_path)
    folder = store_folder(manifest_of(), 16, tmp_path)
    (folder / "store.json").unlink()
    seen = []
    open_store(manifest_of(), 16, tmp_path, lambda done, total: seen.append((folder / "images.npy").exists()))
    assert seen == [False]
    assert np.array_equal(first.images, np.load(folder / "images.npy"))  # what was mapped before stays readable


def test_what_a_killed_import_left_is_cleared_away(tmp_path):
    folder = store_folder(manifest_of(), 16, tmp_path)
    folder.mkdir()
    (folder / ".tmp-01234567-images.npy").write_bytes(b"half")
    open_store(manifest_of(), 16, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [LOCK, "images.npy", "store.json"]

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fairshrink.data.decode import decode
from fairshrink.deploy.images import decoded, find_images, one_file
from fairshrink.errors import DataError


def names(*given):
    return [image.name for image in find_images([str(path) for path in given]).images]


def test_a_folder_is_its_images_in_order(photos):
    assert names(photos) == [f"{photos}/{name}" for name in ("0.png", "1.png", "2.png", "later/3.png", "later/4.png")]


def test_what_is_left_aside_in_a_folder_is_counted(photos):
    (photos / ".DS_Store").write_text("a desktop's own")
    assert find_images([photos]).notes == [f"'{photos}': 1 file(s) left aside that do not end in .jpg, .jpeg or .png."]


def test_a_zip_archive_is_its_images(tmp_path, photos):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(photos / "0.png", "x/0.png")
        archive.writestr("readme.md", "...")
        archive.writestr("__MACOSX/x/._0.png", "...")
    found = find_images([tmp_path / "a.zip"])
    assert [image.name for image in found.images] == [f"{tmp_path}/a.zip/x/0.png"]
    assert "1 file(s) left aside" in found.notes[0]


def test_a_pattern_is_what_it_finds(photos):
    assert names(photos / "[01].png", photos / "**" / "3.png") == [
        f"{photos}/{name}" for name in ("0.png", "1.png", "later/3.png")
    ]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path, photos):
    os.rename(photos / "0.png", tmp_path / "[a].png")
    assert names(tmp_path / "[a].png") == [f"{tmp_path}/[a].png"]


def test_an_image_that_is_named_twice_is_there_once(photos):
    found = find_images([photos / "0.png", photos])
    assert len(found.images) == 5
    assert found.notes[-1] == "1 images were named more than once and are predicted once."


def test_a_name_that_is_no_text_is_spelled_out(tmp_path, photos):
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    try:
        os.rename(photos / "0.png", strange)
    except OSError:
        pytest.skip("this file system takes no such names")
    assert names(strange) == [f"{tmp_path}/caf\\udce9.png"]


@pytest.mark.parametrize("given", ["nothing.png", "*.nothing"])
def test_a_name_that_stands_for_nothing_is_an_error(given):
    with pytest.raises(DataError, match="there is no file, folder or zip archive"):
        find_images([given])


def test_nothing_at_all_is_an_error():
    with pytest.raises(DataError, match="no image was named"):
        find_images([])


def test_a_link_that_leaves_the_folder_is_refused(tmp_path, photos):
    (tmp_path / "secret.png").write_bytes(b"")
    (photos / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match="is a link that points out of it"):
        find_images([photos])


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_they_are_decoded_as_for_training_whatever_the_batches(photos, batch_size):
    Image.fromarray(np.zeros((50, 40, 3), np.uint8) + 7).save(photos / "1.png")
    images = find_images([photos]).images
    batches = list(decoded(images, 24, batch_size))
    assert [name for batch in batches for name in batch.names] == [image.name for image in images]
    expected = [decode(Path(image.name).read_bytes(), 24) for image in images]
    assert np.array_equal(np.concatenate([batch.pixels for batch in batches]), expected)


def test_what_cannot_be_read_has_a_reason_and_the_others_are_there(photos):
    (photos / "1.png").write_bytes((photos / "1.png").read_bytes()[:500])
    (photos / "2.png").write_text("no image")
    images = [*find_images([photos]).images, one_file(photos / "gone.png")]
    (batch,) = decoded(images, 32, 64)
    assert set(batch.errors) == {1, 2, 5}
    assert batch.errors[1].startswith("the image is damaged")
    assert batch.errors[2].startswith("not a JPEG or PNG image")
    assert "No such file" in batch.errors[5]
    assert batch.pixels[[0, 3, 4]].any(axis=(1, 2, 3)).all()
    assert not batch.pixels[[1, 2, 5]].any()

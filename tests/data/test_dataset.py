import numpy as np
import pandas as pd
import pytest

from data.pictures import NoiseImages, manifest_of, picture
from fairshrink.data.dataset import open_dataset
from fairshrink.data.table import excluded_rows
from fairshrink.errors import ConfigError, DataError

AGES = ["20", "70", "", "unknown", "60"] * 8


def opened(tmp_path, manifest=None, **settings):
    options = {"size": 8, "groups": ["sex"], "cache": tmp_path} | settings
    return open_dataset(manifest_of(age=AGES) if manifest is None else manifest, **options)


def test_pixels_classes_groups_and_lesions_come_together(tmp_path):
    calls = []
    data = opened(tmp_path, groups=["sex", "age>=60"], split_by="lesion", observer=lambda *call: calls.append(call))
    assert (len(data), data.size, data.name, data.classes) == (40, 8, "toy", ("a", "b"))
    assert data.ids[:2].tolist() == ["image0000", "image0001"]
    assert data.labels.tolist() == [0, 1] * 20
    assert list(data.attributes) == ["sex", "age >= 60"]
    assert data.attribute() is data.attributes["sex"]
    assert data.attribute("age >= 60").codes[:5].tolist() == [0, 1, -1, -1, 1]
    assert data.clusters is not None
    assert data.clusters[:3].tolist() == ["lesion0", "lesion0", "lesion1"]
    assert isinstance(data.images, np.memmap)
    assert calls == [(40, 40)]
    assert not len(data.excluded)
    assert data.counts().tolist() == [[7, 13], [7, 13]]
    assert data.counts("age >= 60").sum() == 24


def test_rows_of_unknown_group_are_trained_on_by_default(tmp_path):
    data = opened(tmp_path, groups=["age >= 60", "sex"])
    assert (len(data), data.attribute().unknown) == (40, 16)


def test_rows_of_unknown_group_are_left_out_and_listed_where_that_is_asked_for(tmp_path):
    data = opened(tmp_path, groups=["age >= 60", "sex"], unknown="exclude")
    kept = [row for row in range(40) if AGES[row] in ("20", "70", "60")]
    assert (len(data), data.attribute().unknown) == (24, 0)
    assert data.excluded.iloc[0].to_dict() == {"row": 4, "id": "image0002", "reason": "age >= 60 is unknown"}
    assert len(data.excluded) == 16
    assert data.ids.tolist() == [f"image{row:04d}" for row in kept]
    assert np.array_equal(data.images, np.stack([picture(row, 8) for row in kept]))  # pixels went with their rows
    assert data.labels.tolist() == [row % 2 for row in kept]
    assert len(opened(tmp_path, groups=["sex", "age >= 60"], unknown="exclude")) == 40  # only the first attribute's


def test_unreadable_images_are_left_out_and_listed(tmp_path):
    out = excluded_rows([(99, "lost", "row without image")])
    toy = manifest_of(40, images=NoiseImages(broken=(0, 7)), missing="exclude", age=AGES)
    toy = type(toy)(toy.name, toy.frame, toy.classes, toy.images, out, where=toy.where, missing=toy.missing)
    data = opened(tmp_path, toy, split_by="lesion")
    assert len(data) == 38
    assert data.excluded.to_dict("records") == [
        {"row": 99, "id": "lost", "reason": "row without image"},
        {"row": 2, "id": "image0000", "reason": "unreadable image '0.png': the image is damaged."},
        {"row": 9, "id": "image0007", "reason": "unreadable image '7.png': the image is damaged."},
    ]
    assert np.array_equal(data.images[0], picture(1, 8))
    assert data.clusters is not None
    assert len(data.clusters) == len(data.attribute().codes) == 38


def test_a_row_is_listed_once_though_two_reasons_fit(tmp_path):
    toy = manifest_of(40, images=NoiseImages(broken=(2,)), missing="exclude", age=AGES)
    data = opened(tmp_path, toy, groups=["age >= 60"], unknown="exclude")
    assert data.excluded["row"].is_unique
    assert len(data) + len(data.excluded) == 40


def test_a_row_without_lesion_is_its_own(tmp_path):
    data = opened(tmp_path, manifest_of(lesion=["a", "", "unknown", "a"] * 10), split_by="lesion")
    assert data.clusters is not None
    assert data.clusters[:4].tolist() == ["a", "(no lesion) image0001", "(no lesion) image0002", "a"]


@pytest.mark.parametrize("split_by", [None, "image"])
def test_without_lesions_every_image_is_its_own(tmp_path, split_by):
    assert opened(tmp_path, split_by=split_by).clusters is None


def test_the_digest_follows_everything_that_is_learned_from(tmp_path):
    digests = {
        opened(tmp_path).digest,
        opened(tmp_path, size=9).digest,
        opened(tmp_path, groups=["age >= 60"]).digest,
        opened(tmp_path, groups=["age >= 61"]).digest,
        opened(tmp_path, split_by="lesion").digest,
        opened(tmp_path, manifest_of(age=AGES, label=["b", "a"] * 20)).digest,
    }
    assert len(digests) == 6
    assert opened(tmp_path).digest in digests


def test_settings_that_cannot_be_read_say_what_can(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown is 'exlude'\. Did you mean 'exclude'\?"):
        opened(tmp_path, unknown="exlude")
    with pytest.raises(ConfigError, match=r"groups is 'sex', but a list was expected"):
        opened(tmp_path, groups="sex")
    with pytest.raises(ConfigError, match=r"groups is \[\], but a list was expected"):
        opened(tmp_path, groups=[])
    with pytest.raises(ConfigError, match=r"the group 'age >= 60' is named 2 times\. Once is enough"):
        opened(tmp_path, groups=["age >= 60", "age>=60"])
    with pytest.raises(DataError, match=r"'toy.csv' has no column 'lesions'\. Did you mean 'lesion'\?"):
        opened(tmp_path, split_by="lesions")
    with pytest.raises(ConfigError, match=r"there is no attribute 'sexx'\. Did you mean 'sex'\?"):
        opened(tmp_path).attribute("sexx")


def test_errors_in_groups_name_the_row_of_the_file(tmp_path):
    with pytest.raises(DataError, match=r"row 4 of 'toy.csv': age is 'old', but the group 'age >= 60' needs a number"):
        opened(tmp_path, manifest_of(age=["20", "70", "old", "60"] * 10), groups=["age >= 60"])


def test_no_row_left_is_an_error(tmp_path):
    toy = manifest_of(10, images=NoiseImages(broken=tuple(range(10))), missing="exclude")
    with pytest.raises(DataError, match=r"no row of 'toy.csv' is left: the last went as 'unreadable image '9.png'"):
        opened(tmp_path, toy)


def test_a_group_that_is_lost_with_the_excluded_rows_is_noticed(tmp_path):
    site = np.where(np.array(AGES[:10]) == "", "arm", "leg")
    with pytest.raises(DataError, match="'site' has one group only, 'leg' in the 6 rows"):
        opened(tmp_path, manifest_of(10, age=AGES[:10], site=site), groups=["age >= 60", "site"], unknown="exclude")


def test_the_excluded_are_a_table(tmp_path):
    assert isinstance(opened(tmp_path).excluded, pd.DataFrame)
    assert list(opened(tmp_path).excluded.columns) == ["row", "id", "reason"]

import numpy as np
import pytest

from data.pictures import csv_of, folder_of
from fairshrink.data.sources.fitzpatrick_labels import THREE
from fairshrink.errors import DataError
from fairshrink.lab.config import parse_experiment
from fairshrink.lab.data import DATA_VARIABLE, cache_folder, find, prepare, said_folds
from fairshrink.lab.observer import Quiet
from fairshrink.lab.records import data_card
from tiny import tiny


def test_relative_files_are_looked_for_in_four_places(tmp_path, monkeypatch):
    places = [tmp_path / name for name in ("here", "beside", "data", "data/ham10000")]
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    for place in reversed(places):
        (place / "x.csv").write_text("")
        assert find("x.csv", tmp_path / "beside", "ham10000") == place / "x.csv"


def test_a_file_that_is_nowhere_lists_the_places(tmp_path, monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    with pytest.raises(DataError, match=f"(?s)'x.csv' is not there. Looked in.*{DATA_VARIABLE}"):
        find("x.csv", tmp_path, "ham10000")


def test_the_cache_is_shared_or_the_runs_own(tmp_path, monkeypatch):
    monkeypatch.delenv("FAIRSHRINK_CACHE", raising=False)
    assert cache_folder(tmp_path / "store") == tmp_path / "store"
    monkeypatch.setenv("FAIRSHRINK_CACHE", str(tmp_path / "shared"))
    assert cache_folder(tmp_path / "store") == tmp_path / "shared"


def prepared(tmp_path, **data):
    return prepare(tiny(data=data).data, tmp_path, tmp_path / "cache", Quiet())


def test_every_fold_has_its_parts(tmp_path):
    found = prepared(tmp_path, folds=3)
    assert [len(found.rows(fold, part)) > 0 for fold in range(3) for part in range(3)] == [True] * 9
    assert len(np.unique(np.concatenate([found.rows(fold, 2) for fold in range(3)]))) == 150


class Listens(Quiet):
    def __init__(self):
        self.lines = []

    def say(self, message):
        self.lines.append(message)


def test_one_small_split_is_said(tmp_path):
    observer = Listens()
    prepare(tiny().data, tmp_path, tmp_path / "cache", observer)
    assert observer.lines == [
        "data: 30 of 150 images test: folds = 5 tests every image once, see docs/cross-fitting.md"
    ]
    assert said_folds(tiny().data, 4_000, 20_000) is None
    assert said_folds(tiny(data={"folds": 3}).data, 50, 150) is None
    assert said_folds(tiny(data={"split_file": "s.csv"}).data, 50, 150) is None


def test_a_part_of_a_published_set_is_said_and_written_down(tmp_path):
    names = [f"p{at:02d}" for at in range(60)]
    folder_of(tmp_path / "images", names)
    rows = [
        f"{name},{1 + at % 6},{'ab'[at % 2]},inflammatory,{THREE[at % 3]}" for at, name in enumerate([*names, "gone"])
    ]
    csv_of(tmp_path / "f.csv", "md5hash,fitzpatrick,label,nine_partition_label,three_partition_label", *rows)
    named = {"source": "fitzpatrick17k", "images": "images", "metadata": "f.csv", "level": 3, "missing": "exclude"}
    experiment = parse_experiment({"data": named | {"size": 32}}, "x")
    observer = Listens()
    found = prepare(experiment.data, tmp_path, tmp_path / "cache", observer)
    assert observer.lines == ["data: 60 of 16,577 images are here; the others are listed in data.json"]
    card = data_card(experiment, found)
    assert card["coverage"] == {"here": 60, "published": 16_577}
    assert card["excluded"] == [{"row": 62, "id": "gone", "reason": "row without image"}]
    assert data_card(tiny(), prepare(tiny().data, tmp_path, tmp_path / "cache", Quiet()))["coverage"] is None


def test_a_group_without_validation_images_is_found_before_training(tmp_path):
    with pytest.raises(DataError, match=r"the (train|val) part of fold \d+ has no image of group"):
        prepared(tmp_path, groups=["age >= 90"], folds=5)


def test_an_attribute_that_cannot_be_audited_is_found_before_training(tmp_path, monkeypatch):
    found = prepared(tmp_path)
    monkeypatch.setattr(
        "fairshrink.lab.data.assign_splits",
        lambda *args, **options: np.where((found.dataset.attribute("age >= 60").codes == 1)[None], 0, found.splits),
    )
    with pytest.raises(DataError, match="fewer than two groups of 'age >= 60'"):
        prepared(tmp_path)

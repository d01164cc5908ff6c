import pytest

from data.pictures import csv_of, folder_of
from fairshrink.data.checks import check
from fairshrink.data.store import open_store
from fairshrink.errors import ConfigError
from fairshrink.lab.check import Options, subject_from, subject_of
from fairshrink.lab.config import DataSettings
from fairshrink.lab.data import open_source


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "images", [f"p{at}" for at in range(9)])
    csv_of(tmp_path / "mine.csv", "image,label,sex", *(f"p{at},{'ab'[at % 2]},{'fm'[at % 2]}" for at in range(9)))
    return tmp_path


def test_what_is_imported_is_what_a_run_opens(here):
    settings = DataSettings(source="table", images="images", metadata="mine.csv", groups=("sex",), size=32)
    report = check(subject_of(settings, here), cache=here / "cache")
    assert report.stored
    open_store(open_source(settings, here), 32, here / "cache", lambda *_: pytest.fail("decoded again"))


def test_every_setting_of_an_experiment_reaches_the_check(here):
    settings = DataSettings(
        source="ham10000",
        images="images",
        metadata="mine.csv",
        size=48,
        missing="exclude",
        unknown="exclude",
        folds=5,
        seed=3,
    )
    subject = subject_of(settings, here)
    assert (subject.name, subject.size, subject.missing, subject.unknown) == ("ham10000", 48, "exclude", "exclude")
    assert (subject.folds, subject.seed, subject.split_by) == (5, 3, "lesion_id")
    assert (subject.groups, subject.columns.image) == (("sex", "age >= 60"), "image_id")
    assert subject_of(settings, here, with_images=False).images is None


def test_options_say_what_an_experiment_would(here):
    named = Options(metadata="mine.csv", images="images", label="sex", classes=("f", "m"), groups=("label",))
    subject = subject_from(named)
    assert (subject.name, subject.split_by, subject.size) == ("mine", "image", 64)
    assert (subject.columns.label, subject.columns.classes) == ("sex", ("f", "m"))
    ham = subject_from(Options(source="ham10000", metadata="mine.csv", split_by="image"), with_images=False)
    assert (ham.groups, ham.split_by, ham.images) == (("sex", "age >= 60"), "image", None)
    assert not check(subject).errors


def test_drawn_data_have_no_files_to_check(here):
    with pytest.raises(ConfigError, match="'lesions' is drawn: it has no files to check"):
        subject_of(DataSettings(source="lesions"), here)


@pytest.fixture
def isic(here):
    csv_of(
        here / "meta.csv",
        "image,age_approx,anatom_site_general,lesion_id,sex",
        *(f"p{at},40,,,female" for at in range(9)),
    )
    csv_of(here / "truth.csv", "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC", *(f"p{at},1,0,0,0,0,0,0,0" for at in range(9)))
    return here


def test_a_part_of_a_published_set_is_an_error_or_a_warning(isic):
    named = {"source": "isic2019", "images": "images", "metadata": "meta.csv", "ground_truth": "truth.csv", "size": 32}
    for missing, severity in (("error", "error"), ("exclude", "warning")):
        report = check(subject_of(DataSettings(**named, missing=missing), isic))
        assert [(one.what, one.severity) for one in report.of("part of a published set")] == [
            ("9 of 25,331 images are here", severity)
        ]
    tables = subject_from(Options(source="isic2019", metadata="meta.csv", ground_truth="truth.csv"), with_images=False)
    assert [one.what for one in check(tables).of("part of a published set")] == ["9 of 25,331 rows are here"]
    assert tables.columns.label == "diagnosis"


def test_options_take_what_belongs_to_the_source(here):
    csv_of(here / "f.csv", "md5hash,fitzpatrick,three_partition_label", "p0,1,benign", "p1,5,benign", "p2,-1,benign")
    subject = subject_from(Options(source="fitzpatrick17k", metadata="f.csv", level=3), with_images=False)
    assert (subject.columns.label, subject.folds) == ("three_partition_label", 5)
    report = check(subject)
    assert [one.what for one in report.of("unknown group")] == [
        "fitzpatrick_scale is '-1': no group of 'fitzpatrick_scale >= 4'"
    ]
    csv_of(here / "s.csv", "image,split", "p0,train")
    named = Options(source="fitzpatrick17k", metadata="f.csv", split_file="s.csv")
    assert (subject_from(named, with_images=False).folds, subject_from(named, with_images=False).columns.label) == (
        1,
        "label",
    )
    with pytest.raises(
        ConfigError, match="level is for the source 'fitzpatrick17k', but the source is 'table'. Leave one"
    ):
        subject_from(Options(metadata="mine.csv", level=9), with_images=False)

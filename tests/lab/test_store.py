import pytest

from fairshrink.errors import StoreError
from fairshrink.lab.store import RunPaths, read_lines, write_lines


def test_one_fold_lies_in_the_stages_own_folder(tmp_path):
    stage = RunPaths(tmp_path).stage(2, "fairprune", folds=1)
    assert stage.fold(0).model == tmp_path / "stages" / "02-fairprune" / "model.safetensors"


def test_several_folds_have_folders_of_their_own(tmp_path):
    stage = RunPaths(tmp_path).stage(0, "train", folds=5)
    assert stage.fold(3).model == tmp_path / "stages" / "00-train" / "fold-3" / "model.safetensors"
    assert stage.audit == tmp_path / "stages" / "00-train" / "audit.json"


def test_lines_come_back_as_they_went(tmp_path):
    records = [{"a": 1, "b": [0.5, "ü"]}, {"a": float("nan")}]
    assert read_lines(write_lines(tmp_path / "x.jsonl", records)) == [records[0], {"a": None}]


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n{"a":')
    with pytest.raises(StoreError, match=r"x.jsonl' is not made of JSON lines"):
        read_lines(tmp_path / "x.jsonl")


def test_a_missing_record_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"x.jsonl' could not be read: No such file"):
        read_lines(tmp_path / "x.jsonl")


def test_a_stage_is_complete_when_nothing_of_it_is_missing(tmp_path):
    stage = RunPaths(tmp_path).stage(1, "obd", folds=3)
    folds = [path for fold in map(stage.fold, range(3)) for path in (fold.model, fold.result, fold.predictions)]
    needed = [stage.record, stage.audit, stage.predictions, *folds]
    for path in needed:
        assert not stage.complete()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert stage.complete()
    assert not stage.complete([stage.steps])
    for path in needed:
        path.unlink()
        assert not stage.complete()
        path.write_text("")

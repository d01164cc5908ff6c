import json
import shutil

import pytest

from fairshrink.errors import StoreError
from fairshrink.report.audited import Gap
from fairshrink.report.reading import read_run
from report.fake_channels import write_channel_run
from report.fake_run import mapped_grid

COMPARISON = "stages/02-fairprune/comparison.json"
AUDIT, STAGE, SALIENCY = "stages/02-fairprune/audit.json", "stages/01-obd/stage.json", "stages/00-train/saliency.json"


def change(folder, name, edit):
    path = folder / name
    record = json.loads(path.read_text(encoding="utf-8"))
    edit(record)
    path.write_text(json.dumps(record), encoding="utf-8")


def test_a_run_is_read_with_its_stages_in_order(five):
    assert [stage.record.name for stage in five.stages] == ["train", "obd", "fairprune"]
    assert five.vanilla is five.stages[0]
    assert five.attributes == ["sex", "age >= 60"]
    assert len(five.stages[2].steps) == 5 * 4 * 8
    assert five.settings["model"]["backbone"] == "resnet18"


def test_null_and_nan_are_undefined_and_never_above_chance(fresh):
    def undefined(record):
        record["attributes"]["tone"]["gaps"]["eopp1"] |= {"value": None, "low": float("nan")}

    change(fresh, AUDIT, undefined)
    gap = read_run(fresh).stages[2].audit.attributes["tone"].gaps["eopp1"]
    assert gap.value is None
    assert gap.low is None
    assert not gap.above_chance
    assert Gap(0.2, 0.1, 0.3, 0.05, 0.1).above_chance


@pytest.mark.parametrize(
    "name", ["config.toml", "data.json", "environment.json", "stages/00-train/audit.json", "stages/01-obd/stage.json"]
)
def test_a_record_that_is_not_there_is_named(fresh, name):
    (fresh / name).unlink()
    with pytest.raises(StoreError, match=rf"'{name}' of the run .* cannot be read.*Start the run again"):
        read_run(fresh)


@pytest.mark.parametrize("name", ["data.json", AUDIT, STAGE, SALIENCY, COMPARISON, "stages/01-obd/choice.json"])
def test_a_record_that_was_cut_short_is_named(fresh, name):
    (fresh / name).write_bytes((fresh / name).read_bytes()[:-40])
    with pytest.raises(StoreError, match=rf"'{name}': Invalid JSON.*cut short"):
        read_run(fresh)


def test_a_damaged_line_is_named_with_its_number(fresh):
    path = fresh / "stages/01-obd/steps.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], lines[1][:30], *lines[2:]]), encoding="utf-8")
    with pytest.raises(StoreError, match=r"'stages/01-obd/steps\.jsonl' line '2': Invalid JSON"):
        read_run(fresh)


def test_a_missing_key_is_named_by_its_place(fresh):
    change(fresh, AUDIT, lambda record: record["attributes"]["tone"]["gaps"]["eopp1"].pop("null_high"))
    with pytest.raises(StoreError, match=r"attributes\.tone\.gaps\.eopp1\.null_high: Field required"):
        read_run(fresh)


def test_several_faults_are_counted_not_repeated(fresh):
    change(fresh, STAGE, lambda record: [record.pop(key) for key in ("title", "params", "rule")])
    with pytest.raises(StoreError, match=r"title: Field required \(2 more like this\)"):
        read_run(fresh)


def test_a_config_that_is_no_toml_is_refused(fresh):
    (fresh / "config.toml").write_text("[data", encoding="utf-8")
    with pytest.raises(StoreError, match=r"'config\.toml' is not TOML"):
        read_run(fresh)


def test_a_config_that_is_no_text_is_refused(fresh):
    (fresh / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StoreError, match=r"'config\.toml' of the run .* is not UTF-8 text"):
        read_run(fresh)


def test_a_folder_without_stages_is_no_run(tmp_path, fresh):
    for name in ("config.toml", "data.json", "environment.json"):
        (tmp_path / name).write_bytes((fresh / name).read_bytes())
    with pytest.raises(StoreError, match="holds no stage"):
        read_run(tmp_path)


def test_a_run_without_its_first_model_is_refused(fresh):
    change(fresh, "stages/00-train/stage.json", lambda record: record.update(parent="elsewhere"))
    with pytest.raises(StoreError, match=r"no stage\.json of this run has the parent null"):
        read_run(fresh)


def test_an_unknown_attribute_to_shrink_for_is_refused(fresh):
    change(fresh, "data.json", lambda record: record.update(shrunk_for="tonne"))
    with pytest.raises(StoreError, match=r"shrunk_for is 'tonne'.*Did you mean 'tone'\?"):
        read_run(fresh)


def test_counts_of_another_shape_are_refused(fresh):
    change(fresh, "data.json", lambda record: record["attributes"]["tone"]["counts"].pop())
    with pytest.raises(
        StoreError, match=r"the counts of 'tone' are 4 rows of \[3\] numbers, expected one row per class \(5\)"
    ):
        read_run(fresh)


def test_stages_audited_on_different_attributes_are_refused(fresh):
    change(fresh, AUDIT, lambda record: record["attributes"].pop("tone"))
    with pytest.raises(StoreError, match=rf"'{AUDIT}': the attribute 'tone' is missing"):
        read_run(fresh)


def test_stages_audited_on_different_groups_are_refused(fresh):
    change(fresh, AUDIT, lambda record: record["attributes"]["tone"]["groups"].pop("tone 2"))
    with pytest.raises(StoreError, match=r"has the groups \['tone 1', 'tone 3'\], but the model before shrinking"):
        read_run(fresh)


def test_an_audit_without_a_gap_is_refused(fresh):
    change(fresh, AUDIT, lambda record: record["attributes"]["tone"]["gaps"].pop("eodd"))
    with pytest.raises(StoreError, match=r"'tone' has no gap eodd"):
        read_run(fresh)


def test_an_audit_without_the_attribute_that_was_shrunk_for_is_refused(fresh):
    for stage in ("00-train", "01-obd", "02-fairprune"):
        change(fresh, f"stages/{stage}/audit.json", lambda record: record["attributes"].pop("tone"))
    with pytest.raises(StoreError, match="has no attribute 'tone', which was shrunk for"):
        read_run(fresh)


def test_an_older_run_without_comparisons_is_read(fresh):
    for path in fresh.glob("stages/*/comparison.json"):
        path.unlink()
    assert [stage.comparison for stage in read_run(fresh).stages] == [None] * 3


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda record: record["attributes"].pop("tone"), "the attribute 'tone' is missing"),
        (lambda record: record["attributes"]["tone"]["gaps"].pop("eodd"), "the attribute 'tone' has no gap eodd"),
    ],
)
def test_a_comparison_of_something_else_is_refused(fresh, edit, words):
    change(fresh, COMPARISON, edit)
    with pytest.raises(StoreError, match=rf"'{COMPARISON}': {words}, but audit.json has it"):
        read_run(fresh)


def test_saliency_of_different_lengths_is_refused(fresh):
    change(fresh, SALIENCY, lambda record: record["values"][0].pop())
    with pytest.raises(StoreError, match=r"have the lengths \[1727, 1728, 1728\], expected 3 lists"):
        read_run(fresh)


def test_two_stages_of_one_title_are_told_apart_by_their_names(fresh):
    change(fresh, "stages/02-fairprune/stage.json", lambda record: record.update(title="OBD"))
    assert [stage.label for stage in read_run(fresh).stages] == ["Vanilla", "OBD [obd]", "OBD [fairprune]"]


def test_counts_of_other_classes_are_refused(fresh):
    path = fresh / "stages/01-obd/steps.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines[1]["counts"][0].pop()
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    with pytest.raises(
        StoreError, match=r"steps\.jsonl' line '2': the counts are 3 tables .*expected one table of 5 x 5"
    ):
        read_run(fresh)


def test_records_of_an_earlier_version_are_read(fresh):
    path = fresh / "stages/02-fairprune/steps.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    old = [{key: value for key, value in line.items() if key not in ("counts", "criteria")} for line in lines]
    path.write_text("\n".join(json.dumps(line) for line in old), encoding="utf-8")
    change(fresh, "stages/02-fairprune/choice.json", lambda record: record.pop("over"))
    stage = read_run(fresh).stages[2]
    assert stage.steps[0].counts is None
    assert stage.steps[0].criteria == {}
    assert stage.choice.over == "fold"


def test_what_belongs_to_a_quantised_stage_is_read(quantised, mapped):
    stage, control = quantised.stages[3:]
    assert (stage.record.fixed_fraction, stage.record.control) == (0.35, "fairquantize-control")
    assert stage.portrait is not None
    assert control.record.of == "fairquantize"
    assert control.twin.models == ("Re-training only", "FairQuantize")
    assert all(one.portrait is None and one.twin is None and one.record.of is None for one in mapped.stages)


def test_a_twin_of_no_stage_is_refused(fresh):
    change(fresh, "stages/02-fairprune/stage.json", lambda record: record.update(of="fairprun"))
    with pytest.raises(StoreError, match=r"the choice of 'fairprun', which is no stage.*Did you mean 'fairprune'\?"):
        read_run(fresh)


def test_a_twin_compared_on_something_else_is_refused(fresh):
    shutil.copy(fresh / COMPARISON, fresh / COMPARISON.replace("comparison", "twin"))
    change(fresh, COMPARISON.replace("comparison", "twin"), lambda record: record["attributes"].pop("tone"))
    with pytest.raises(StoreError, match=r"twin\.json': the attribute 'tone' is missing"):
        read_run(fresh)


def test_where_channels_are_removed_the_ends_of_the_ways_are_read(channels, five):
    stage = next(stage for stage in channels.stages if stage.record.name == "scp")
    assert [[end.taken for end in fold] for fold in stage.ends] == [[3, 2], [2, 1], [1, 0]]
    assert [fold[0].stopped is None for fold in stage.ends] == [True, True, False]
    assert (stage.record.unit, stage.record.controls) == ("channels", False)
    assert [layer.name for fold in stage.channels for layer in fold.layers] == ["layer4.1.conv2"] * 3
    assert five.stages[1].ends == five.stages[1].channels == ()
    assert (five.stages[1].record.unit, five.stages[1].record.controls) == ("weights", None)


def test_one_fold_has_its_ends_beside_the_records_of_the_stage(tmp_path):
    folder = write_channel_run(tmp_path / "run", mapped_grid()._replace(folds=1), twins=False)
    assert [[end.taken for end in fold] for fold in read_run(folder).stages[3].ends] == [[3, 2]]
    (folder / "stages/03-scp/result.json").unlink()
    assert read_run(folder).stages[3].ends == ()


def test_a_step_that_was_never_done_cannot_have_been_taken(tmp_path):
    folder = write_channel_run(tmp_path / "run", mapped_grid(), twins=False)
    change(folder, "stages/03-scp/fold-1/result.json", lambda record: record["runs"][1].update(taken=9))
    with pytest.raises(
        StoreError,
        match=r"'stages/03-scp': result\.json of fold 1 says that candidate 1 took step 9, which is not in steps\.jsonl",
    ):
        read_run(folder)

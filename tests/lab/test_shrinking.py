"""Choosing over folds, and what is left of a choice when a run is stopped."""

import shutil

import numpy as np
import pytest

from fairshrink.data.splits import TEST, VAL
from fairshrink.files import read_json
from fairshrink.lab import shrinking as module
from fairshrink.lab.choose import may_see
from fairshrink.lab.run import run
from fairshrink.lab.store import read_lines
from fairshrink.metrics.gaps import gaps
from fairshrink.metrics.rates import f1
from tiny import tiny

FAIR = {"method": "fairprune", "ratio": [0.1, 0.2], "step": 0.1, "beta": [0.0, 0.5]}
FOLDS = {
    "data": {"folds": 3, "groups": ["tone"]},
    "train": {"epochs": 1},
    "shrink": [FAIR | {"choose": "gap:eopp1:0.5", "choose_over": "folds"}],
}


class Hears:
    """Keeps what it is told, and presses Ctrl-C when it hears some words for the nth time."""

    def __init__(self, words: str = "\0", times: int = 1) -> None:
        self.lines: list[str] = []
        self.words, self.left = words, times

    def say(self, message: str) -> None:
        self.lines.append(message)
        self.left -= self.words in message
        if not self.left:
            raise KeyboardInterrupt(message)

    def advance(self, what: str, done: int, total: int) -> None:
        pass


def outputs(root) -> dict[str, bytes]:
    names = ("*.safetensors", "predictions.csv", "audit.json", "choice.json")
    return {str(path.relative_to(root)): path.read_bytes() for name in names for path in sorted(root.rglob(name))}


@pytest.fixture(scope="module")
def over_folds(tmp_path_factory):
    return run(tiny(**FOLDS), tmp_path_factory.mktemp("run") / "run")


def test_the_choice_sees_the_counts_of_all_folds_that_it_may_see(over_folds):
    stage = over_folds.stage(1, "fairprune", 3)
    choice, steps = read_json(stage.choice), read_lines(stage.steps)
    last = {(s["fold"], s["candidate"]): np.array(s["counts"]) for s in steps}  # the last step of each is the last line
    first = {(s["fold"], s["candidate"]): np.array(s["counts"]) for s in steps if s["step"] == 0}
    assert choice["over"] == "folds"
    assert len(choice["candidates"]) == 12
    for row in choice["candidates"]:
        own, seen = row["candidate"], may_see(row["fold"], 3)
        pooled = [np.sum([table[fold, own] for fold in seen], axis=0) for table in (first, last)]
        assert row["f1_before"] == pytest.approx(f1(pooled[0]).mean())
        assert row["f1"] == pytest.approx(f1(pooled[1]).mean())
        assert row["value"] == row["gap"] == row["criteria"]["eopp1"] == pytest.approx(gaps(pooled[1])["eopp1"].value)
        assert row["within"] == (row["f1"] >= row["f1_before"] - 0.5)
    for one in choice["chosen"]:
        mine = [row for row in choice["candidates"] if row["fold"] == one["fold"] and row["within"]]
        assert one["candidate"] == min(mine, key=lambda row: row["value"])["candidate"]


def test_the_record_says_what_was_chosen_by_which_rule_on_which_data(over_folds):
    stage = over_folds.stage(1, "fairprune", 3)
    said = read_json(stage.record)["chosen"]
    assert said == [one["said"] for one in read_json(stage.choice)["chosen"]]
    assert (
        "the smallest eopp1 with macro F1 at most 0.5 below the start, on the validation part of folds 0, 1" in said[0]
    )
    assert "of 4 settings (4 are within the bound)" in said[0]
    assert "on the validation part of folds 1, 2" in said[1]
    for one in read_json(stage.choice)["chosen"]:
        steps = [
            s
            for s in read_lines(stage.steps)
            if s["candidate"] == one["candidate"] and s["fold"] in may_see(one["fold"], 3)
        ]
        start = gaps(np.sum([s["counts"] for s in steps if s["step"] == 0], axis=0))["eopp1"].value
        row = next(
            r
            for r in read_json(stage.choice)["candidates"]
            if (r["fold"], r["candidate"]) == (one["fold"], one["candidate"])
        )
        words = "wider than " if row["value"] > start else "narrower than " if row["value"] < start else "beside "
        assert one["said"].endswith(f": its eopp1 there is {row['value']:.3f}, {words}the start's {start:.3f}")


def test_steps_keep_counts_and_criteria(over_folds):
    line = read_lines(over_folds.stage(1, "fairprune", 3).steps)[1]
    assert np.array(line["counts"]).shape == (2, 5, 5)
    assert set(line["criteria"]) == {"eopp0", "eopp1", "eodd", "eodd_max", "soft_eopp1", "loss_gap", "class_loss_gap"}
    assert line["criteria"] | line["gaps"] == line["criteria"]
    assert "soft" not in line


STOPS = [("(ratio 0.2, beta 0, step 0.1) at 0.20", 2), ("chosen of 4 settings", 2)]


@pytest.mark.parametrize(("words", "times"), STOPS)
def test_stopped_and_started_again_it_ends_with_the_same_bits(over_folds, tmp_path, words, times):
    with pytest.raises(KeyboardInterrupt):
        run(tiny(**FOLDS), tmp_path / "run", observer=Hears(words, times))
    again = Hears()
    run(tiny(**FOLDS), tmp_path / "run", observer=again)
    assert outputs(tmp_path / "run") == outputs(over_folds.root)
    assert sum("(ratio" in line for line in again.lines) < 3 * (2 + 2 + 1 + 1)  # candidates that are done are kept


def test_one_fold_that_was_removed_is_made_again_from_the_records_of_the_others(over_folds, tmp_path):
    shutil.copytree(over_folds.root, tmp_path / "run")
    again, folder = Hears(), tmp_path / "run" / "stages" / "01-fairprune" / "fold-1"
    shutil.rmtree(folder)
    run(tiny(**FOLDS), tmp_path / "run", observer=again)
    assert outputs(tmp_path / "run") == outputs(over_folds.root)
    assert not any("fold 0: fairprune (" in line for line in again.lines)


def test_nothing_that_shrinks_or_chooses_is_given_test_images(tmp_path, monkeypatch):
    given, asked = [], []
    shrink, images = module.one_by_one, module.predict_fold

    def watch(model, data, recipes, setting):
        given.append(data)
        return shrink(model, data, recipes, setting)

    def predicted(work, fold, folder):
        asked.append((work, len(given)))
        return images(work, fold, folder)

    monkeypatch.setattr(module, "one_by_one", watch)
    monkeypatch.setattr(module, "predict_fold", predicted)
    run(tiny(**FOLDS), tmp_path / "run")
    work = asked[0][0]
    assert [n for _, n in asked] == [3, 3, 3]  # the test parts come last
    for fold, data in enumerate(given):
        assert data.test == []
        seen = np.concatenate([data.train.indices, data.val.indices])
        assert not np.isin(seen, work.prepared.rows(fold, TEST)).any()
        assert np.array_equal(data.val.indices, work.prepared.rows(fold, VAL))


def test_where_nothing_is_within_the_bound_nothing_is_pruned(tmp_path):
    grid = {"method": "obd", "ratio": [0.97, 0.99], "choose": "gap:eopp1:0.0"}
    observer = Hears()
    paths = run(tiny(train={"epochs": 3, "lr": 0.1}, shrink=[grid]), tmp_path / "run", observer=observer)
    stage, before = paths.stage(1, "obd", 1), paths.stage(0, "train", 1)
    chosen = read_json(stage.choice)["chosen"][0]
    assert (chosen["candidate"], chosen["params"]) == (None, {})
    assert chosen["said"] == (
        "none of 2 setting(s) is within 0 of the start's macro F1 on the validation part of fold 0, so nothing is pruned: the "
        "model is the start's (gap:eopp1:0.0)"
    )
    assert [row["within"] for row in read_json(stage.choice)["candidates"]] == [False, False]
    assert stage.predictions.read_bytes() == before.predictions.read_bytes()
    assert read_json(stage.record)["zero_fraction"] == read_json(before.record)["zero_fraction"]
    assert any("so nothing is pruned" in line for line in observer.lines)


def test_the_line_of_a_step_has_the_criterion_that_the_rule_goes_by(tmp_path):
    soft = {"method": "obd", "ratio": 0.3, "name": "a", "choose": "gap:loss_gap:0.01"}
    hard = {"method": "obd", "ratio": 0.3, "name": "b", "parent": "train", "choose": "gap:eodd:0.01"}
    observer = Hears()
    paths = run(tiny(train={"epochs": 1}, shrink=[soft, hard]), tmp_path / "run", observer=observer)
    lines = [line for line in observer.lines if "at 0.30: macro F1" in line]
    value = read_lines(paths.stage(1, "a", 1).steps)[-1]["criteria"]["loss_gap"]
    assert f", loss_gap {value:.3f}" in lines[0]
    assert [line.count("eodd ") for line in lines] == [1, 1]
    assert "loss_gap" not in lines[1]


def test_a_preset_is_named_with_its_ratio():
    preset = tiny(shrink=[{"preset": "fairprune-fitzpatrick17k"}]).shrink[0]
    assert module.in_words(preset, preset.candidates()[0]) == "preset fairprune-fitzpatrick17k, ratio 0.35, beta 0.33"
    assert module.told(preset, preset.candidates()[0]) == {"ratio": 0.35, "beta": 0.33}
    plain = tiny(shrink=[{"method": "fairprune"}]).shrink[0]
    assert module.in_words(plain, plain.candidates()[0]) == "its defaults"


def test_a_preset_of_channels_is_named_with_its_ratio_too():
    preset = tiny(shrink=[{"preset": "scp-isic2019"}]).shrink[0]
    assert module.told(preset, preset.candidates()[0]) == {
        "channel_ratio": 0.02,
        "fine_tune": 200,
        "stop": "none",
        "take": "last",
        "lr": 0.01,
        "lr_epochs": 100,
    }


def test_the_end_of_a_way_is_the_step_that_was_taken_and_in_older_records_the_last():
    steps = [{"ratio": ratio} for ratio in (0.0, 0.1, 0.2)]
    assert [module._end({"steps": steps, "taken": number}) for number in range(3)] == steps
    assert module._end({"steps": steps}) == steps[2]


def test_a_single_setting_is_taken_whatever_the_rule_says(tmp_path):
    alone = {"method": "obd", "ratio": 0.99, "choose": "gap:eopp1:0.0", "samples": 10_000}
    observer = Hears()
    stage = run(tiny(shrink=[alone]), tmp_path / "run", observer=observer).stage(1, "obd", 1)
    assert read_json(stage.choice)["chosen"][0]["said"] == "one setting, nothing to choose: ratio 0.99"
    assert read_json(stage.record)["zero_fraction"] == pytest.approx(0.99, abs=1e-4)
    short = [line for line in observer.lines if "scores are to use 10,000 images of each group" in line]
    assert len(short) == 1
    assert "of 'tone I-III', " in short[0]
    assert short[0].endswith("all of these are used")

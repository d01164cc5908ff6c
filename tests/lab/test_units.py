import shutil

import pytest

from fairshrink.files import read_json, write_json
from fairshrink.lab.chains import chains
from fairshrink.lab.gathering import gather, tidy
from fairshrink.lab.run import Part
from fairshrink.lab.sweep_store import SweepPaths
from fairshrink.lab.units import data_name, fold_is_done, fold_name, is_done, units
from fairshrink.lab.variants import variants
from sweeping import sweep_file


def planned(tmp_path, base=None, **parts):
    runs, _ = variants(sweep_file(base, **parts).sweep, "here")
    return units(runs, SweepPaths(tmp_path))


def test_with_one_fold_a_stage_is_one_unit(tmp_path):
    found = planned(tmp_path)
    assert [name.split("-")[0] for name in found] == ["data", "train", "obd", "fairprune", "run"]
    assert [unit.part for unit in found.values()] == [
        Part(None),
        Part("train", None),
        Part("obd", None),
        Part("fairprune", None),
        None,
    ]


def test_every_unit_comes_after_what_it_needs(tmp_path):
    steps = [{"method": "obd", "ratio": 0.1}, {"method": "obd", "name": "more", "ratio": 0.2}]
    found = planned(tmp_path, {"data": {"folds": 3}, "shrink": steps}, seeds=[0, 1])
    seen = set()
    for unit in found.values():
        assert seen.issuperset(unit.needs)
        seen.add(unit.name)
    assert len(found) == 1 + 2 * (3 * 4 + 1)


def test_a_fold_of_a_step_waits_for_its_own_fold_or_for_a_choice(tmp_path):
    steps = [{"method": "obd", "ratio": 0.1}, {"method": "obd", "name": "more", "ratio": 0.2}]
    found = planned(tmp_path, {"data": {"folds": 3}, "shrink": steps})
    train, obd, more = chains(found["run-run"].experiment)
    assert found[fold_name(obd, 2)].needs == (fold_name(train, 2),)
    assert found[fold_name(more, 2)].needs == (obd.key,)
    assert found[obd.key].needs == (train.key, *(fold_name(obd, fold) for fold in range(3)))
    assert found["run-run"].needs == (train.key, obd.key, more.key)


def test_a_finished_run_put_in_as_a_stage_is_done(done, tmp_path):
    paths, found = SweepPaths(tmp_path), planned(tmp_path)
    train, _, pruned = chains(found["run-run"].experiment)
    assert not any(is_done(unit, paths) for unit in found.values())
    shutil.copytree(done.root, paths.stage(train).root)
    assert is_done(found[train.key], paths)
    assert not is_done(found[pruned.key], paths)
    place = train.stage(paths.stage(train)).fold(0)
    place.predictions.unlink()
    assert not fold_is_done(train, paths.stage(train), 0)


@pytest.mark.parametrize("over", ["fold", "folds"])
def test_a_fold_is_done_when_what_needs_no_other_fold_is_there(tmp_path, over):
    steps = [{"method": "obd", "ratio": [0.1, 0.2], "choose_over": over}]
    found, paths = planned(tmp_path, {"data": {"folds": 3}, "shrink": steps}), SweepPaths(tmp_path)
    _, obd = chains(found["run-run"].experiment)
    own = obd.stage(paths.fold(fold_name(obd, 1))).fold(1)

    def there():
        return fold_is_done(obd, paths.fold(fold_name(obd, 1)), 1)

    for number in range(2):
        assert not there()
        fill(own.candidate(number))
    assert there() == (over == "folds")
    fill(own)
    assert there() == (over == "folds")
    own.predictions.write_text("id\n")
    assert there()


def fill(folder):
    folder.root.mkdir(parents=True, exist_ok=True)
    for path in (folder.model, folder.frozen, folder.result):
        path.write_text("{}")


def test_tidying_leaves_folds_whose_stage_is_not_complete(tmp_path):
    found, paths = planned(tmp_path, {"data": {"folds": 3}}), SweepPaths(tmp_path)
    train = chains(found["run-run"].experiment)[0]
    fill(train.stage(paths.fold(fold_name(train, 0))).fold(0))
    tidy(found.values(), paths)
    assert paths.fold(fold_name(train, 0)).root.exists()


def test_a_fold_starts_from_its_own_folds_models(tmp_path):
    steps = [{"method": "obd", "ratio": 0.1}, {"method": "obd", "name": "more", "ratio": 0.2}]
    found, paths = planned(tmp_path, {"data": {"folds": 3}, "shrink": steps}), SweepPaths(tmp_path)
    train, obd, more = chains(found["run-run"].experiment)
    found[next(iter(found))].folder.root.mkdir(parents=True)
    found[next(iter(found))].folder.data.write_text("{}")
    for chain, folder in ((train, paths.fold(fold_name(train, 1))), (obd, paths.stage(obd))):
        fill(chain.stage(folder).fold(1))
        chain.stage(folder).fold(1).predictions.write_text("id\n")
    unit = found[fold_name(more, 1)]
    gather(unit, paths)
    there = sorted({path.parent.relative_to(unit.folder.root).as_posix() for path in unit.folder.root.rglob("model*")})
    assert there == ["stages/00-train/fold-1", "stages/01-obd/fold-1"]
    assert unit.folder.config.read_text(encoding="utf-8") == more.experiment.text()
    assert unit.folder.data.exists()


def test_a_run_says_where_its_training_was_computed(done, tmp_path):
    paths, found = SweepPaths(tmp_path), planned(tmp_path)
    unit = found["run-run"]
    for number, chain in enumerate(chains(unit.experiment)):
        shutil.copytree(chain.stage(done, number).root, chain.stage(paths.stage(chain)).root)
        place = {"device": chain.name, "torch": "2", "started": f"to {chain.name}", "finished": "now", "seconds": 9.0}
        write_json(paths.stage(chain).environment, place)
    paths.data(data_name(unit.experiment.data)).root.mkdir(parents=True)
    shutil.copy(done.data, paths.data(data_name(unit.experiment.data)).data)
    gather(unit, paths)
    stages = [read_json(record)["seconds"] for record in sorted(done.root.glob("stages/*/stage.json"))]
    assert read_json(unit.folder.environment) == {
        "device": "train",
        "torch": "2",
        "started": "to fairprune",
        "seconds": pytest.approx(sum(stages)),
    }


def test_a_stage_of_several_folds_says_where_the_first_was_computed(tmp_path):
    paths, found = SweepPaths(tmp_path), planned(tmp_path, {"data": {"folds": 3}})
    train = chains(found["run-run"].experiment)[0]
    data = paths.data(data_name(train.experiment.data))
    write_json(data.data, {})
    for fold in range(3):
        place = {"device": f"board {fold}", "torch": "2", "started": "then", "finished": "now", "seconds": 2.5}
        write_json(paths.fold(fold_name(train, fold)).environment, place)
    gather(found[train.key], paths)
    assert read_json(paths.stage(train).environment) == {
        "device": "board 0",
        "torch": "2",
        "started": "then",
        "seconds": 7.5,
    }

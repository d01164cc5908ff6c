from fairshrink.report.reading import read_run
from fairshrink.report.runs_settings import Seeds, lineage, seeds_of, setting_of, telling_apart, told_seeds
from report.fake_run import write_fake_run
from report.fake_runs import seed_plan


def run_with(tmp_path, name, old="", new=""):
    plan = seed_plan(0)
    return read_run(write_fake_run(tmp_path / name, plan._replace(config=plan.config.replace(old, new))))


def keys(run):
    return [setting_of(run, stage).key for stage in run.stages]


def test_seeds_threads_and_paths_do_not_make_another_setting(tmp_path):
    base = run_with(tmp_path, "base")
    for number, (old, new) in enumerate(
        [
            ("epochs = 12\nseed = 0", "epochs = 12\nseed = 5\nthreads = 7"),
            ("folds = 1\nseed = 0", "folds = 1\nseed = 3"),
            ("HAM10000_images_128.zip", "/elsewhere/images"),
        ]
    ):
        assert keys(run_with(tmp_path, f"{number}", old, new)) == keys(base)


def test_anything_else_does(tmp_path):
    base = run_with(tmp_path, "base")
    assert not set(keys(run_with(tmp_path, "lr", "epochs = 12", "epochs = 12\nlr = 0.1"))) & set(keys(base))
    assert not set(keys(run_with(tmp_path, "unknown", "folds = 1", 'folds = 1\nunknown = "drop"'))) & set(keys(base))
    other = keys(run_with(tmp_path, "beta", "[0.2, 0.33, 0.5, 0.7]", "[0.2]"))
    assert [a == b for a, b in zip(other, keys(base), strict=True)] == [True, True, False]


def test_names_of_steps_do_not_matter_but_what_they_start_from_does(tmp_path, five):
    renamed = run_with(tmp_path, "named", 'method = "obd"', 'method = "obd"\nname = "obd"\npreset = "p"')
    assert keys(renamed) == keys(run_with(tmp_path, "base"))
    chained = five.stages[2]._replace(record=five.stages[2].record)
    assert lineage(five, chained) == [chained]
    assert lineage(five, five.vanilla) == []


def test_a_step_that_the_file_does_not_name_is_described_by_its_stage(five):
    silent = five._replace(settings={"train": {"seed": 2}})
    setting = setting_of(silent, silent.stages[2])
    assert setting.steps[0]["beta"] == [0.2, 0.33, 0.5, 0.7]
    assert setting.flat()["choose"] == "fate:eopp1"
    assert seeds_of(silent) == Seeds(0, 2)


def test_the_fewest_settings_tell_apart():
    options = [{"train.lr": 1, "ratio": 0.2, "beta": 1}, {"train.lr": 2, "ratio": 0.4, "beta": 1}]
    assert telling_apart(options) == ["ratio 0.2", "ratio 0.4"]
    assert telling_apart([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 1}]) == ["a 1, b 1", "a 1, b 2", "a 2, b 1"]
    assert telling_apart([{"a": 1}, {}]) == ["a 1", "a not set"]
    assert telling_apart([{"model.backbone": "vgg11"}, {}]) == ["vgg11", "default"]
    assert telling_apart([{"a": 1}]) == [""]


def test_too_many_differences_are_all_named():
    names = [f"k{i}" for i in range(6)]
    options = [dict.fromkeys(names, 0) | {name: 1} for name in names]
    assert telling_apart(options)[0] == "k0 1, k1 0, k2 0, k3 0, k4 0, k5 0"


def test_seeds_are_told_briefly():
    assert told_seeds([Seeds(0, None), Seeds(1, None)]) == "0, 1"
    assert told_seeds([Seeds(0, 4)]) == "4 (data 0)"

import pytest

from fairshrink.errors import ConfigError
from fairshrink.lab.sweep_file import Random, parse_sweep
from fairshrink.lab.variants import drawn, same_runs, variants
from sweeping import sweep_file


def names(**parts):
    return [run.name for run in variants(sweep_file(**parts).sweep, "here")[0]]


def test_every_combination_the_seed_fastest():
    runs, _ = variants(sweep_file(seeds=[0, 1], grid={"train.lr": [0.01, 0.02], "train.epochs": [1]}).sweep, "here")
    assert [run.name for run in runs] == [f"lr-{lr}_epochs-1_seed-{seed}" for lr in (0.01, 0.02) for seed in (0, 1)]
    assert [run.experiment.train.lr for run in runs] == [0.01, 0.01, 0.02, 0.02]
    assert [(run.seed, run.experiment.train.seed) for run in runs] == [(0, 0), (1, 1), (0, 0), (1, 1)]
    assert runs[0].varied == {"train.lr": 0.01, "train.epochs": 1}


def test_a_list_is_crossed_with_the_grid():
    assert names(grid={"train.lr": [0.1, 0.2]}, list=[{"train.epochs": 1}, {"train.epochs": 3, "name": "long"}]) == [
        "epochs-1_lr-0.1",
        "epochs-1_lr-0.2",
        "long-" + names(grid={"train.lr": [0.1, 0.2]}, list=[{"train.epochs": 3, "name": "long"}])[0].split("-")[1],
        "long-" + names(grid={"train.lr": [0.1, 0.2]}, list=[{"train.epochs": 3, "name": "long"}])[1].split("-")[1],
    ]


def test_nothing_varied_is_one_run():
    runs, _ = variants(sweep_file().sweep, "here")
    assert [(run.name, run.seed, run.varied) for run in runs] == [("run", None, {})]


def test_names_are_short_telling_and_name_folders():
    found = names(grid={"shrink.0.ratio": [0.1, 0.2], "shrink.1.ratio": [0.3], "data.groups": [["tone", "age >= 60"]]})
    assert found == ["0.ratio-0.1_1.ratio-0.3_groups-tone+age-60", "0.ratio-0.2_1.ratio-0.3_groups-tone+age-60"]
    same = names(grid={"data.groups": [["tone", "age >= 60"], ["tone", "age <= 60"]]})
    assert len(set(same)) == 2
    assert all(name.startswith("groups-tone+age-60-") for name in same)


def test_what_is_there_twice_is_said_by_its_settings_and_lengthens_no_name():
    runs, said = variants(sweep_file(seeds=[0], grid={"train.lr": [0.01, 0.02, 0.02]}).sweep, "here")
    assert [run.name for run in runs] == ["lr-0.01_seed-0", "lr-0.02_seed-0"]
    assert said == ["train.lr = 0.02, train.seed = 0 is there more than once: one run"]
    runs, said = variants(sweep_file(list=[{"train.lr": 0.02}, {}]).sweep, "here")  # 0.02 is what the base says
    assert [run.name for run in runs] == ["lr-0.02"]
    assert said == ["the base is the same experiment as train.lr = 0.02: one run"]


def test_all_steps_of_a_run_may_vary():
    obd, fair = {"method": "obd", "ratio": 0.2}, {"method": "fairprune", "ratio": 0.2, "name": "fair"}
    runs, _ = variants(sweep_file(grid={"shrink": [[], [obd], [obd, fair]]}).sweep, "here")
    assert [run.name for run in runs] == ["shrink-none", "shrink-obd", "shrink-obd+fair"]
    assert [[step.name for step in run.experiment.shrink] for run in runs] == [[], ["obd"], ["obd", "fair"]]
    assert names(list=[{"name": "vanilla", "shrink": []}, {"shrink": [obd]}]) == ["vanilla", "shrink-obd"]


def test_a_key_that_is_no_setting_names_the_run():
    with pytest.raises(
        ConfigError, match=r"'here, run lrr-1' cannot be used.*\n.*no setting 'train.lrr'. Did you mean 'lr'"
    ):
        names(grid={"train.lrr": [1]})
    with pytest.raises(ConfigError, match=r"here, run ratio-1: shrink.7.ratio: there are 2 items, numbered from 0"):
        names(grid={"shrink.7.ratio": [1]})


def random(**settings) -> Random:
    return Random.model_validate(settings)


def test_a_draw_depends_on_the_seed_and_its_key_only():
    lr = {"low": 1e-3, "high": 1e-1, "log": True}
    both = drawn(random(draws=50, **{"train.lr": lr, "data.seed": list(range(100))}))
    alone = drawn(random(draws=50, **{"train.lr": lr}))
    assert [one["train.lr"] for one in both] == [one["train.lr"] for one in alone]
    assert drawn(random(draws=60, **{"train.lr": lr}))[:50] == alone
    assert drawn(random(draws=50, seed=1, **{"train.lr": lr})) != alone


def test_draws_stay_in_their_range_and_whole_numbers_stay_whole():
    found = drawn(
        random(
            draws=300,
            log={"low": 1e-3, "high": 1e-1, "log": True},
            plain={"low": 0.0, "high": 1},
            whole={"low": 1, "high": 3},
            decades={"low": 1, "high": 1000, "log": True},
            **{"a.among": ["a", ["b"]]},
        )
    )
    assert all(1e-3 <= one["log"] <= 1e-1 and 0 <= one["plain"] <= 1 for one in found)
    assert {one["whole"] for one in found} == {1, 2, 3}
    assert all(isinstance(one["decades"], int) and 1 <= one["decades"] <= 1000 for one in found)
    # Half of a logarithmic range lies below its geometric middle: 300 draws, 5 standard deviations.
    for key, middle in (("log", 1e-2), ("decades", 31.6)):
        assert abs(sum(one[key] < middle for one in found) - 150) < 5 * 75**0.5
    assert [one["a.among"] for one in found].count("a") in range(107, 194)


def test_draws_make_runs():
    sweep = parse_sweep(
        {"base": sweep_file().sweep.base, "random": {"draws": 3, "train.lr": {"low": 0.01, "high": 0.1}}}, "here"
    )
    runs, _ = variants(sweep, "here")
    assert len({run.name for run in runs}) == 3
    assert all(0.01 <= run.experiment.train.lr <= 0.1 for run in runs)


def test_differences_between_two_sweeps_are_counted():
    one, other = (
        variants(sweep_file(grid={"train.lr": values}).sweep, "here")[0] for values in ([0.1, 0.2], [0.2, 0.3])
    )
    assert same_runs(one, one) is None
    assert same_runs(one, other) == "1 run(s) only there, such as lr-0.1; 1 run(s) only here, such as lr-0.3"
    changed = variants(sweep_file({"train": {"epochs": 5}}, grid={"train.lr": [0.1, 0.2]}).sweep, "here")[0]
    assert same_runs(one, changed) == "2 run(s) with other settings, such as lr-0.1"

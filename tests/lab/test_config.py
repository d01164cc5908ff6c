import tomllib
from pathlib import Path

import pytest

from fairshrink.compress.methods import fairprune
from fairshrink.errors import ConfigError
from fairshrink.lab.config import SOURCE_DEFAULTS, Experiment, load_experiment, parse_experiment

EXAMPLES = Path(__file__).parents[2] / "examples"
HAM = {"source": "ham10000", "images": "a.zip", "metadata": "b.csv"}


def parse(**sections) -> Experiment:
    return parse_experiment({"data": {"source": "lesions"}} | sections, "test.toml")


EXPERIMENTS = sorted(path for path in EXAMPLES.rglob("*.toml") if "sweep" not in path.name)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_every_example_can_be_read(path):
    assert load_experiment(path).shrink


def test_defaults_are_those_of_the_design():
    experiment = parse()
    train = experiment.train
    assert (train.epochs, train.lr, train.momentum, train.weight_decay, train.batch_size) == (12, 0.05, 0.9, 5e-4, 128)
    assert train.augment == ("flip", "rotate", "scale", "autoaugment")
    assert (experiment.data.count, experiment.data.size, experiment.data.groups) == (4000, 64, ("tone",))


def test_steps_of_the_learning_rate_are_told_to_the_training():
    loop = parse(train={"schedule": "step", "step_epochs": 4, "step_factor": 0.57}).train.loop()
    assert (loop.schedule, loop.step_epochs, loop.step_factor) == ("step", 4, 0.57)
    once = parse(train={"schedule": "step"})
    assert (once.train.loop().step_epochs, once.train.loop().step_factor) == (None, 0.1)
    assert parse(train={"schedule": "step", "step_factor": 0.1}).digest() == once.digest()
    assert parse(train={"schedule": "step", "step_factor": 0.2}).digest() != once.digest()


def test_a_source_fills_in_what_it_knows():
    data = parse(data=HAM).data
    assert (data.groups, data.split_by) == (("sex", "age >= 60"), "lesion_id")
    assert parse(data=HAM | {"split_by": "image"}).data.split_by == "image"


def test_small_sets_are_cross_fitted_unless_told_otherwise():
    named = {"images": "a.zip", "metadata": "b.csv"}
    folds = {source: parse(data=named | {"source": source, "groups": ["x"]}).data.folds for source in SOURCE_DEFAULTS}
    assert folds == {"lesions": 1, "ham10000": 5, "isic2019": 1, "fitzpatrick17k": 5, "table": 1}
    assert parse(data=HAM | {"folds": 1}).data.folds == 1
    assert parse(data=HAM | {"split_file": "s.csv"}).data.folds == 1
    with pytest.raises(ConfigError, match="split_file gives one split, but folds asks for several"):
        parse(data=HAM | {"split_file": "s.csv", "folds": 5})


def test_keys_of_one_source_are_refused_for_others():
    fitzpatrick = HAM | {"source": "fitzpatrick17k"}
    assert (parse(data=fitzpatrick).data.level, parse(data=fitzpatrick | {"level": 9}).data.level) == (114, 9)
    assert "level" not in parse(data=HAM).text()
    with pytest.raises(ConfigError, match="data.level is 10, but 114, 9 or 3 is expected"):
        parse(data=fitzpatrick | {"level": 10})
    with pytest.raises(
        ConfigError, match="level is for the source 'fitzpatrick17k': 'ham10000' does not need it: leave it out"
    ):
        parse(data=HAM | {"level": 9})
    with pytest.raises(ConfigError, match="ground_truth is for the source 'isic2019': 'ham10000' does not need it"):
        parse(data=HAM | {"ground_truth": "t.csv"})


def test_the_text_reads_back_as_the_same_experiment():
    experiment = parse(shrink=[{"method": "obd"}, {"method": "fairprune", "beta": [0.2, 0.5], "parent": "train"}])
    again = parse_experiment(tomllib.loads(experiment.text()), "again")
    assert again == experiment
    assert again.digest() == experiment.digest()


def test_the_methods_own_defaults_are_written_out_and_do_not_change_the_digest():
    experiment = parse(shrink=[{"method": "fairprune"}])
    written = tomllib.loads(experiment.text())["shrink"][0]
    assert (written["ratio"], written["step"], written["metric"]) == (0.35, 0.05, "eopp1")
    assert parse(shrink=[{"method": "fairprune", "ratio": 0.35}]).digest() == experiment.digest()
    assert parse(shrink=[{"method": "fairprune", "ratio": 0.36}]).digest() != experiment.digest()


def test_defaults_written_out_do_not_change_the_digest():
    assert parse(train={"epochs": 12}).digest() == parse().digest()
    assert parse(train={"epochs": 13}).digest() != parse().digest()


def test_a_list_is_a_grid():
    step = parse(shrink=[{"method": "fairprune", "ratio": [0.2, 0.3], "beta": [0.1, 0.5]}]).shrink[0]
    assert [{"ratio": c["ratio"], "beta": c["beta"]} for c in step.candidates()] == [
        {"ratio": 0.2, "beta": 0.1},
        {"ratio": 0.2, "beta": 0.5},
        {"ratio": 0.3, "beta": 0.1},
        {"ratio": 0.3, "beta": 0.5},
    ]
    assert step.recipe({"ratio": 0.2, "beta": 0.1}) == fairprune(0.2, 0.1)


def test_steps_follow_each_other_unless_they_say_otherwise():
    steps = parse(
        shrink=[{"method": "obd"}, {"method": "fairprune"}, {"method": "fairprune", "parent": "train"}]
    ).shrink
    assert [(step.name, step.parent) for step in steps] == [
        ("obd", "train"),
        ("fairprune", "obd"),
        ("fairprune-2", "train"),
    ]


def test_a_choice_goes_by_what_was_measured_to_predict_the_test_gap_best():
    step = parse(shrink=[{"method": "obd"}]).shrink[0]  # docs/choosing.md
    assert (step.choose, step.choose_over) == ("gap:soft_eopp1:0.01", "folds")


def test_what_is_built_on_a_choice_over_the_folds_chooses_in_its_own_fold():
    grid = {"method": "fairprune", "beta": [0.1, 0.5]}
    steps = parse(shrink=[grid, grid, {"method": "obd"}, grid, grid | {"parent": "train"}]).shrink
    assert [step.choose_over for step in steps] == ["folds", "fold", "fold", "fold", "folds"]
    steps = parse(shrink=[grid | {"choose_over": "fold"}, grid, {"method": "obd", "parent": "train"}, grid]).shrink
    assert [step.choose_over for step in steps] == ["fold", "folds", "folds", "folds"]


def test_a_second_choice_over_the_folds_is_refused():
    grid = {"method": "fairprune", "beta": [0.1, 0.5]}
    with pytest.raises(
        ConfigError, match="shrink.1: choose_over is 'folds', but 'fairprune', on which it is built, has chosen"
    ):
        parse(shrink=[grid, grid | {"choose_over": "folds"}])


def test_steps_take_the_defaults_unless_they_say_otherwise():
    given = {"samples": 9, "batch": 3, "unprivileged": "tone I"}
    steps = parse(shrink_defaults=given, shrink=[{"method": "obd"}, {"method": "obd", "samples": 5}]).shrink
    assert [(step.samples, step.batch, step.unprivileged) for step in steps] == [(9, 3, "tone I"), (5, 3, "tone I")]


def test_what_compares_images_reads_all_of_them_unless_something_else_is_said():
    def reads(step, **defaults):
        experiment = parse(shrink_defaults=defaults, shrink=[{"method": "scp"} | step])
        again = parse_experiment(tomllib.loads(experiment.text()), "again")
        assert (again, again.digest()) == (experiment, experiment.digest())
        assert len({(one.samples, one.batch) for one in experiment.shrink}) == 1  # as its control
        return experiment.shrink[0].samples, experiment.shrink[0].batch

    assert reads({}) == ("all", 128)
    assert reads({"samples": 5}) == (5, 128)
    assert reads({}, batch=3) == ("all", 3)
    assert reads({"batch": 64}, samples=9, batch=3) == (9, 64)
    assert reads({"preset": "scp-isic2019"}, samples=9) == ("all", 128)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"train": {"epoch": 3}}, r"no setting 'train.epoch'. Did you mean 'epochs'\?"),
        ({"trian": {"epochs": 3}}, r"no setting 'trian'. Did you mean 'train'\?"),
        ({"train": {"epochs": 0}}, r"train\.epochs is 0, but 1 or more is expected\.$"),
        ({"train": {"lr": float("nan")}}, "train.lr"),
        ({"data": {"source": "lesion"}}, r"no source called 'lesion'. Did you mean 'lesions'\?"),
        ({"data": {}}, "data.source is not there, but it is needed"),
        ({"data": {"source": "table"}}, "needs images .* and metadata"),
        ({"data": HAM | {"source": "table"}}, "groups is empty"),
        ({"data": HAM | {"folds": 2}}, "folds is 2, but a fold each is needed"),
        ({"data": HAM | {"folds": 5, "split_file": "s.csv"}}, "split_file gives one split"),
        ({"model": {"backbone": "resnet81"}}, r"no backbone called 'resnet81'. Did you mean 'resnet18'\?"),
        ({"train": {"objective": "em"}}, r"no objective called 'em'. Did you mean 'erm'\?"),
        ({"train": {"augment": ["flop"]}}, r"Did you mean 'flip'\?"),
        ({"train": {"momentum": 0.0}}, "nesterov is true, but momentum is 0"),
        ({"train": {"schedule": "step", "step_epochs": 0}}, r"train\.step_epochs is 0, but 1 or more is expected\.$"),
        (
            {"train": {"schedule": "step", "step_factor": 2}},
            r"train\.step_factor is 2, but 1 or less is expected",
        ),
        ({"train": {"step_epochs": 3}}, "step_epochs is 3, but the schedule is 'onecycle', which has no steps"),
        ({"data": {"source": "lesions", "groups": ["age => 60"]}}, "age => 60"),
        (
            {"shrink_defaults": {"sampels": 3}, "shrink": [{"method": "obd"}]},
            r"'shrink_defaults.sampels'. Did you mean 'samples'\?",
        ),
        ({"shrink": ["obd"]}, r"shrink.0: it is 'obd', but a table"),
        ({"shrink": [{"method": ["obd"]}]}, r"shrink.0: there is no method called \['obd'\]"),
        (
            {"shrink": [{"method": "obd"}, {"method": "obd", "ratio": "abc"}]},
            "shrink.1: ratio is 'abc', but a number is expected",
        ),
        ({"shrink": [{"method": "obd", "name": "../../evil"}]}, "shrink.0: the name '../../evil' cannot name a folder"),
        ({"shrink": [{"method": "obd", "name": ["a"]}]}, r"the name \['a'\] cannot name a folder"),
        ({"shrink": [{"method": "fairprun"}]}, r"no method called 'fairprun'. Did you mean 'fairprune'\?"),
        ({"shrink": [{"method": "fairprune", "bta": 1}]}, r"fairprune has no setting 'bta'. Did you mean 'beta'\?"),
        ({"shrink": [{"method": "obd", "beta": 1}]}, "obd has no setting 'beta'"),
        ({"shrink": [{"method": "fairprune", "beta": []}]}, "beta is an empty list"),
        ({"shrink": [{"method": "fairprune", "beta": "much"}]}, "shrink.0: beta is 'much', but a number is expected"),
        (
            {"shrink": [{"method": "obd"}, {"method": "obd", "ratio": 1.2}]},
            r"^\[\[shrink\]\] 2 \('obd-2'\): ratio is 1.2",
        ),
        ({"shrink": [{"method": "obd", "name": "a"}, {"method": "obd", "name": "a"}]}, "the name 'a' is used twice"),
        ({"shrink": [{"method": "obd", "parent": "trian"}]}, r"no earlier step. Did you mean 'train'\?"),
        (
            {"shrink": [{"method": "obd", "choose": "fat:eopp1", "name": "a"}]},
            r"^\[\[shrink\]\] 1 \('a'\): .* no rule 'fat:eopp1'",
        ),
        ({"shrink": [{"method": "obd", "choose": "fate:eop1"}]}, r"none called 'eop1'. Did you mean 'eopp1'\?"),
    ],
)
def test_a_wrong_setting_is_named_with_the_nearest_right_one(sections, message):
    with pytest.raises(ConfigError, match=message):
        parse(**sections)


def test_all_wrong_settings_are_listed():
    with pytest.raises(ConfigError, match=r"(?s)2 setting\(s\) of 'test.toml'.*train.epochs.*train.lr"):
        parse(train={"epochs": 0, "lr": -1})


@pytest.mark.parametrize(("text", "message"), [(None, "cannot read the experiment"), ("[data", "is not TOML")])
def test_a_file_that_is_no_experiment(tmp_path, text, message):
    path = tmp_path / "x.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_experiment(path)


def test_a_byte_order_mark_is_no_problem(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b'\xef\xbb\xbf[data]\nsource = "lesions"\n')
    assert load_experiment(path, ["train.epochs=3"]).train.epochs == 3


TABLE = {"source": "table", "images": "a.zip", "metadata": "b.csv", "groups": ["sex"]}


def test_a_checkpoints_own_normalisation_and_order_of_classes_may_be_given():
    experiment = parse(data=TABLE | {"classes": ["nv", "mel"]}, model={"mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]})
    assert experiment.data.classes == ("nv", "mel")
    assert experiment.model.normalisation == ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
    assert parse_experiment(tomllib.loads(experiment.text()), "again") == experiment


@pytest.mark.parametrize("model", [{"mean": [123.7, 116.3, 103.5]}, {"std": [58.4, 57.1, 57.4]}, {"std": [0, 1, 1]}])
def test_a_normalisation_for_pixels_up_to_255_is_refused(model):
    with pytest.raises(
        ConfigError, match="they are for pixels from 0 to 1.*Divide those for pixels from 0 to 255 by 255"
    ):
        parse(model=model)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"source": "lesions", "classes": ["a", "b"]}, "classes is for the source 'table': 'lesions' has its own"),
        (TABLE | {"classes": ["a"]}, "classes is .* two or more different names"),
        (TABLE | {"classes": ["a", "a"]}, "classes is .* two or more different names"),
    ],
)
def test_classes_that_cannot_be_used_are_refused(data, message):
    with pytest.raises(ConfigError, match=message):
        parse(data=data)

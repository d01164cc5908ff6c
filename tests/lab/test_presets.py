import tomllib

import pytest

from fairshrink.compress.contrasts import favour, pooled
from fairshrink.compress.criteria import Saliency
from fairshrink.compress.entanglement import Entanglement
from fairshrink.compress.retraining import FineTune
from fairshrink.compress.stopping import never
from fairshrink.errors import ConfigError
from fairshrink.lab.config import Experiment, load_experiment, parse_experiment
from fairshrink.lab.estimate import Passes, passes
from fairshrink.lab.presets import PRESETS
from fairshrink.maths.codebooks import power_of_two
from fairshrink.train.settings import TrainSettings


def parse(*steps, **sections) -> Experiment:
    return parse_experiment({"data": {"source": "lesions"}, "shrink": list(steps)} | sections, "test.toml")


# Published: batch, pairs of mini-batches, step, ratio and beta (Wu et al. 2022); OBD at the same ratios.
@pytest.mark.parametrize(
    ("name", "published"),
    [("fairprune-fitzpatrick17k", (500, 2, 0.05, 0.35, 0.33)), ("fairprune-isic2019", (200, 64, 0.1, 0.5, 0.2))],
)
def test_fairprunes_presets_are_the_papers(name, published):
    pairs, batch, step, ratio, beta = published
    preset = parse({"preset": name}).shrink[0]
    assert (preset.method, preset.batch, preset.samples) == ("fairprune", batch, pairs * batch)
    recipe = preset.recipe(preset.candidates()[0])
    assert list(recipe.schedule()) == pytest.approx([step * n for n in range(1, round(ratio / step) + 1)])
    assert recipe.criterion == Saliency(favour(beta))  # exact columns, no first-order term
    assert (recipe.ranking, recipe.include, recipe.recover) == ("global", "weights", None)


@pytest.mark.parametrize(("name", "ratio"), [("obd-fitzpatrick17k", 0.35), ("obd-isic2019", 0.5)])
def test_obds_presets_score_all_training_data_in_one_shot(name, ratio):
    preset = parse({"preset": name}).shrink[0]
    recipe = preset.recipe(preset.candidates()[0])
    assert (preset.method, preset.samples) == ("obd", "all")
    assert list(recipe.schedule()) == [ratio]
    assert recipe.criterion == Saliency(pooled)


# Published: ratio and beta of the tables, steps of 5 % (Guo et al. 2024); the re-training is the default of its code.
@pytest.mark.parametrize(
    ("name", "published"),
    [("fairquantize-fitzpatrick17k", (0.2, 1.0)), ("fairquantize-isic2019", (0.8, 7 / 9))],
)
def test_fairquantizes_presets_are_the_papers(name, published):
    ratio, beta = published
    preset, control = parse({"preset": name}).shrink
    recipe = preset.recipe(preset.candidates()[0])
    assert (preset.method, preset.samples) == ("fairquantize", "all")
    assert list(recipe.schedule()) == pytest.approx([0.05 * n for n in range(1, round(ratio / 0.05) + 1)])
    assert recipe.criterion == Saliency(favour(beta))
    assert recipe.codebook == power_of_two()  # any exponent, to the nearest on a logarithmic scale
    assert (recipe.ranking, recipe.include) == ("global", "weights")
    assert recipe.recover == FineTune(
        TrainSettings(
            epochs=20,
            lr=1e-3,
            momentum=0.0,
            nesterov=False,
            weight_decay=0.0,
            schedule="step",
            precision="fp32",
            step_epochs=4,
            step_factor=0.57,
        )
    )  # the plain loss, on the training set as it is, without memory from step to step
    beside = control.recipe(control.candidates()[0])
    assert (beside.fixes, beside.recover, list(beside.schedule())) == (False, recipe.recover, list(recipe.schedule()))


# Published: 2 % of the last layer's channels, three times (Kong et al. 2024); the rest is its code's and the multi-exit code's.
@pytest.mark.parametrize("name", ["scp-fitzpatrick17k", "scp-isic2019"])
def test_scps_presets_are_the_papers(name):
    preset, control = parse({"preset": name}).shrink
    recipe = preset.recipe(preset.candidates()[0])
    assert (preset.method, preset.samples, preset.batch, preset.name) == ("scp", "all", 128, "scp")
    assert list(recipe.schedule()) == pytest.approx([0.02, 0.04, 0.06])
    assert recipe.criterion == Entanglement("last", temperature=2.0, normalize=True, tap="before", compared=128)
    assert (recipe.channels, recipe.unit) == ("last", "channels")
    assert recipe.recover == FineTune(
        TrainSettings(
            epochs=200,
            lr=1e-2,
            momentum=0.9,
            nesterov=True,
            weight_decay=1e-5,
            schedule="step",
            precision="fp32",
            step_epochs=100,
            step_factor=0.1,
        )
    )
    assert (recipe.stop, recipe.best) == (never, None)  # the third model, whatever the thresholds were
    beside = control.recipe(control.candidates()[0])
    assert (beside.fixes, beside.recover, list(beside.schedule())) == (False, recipe.recover, list(recipe.schedule()))
    assert passes(preset) == Passes(scorings=0, looks=4, epochs=600, readings=3)


def test_with_a_list_of_ratios_every_step_of_a_preset_is_a_candidate_of_one_way():
    ratios = [round(0.05 * step, 2) for step in range(1, 21)]
    step, control = parse({"preset": "fairquantize-isic2019", "ratio": ratios}).shrink
    assert [len(one.candidates()) for one in (step, control)] == [20, 20]
    assert passes(step) == Passes(scorings=20, looks=21, epochs=400)
    assert passes(control) == Passes(scorings=0, looks=21, epochs=400)


def test_every_preset_is_tested():
    assert set(PRESETS) == {
        f"{method}-{data}"
        for method in ("fairprune", "fairquantize", "obd", "scp")
        for data in ("fitzpatrick17k", "isic2019")
    }


def test_keys_that_are_written_win_over_the_preset_and_the_preset_over_the_defaults():
    step = parse(
        {"preset": "fairprune-isic2019", "beta": [0.1, 0.4], "batch": 8}, shrink_defaults={"samples": 3, "batch": 2}
    ).shrink[0]
    assert (step.settings["beta"], step.settings["ratio"]) == ((0.1, 0.4), (0.5,))
    assert (step.samples, step.batch) == (12_800, 8)


def test_what_was_filled_in_is_written_down_and_reads_back():
    experiment = parse({"preset": "fairprune-isic2019"})
    written = tomllib.loads(experiment.text())["shrink"][0]
    assert (written["preset"], written["ratio"], written["beta"], written["step"]) == (
        "fairprune-isic2019",
        0.5,
        0.2,
        0.1,
    )
    assert (written["samples"], written["batch"]) == (12_800, 64)
    assert parse_experiment(tomllib.loads(experiment.text()), "again") == experiment


def test_a_preset_is_the_same_experiment_as_its_settings_written_out():
    assert parse({"preset": "obd-isic2019"}).digest() == parse(PRESETS["obd-isic2019"]).digest()
    assert parse({"preset": "obd-isic2019"}).digest() != parse({"preset": "obd-fitzpatrick17k"}).digest()


def test_the_command_line_overrides_it(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text('[data]\nsource = "lesions"\n[[shrink]]\npreset = "fairprune-isic2019"\n')
    step = load_experiment(path, ["shrink.0.beta=0.7", "shrink.0.samples=all"]).shrink[0]
    assert (step.settings["beta"], step.settings["ratio"], step.samples) == ((0.7,), (0.5,), "all")
    other = load_experiment(path, ["shrink.0.preset=obd-isic2019"]).shrink[0]
    assert (other.method, other.name) == ("obd", "obd")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            {"preset": "fairprune-isic"},
            r"no preset called 'fairprune-isic'. Did you mean 'fairprune-isic2019'\?",
        ),
        ({"preset": 3}, "there is no preset called 3"),
        (
            {"preset": "obd-isic2019", "method": "fairprune"},
            "the preset 'obd-isic2019' is for the method 'obd', but method is 'fairprune'. Leave one of them out",
        ),
        ({"preset": "obd-isic2019", "beta": 0.1}, "obd has no setting 'beta'"),
    ],
)
def test_a_preset_that_cannot_be_used(step, message):
    with pytest.raises(ConfigError, match=message):
        parse(step)

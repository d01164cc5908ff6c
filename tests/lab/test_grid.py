"""Settings of the methods as an experiment writes them."""

import tomllib

import pytest

from fairshrink.compress.contrasts import pooled, weighted
from fairshrink.compress.criteria import Saliency
from fairshrink.compress.methods import fairprune, obd
from fairshrink.errors import ConfigError
from fairshrink.lab.config import parse_experiment
from fairshrink.lab.settings import ShrinkSettings


def step(**settings) -> ShrinkSettings:
    given = {"data": {"source": "lesions"}, "shrink": [{"method": "fairprune"} | settings]}
    experiment = parse_experiment(given, "test.toml")
    assert parse_experiment(tomllib.loads(experiment.text()), "again") == experiment
    return experiment.shrink[0]


def recipes(**settings) -> list:
    found = step(**settings)
    return [found.recipe(candidate) for candidate in found.candidates()]


@pytest.mark.parametrize(
    "settings",
    [
        {"ranking": "layer"},
        {"include": "all"},
        {"columns": 2.0},
        {"gradient": True},
        {"norms": "reestimate"},
        {"max_f1_loss": 0.02},
        {"target": 0.1, "metric": "eodd"},
        {"leave": "classifier"},
        {"leave": ("classifier", "features.0")},
        {"weights": (1.0, -0.2)},
    ],
)
def test_every_setting_of_the_method_passes_through(settings):
    written = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
    assert recipes(**written) == [fairprune(**settings)]
    assert fairprune(**settings) != fairprune()


def test_obd_in_steps():
    assert recipes(method="obd", step=0.1, ratio=0.3) == [obd(0.3, 0.1)]
    assert recipes(method="obd", ratio=0.3)[0].criterion == Saliency(pooled)


def test_lists_of_names_and_truths_make_a_grid():
    assert [r.ranking for r in recipes(ranking=["global", "layer"])] == ["global", "layer"]
    assert [r.criterion.gradient for r in recipes(gradient=[False, True])] == [False, True]


def test_a_setting_that_is_a_list_makes_a_grid_by_a_list_of_lists():
    assert [r.leave for r in recipes(leave=["a", "b"])] == [("a", "b")]
    assert [r.leave for r in recipes(leave=[["a", "b"], ["c"]])] == [("a", "b"), ("c",)]
    contrasts = [r.criterion.contrast for r in recipes(weights=[[1, -0.5], [1, -0.2]])]
    assert contrasts == [weighted((1.0, -0.5)), weighted((1.0, -0.2))]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ranking": "globl"}, r"ranking is 'globl'.*Did you mean 'global'\?"),
        ({"include": "al"}, r"include is 'al'.*Did you mean 'all'\?"),
        ({"norms": "re-estimate"}, r"norms is 're-estimate'.*Did you mean 'reestimate'\?"),
        ({"gradient": "yes"}, "gradient is 'yes', but true or false is expected"),
        ({"gradient": 1}, "gradient is 1, but true or false is expected"),
        ({"ratio": True}, "ratio is True, but a number is expected"),
        ({"columns": "2"}, "columns is '2', but a number is expected"),
        ({"leave": 3}, "leave is 3, but a text or a list is expected"),
        ({"leave": []}, "leave is an empty list"),
        ({"weights": [1, "a"]}, r"weights is \[1, 'a'\], but a number is expected"),
        ({"weights": {"0": 1.0}}, r"weights is \{'0': 1.0\}, but a list is expected"),
        ({"samples": "al"}, "shrink.0.samples: it is 'al', but a whole number from 1 on, or \"all\", is expected"),
        ({"samples": 0}, "shrink.0.samples: it is 0, but a whole number"),
        ({"batch": 0}, "shrink.0.batch is 0, but 1 or more is expected"),
        ({"choose_over": "foldes"}, "shrink.0.choose_over is 'foldes', but 'fold' or 'folds' is expected"),
        ({"chose_over": "folds"}, r"fairprune has no setting 'chose_over'. Did you mean 'choose_over'\?"),
        ({"max_f1_los": 0.1}, r"no setting 'max_f1_los'. Did you mean 'max_f1_loss'\?"),
        ({"choose": "gap:eopp1"}, "needs how far macro F1 may fall"),
    ],
)
def test_what_cannot_be_used_is_said(settings, message):
    with pytest.raises(ConfigError, match=message):
        step(**settings)

import ast
import inspect

import pytest

from fairshrink.compress import methods
from fairshrink.compress.contrasts import Favour, Weighted, pooled
from fairshrink.compress.criteria import Saliency
from fairshrink.compress.recover import reestimate
from fairshrink.compress.stopping import F1Lost, FirstOf, GapReached, never
from fairshrink.errors import ConfigError


def test_a_method_only_chooses_parts():
    tree = ast.parse(inspect.getsource(methods))
    assert not [
        node for node in ast.walk(tree) if isinstance(node, (ast.If, ast.IfExp, ast.For, ast.While, ast.BoolOp))
    ]


def test_obd_is_pooled_and_one_shot():
    recipe = methods.obd(0.5)
    assert recipe.criterion == Saliency(pooled)
    assert list(recipe.schedule()) == [0.5]


def test_obd_may_go_in_steps():
    assert list(methods.obd(0.5, 0.25).schedule()) == [0.25, 0.5]


def test_fairprune_has_the_papers_defaults():
    recipe = methods.fairprune()
    assert recipe.criterion == Saliency(Favour(1 / 3))
    assert len(list(recipe.schedule())) == 7
    assert recipe.stop is never
    assert recipe.recover is None
    assert (recipe.ranking, recipe.include, recipe.leave) == ("global", "weights", ())


@pytest.mark.parametrize("method", [methods.obd, methods.fairprune])
def test_every_setting_reaches_its_part(method):
    recipe = method(0.4, ranking="layer", include="all", leave="fc", columns=2.0, gradient=True, norms="reestimate")
    assert (recipe.criterion.columns, recipe.criterion.gradient) == (2.0, True)
    assert (recipe.ranking, recipe.include, recipe.leave) == ("layer", "all", ("fc",))
    assert recipe.recover is reestimate
    assert list(recipe.schedule())[-1] == 0.4


def test_the_settings_of_fairprune_reach_their_parts():
    recipe = methods.fairprune(target=0.1, metric="eodd", max_f1_loss=0.02, weights=(1.0, -1.0))
    assert recipe.stop == FirstOf((GapReached("eodd", 0.1), F1Lost(0.02)))
    assert recipe.criterion == Saliency(Weighted((1.0, -1.0)))
    assert methods.fairprune(beta=0.2).criterion == Saliency(Favour(0.2))
    assert list(methods.fairprune(0.3, step=0.1).schedule()) == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ranking": "local"}, "ranking is 'local', but there is no such choice"),
        ({"include": "biases"}, "include is 'biases', but there is no such choice"),
        ({"norms": "fresh"}, "norms is 'fresh', but there is no such choice"),
    ],
)
@pytest.mark.parametrize("method", [methods.obd, methods.fairprune])
def test_a_setting_that_does_not_exist_is_refused_at_once(method, settings, message):
    with pytest.raises(ConfigError, match=message):
        method(**settings)

import ast
import inspect

from fairshrink.compress import methods
from fairshrink.compress.criteria import Favour, Saliency, pooled
from fairshrink.compress.stopping import never


def test_a_method_only_chooses_parts():
    tree = ast.parse(inspect.getsource(methods))
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.If, ast.IfExp, ast.For, ast.While))]


def test_obd_is_pooled_and_one_shot():
    recipe = methods.obd(0.5)
    assert recipe.criterion == Saliency(pooled)
    assert list(recipe.schedule()) == [0.5]


def test_fairprune_has_the_papers_defaults():
    recipe = methods.fairprune()
    assert recipe.criterion == Saliency(Favour(1 / 3))
    assert len(list(recipe.schedule())) == 7
    assert recipe.stop is never

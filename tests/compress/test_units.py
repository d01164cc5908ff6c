import pytest
from torch import nn
from torch.nn.utils import parametrizations, prune

from fairshrink.compress.units import compressible
from fairshrink.errors import ModelError
from toys import toy_model


def test_conv_and_linear_weights_in_the_models_order():
    assert list(compressible(toy_model())) == ["0.weight", "4.weight"]


def test_a_single_layer_is_a_model():
    assert list(compressible(nn.Linear(2, 2))) == ["weight"]


def test_a_model_with_nothing_to_shrink_is_refused():
    with pytest.raises(ModelError, match=r"\(ReLU\) has no convolution and no linear layer"):
        compressible(nn.ReLU())


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: parametrizations.weight_norm(layer),
        lambda layer: prune.l1_unstructured(layer, "weight", 0.3),
    ],
)
def test_weights_that_are_worked_out_from_others_are_refused_by_name(change):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    change(model[1])
    with pytest.raises(ModelError, match="the weight of layer '1' is worked out from other parameters"):
        compressible(model)

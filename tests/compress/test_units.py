import pytest
from torch import nn

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

import pytest
import torch
from torch.testing import assert_close

from fairshrink.errors import ModelError
from fairshrink.maths.factors import softmax_factor
from fairshrink.maths.tasks import classify


def test_classify_is_the_mean_cross_entropy_and_the_largest_logit():
    logits, y = torch.tensor([[1.0, 3.0], [2.0, 0.0]]), torch.tensor([1, 1])
    p = logits.softmax(1)
    assert_close(classify.loss(logits, y), -(p[0, 1].log() + p[1, 1].log()) / 2)
    assert classify.predict(logits).tolist() == [1, 0]
    assert classify.factor is softmax_factor


def test_classify_wants_logits():
    with pytest.raises(ModelError, match=r"outputs of shape \(3,\)"):
        classify.predict(torch.zeros(3))
    with pytest.raises(ModelError, match="returns tuple"):
        classify.loss((torch.zeros(3, 2),), torch.zeros(3, dtype=torch.int64))

"""A user's own model and DataLoader: items are an input, a class and a group."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from fairshrink import GroupBatch, Splits, compress, fairprune, ggn_diagonal
from fairshrink.errors import DataError
from fairshrink.train.evaluate import evaluate, predict
from toys import toy_batches, toy_model, unchecked


def dataset(seed: int) -> TensorDataset:
    batches = toy_batches(seed, samples=60)
    return TensorDataset(*(torch.cat([getattr(b, part) for b in batches]) for part in "xyg"))


def loader(seed: int, shuffle: bool = False) -> DataLoader:
    return DataLoader(dataset(seed), batch_size=16, shuffle=shuffle, generator=torch.Generator().manual_seed(0))


def as_batches(data: DataLoader) -> list[GroupBatch]:
    return [GroupBatch(*parts) for parts in data]


@pytest.mark.parametrize("settings", [{}, {"columns": 1.0}, {"norms": "reestimate", "gradient": True}], ids=str)
def test_a_plain_loader_is_as_good_as_group_batches(settings):
    recipe = fairprune(0.2, step=0.1, **settings)
    one = compress(toy_model(), Splits(loader(1), loader(2)), recipe)
    two = compress(toy_model(), Splits(as_batches(loader(1)), as_batches(loader(2)), []), recipe)
    for a, b in zip(one.model.state_dict().values(), two.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert one.steps[-1].counts.counts.tolist() == two.steps[-1].counts.counts.tolist()


def test_tuples_in_a_list_will_do_everywhere():
    model, tuples = toy_model(), [tuple(parts) for parts in loader(1)]
    one, two = (ggn_diagonal(model, batches, num_groups=2)[0] for batches in (tuples, as_batches(loader(1))))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert (predict(model, tuples).prob == predict(model, as_batches(loader(1))).prob).all()
    assert evaluate(model, tuples, num_groups=2, num_classes=3).counts.sum() == 58


def test_a_shuffled_loader_is_refused_where_it_is_read_twice():
    data = Splits(loader(1, shuffle=True), loader(2))
    with pytest.raises(
        DataError, match="another order, number or form the second time(.|\n)*Turn shuffling and augmentation off"
    ):
        compress(toy_model(), data, fairprune(0.2, columns=1.0))
    done = compress(toy_model().double(), data, fairprune(0.2))
    fixed = compress(toy_model().double(), Splits(loader(1), loader(2)), fairprune(0.2))
    assert all(torch.equal(mask, fixed.frozen.mask[name]) for name, mask in done.frozen.mask.items())


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([torch.zeros(2, 2), torch.zeros(2)], r"is a list of 2 parts \(Tensor, Tensor\), but(.|\n)*end with its group"),
        ([torch.zeros(2, 2), torch.zeros(2), ("m", "f")], r"of 3 parts \(Tensor, Tensor, tuple\)"),
        ([torch.zeros(2)] * 5, r"of 5 parts \(Tensor, Tensor, Tensor, Tensor, \.\.\.\)"),
        ({"x": torch.zeros(2)}, r"batch 0 is a dict, but a GroupBatch\(x, y, g\) is expected, or three tensors"),
    ],
)
def test_other_batches_are_refused_by_what_they_are(batch, message):
    with pytest.raises(DataError, match=message):
        compress(toy_model(), unchecked([batch], [batch]), fairprune(0.2))

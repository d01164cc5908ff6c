from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from data.pictures import manifest_of, picture
from fairshrink.data.dataset import open_dataset
from fairshrink.data.loader import Loader
from fairshrink.data.normalise import IMAGENET, Normalisation
from fairshrink.errors import ConfigError, DataError
from fairshrink.maths.sharing import Share
from fairshrink.types import GroupBatch

COUNT = 61


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    label = ["b" if row % 10 == 0 else "a" for row in range(COUNT)]
    sex = ["" if row % 7 == 0 else "female" if row % 5 == 0 else "male" for row in range(COUNT)]
    toy = manifest_of(COUNT, label=label, sex=sex, side=[["left", "right"][row % 2] for row in range(COUNT)])
    return open_dataset(toy, size=16, groups=["sex", "side"], cache=tmp_path_factory.mktemp("cache"))


def together(batches):
    batches = list(batches)
    return GroupBatch(*(torch.cat([getattr(batch, name) for batch in batches]) for name in "xyg"))


def rows_of(batches, data):
    """Which rows came, by their pixels."""
    known = {data.images[row].tobytes(): row for row in range(len(data))}
    x = together(batches).x * torch.tensor(IMAGENET.std).view(3, 1, 1) + torch.tensor(IMAGENET.mean).view(3, 1, 1)
    return [known[image.tobytes()] for image in (255 * x).round().byte().permute(0, 2, 3, 1).numpy()]


def test_batches_hold_normalised_pixels_classes_and_groups(data):
    loader = Loader(data, np.arange(5, 15), batch_size=4)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert [len(batch.x) for batch in batches] == [4, 4, 2]
    assert (batches[0].x.shape, batches[0].x.dtype) == ((4, 3, 16, 16), torch.float32)
    assert (batches[0].y.dtype, batches[0].g.dtype) == (torch.int64, torch.int64)
    expected = (picture(5, 16) / 255 - np.array(IMAGENET.mean)) / np.array(IMAGENET.std)
    assert np.abs(batches[0].x[0].permute(1, 2, 0).numpy() - expected).max() < 1e-5
    whole = together(batches)
    assert whole.y.tolist() == [0] * 5 + [1] + [0] * 4
    assert whole.g.tolist() == data.attribute("sex").codes[5:15].tolist()
    assert -1 in whole.g.tolist()


def test_inputs_are_normalised_as_asked(data):
    own = Normalisation((0.5, 0.4, 0.3), (0.5, 0.25, 1.0))
    (batch,) = Loader(data, [3], normalisation=own)
    expected = (picture(3, 16) / 255 - np.array(own.mean)) / np.array(own.std)
    assert np.abs(batch.x[0].permute(1, 2, 0).numpy() - expected).max() < 1e-5


def test_the_groups_are_those_of_the_attribute_that_is_asked_for(data):
    assert together(Loader(data, range(4), attribute="side")).g.tolist() == [0, 1, 0, 1]
    assert together(Loader(replace(data, attributes={}), range(4))).g.tolist() == [-1] * 4


def test_iterating_again_gives_the_same_again(data):
    loader = Loader(data, range(COUNT), shuffle=True, augment=["flip", "rotate"], batch_size=8, seed=2)
    for one, other in [(loader, loader), (loader, loader.epoch(0)), (loader.epoch(3), loader.epoch(3))]:
        assert torch.equal(together(one).x, together(other).x)
    assert not torch.equal(together(loader).y, together(loader.epoch(1)).y)
    assert not torch.equal(together(loader).x, together(Loader(data, range(COUNT), shuffle=True, batch_size=8)).x)


@pytest.mark.parametrize("sampler", ["plain", "class-balanced", "group-balanced"])
@pytest.mark.parametrize("augment", [(), ("flip", "rotate", "scale", "autoaugment")])
def test_batch_size_changes_nothing_but_the_cuts(data, sampler, augment):
    settings = {"shuffle": True, "augment": augment, "sampler": sampler, "seed": 1}
    one, other = (together(Loader(data, range(COUNT), batch_size=size, **settings).epoch(2)) for size in (7, 32))
    assert torch.equal(one.y, other.y)
    assert torch.equal(one.g, other.g)
    assert torch.equal(one.x, other.x)


def test_a_sample_is_augmented_alike_among_other_samples_in_another_order(data):
    augment = ["flip", "rotate", "scale", "autoaugment"]
    whole = together(Loader(data, range(COUNT), augment=augment, seed=4).epoch(1)).x
    some = together(Loader(data, [40, 3, 17], augment=augment, seed=4).epoch(1)).x
    assert torch.equal(whole[[40, 3, 17]], some)


def test_every_image_comes_once_an_epoch_in_an_order_of_its_own(data):
    loader = Loader(data, range(COUNT), shuffle=True, batch_size=9)
    orders = [rows_of(loader.epoch(epoch), data) for epoch in range(3)]
    assert all(sorted(order) == list(range(COUNT)) for order in orders)
    assert len({tuple(order) for order in [list(range(COUNT)), *orders]}) == 4
    assert rows_of(Loader(data, range(COUNT)), data) == list(range(COUNT))
    twice = rows_of(Loader(data, [*range(COUNT), *range(COUNT)], shuffle=True), data)  # up-sampled by the caller
    assert sum(one == other for one, other in pairwise(twice)) < 10


def test_a_last_batch_of_one_joins_the_batch_before_it_in_training_only(data):
    def sizes(count, **settings):
        loader = Loader(data, range(count), batch_size=4, **settings)
        assert len(loader) == len(list(loader))
        return [len(batch.x) for batch in loader]

    assert sizes(9, shuffle=True) == [4, 5]
    assert sizes(9, sampler="class-balanced") == [4, 5]
    assert sizes(9) == [4, 4, 1]
    assert sizes(8, shuffle=True) == [4, 4]
    assert sizes(1, shuffle=True) == [1]
    assert [len(batch.x) for batch in Loader(data, range(3), batch_size=1, shuffle=True)] == [1, 1, 1]


def test_balanced_samplers_draw_evenly_with_replacement(data):
    many = np.tile(np.arange(COUNT), 20)
    by_class = together(Loader(data, many, sampler="class-balanced", batch_size=500))
    assert len(by_class.y) == len(many)
    assert abs(by_class.y.float().mean() - 0.5) < 0.06
    by_group = together(Loader(data, many, sampler="group-balanced", batch_size=500))
    assert by_group.g.min() == 0  # unknown groups are not drawn
    assert abs(by_group.g.float().mean() - 0.5) < 0.06
    assert len(set(rows_of([by_class], data))) == COUNT  # every image has its turn
    loader = Loader(data, range(COUNT), sampler="class-balanced")
    assert rows_of(loader.epoch(0), data) != rows_of(loader.epoch(1), data)


def test_an_image_drawn_twice_is_augmented_anew(data):
    one_class = np.flatnonzero(data.labels == 1)[:2]
    x = together(Loader(data, np.tile(one_class, 4), sampler="class-balanced", augment=["rotate"])).x
    assert len({image.numpy().tobytes() for image in x}) == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampler": "balanced"}, r"there is no sampler 'balanced'\. Did you mean '(class|group)-balanced'\?"),
        ({"attribute": "age"}, r"there is no attribute 'age'"),
        ({"augment": ["flop"]}, r"there is no augmentation 'flop'\. Did you mean 'flip'\?"),
        ({"batch_size": 0}, r"batch_size is 0 and seed 0: at least 1 and 0 are expected"),
        ({"seed": -1}, r"batch_size is 128 and seed -1"),
    ],
)
def test_settings_that_cannot_be_used_say_what_can(data, settings, message):
    with pytest.raises(ConfigError, match=message):
        Loader(data, range(4), **settings)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"a loader needs a list of rows, but got the shape \(0,\)\. Is a split empty\?"),
        ([[1, 2]], r"got the shape \(1, 2\)"),
        ([0, 61, -1], r"2 rows are outside 0 to 60, such as 61"),
        (np.ones(COUNT, dtype=bool), r"rows are bool, but integers were expected\. From a mask"),
    ],
)
def test_rows_that_are_not_there_are_refused(data, rows, message):
    with pytest.raises(DataError, match=message):
        Loader(data, rows)


def test_groups_cannot_be_balanced_where_none_is_known(data):
    with pytest.raises(DataError, match="sampler 'group-balanced' needs rows of a known group"):
        Loader(data, [0, 7, 14], sampler="group-balanced")


@pytest.mark.parametrize("count", [2, 3, 40])
@pytest.mark.parametrize("sampler", ["plain", "class-balanced", "group-balanced"])
def test_processes_see_every_image_once_as_one_process_sees_it(data, sampler, count):
    loader = Loader(data, np.arange(COUNT), batch_size=8, shuffle=True, augment=["flip"], sampler=sampler, seed=3)
    shares = [list(loader.portions(1, Share(rank, count))) for rank in range(count)]
    for place, whole in enumerate(loader.epoch(1)):
        parts = [share[place] for share in shares]
        assert {part.whole for part in parts} == {len(whole.y)}
        seen = together(part.batch for part in parts)
        assert sorted(row.tobytes() for row in seen.x.numpy()) == sorted(row.tobytes() for row in whole.x.numpy())
        assert sorted(zip(seen.y.tolist(), seen.g.tolist(), strict=True)) == sorted(
            zip(whole.y.tolist(), whole.g.tolist(), strict=True)
        )

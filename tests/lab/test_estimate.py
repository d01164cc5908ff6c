import pytest
import torch
from torch import nn

from fairshrink.lab.estimate import Pace, Sizes, kept_for_backward, scorings, split_sizes, stage_seconds, weigh
from fairshrink.models.backbones import build
from tiny import tiny

SIZES = Sizes(train=90, val=30, test=30, classes=5, groups=2)
PACE = Pace(decode=1.0, train=10.0, predict=1.0, score=100.0, pick=5.0)


def test_training_is_epochs_and_looks_at_validation_and_test():
    assert stage_seconds(tiny(), 0, SIZES, PACE) == 2 * (90 * 10 + 30) + 30 + 30


def test_a_checkpoint_costs_only_looks():
    assert stage_seconds(tiny(model={"checkpoint": "x.pt"}), 0, SIZES, PACE) == 60


def test_one_shot_pruning_is_one_scoring():
    assert stage_seconds(tiny(), 1, SIZES, PACE) == 12 * 100 + 5 + 2 * 30 + 30


def test_every_candidate_and_step_is_scored_and_looked_at():
    assert scorings(tiny().shrink[1]) == 4
    assert stage_seconds(tiny(), 2, SIZES, PACE) == 4 * (12 * 100 + 5) + 6 * 30 + 30


def test_no_more_is_scored_than_there_is():
    few = SIZES._replace(train=7)
    assert stage_seconds(tiny(), 1, few, PACE) == 7 * 100 + 5 + 2 * 30 + 30


def test_folds_cost_their_number():
    one, five = (stage_seconds(tiny(data={"folds": folds}), 2, SIZES, PACE) for folds in (1, 5))
    assert five == 5 * one


@pytest.mark.parametrize(("folds", "sizes"), [(1, (60, 20, 20)), (5, (60, 20, 20)), (4, (50, 25, 25))])
def test_sizes_of_a_fold(folds, sizes):
    assert split_sizes(100, folds) == sizes


def test_disk_is_models_and_decoded_images():
    weight = weigh(tiny(), 150, SIZES)
    model = build("small_cnn", num_classes=5, size=32)
    assert weight.store == 150 * 32 * 32 * 3
    assert weight.model == 4 * sum(tensor.numel() for tensor in model.state_dict().values())
    assert weight.disk == weight.store + 3 * weight.model
    assert weight.memory > weight.store + 3 * weight.model


def test_more_images_a_batch_need_more_memory_and_a_checkpoint_less():
    small, large = (weigh(tiny(train={"batch_size": size}, shrink=[]), 150, SIZES).memory for size in (32, 512))
    assert large > small + 400 * 100_000
    assert weigh(tiny(model={"checkpoint": "x.pt"}, shrink=[]), 150, SIZES).memory < small


def test_what_a_step_keeps_is_each_layers_input():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 3, padding=1), nn.Flatten())
    assert kept_for_backward(model, 8) == 4 * (3 + 4) * 8 * 8
    assert torch.is_grad_enabled()

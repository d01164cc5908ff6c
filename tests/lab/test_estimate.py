import pytest
import torch
from torch import nn

from fairshrink.compress import criteria
from fairshrink.compress.grid import compress_grid
from fairshrink.lab.estimate import (
    Pace,
    Sizes,
    kept_for_backward,
    passes,
    scored_images,
    stage_seconds,
    trains,
    weigh,
)
from fairshrink.models.backbones import build
from tiny import tiny
from toys import toy_model, toy_splits

SIZES = Sizes(train=90, val=30, test=30, classes=5, groups=2)
PACE = Pace(decode=1.0, train=10.0, predict=1.0, score=100.0, pick=5.0)


def test_training_is_epochs_and_looks_at_validation_and_test():
    assert stage_seconds(tiny(), 0, SIZES, PACE) == 2 * (90 * 10 + 30) + 30 + 30


def test_a_checkpoint_costs_only_looks():
    assert stage_seconds(tiny(model={"checkpoint": "x.pt"}), 0, SIZES, PACE) == 60


def test_a_teacher_that_is_trained_first_is_one_more_training():
    mfd = {"objective": "mfd"}
    assert stage_seconds(tiny(train=mfd), 0, SIZES, PACE) == 2 * 2 * (90 * 10 + 30) + 30 + 30
    plain = stage_seconds(tiny(), 0, SIZES, PACE)
    assert stage_seconds(tiny(train=mfd | {"teacher": "runs/vanilla"}), 0, SIZES, PACE) == plain


def test_the_heads_of_exits_weigh_something():
    plain, exits = (weigh(tiny(model=model), 150, SIZES) for model in ({}, {"exits": "auto"}))
    assert exits.model - plain.model == 4 * 5 * (32 + 64 + 128 + 3)  # a bias for each class


def test_one_shot_pruning_is_one_scoring():
    assert stage_seconds(tiny(), 1, SIZES, PACE) == 12 * 100 + 5 + 2 * 30 + 30


def test_what_candidates_share_is_scored_and_looked_at_once():
    assert passes(tiny().shrink[1]).scorings == 3  # the start for both, then one more for each beta
    assert stage_seconds(tiny(), 2, SIZES, PACE) == 3 * 12 * 100 + 4 * 5 + 5 * 30 + 30


FAIR = {"method": "fairprune", "step": 0.1, "ratio": 0.3}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (3, 4)),
        ({"ratio": [0.1, 0.2, 0.3]}, (3, 4)),  # one way
        ({"ratio": [0.1, 0.2, 0.3, 0.4]}, (4, 5)),  # though 3 * 0.1 is not 0.3
        ({"beta": [0.0, 0.5]}, (5, 7)),  # one start, two ways
        ({"beta": [0.0, 0.5], "ratio": [0.1, 0.3]}, (5, 7)),
        ({"ranking": ["global", "layer"]}, (5, 7)),
        ({"step": [0.1, 0.3]}, (3, 5)),  # the start in common
        ({"columns": [1, 2]}, (6, 8)),  # nothing in common
        ({"max_f1_loss": [0.01, 0.02]}, (3, 4)),
        ({"norms": "reestimate", "ratio": [0.1, 0.3]}, (3, 4)),
    ],
)
def test_an_upper_bound_of_passes(settings, expected):
    assert passes(tiny(shrink=[FAIR | settings]).shrink[0]) == (*expected, 0, 0)


QUANTIZE = {"method": "fairquantize", "step": 0.25, "control": False}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"ratio": [0.25, 0.5, 1.0], "epochs": 3}, (4, 5, 12)),  # one way
        ({"ratio": [0.5, 1.0], "beta": [0.3, 1.0]}, (8, 10, 8)),  # two ways from the start
        ({"ratio": [0.5, 1.0], "beta": [0.3, 1.0], "epochs": 0}, (7, 9, 0)),
        ({"ratio": 0.5, "epochs": [0, 1]}, (4, 6, 2)),
        ({"ratio": 1.0, "select": "random"}, (0, 5, 4)),
        ({"ratio": [0.3, 0.5]}, (4, 6, 4)),  # 0.25 and 0.3 are no part of the way to 0.5
    ],
)
def test_what_is_trained_is_counted(settings, expected):
    assert passes(tiny(shrink=[QUANTIZE | settings]).shrink[0]) == (*expected, 0)


SCP = {"method": "scp", "control": False}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (0, 4, 6, 3)),
        ({"iterations": [1, 2, 3], "fine_tune": 1}, (0, 4, 3, 3)),  # one way
        ({"channel_ratio": [0.02, 0.05]}, (0, 8, 12, 6)),
        ({"take": ["fate", "last"], "stop": "none"}, (0, 8, 12, 6)),  # where it ends may differ
        ({"select": ["entanglement", "random"]}, (0, 8, 12, 3)),
        ({"fine_tune": 0}, (0, 4, 0, 3)),
        ({"select": "none"}, (0, 4, 6, 0)),
    ],
)
def test_channels_are_read_forward_only(settings, expected):
    assert passes(tiny(shrink=[SCP | settings]).shrink[0]) == expected


def test_channels_may_be_scored_by_curvature_too():
    step = {"method": "fairprune_channels", "control": False, "ratio": [0.1, 0.2], "step": 0.1}
    assert passes(tiny(shrink=[step]).shrink[0]) == (2, 3, 2, 0)
    assert passes(tiny(shrink=[step | {"epochs": 0, "beta": [0.0, 0.5]}]).shrink[0]) == (4, 6, 0, 0)


def test_a_reading_costs_a_forward_pass_of_all_images_and_memory_to_compare_them():
    experiment = tiny(shrink=[SCP | {"samples": "all"}])
    assert stage_seconds(experiment, 1, SIZES, PACE) == 3 * 90 * 1 + 3 * 5 + 6 * 90 * 10 + 4 * 30 + 30
    reading, none = (weigh(tiny(shrink=[SCP | {"select": way}]), 150, SIZES).memory for way in ("entanglement", "none"))
    assert reading > none + 2**27


def test_a_checkpoint_is_trained_on_where_a_step_retrains():
    checkpoint = {"model": {"checkpoint": "x.pt"}, "train": {"batch_size": 512}}
    assert trains(tiny(shrink=[]))
    assert not trains(tiny(**checkpoint))
    assert not trains(tiny(**checkpoint, shrink=[QUANTIZE | {"epochs": 0}]))
    assert trains(tiny(**checkpoint, shrink=[QUANTIZE]))
    idle, trained = (tiny(**checkpoint, shrink=[QUANTIZE | {"epochs": epochs}]) for epochs in (0, 1))
    assert weigh(trained, 150, SIZES).memory > weigh(idle, 150, SIZES).memory


def test_a_control_trains_and_scores_nothing():
    experiment = tiny(shrink=[QUANTIZE | {"control": True}])
    assert passes(experiment.shrink[1]) == (0, 5, 4, 0)
    assert stage_seconds(experiment, 2, SIZES, PACE) == 4 * 90 * 10 + 4 * 5 + 5 * 30 + 30


def test_a_grid_makes_no_more_passes_than_that(monkeypatch):
    made = []
    count = criteria.curvature
    monkeypatch.setattr(criteria, "curvature", lambda *given, **named: made.append(1) or count(*given, **named))
    step = tiny(shrink=[FAIR | {"beta": [0.0, 0.5], "ratio": [0.1, 0.3], "step": [0.1, 0.15]}]).shrink[0]
    compress_grid(toy_model(), toy_splits(), [step.recipe(candidate) for candidate in step.candidates()])
    assert 0 < len(made) <= passes(step).scorings < 12


def test_all_samples_are_all_there_are():
    step = tiny(shrink=[FAIR | {"samples": "all"}]).shrink[0]
    assert scored_images(step, SIZES) == 90


def test_fewer_columns_cost_less():
    exact, few = (stage_seconds(tiny(shrink=[FAIR | columns]), 1, SIZES, PACE) for columns in ({}, {"columns": 1.0}))
    assert few == exact - 3 * 12 * 100 / 2
    assert stage_seconds(tiny(shrink=[FAIR | {"columns": 9.0}]), 1, SIZES, PACE) == exact


def test_larger_scoring_batches_need_more_memory():
    small, large = (weigh(tiny(shrink=[FAIR | {"batch": size}]), 150, SIZES).memory for size in (2, 512))
    assert large > small


def test_no_more_is_scored_than_there_is():
    few = SIZES._replace(train=7)
    assert stage_seconds(tiny(), 1, few, PACE) == 7 * 100 + 5 + 2 * 30 + 30


def test_folds_cost_their_number():
    one, five = (stage_seconds(tiny(data={"folds": folds}), 2, SIZES, PACE) for folds in (1, 5))
    assert five == 5 * one


def test_disk_is_models_and_decoded_images():
    weight = weigh(tiny(), 150, SIZES)
    model = build("small_cnn", num_classes=5, size=32)
    assert weight.store == 150 * 32 * 32 * 3
    assert weight.model == 4 * sum(tensor.numel() for tensor in model.state_dict().values())
    assert weight.disk == weight.store + (3 + 2) * weight.model  # and the two candidates of a grid, until one is chosen
    assert weight.memory > weight.store + 3 * weight.model


def test_a_choice_over_folds_keeps_the_candidates_of_all_folds_for_a_while():
    grid = FAIR | {"beta": [0.0, 0.5]}
    one, all_ = (
        weigh(tiny(data={"folds": 3}, shrink=[grid | {"choose_over": over}]), 150, SIZES) for over in ("fold", "folds")
    )
    assert (all_.disk - one.disk) == 4 * one.model


def test_more_images_a_batch_need_more_memory_and_a_checkpoint_less():
    small, large = (weigh(tiny(train={"batch_size": size}, shrink=[]), 150, SIZES).memory for size in (32, 512))
    assert large > small + 400 * 100_000
    assert weigh(tiny(model={"checkpoint": "x.pt"}, shrink=[]), 150, SIZES).memory < small


def test_what_a_step_keeps_is_each_layers_input():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 3, padding=1), nn.Flatten())
    assert kept_for_backward(model, 8) == 4 * (3 + 4) * 8 * 8
    assert torch.is_grad_enabled()

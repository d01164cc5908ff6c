"""What only shrinking would have tripped over is found before training, and by a dry run."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fairshrink.data.groups import parse_group
from fairshrink.data.splits import TEST, TRAIN, VAL
from fairshrink.errors import ConfigError, ModelError
from fairshrink.lab.data import open_source, prepare
from fairshrink.lab.foresee import check_steps, foreseen_parts
from fairshrink.lab.observer import Quiet
from fairshrink.lab.plan import plan
from fairshrink.lab.run import run
from sweeping import Lines
from tiny import tiny

GROUPS = ("tone I-III", "tone IV-VI")
FIRST = {"method": "obd"}
PAPER = {"method": "fairprune", "name": "paper"}
LEAVE = PAPER | {"leave": [["classifier"], ["classifer"]]}
EVERYTHING = PAPER | {"leave": ["features", "classifier"]}
THREE = PAPER | {"weights": [[1.0, -1.0], [1.0, -1.0, 0.0]]}
SCP = {"method": "scp", "name": "paper"}
WRONG = [
    (
        LEAVE,
        ConfigError,
        r"^\[\[shrink\]\] 2 \('paper'\): leave: the model has no layer 'classifer'.*mean 'classifier'",
    ),
    (EVERYTHING, ModelError, r"^\[\[shrink\]\] 2 \('paper'\): .* besides what leave = .* nothing to shrink"),
    (THREE | {"method": "fairprune_channels"}, ConfigError, "there are 3 weights for 2 groups"),
    (THREE, ConfigError, r"^\[\[shrink\]\] 2 \('paper'\): there are 3 weights for 2 groups"),
    (PAPER | {"unprivileged": "tone I"}, ConfigError, "unprivileged is 'tone I', which is no group of the data"),
    (
        SCP | {"layer": ["last", "features.1"]},
        ConfigError,
        r"^\[\[shrink\]\] 2 \('paper'\): layer 'features.1' is no conv",
    ),
    (SCP | {"layer": "feature.0"}, ConfigError, r"layer 'feature.0' is not in the model. Did you mean 'features.0'"),
    (SCP | {"layer": "features.0"}, ConfigError, "has 16 channels, and steps of 0.02 are too small"),
    (SCP | {"channel_ratio": 0.999, "iterations": 1}, ConfigError, "128 of them would be removed in the end"),
]


@pytest.mark.parametrize(("step", "kind", "message"), WRONG)
def test_every_candidate_of_every_step_fits_the_model_and_the_groups(step, kind, message):
    with pytest.raises(kind, match=message):
        check_steps(tiny(shrink=[FIRST, step]), 5, GROUPS)


def test_what_fits_passes():
    fits = [
        FIRST,
        PAPER | {"leave": "classifier", "weights": [1.0, -1.0], "unprivileged": GROUPS[1]},
        {"method": "scp", "layer": ["features.0", "last"], "channel_ratio": 0.1},
        {"method": "fairprune_channels", "ratio": 0.5},
    ]
    check_steps(tiny(shrink=fits), 5, GROUPS)


@pytest.mark.parametrize("step", [LEAVE, THREE])
def test_a_run_and_a_dry_run_find_it_before_training(tmp_path, step):
    experiment = tiny(shrink=[FIRST, step])
    with pytest.raises(ConfigError, match=r"\[\[shrink\]\] 2 \('paper'\)"):
        run(experiment, tmp_path / "run", beside=tmp_path)
    assert not list((tmp_path / "run").rglob("*.safetensors"))
    with pytest.raises(ConfigError, match=r"\[\[shrink\]\] 2 \('paper'\)"):
        plan(experiment, tmp_path / "other", tmp_path, Quiet())


def table(tmp_path, **more) -> dict:
    draw = np.random.default_rng(0)
    rows = {
        "image": [f"{n}.png" for n in range(80)],
        "label": draw.choice(["a", "b"], 80),
        "sex": draw.choice(["f", "m", ""], 80),
        "person": [f"p{n // 2}" for n in range(80)],
        "split": draw.choice(["train", "val", "test"], 80),
    }
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "i").mkdir(exist_ok=True)
    for name in rows["image"]:
        Image.new("RGB", (32, 32)).save(tmp_path / "i" / name)
    return {"source": "table", "images": "i", "metadata": "t.csv", "groups": ["sex"], "count": 80, "size": 32} | more


@pytest.mark.parametrize(
    "more",
    [{}, {"folds": 3, "split_by": "person"}, {"unknown": "exclude"}, {"split_file": "t.csv", "split_by": "person"}],
)
def test_the_groups_of_the_training_part_are_those_that_the_run_has(tmp_path, more):
    data = tiny(data=table(tmp_path, **more)).data
    manifest = open_source(data, tmp_path)
    first = parse_group("sex").assign(manifest.frame, rows=manifest.file_rows, where=manifest.where)
    prepared = prepare(data, tmp_path, tmp_path / "cache", Quiet())
    there = prepared.dataset.attribute().codes[prepared.splits[0] == TRAIN]
    assert len(there) > 20
    parts = foreseen_parts(data, manifest, first, tmp_path)
    assert parts.training.tolist() == there.tolist()
    counts = [len(prepared.rows(0, part)) for part in (TRAIN, VAL, TEST)]
    assert list(parts.sizes(2, 2)) == [*counts, 2, 2]


def test_a_dry_run_counts_what_a_split_file_and_the_exclusion_leave(tmp_path):
    given = table(tmp_path, unknown="exclude", split_file="s.csv")
    rows = pd.read_csv(tmp_path / "t.csv")
    rows.loc[:69, ["image", "split"]].to_csv(tmp_path / "s.csv", index=False)
    known = rows[rows["sex"].notna()]
    listed = known[known.index < 70]
    train, val, test = ((listed["split"] == part).sum() for part in ("train", "val", "test"))
    lines = Lines()
    plan(tiny(data=given | {"missing": "exclude"}, shrink=[]), tmp_path / "other", tmp_path, lines)
    assert (
        f"parts: {train} train, {val} validate, {test} test; {80 - len(known)} are in no part, as their sex is unknown; "
        f"{len(known) - len(listed)} are in no part, as the split file does not name them"
    ) in lines.said
    assert any(f"2 epochs of {train} images" in line for line in lines.said)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"model": {"exits": ["feature.5"]}}, "tap 'feature.5' is no module of the backbone .* Near: features.5"),
        (
            {"model": {"exits": "auto"}, "train": {"exit_weights": [1]}},
            "exit_weights has 1 numbers, but .* has 4 exits",
        ),
    ],
)
def test_exits_fit_the_model(sections, message):
    with pytest.raises(ConfigError, match=message):
        check_steps(tiny(**sections, shrink=[]), 5, GROUPS)


def test_a_step_of_whole_channels_fits_a_model_with_exits():
    check_steps(tiny(model={"exits": "auto"}, shrink=[{"method": "scp", "channel_ratio": 0.1}]), 5, GROUPS)
    with pytest.raises(ConfigError, match="128 of them would be removed in the end"):
        check_steps(
            tiny(model={"exits": "auto"}, shrink=[{"method": "scp", "channel_ratio": 0.999, "iterations": 1}]),
            5,
            GROUPS,
        )

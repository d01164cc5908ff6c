import re

import pytest
import torch

from data.pictures import csv_of
from fairshrink.errors import DataError, ModelError
from fairshrink.lab import plan as planning
from fairshrink.lab.config import parse_experiment
from fairshrink.lab.estimate import Pace
from fairshrink.lab.plan import amount, duration, plan
from fairshrink.models.backbones import build
from tiny import tiny


class Listens:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def advance(self, what: str, done: int, total: int) -> None:
        pass


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """A machine that is as fast everywhere."""
    pace = Pace(decode=0.1, train=10.0, predict=1.0, score=100.0, pick=0.0)
    monkeypatch.setattr(planning, "measure", lambda *given: pace)


def test_every_stage_and_its_cost_is_said(tmp_path):
    observer = Listens()
    plan(tiny(), tmp_path / "run", tmp_path, observer)
    text = "\n".join(observer.lines)
    assert observer.lines.index("measuring this machine ...") > 0
    assert "parts: 90 train, 30 validate, 30 test" in observer.lines
    assert "150 images of 5 classes at 32 px, 0 rows left out" in text
    assert "00-train: small_cnn, 2 epochs of 90 images: 180 forward and backward" in text
    assert (
        "02-fairprune: fairprune on train, 2 settings, chosen by gap:eopp1:0.01: 3 scorings at most of 6 samples of each group"
        in text
    )
    assert "; about 32 min" in text  # 2 * (90 * 10 + 30) + 60
    assert "time left: about 1.9 h, and 15 s to decode the images" in text
    assert "(0.1 trained, 1 predicted, 0.01 scored images a second)" in text
    assert "disk: about 2 MB (decoded images 1 MB, each model 1 MB); memory: about 5" in text
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"model": {"exits": "auto"}}, "small_cnn with exits at auto, 2 epochs"),
        ({"model": {"exits": ["features.5", "pool"]}}, "small_cnn with exits at features.5, pool, 2 epochs"),
        ({"train": {"objective": "hsic"}}, "small_cnn by hsic, 2 epochs"),
        (
            {"train": {"objective": "mfd"}},
            "small_cnn by mfd and its teacher, 4 epochs of 90 images: 360 forward and backward",
        ),
    ],
)
def test_exits_and_objectives_are_said(tmp_path, sections, words):
    observer = Listens()
    plan(tiny(**sections), tmp_path / "run", tmp_path, observer)
    assert f"00-train: {words}" in "\n".join(observer.lines)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            {"method": "obd", "samples": "all"},
            "obd on train, 1 setting: 1 scorings at most of all samples of known group",
        ),
        (
            {"preset": "obd-isic2019", "samples": 2000},
            "1 setting: 1 scorings at most of 2,000 samples per group, drawn plainly",
        ),
        (
            {"method": "fairprune", "beta": [0.1, 0.2], "ratio": [0.1, 0.2], "step": 0.1},
            "4 settings, chosen by gap:soft_eopp1:0.01 over the folds: 3 scorings at most of 6 samples of each group",
        ),
        (
            {"method": "scp", "samples": "all"},
            "scp on train, 1 setting: 3 scorings at most of all samples of known group, 6 epochs of 50 images; about 2.8 h",
        ),
        (
            {"method": "scp", "select": "random"},
            "scp on train, 1 setting: 6 epochs of 50 images; about",
        ),
    ],
)
def test_what_a_step_scores_is_said(tmp_path, step, words):
    observer = Listens()
    plan(tiny(data={"folds": 3}, shrink=[step]), tmp_path / "run", tmp_path, observer)
    assert words in "\n".join(observer.lines)


def test_a_step_that_asks_for_more_images_than_there_are_is_said_at_once(tmp_path):
    observer = Listens()
    plan(tiny(shrink_defaults={"samples": 50}), tmp_path / "run", tmp_path, observer)
    short = [line for line in observer.lines if "all of these are used" in line]
    assert [line.split(", but")[0] for line in short] == [
        f"{stage}: scores are to use 50 images of each group" for stage in ("01-obd", "02-fairprune")
    ]
    assert short[1].endswith(", but the training part has 26 of 'tone IV-VI': all of these are used")


def test_the_parts_of_the_first_of_several_folds_are_said(tmp_path):
    observer = Listens()
    plan(tiny(data={"folds": 3}, shrink=[]), tmp_path / "run", tmp_path, observer)
    (said,) = (line for line in observer.lines if line.startswith("first fold: "))
    counts = [int(count) for count in re.findall(r"\d+", said)]
    assert sum(counts) == 150
    assert max(counts) - min(counts) <= 5


def test_stages_that_are_done_cost_nothing(tmp_path):
    for stage in ("00-train", "02-fairprune"):
        (tmp_path / "run" / "stages" / stage).mkdir(parents=True)
        (tmp_path / "run" / "stages" / stage / "stage.json").write_text("{}")
    observer = Listens()
    plan(tiny(), tmp_path / "run", tmp_path, observer)
    text = "\n".join(observer.lines)
    assert text.count("; done before") == 2
    assert "time left: about 22 min" in text  # 12 * 100 + 90 of obd


def test_images_that_cannot_be_decoded_leave_that_time_open(tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "measure", lambda *given: Pace(None, 10.0, 1.0, 100.0, 0.0))
    observer = Listens()
    plan(tiny(), tmp_path / "run", tmp_path, observer)
    assert "unknown (no image can be decoded) to decode" in "\n".join(observer.lines)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 s"), (89, "89 s"), (91, "2 min"), (3600, "60 min"), (5401, "1.5 h"), (90_000, "25.0 h")],
)
def test_durations_are_said_roughly(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(("size", "words"), [(3, "1 MB"), (44_800_000, "45 MB"), (1_230_000_000, "1.2 GB")])
def test_amounts_are_said_roughly(size, words):
    assert amount(size) == words


def test_a_checkpoint_takes_the_place_of_training(tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"mine.safetensors"):
        plan(tiny(model={"checkpoint": "mine.safetensors"}), tmp_path / "run", tmp_path, Listens())


def test_a_checkpoint_for_another_network_is_found(tmp_path):
    torch.save(build("small_cnn", num_classes=3, size=32).state_dict(), tmp_path / "mine.pt")
    with pytest.raises(ModelError, match=r"'classifier.weight' is \(3, 128\), the model needs \(5, 128\)"):
        plan(tiny(model={"checkpoint": "mine.pt"}), tmp_path / "run", tmp_path, Listens())


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"data": {"groups": ["tonne"]}}, "no column 'tonne'.*Did you mean 'tone'"),
        ({"data": {"split_by": "lesion"}}, "no column 'lesion'"),
        ({"data": {"split_file": "s.csv"}}, "'s.csv' is not there"),
        ({"model": {"checkpoint": "m.safetensors"}}, "'m.safetensors' is not there"),
        ({"model": {"weights": "w.pth"}}, "'w.pth' is not there"),
    ],
)
def test_what_a_run_would_trip_over_is_found(tmp_path, sections, message):
    with pytest.raises(DataError, match=message):
        plan(tiny(**sections), tmp_path / "run", tmp_path, Listens())


def test_before_the_images_are_there_the_tables_are_checked(tmp_path):
    rows = [f"p{at},{'ab'[at % 2]},{'fm'[at // 2 % 2]}" for at in range(40)]
    csv_of(tmp_path / "mine.csv", "image,label,sex", *rows)
    named = {"source": "table", "images": "to-come.zip", "metadata": "mine.csv", "size": 32}
    experiment = parse_experiment({"data": named | {"groups": ["sex"]}, "model": {"backbone": "small_cnn"}}, "x")
    observer = Listens()
    plan(experiment, tmp_path / "run", tmp_path, observer)
    text = "\n".join(observer.lines)
    assert "data: 40 images of 2 classes" in text
    assert (
        "images: not found, so only the tables were checked, as if every row had its image; a run would stop here:"
        in text
    )
    assert "'to-come.zip' is not there. Looked in" in text
    assert "8 of 40 images test: folds = 5 tests every image once" in text
    with pytest.raises(DataError, match="no column 'age'"):
        plan(parse_experiment({"data": named | {"groups": ["age"]}}, "x"), tmp_path / "run", tmp_path, Listens())

"""The experiments of the papers' tables are the papers', and pass a dry run on small made tables and on the real ones."""

import re
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

from data.pictures import csv_of
from fairshrink.data.sources.fitzpatrick_labels import LABELS, NINE, THREE
from fairshrink.data.sources.isic2019 import CLASSES
from fairshrink.lab import plan as planning
from fairshrink.lab.config import Experiment, load_experiment
from fairshrink.lab.estimate import Pace
from fairshrink.lab.grid import METHODS
from fairshrink.lab.observer import Quiet

PAPERS = Path(__file__).parents[1] / "examples" / "papers"
FILES = sorted(PAPERS.glob("*.toml"))
PARTS = ("train", "val", "test")


class Listens(Quiet):
    def __init__(self):
        self.lines = []

    def say(self, message):
        self.lines.append(message)


def named(name) -> Experiment:
    return load_experiment(PAPERS / f"{name}.toml")


@pytest.mark.parametrize("name", ["fairprune-fitzpatrick17k-vgg11", "fairprune-isic2019-vgg11"])
def test_fairprunes_training_is_the_papers(name):
    experiment = named(name)
    train = experiment.train
    assert (train.epochs, train.optimizer, train.lr, train.schedule, train.batch_size) == (
        200,
        "adam",
        1e-4,
        "step",
        256,
    )
    assert train.augment == ("flip", "rotate", "scale", "autoaugment")
    assert (experiment.model.backbone, experiment.data.size, experiment.data.unknown) == ("vgg11", 128, "exclude")


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("fairprune-fitzpatrick17k-vgg11", {"obd": (0.35, None), "fairprune": (0.35, 0.33)}),
        ("fairprune-isic2019-vgg11", {"obd": (0.5, None), "fairprune": (0.5, 0.2)}),
        ("multi-exit-isic2019-resnet18", {"fairprune": (0.5, 0.2)}),
    ],
)
def test_every_row_is_shrunk_from_the_vanilla_model_as_published(name, rows):
    steps = named(name).shrink
    assert {step.parent for step in steps} == {"train"}
    found = {step.method: step.candidates() for step in steps}
    assert {method: [(one["ratio"], one.get("beta")) for one in found[method]] for method in found} == {
        method: [settings] for method, settings in rows.items()
    }


def test_the_multi_exit_training_is_the_papers():
    experiment = named("multi-exit-isic2019-resnet18")
    train = experiment.train
    assert (train.epochs, train.optimizer, train.lr, train.batch_size) == (200, "sgd", 1e-2, 256)
    assert experiment.model.backbone == "resnet18"


def test_the_readme_names_every_file_with_its_rows():
    text = (PAPERS / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| \[([\w-]+\.toml)\]\(\1\) \|.*\| ([\w, ]+) \|$", text, re.MULTILINE))
    assert sorted(listed) == [path.name for path in FILES]
    methods = {"OBD": "obd", "FairPrune": "fairprune"}
    for path in FILES:
        vanilla, *rows = listed[path.name].split(", ")
        assert (vanilla, {methods[row] for row in rows}) == (
            "vanilla",
            {step.method for step in load_experiment(path).shrink},
        )


def test_every_published_row_of_a_method_that_exists_has_its_file():
    table = pd.read_csv(files("fairshrink.report") / "published" / "tables.csv")
    table["method"] = table["method"].str.partition("(")[0]
    here = table[table["method"].isin(["vanilla", *METHODS])]
    paper = here["paper"].str.rpartition("_")[0].str.replace("_", "-")
    wanted = (paper + "-" + here["dataset"] + "-" + here["backbone"] + ": " + here["method"]).unique()
    given = {path.stem: {"vanilla"} | {step.method for step in load_experiment(path).shrink} for path in FILES}
    assert set(wanted) == {f"{name}: {method}" for name, methods in given.items() for method in methods}


@pytest.fixture
def planned(monkeypatch):
    """What a dry run says, on a machine that is as fast everywhere."""
    monkeypatch.setattr(planning, "measure", lambda *given: Pace(None, 0.01, 0.001, 0.01, 0.1))

    def dry_run(path, folder, *overrides):
        observer = Listens()
        planning.plan(load_experiment(path, overrides), folder / "run", folder, observer)
        return "\n".join(observer.lines)

    return dry_run


def made_tables(folder):
    """Small tables with the names of the real ones, and a split of each."""
    (folder / "isic2019").mkdir()
    (folder / "fitzpatrick17k").mkdir()
    names = [f"ISIC_{at:07d}" for at in range(160)]
    people = (f"{name},{30 + 5 * (at % 10)},,,{('female', 'male')[at // 8 % 2]}" for at, name in enumerate(names))
    csv_of(
        folder / "isic2019/ISIC_2019_Training_Metadata.csv",
        "image,age_approx,anatom_site_general,lesion_id,sex",
        *people,
    )
    ones = (f"{name}," + ",".join(str(int(k == at % 8)) for k in range(8)) for at, name in enumerate(names))
    csv_of(folder / "isic2019/ISIC_2019_Training_GroundTruth.csv", f"image,{','.join(CLASSES)}", *ones)
    hashes = [f"{at:032x}" for at in range(228)]
    header = "md5hash,fitzpatrick_scale,label,nine_partition_label,three_partition_label"
    skin = (
        f"{name},{1 + at // 114 * 4},{LABELS[at % 114]},{NINE[at % 9]},{THREE[at % 3]}"
        for at, name in enumerate(hashes)
    )
    csv_of(folder / "fitzpatrick17k/fitzpatrick17k.csv", header, *skin)
    for source, ids in (("isic2019", names), ("fitzpatrick17k", hashes)):
        split = (f"{name},{PARTS[at // 4 % 3]}" for at, name in enumerate(ids))
        csv_of(folder / source / "published_split.csv", "image,split", *split)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_passes_a_dry_run_on_small_tables(path, planned, tmp_path, monkeypatch):
    made_tables(tmp_path)
    monkeypatch.setenv("FAIRSHRINK_DATA", str(tmp_path))
    said = planned(path, tmp_path, "data.size=32", "data.missing=exclude")  # 32 pixels: VGG-11 is quicker made
    assert "images: not found, so only the tables were checked" in said
    assert re.search(r"data: (160 of 25,331|228 of 16,577) images are here", said)
    assert re.search(r"00-train: (vgg11|resnet18), 200 epochs of", said)
    assert f"{len(load_experiment(path).shrink):02d}-fairprune: fairprune on train, 1 setting" in said


@pytest.mark.real
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_passes_a_dry_run_on_the_real_tables(path, planned, data_root, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRSHRINK_DATA", str(data_root))
    said = planned(path, tmp_path)
    assert re.search(r"data: (25,331 images of 8|16,577 images of 114) classes at 128 px, 0 rows left out", said)
    assert "images are here" not in said
    if "fitzpatrick17k" in path.stem:
        assert "7 scorings at most of 1,000 samples of each group" in said
    else:
        assert "5 scorings at most of 12,800 samples of each group" in said

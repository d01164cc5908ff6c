"""The experiments of the papers' tables are the papers', and pass a dry run on small made tables and on the real ones."""

import re
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

from data.pictures import csv_of
from fairshrink.compress.retraining import FineTune
from fairshrink.data.sources.fitzpatrick_labels import LABELS, NINE, THREE
from fairshrink.data.sources.isic2019 import CLASSES
from fairshrink.lab import plan as planning
from fairshrink.lab.config import Experiment, load_experiment
from fairshrink.lab.estimate import Pace
from fairshrink.lab.grid import METHODS, RETRAIN
from fairshrink.lab.observer import Quiet
from fairshrink.lab.sweep_file import load_sweep
from fairshrink.lab.twins import is_control
from fairshrink.lab.variants import variants
from fairshrink.metrics.thresholds import THETAS

PAPERS = Path(__file__).parents[1] / "examples" / "papers"
FILES = sorted(PAPERS.glob("*.toml"))
PARTS = ("train", "val", "test")
# What a dry run counts on the real tables.
COSTS = {
    "fairprune-fitzpatrick17k-vgg11": ["7 scorings at most of 1,000 samples of each group"],
    "fairprune-isic2019-vgg11": ["5 scorings at most of 12,800 samples of each group"],
    "multi-exit-isic2019-resnet18": ["5 scorings at most of 12,800 samples of each group"],
    "fairquantize-fitzpatrick17k-vgg11": [
        "4 scorings at most of all samples of known group, 80 epochs of 9,611 images",
        "80 epochs of 9,611 images",
    ],
    "fairquantize-isic2019-resnet18": [
        "16 scorings at most of all samples of known group, 320 epochs of 14,904 images",
        "320 epochs of 14,904 images",
    ],
    "scp-fitzpatrick17k-vgg11": [
        "7 scorings at most of 1,000 samples of each group",
        "3 scorings at most of all samples of known group, 600 epochs of 9,611 images",
        "600 epochs of 9,611 images",
    ],
    "scp-isic2019-resnet18": [
        "4 scorings at most of 12,800 samples of each group",
        "3 scorings at most of all samples of known group, 600 epochs of 14,904 images",
        "600 epochs of 14,904 images",
    ],
}
# The first part of a file's name, where it is not the paper's, and what a row of two methods is called.
NAMED, CHAINED = {"channel-pruning": "scp"}, {"scp_fairprune": ("fairprune", "scp")}


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
        ("fairquantize-fitzpatrick17k-vgg11", {"fairquantize": (0.2, 1.0)}),
        ("fairquantize-isic2019-resnet18", {"fairquantize": (0.8, 7 / 9)}),
    ],
)
def test_every_row_is_shrunk_from_the_vanilla_model_as_published(name, rows):
    steps = [step for step in named(name).shrink if not is_control(step)]
    assert {step.parent for step in steps} == {"train"}
    found = {step.method: step.candidates() for step in steps}
    assert {method: [(one["ratio"], one.get("beta")) for one in found[method]] for method in found} == {
        method: [settings] for method, settings in rows.items()
    }


def test_the_multi_exit_training_is_the_papers():
    experiment = named("multi-exit-isic2019-resnet18")
    train = experiment.train
    assert (train.epochs, train.optimizer, train.lr, train.batch_size) == (200, "sgd", 1e-2, 256)
    assert (train.schedule, train.step_epochs, train.step_factor) == ("step", 100, 0.1)  # the authors' code
    assert experiment.model.backbone == "resnet18"


# Guo et al. 2024: the backbones, ratios and steps of 5 % are the paper's; all else is the default of its code.
@pytest.mark.parametrize(
    ("name", "backbone", "steps"),
    [("fairquantize-fitzpatrick17k-vgg11", "vgg11", 4), ("fairquantize-isic2019-resnet18", "resnet18", 16)],
)
def test_fairquantizes_trainings_are_those_of_its_code_and_its_control_is_retrained_as_much(name, backbone, steps):
    experiment = named(name)
    train, (method, control) = experiment.train, experiment.shrink
    assert (experiment.model.backbone, experiment.data.size) == (backbone, 112)
    assert (train.epochs, train.optimizer, train.lr, train.momentum, train.batch_size) == (200, "sgd", 1e-2, 0.0, 128)
    assert (train.schedule, train.step_epochs, train.step_factor) == ("step", 20, 0.57)
    assert (control.method, control.choose, control.parent) == (RETRAIN, "as:fairquantize", "train")
    recipes = [step.recipe(step.candidates()[0]) for step in (method, control)]
    assert [recipe.fixes for recipe in recipes] == [True, False]
    assert recipes[0].recover == recipes[1].recover
    for recipe in recipes:
        assert list(recipe.schedule()) == pytest.approx([0.05 * n for n in range(1, steps + 1)])
        assert isinstance(recipe.recover, FineTune)
        how = recipe.recover.settings
        assert (how.epochs, how.optimizer, how.lr, how.momentum, how.weight_decay) == (20, "sgd", 1e-3, 0.0, 0.0)
        assert (how.schedule, how.step_epochs, how.step_factor) == ("step", 4, 0.57)


# Kong et al. 2024: the backbones, FairPrune's ratio and beta, 2 % and three iterations are the paper's.
@pytest.mark.parametrize(
    ("name", "like", "backbone"),
    [
        ("scp-fitzpatrick17k-vgg11", "fairprune-fitzpatrick17k-vgg11", "vgg11"),
        ("scp-isic2019-resnet18", "multi-exit-isic2019-resnet18", "resnet18"),
    ],
)
def test_scp_goes_on_from_fairprune_on_the_training_that_its_paper_refers_to(name, like, backbone):
    experiment = named(name)
    fairprune, scp, control = experiment.shrink
    assert experiment.train == named(like).train
    assert (experiment.data, experiment.model.backbone) == (named(like).data, backbone)
    assert (fairprune.parent, scp.parent, control.parent) == ("train", "fairprune", "fairprune")
    assert (control.choose, is_control(control)) == ("as:scp-fairprune", True)
    (pruned,), (removed,), (nothing,) = (step.candidates() for step in experiment.shrink)
    assert (pruned["ratio"], pruned["beta"]) == (0.35, 0.33)
    assert (removed["channel_ratio"], removed["iterations"], removed["fine_tune"]) == (0.02, 3, 200)
    recipes = [scp.recipe(removed), control.recipe(nothing)]
    assert [recipe.fixes for recipe in recipes] == [True, False]
    assert recipes[0].recover == recipes[1].recover


def test_the_readme_names_every_file_with_its_rows():
    text = (PAPERS / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| \[([\w-]+\.toml)\]\(\1\) \|.*\| ([\w, -]+) \|$", text, re.MULTILINE))
    assert sorted(listed) == [path.name for path in FILES]
    methods = {"OBD": "obd", "FairPrune": "fairprune", "FairQuantize": "fairquantize", "SCP-FairPrune": "scp"}
    for path in FILES:
        vanilla, *rows = listed[path.name].split(", ")
        steps = load_experiment(path).shrink
        given = {"control" if is_control(step) else step.method for step in steps}
        assert (vanilla, {methods.get(row, row) for row in rows}) == ("vanilla", given)


def test_every_published_row_of_a_method_that_exists_has_its_file():
    table = pd.read_csv(files("fairshrink.report") / "published" / "tables.csv")
    table["method"] = table["method"].str.partition("(")[0]
    here = table[table["method"].isin(["vanilla", *METHODS, *CHAINED])]
    paper = here["paper"].str.rpartition("_")[0].str.replace("_", "-").replace(NAMED)
    rows = zip(paper + "-" + here["dataset"] + "-" + here["backbone"], here["method"], strict=True)
    wanted = {f"{name}: {method}" for name, row in rows for method in CHAINED.get(row, (row,))}
    steps = {path.stem: load_experiment(path).shrink for path in FILES}
    given = {f"{name}: {step.method}" for name in steps for step in steps[name] if not is_control(step)}
    vanilla = {f"{name}: vanilla" for name in steps}  # some tables repeat other papers' vanilla rows
    assert wanted - vanilla == given
    assert {row for row in wanted if row.endswith(": vanilla")} <= vanilla


# Chiu et al. 2023: rows of Tables 1 to 3 that are other trainings of the same data.
@pytest.mark.parametrize("name", ["multi-exit-isic2019-resnet18", "multi-exit-fitzpatrick17k-vgg11"])
def test_the_multi_exit_rows_are_the_papers(name):
    runs, notes = variants(load_sweep(PAPERS / "sweeps" / f"{name}-sweep.toml").sweep, name)
    assert notes == []
    found = {run.name: run.experiment for run in runs}
    rows = {"hsic": "hsic", "mfd": "mfd", "me-vanilla": "erm", "me-hsic": "hsic", "me-mfd": "mfd"}
    assert {row: found[row].train.objective for row in rows} == rows
    for row, experiment in found.items():
        train, exits = experiment.train, experiment.model.exits
        assert exits == ("auto" if row.startswith("me-") else None)
        assert (train.strength, train.exit_weights) == (0.01, ())  # 0.3 to 0.9 for five exits
        assert experiment.exits.thresholds == ((0.999,) if exits else THETAS)
        assert (train.epochs, train.optimizer, train.lr, train.batch_size) == (200, "sgd", 1e-2, 256)
        assert (train.schedule, train.step_epochs, train.step_factor) == ("step", 100, 0.1)  # the authors' code
        pruned = [(step.method, step.preset) for step in experiment.shrink]
        assert pruned == ([("fairprune", f"fairprune-{name.split('-')[2]}")] if row.endswith("vanilla") else [])


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
    for number, step in enumerate(load_experiment(path).shrink, start=1):
        assert f"{number:02d}-{step.name}: {step.method} on {step.parent}, 1 setting" in said


@pytest.mark.real
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_passes_a_dry_run_on_the_real_tables(path, planned, data_root, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRSHRINK_DATA", str(data_root))
    said = planned(path, tmp_path)
    assert re.search(r"data: (25,331 images of 8|16,577 images of 114) classes at (128|112) px, 0 rows left out", said)
    assert "images are here" not in said
    assert said.count("1 setting: ") == len(load_experiment(path).shrink)
    for words in COSTS[path.stem]:
        assert f"1 setting: {words}" in said

"""Test images decide nothing: not what is shrunk, and not what is chosen."""

from dataclasses import replace

import pytest

from fairshrink.data.splits import TEST
from fairshrink.files import read_json
from fairshrink.lab import run as module
from fairshrink.lab.data import Prepared
from fairshrink.lab.run import run
from tiny import tiny

GRID = {"method": "fairprune", "parent": "train", "ratio": [0.1, 0.3], "step": 0.1, "beta": [0.0, 0.5]}
STEPS = [
    GRID | {"name": "front", "choose": "pareto:eopp1", "choose_over": "folds"},
    GRID | {"name": "worst", "choose": "worst-group:accuracy", "choose_over": "fold"},
]


def decided(root) -> dict[str, bytes]:
    names = ("*.safetensors", "choice.json", "result.json")
    found = {str(path.relative_to(root)): path for name in names for path in sorted(root.glob(f"stages/**/{name}"))}
    return {name: path.read_bytes() for name, path in found.items() if path.name != "result.json" or "00-train" in name}


def test_other_test_images_change_no_model_and_no_choice(done, tmp_path, monkeypatch):
    def other(*arguments):
        prepared = prepare(*arguments)
        dataset, test = prepared.dataset, prepared.rows(0, TEST)
        labels, images = dataset.labels.copy(), dataset.images.copy()
        labels[test], images[test] = (labels[test] + 1) % len(dataset.classes), 255 - images[test]
        attributes = {}
        for name, attribute in dataset.attributes.items():
            codes = attribute.codes.copy()
            codes[test] = 1 - codes[test]
            attributes[name] = replace(attribute, codes=codes)
        return replace(prepared, dataset=replace(dataset, labels=labels, images=images, attributes=attributes))

    prepare = module.prepare
    monkeypatch.setattr(module, "prepare", other)
    paths = run(tiny(), tmp_path / "run")
    assert decided(paths.root) == decided(done.root)
    predicted = [root / "stages" / "00-train" / "predictions.csv" for root in (paths.root, done.root)]
    assert predicted[0].read_bytes() != predicted[1].read_bytes()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A run of three folds in which nobody is told of test rows while there is something to try or to choose."""
    root, rows, asked = tmp_path_factory.mktemp("run") / "run", Prepared.rows, []

    def guard(self, fold, part):
        if part == TEST:
            for stage in sorted((root / "stages").iterdir()):
                over = range(3) if stage.name == "01-front" else [fold]
                assert all((stage / f"fold-{other}" / "result.json").exists() for other in over), (
                    f"{stage.name}, {fold}"
                )
            asked.append(fold)
        return rows(self, fold, part)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Prepared, "rows", guard)
        paths = run(tiny(data={"folds": 3}, train={"epochs": 1}, shrink=STEPS), root)
    return paths, asked


def test_no_test_image_is_looked_up_before_the_choice_is_written(guarded):
    assert guarded[1] == [0, 1, 2] * 3


def test_the_front_is_in_the_record(guarded):
    choice = read_json(guarded[0].stage(1, "front", 3).choice)
    assert all(isinstance(row["front"], bool) for row in choice["candidates"])
    for one in choice["chosen"]:
        mine = [row for row in choice["candidates"] if row["fold"] == one["fold"]]
        assert "Pareto front" in one["said"]
        if one["candidate"] is not None:
            assert mine[one["candidate"]]["front"]
            assert mine[one["candidate"]]["value"] == max(row["value"] for row in mine)


def test_the_worst_group_is_in_the_record(guarded):
    choice = read_json(guarded[0].stage(2, "worst", 3).choice)
    assert all("front" not in row for row in choice["candidates"])
    assert all(row["value"] == row["gap"] == row["criteria"]["worst_accuracy"] for row in choice["candidates"])
    for one in choice["chosen"]:
        mine = [row["value"] for row in choice["candidates"] if row["fold"] == one["fold"]]
        assert mine[one["candidate"]] == max(mine)

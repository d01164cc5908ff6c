"""With folds, every image is tested once, by a model that was not trained, chosen or shrunk with any image of its patient."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fairshrink.data.loader import Loader
from fairshrink.files import read_json
from fairshrink.lab import shrinking, training
from fairshrink.lab.run import run
from tiny import tiny

FOLDS = 3


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """A folder of noise, one to five images a patient."""
    folder, rng, rows = tmp_path_factory.mktemp("patients"), np.random.default_rng(0), []
    for patient in range(45):
        for _ in range(1 + patient % 5):
            name, label = f"i{len(rows):03d}", ("naevus", "melanoma")[patient % 2]
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f"{name}.png")
            rows.append((name, label, ("female", "male")[patient // 2 % 2], f"p{patient}"))
    pd.DataFrame(rows, columns=["image", "label", "sex", "patient"]).to_csv(folder / "table.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def crossed(patients, tmp_path_factory):
    """A run of three folds; for each stage and fold, the rows that were looked at before, and while, it was tested."""
    used, tested, now = defaultdict(set), defaultdict(set), []

    def within(function, place, found):
        def watched(*arguments):
            now.append((place(*arguments), found))
            try:
                return function(*arguments)
            finally:
                now.pop()

        return watched

    def built(self, dataset, indices, *arguments, **settings):
        (stage, fold), found = now[-1] if now else ((None, None), used)
        found[stage, fold] |= set(np.asarray(indices).tolist())
        return init(self, dataset, indices, *arguments, **settings)

    def in_folder(work, fold, folder):
        return folder.root.parent.name, fold

    init, predict, one = Loader.__init__, shrinking.predict_fold, training.train_fold
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loader, "__init__", built)
        for module in (training, shrinking):
            patch.setattr(
                module,
                "predict_fold",
                within(predict, lambda work, fold, folder: (folder.root.parent.name, fold), tested),
            )
        patch.setattr(
            training, "train_fold", within(one, lambda work, fold, folder: (folder.root.parent.name, fold), used)
        )
        tried = within(shrinking._try_all, lambda step, fold: (step.stage.root.name, fold), used)
        patch.setattr(shrinking, "_try_all", tried)
        data = {"source": "table", "images": str(patients), "metadata": str(patients / "table.csv"), "groups": ["sex"]}
        grid = {"method": "obd", "choose": "gap:eopp1:1"}
        first, chained = grid | {"name": "a", "ratio": [0.1, 0.2]}, grid | {"name": "b", "ratio": [0.3, 0.4]}
        steps = [first | {"choose_over": "folds"}, chained | {"choose_over": "fold"}]
        experiment = tiny(data=data | {"split_by": "patient", "folds": FOLDS}, train={"epochs": 1}, shrink=steps)
        paths = run(experiment, tmp_path_factory.mktemp("run") / "run")
    return paths, used, tested


STAGES = ["00-train", "01-a", "02-b"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_image_is_tested_once(crossed, patients, stage):
    table = pd.read_csv(crossed[0].root / "stages" / stage / "predictions.csv")
    assert sorted(table["id"]) == sorted(pd.read_csv(patients / "table.csv")["image"])
    assert set(table["fold"]) == set(range(FOLDS))


@pytest.mark.parametrize("stage", STAGES)
def test_no_model_saw_a_patient_that_it_is_tested_on(crossed, patients, stage):
    _, used, tested = crossed
    patient = pd.read_csv(patients / "table.csv")["patient"].to_numpy()
    for fold in range(FOLDS):
        before = set().union(*(used[earlier, fold] for earlier in STAGES[: STAGES.index(stage) + 1]))
        assert tested[stage, fold]
        assert before
        assert not set(patient[sorted(before)]) & set(patient[sorted(tested[stage, fold])])
    assert sorted(row for fold in range(FOLDS) for row in tested[stage, fold]) == list(range(len(patient)))


def test_a_choice_over_the_folds_leaves_out_the_fold_that_validates_on_the_tested_images(crossed):
    paths, used, tested = crossed
    for fold, one in enumerate(read_json(paths.stage(1, "a", FOLDS).choice)["chosen"]):
        seen = [other for other in range(FOLDS) if other != (fold - 1) % FOLDS]
        assert f"folds {', '.join(map(str, seen))}" in one["said"]
        assert not tested["01-a", fold] & set().union(*(_val(used, tested, other) for other in seen))
        assert _val(used, tested, (fold - 1) % FOLDS) == tested["01-a", fold]


def _val(used, tested, fold):
    """What a fold validated on: with three folds, what the next one tests."""
    assert tested["00-train", (fold + 1) % FOLDS] <= used["01-a", fold]
    return tested["00-train", (fold + 1) % FOLDS]

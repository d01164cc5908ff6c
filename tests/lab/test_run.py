import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from fairshrink.errors import ConfigError, ModelError
from fairshrink.files import read_json, write_json
from fairshrink.lab.run import run
from fairshrink.lab.stages import title
from fairshrink.lab.store import read_lines
from tiny import tiny


def test_a_run_leaves_what_the_design_says(done):
    for stage in ("00-train", "01-obd", "02-fairprune"):
        folder = done.root / "stages" / stage
        assert {"model.safetensors", "model.json", "audit.json", "predictions.csv"} <= {
            path.name for path in folder.iterdir()
        }
    assert (done.root / "stages" / "02-fairprune" / "steps.jsonl").exists()
    assert done.config.exists()
    assert done.data.exists()
    assert "seconds" in read_json(done.environment)


def test_predictions_are_the_test_part_with_groups_and_probabilities(done):
    table = pd.read_csv(done.root / "stages" / "00-train" / "predictions.csv")
    assert len(table) == read_json(done.data)["splits"][0]["test"]
    assert {"id", "label", "prediction", "tone", "age >= 60"} < set(table.columns)
    probabilities = table.filter(like="prob_")
    assert probabilities.shape[1] == 5
    assert (probabilities.sum(axis=1) - 1).abs().max() < 1e-4


def test_the_audit_has_both_attributes_and_their_intersection(done):
    audit = read_json(done.root / "stages" / "00-train" / "audit.json")
    assert len(audit["attributes"]) == 3
    assert set(audit["attributes"]["tone"]["gaps"]) == {"eopp0", "eopp1", "eodd", "eodd_max"}


@pytest.mark.parametrize(("stage", "ratio"), [("01-obd", 0.3), ("02-fairprune", 0.2)])
def test_exactly_the_ratio_is_zero_in_the_file(done, stage, ratio):
    weights = load_file(done.root / "stages" / stage / "model.safetensors")
    weights = {name: w for name, w in weights.items() if w.ndim in (2, 4)}
    total = sum(w.numel() for w in weights.values())
    assert sum(int((w == 0).sum()) for w in weights.values()) == round(ratio * total)
    assert read_json(done.root / "stages" / stage / "stage.json")["zero_fraction"] == pytest.approx(ratio, abs=1e-5)


def test_the_steps_of_every_candidate_are_kept(done):
    steps = read_lines(done.root / "stages" / "02-fairprune" / "steps.jsonl")
    assert [(s["candidate"], s["step"], s["ratio"]) for s in steps] == [
        (0, 0, 0.0), (0, 1, 0.1), (0, 2, 0.2), (1, 0, 0.0), (1, 1, 0.1), (1, 2, 0.2)
    ]  # fmt: skip
    assert set(steps[0]["groups"]) == {"tone I-III", "tone IV-VI"}


def test_the_choice_is_the_smallest_value_within_the_bound(done):
    choice = read_json(done.root / "stages" / "02-fairprune" / "choice.json")
    assert choice["rule"] == "gap:eopp1:0.01"
    values = [row["value"] if row["within"] else float("inf") for row in choice["candidates"]]
    assert choice["chosen"][0]["candidate"] == values.index(min(values))


def test_obd_and_fairprune_start_from_the_same_model(done):
    first = [read_lines(done.root / "stages" / s / "steps.jsonl")[0] for s in ("01-obd", "02-fairprune")]
    assert first[0]["groups"] == first[1]["groups"]


def test_the_unprivileged_group_is_the_measured_one(done):
    record = read_json(done.root / "stages" / "02-fairprune" / "stage.json")["unprivileged"][0]
    assert record["measured"]
    assert record["f1"][record["group"]] == min(record["f1"].values())


@pytest.mark.parametrize(
    ("name", "words"),
    [("fairprune", "FairPrune"), ("fairprune-norms", "FairPrune norms"), ("paper", "FairPrune (paper)")],
)
def test_a_step_is_called_by_its_method_and_its_name(name, words):
    assert title("fairprune", name) == words


def test_every_image_is_tested_once_by_cross_fitting(tmp_path):
    experiment = tiny(data={"folds": 3}, train={"epochs": 1}, shrink=[{"method": "obd", "ratio": 0.1}])
    paths = run(experiment, tmp_path / "run")
    table = pd.read_csv(paths.root / "stages" / "01-obd" / "predictions.csv")
    assert len(table) == table["id"].nunique() == 150
    assert sorted(table["fold"].unique()) == [0, 1, 2]
    assert (paths.root / "stages" / "01-obd" / "fold-2" / "model.safetensors").exists()
    history = read_lines(paths.root / "stages" / "00-train" / "history.jsonl")
    assert [line["fold"] for line in history] == [0, 1, 2]


def test_the_users_checkpoint_takes_the_place_of_training(done, tmp_path):
    checkpoint = done.root / "stages" / "00-train" / "model.safetensors"
    experiment = tiny(model={"checkpoint": str(checkpoint)}, shrink=[])
    paths = run(experiment, tmp_path / "run")
    first, again = (root / "stages" / "00-train" / "predictions.csv" for root in (done.root, paths.root))
    assert first.read_bytes() == again.read_bytes()
    assert not (paths.root / "stages" / "00-train" / "history.jsonl").exists()


def test_a_checkpoint_for_other_classes_is_refused(done, tmp_path):
    for name in ("model.safetensors", "model.json"):
        (tmp_path / name).write_bytes((done.root / "stages" / "00-train" / name).read_bytes())
    meta = read_json(tmp_path / "model.json")
    write_json(tmp_path / "model.json", meta | {"classes": meta["classes"][::-1]})
    with pytest.raises(ModelError, match="was trained for the classes angioma-like, .* but the data have naevus-like"):
        run(tiny(model={"checkpoint": str(tmp_path / "model.safetensors")}), tmp_path / "run")


@pytest.mark.parametrize("text", ["[1]", '{"classes": 7}', "not JSON"])
def test_a_json_of_the_users_own_beside_a_checkpoint_is_not_ours(done, tmp_path, text):
    weights = (done.root / "stages" / "00-train" / "model.safetensors").read_bytes()
    (tmp_path / "mine.safetensors").write_bytes(weights)
    (tmp_path / "mine.json").write_text(text)
    paths = run(tiny(model={"checkpoint": str(tmp_path / "mine.safetensors")}, shrink=[]), tmp_path / "run")
    assert (paths.root / "stages" / "00-train" / "stage.json").exists()


def test_classes_and_groups_that_look_like_formulas(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    rows = []
    for number in range(120):
        name, label, group = f"i{number:03d}", "+-"[number % 2], ("=a", "@b")[number // 2 % 2]
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "images" / f"{name}.png")
        rows.append((name, label, group))
    pd.DataFrame(rows, columns=["image", "label", "tone"]).to_csv(tmp_path / "table.csv", index=False)
    data = {
        "source": "table",
        "images": str(tmp_path / "images"),
        "metadata": str(tmp_path / "table.csv"),
        "groups": ["tone"],
    }
    paths = run(tiny(data=data, train={"epochs": 1}, shrink=[]), tmp_path / "run")
    audit = read_json(paths.root / "stages" / "00-train" / "audit.json")
    assert set(audit["attributes"]["tone"]["groups"]) == {"=a", "@b"}


def test_a_precision_that_the_machine_has_not_is_said_once(tmp_path, monkeypatch):
    class Listens:
        def __init__(self) -> None:
            self.heard: list[str] = []

        def say(self, message: str) -> None:
            self.heard.append(message)

        def advance(self, what: str, done: int, total: int) -> None:
            pass

    def unable(wanted, device):
        warnings.warn(f"no {wanted} here", stacklevel=1)
        return "fp32"

    monkeypatch.setattr("fairshrink.lab.run.usable", unable)
    observer = Listens()
    run(tiny(train={"epochs": 1, "precision": "bf16"}, shrink=[]), tmp_path / "run", observer=observer)
    assert observer.heard.count("no bf16 here") == 1
    assert read_json(tmp_path / "run" / "environment.json")["precision"] == "fp32"


def test_a_named_group_is_favoured_instead(tmp_path):
    experiment = tiny(shrink_defaults={"unprivileged": "tone I-III"}, train={"epochs": 1}, shrink=[])
    paths = run(experiment, tmp_path / "run")
    record = read_json(paths.root / "stages" / "00-train" / "stage.json")["unprivileged"][0]
    assert (record["group"], record["measured"]) == ("tone I-III", False)


def test_a_group_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"unprivileged is 'tone 1-3', which is no group.*Did you mean 'tone I"):
        run(tiny(shrink_defaults={"unprivileged": "tone 1-3"}), tmp_path / "run")


def test_records_are_json_without_nan(done):
    for path in done.root.rglob("*.json"):
        assert "NaN" not in path.read_text()
        json.loads(path.read_text(), parse_constant=pytest.fail)


def test_saliency_by_group_is_normalised(done):
    record = read_json(done.root / "stages" / "00-train" / "saliency.json")
    assert record["layer"].endswith("weight")
    assert [max(values) for values in record["values"]] == [1.0, 1.0]


def test_the_users_random_numbers_are_not_touched(tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    run(tiny(train={"epochs": 1}, shrink=[]), tmp_path / "run")
    assert torch.equal(torch.rand(1), expected)

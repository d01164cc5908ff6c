import re
import shutil

import pytest
import tomli_w

from fairshrink.errors import StoreError
from fairshrink.files import write_json, write_text
from fairshrink.report.card import render, write_card
from fairshrink.report.reading import read_run
from report.fake_run import Plan, write_fake_run
from report.read_markdown import CELLS, PLAIN, kinds, lines
from trust.hostile import NAMES

PARTS = [  # Mitchell et al. 2019, Fig. 1, in its order, with the metrics before the data
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Quantitative analyses",
    "Ethical considerations", "Caveats and recommendations", "Reproduce", "Cite",
]  # fmt: skip


@pytest.fixture(scope="module")
def card(five):
    return render(five)


def test_the_card_has_the_parts_of_a_model_card(card):
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == PARTS
    assert re.findall(r"^### (.*)$", card, re.MULTILINE) == ["Vanilla", "OBD", "FairPrune", "Not stated"]


def test_what_nobody_knows_is_open_or_not_stated(card, five):
    assert "- It is not a medical device, and it has not been validated for clinical use." in card
    assert len(re.findall(r"^- \[ \] ", card, re.MULTILINE)) == 6
    assert "- [ ] Primary intended use" in card
    unknown = card.split("### Not stated")[1].split("\n## ")[0]
    assert (
        "Who labelled the images, how, and how often they agree. The papers of the data set, below, may say it."
        in unknown
    )
    assert "Skin tone: it is none of the attributes" in unknown
    assert "licence" not in unknown
    assert "test images were among it" not in unknown
    other = five._replace(settings={"data": {"source": "table"}, "model": {"checkpoint": "/home/me/mine.safetensors"}})
    unknown = render(other).split("### Not stated")[1].split("\n## ")[0]
    assert "- The licence of the data." in unknown
    assert "whether test images were among it cannot be seen here" in unknown
    assert "papers" not in unknown


def test_drawn_lesions_are_of_nobody(three):
    unknown = render(three).split("### Not stated")[1].split("\n## ")[0]
    assert "labelled" not in unknown
    assert "Skin tone" not in unknown
    assert "- **Licence of the data**: none is needed" in render(three)


def test_limits_are_those_of_the_page(card):
    assert "As the page beside this card (report.html) has them:" in card
    assert "- Chance gets its share" in card


def test_digests_are_those_that_stand_beside_the_models(fresh):
    assert "Model files: not stated." in write_card(fresh).read_text(encoding="utf-8")
    write_json(fresh / "stages" / "00-train" / "model.json", {"weights_sha256": "ab" * 32, "size": 64})
    write_json(fresh / "stages" / "01-obd" / "fold-1" / "model.json", {"weights_sha256": "cd" * 32})
    write_json(
        fresh / "stages" / "01-obd" / "fold-1" / "candidates" / "00" / "model.json", {"weights_sha256": "ef" * 32}
    )
    text = write_card(fresh).read_text(encoding="utf-8")
    assert f"| stages/00-train/model.safetensors | {'ab' * 32} |" in text
    assert f"| stages/01-obd/fold-1/model.safetensors | {'cd' * 32} |" in text
    assert "efef" not in text
    (fresh / "stages" / "00-train" / "model.json").write_text("{}")
    with pytest.raises(StoreError, match="'stages/00-train/model.json': weights_sha256: Field required"):
        write_card(fresh)
    (fresh / "stages" / "00-train" / "model.json").unlink()
    (fresh / "stages" / "00-train" / "model.json").mkdir()
    with pytest.raises(StoreError, match=r"model.json' could not be read: Is a directory"):
        write_card(fresh)


def test_the_same_records_give_the_same_bytes(fresh, tmp_path):
    before = write_card(fresh).read_bytes()
    shutil.copytree(fresh, tmp_path / "elsewhere")
    assert write_card(tmp_path / "elsewhere").read_bytes() == before
    assert str(tmp_path).encode() not in before


def test_hostile_names_are_shown_and_do_nothing(tmp_path):
    names = list(NAMES.values())
    attributes = {NAMES["script"]: tuple(names[:3]), NAMES["pipes"]: tuple(names[3:6])}
    plan = Plan(NAMES["attribute"], dict.fromkeys(names, 200), attributes, 1, (0.2, 0.5), NAMES["style"], "a = 1\n")
    folder = write_fake_run(tmp_path / "run", plan)
    settings = {
        "data": {"source": names[0], "groups": names},
        "model": {"backbone": NAMES["pipes"], "weights": names[-1]},
    }
    write_text(
        folder / "config.toml", tomli_w.dumps(settings | {"train": {f"k{at}": name for at, name in enumerate(names)}})
    )
    text = render(read_run(folder))
    assert kinds(text) <= PLAIN | CELLS
    assert "<script>alert(1)</script>" in " ".join(lines(text))
    assert "<script" not in text.replace("\\<script", "")
    rows = [line for line in lines(text) if line == "a|b`c`"]
    assert rows
    widths = [
        {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        for block in text.split("\n\n")
        if block[0] == "|"
    ]
    assert all(len(width) == 1 for width in widths)


def test_a_run_without_the_optional_records_has_a_card(fresh):
    for name in ("saliency.json", "history.jsonl", "steps.jsonl", "choice.json", "comparison.json"):
        for path in fresh.glob(f"stages/*/{name}"):
            path.unlink()
    assert "There is no paired comparison (comparison.json)" in write_card(fresh).read_text(encoding="utf-8")

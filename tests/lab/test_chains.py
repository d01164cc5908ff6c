import shutil

import pytest

from fairshrink.lab.chains import chains
from fairshrink.lab.config import load_experiment
from fairshrink.lab.store import RunPaths
from tiny import tiny

STEPS = [
    {"method": "obd", "ratio": 0.1},
    {"method": "fairprune", "ratio": 0.2, "parent": "train"},
    {"method": "obd", "name": "last", "ratio": 0.4, "parent": "fairprune"},
]


def test_a_stage_has_what_it_is_built_on_and_nothing_else():
    found = chains(tiny(shrink=STEPS))
    assert [[step.name for step in chain.experiment.shrink] for chain in found] == [
        [],
        ["obd"],
        ["fairprune"],
        ["fairprune", "last"],
    ]
    assert [chain.name for chain in found] == ["train", "obd", "fairprune", "last"]
    assert found[3].parent == found[2]
    assert found[2].parent == found[0]
    assert found[0].parent is None
    assert found[0].step is None


def test_a_key_stays_when_something_else_changes():
    one, other = chains(tiny(shrink=STEPS)), chains(tiny(shrink=[STEPS[0] | {"ratio": 0.3}, *STEPS[1:]]))
    assert [a.key == b.key for a, b in zip(one, other, strict=True)] == [True, False, True, True]


def test_a_key_changes_with_whatever_decides_its_bits():
    key = chains(tiny())[0].key
    for sections in (
        {"train": {"threads": 2}},
        {"train": {"seed": 1}},
        {"data": {"seed": 1}},
        {"model": {"mean": [0.5, 0.5, 0.5]}},
        {"shrink_defaults": {"unprivileged": "tone I-III"}},
    ):
        assert chains(tiny(**sections))[0].key != key
    assert chains(tiny(shrink_defaults={"samples": 9}))[0].key == key
    assert chains(tiny(shrink_defaults={"samples": 9}))[1].key != chains(tiny())[1].key


def test_a_chain_written_and_read_is_the_same_experiment(tmp_path):
    chosen = [{**step, "ratio": [0.1, 0.2]} for step in STEPS]
    for chain in chains(tiny(shrink=chosen)):
        (tmp_path / "config.toml").write_text(chain.experiment.text(), encoding="utf-8")
        assert load_experiment(tmp_path / "config.toml").digest() == chain.experiment.digest()


def test_a_finished_run_has_all_its_stages(done):
    for number, chain in enumerate(chains(tiny())):
        assert chain.done(done, number)
        assert not chain.done(RunPaths(done.root / "elsewhere"), number)


@pytest.mark.parametrize("name", ["00-train/saliency.json", "01-obd/comparison.json", "02-fairprune/choice.json"])
def test_a_stage_without_one_of_its_files_is_not_done(done, tmp_path, name):
    shutil.copytree(done.root, tmp_path / "run")
    (tmp_path / "run" / "stages" / name).unlink()
    found = [chain.done(RunPaths(tmp_path / "run"), number) for number, chain in enumerate(chains(tiny()))]
    assert found == [number != int(name[:2]) for number in range(3)]

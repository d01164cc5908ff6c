import json

import pytest

from fairshrink.report import runs_fates, runs_tables
from fairshrink.report.reading import read_run
from fairshrink.report.runs_grouped import sections
from fairshrink.report.style import drawing
from report.fake_channels import write_channel_run
from report.fake_run import mapped_grid


def edited(folder, name, values):
    path = folder / "stages" / name / "stage.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")


@pytest.fixture(scope="module")
def chained(tmp_path_factory):
    """Two seeds; SCP on the vanilla model, with its control, and by lot on FairPrune's."""
    root = tmp_path_factory.mktemp("chained")
    runs = {}
    for seed in range(2):
        plan = mapped_grid()._replace(draw=seed)
        config = f"{plan.config}\n[train]\nseed = {seed}\n"
        folder = write_channel_run(root / f"seed-{seed}", plan._replace(config=config))
        edited(folder, "05-scp-random", {"parent": "fairprune", "of": None})
        (folder / "stages/05-scp-random/twin.json").unlink()
        runs[f"seed-{seed}"] = read_run(folder)
    (section,) = sections(runs)
    return section


def method(section, label):
    return next(one for one in section.methods if label in one.label)


def test_there_is_a_panel_for_each_model_that_they_started_from(chained):
    with drawing():
        found = runs_fates.picture(chained, "fate0")
    assert len(found.panels) == 2
    vanilla, pruned = found.panels
    assert "FATE by the number of the step, from Vanilla. SCP: EOdd" in vanilla
    assert "SCP control: EOdd" in vanilla
    assert "from FairPrune" in pruned
    assert "SCP random: EOdd" in pruned
    assert "mean over seeds and folds" in found.caption
    assert 'id="fate0-0' in vanilla


def test_the_folds_of_all_seeds_are_those_that_they_chose(chained):
    line = runs_fates._line(method(chained, "SCP random"), named=True)
    assert [[spot.step for spot in fold if spot.taken] for fold in line.folds] == [[3], [2], [1]] * 2
    assert not line.control
    assert runs_fates._line(method(chained, "SCP control"), named=False).control
    assert runs_fates._line(method(chained, "SCP random"), named=False).label == ""


def test_without_removed_channels_there_is_no_picture(chained, seeds):
    assert runs_fates.picture(seeds.sections[0], "fate0") is None
    alone = chained._replace(methods=tuple(m for m in chained.methods if m.vanilla or "control" in m.label))
    assert runs_fates.picture(alone, "fate0") is None


def test_one_seed_is_said_to_be_one(chained):
    once = chained._replace(methods=tuple(m._replace(replicates=m.replicates[:1]) for m in chained.methods))
    with drawing():
        assert "mean over folds, as far" in runs_fates.picture(once, "fate0").caption


def test_a_parent_that_is_no_row_goes_by_its_own_name(chained):
    alone = chained._replace(methods=tuple(m for m in chained.methods if m.label != "FairPrune"))
    assert runs_fates.parent_label(alone, method(chained, "SCP random")) == "fairprune"


def test_how_many_channels_are_gone_stands_in_the_table(chained):
    table = runs_tables.glance(chained)
    rows = {body[0][0].text.partition(" ")[2]: body[0][-1] for body in table.bodies}
    notes = {name: cell.notes for name, cell in rows.items()}
    assert notes == {
        "Vanilla": (),
        "OBD": (),
        "FairPrune": (),
        "SCP": ("0 to 20 of 512 channels",),
        "SCP control": (),
        "FairPrune → SCP random": ("10 to 31 of 512 channels",),
    }

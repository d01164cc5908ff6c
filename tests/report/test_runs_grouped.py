from dataclasses import replace

import pytest

from fairshrink.report.reading import read_run
from fairshrink.report.runs_grouped import sections
from report.fake_run import write_fake_run
from report.fake_runs import seed_plan


def runs_of(folder, plans):
    return {name: read_run(write_fake_run(folder / name, plan)) for name, plan in plans.items()}


def configured(old, new, seed=0, **changes):
    plan = seed_plan(seed, **changes)
    return plan._replace(config=plan.config.replace(old, new))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return sections(runs_of(tmp_path_factory.mktemp("grouped"), {f"s{i}": seed_plan(i) for i in (2, 0, 1)}))


def test_seeds_are_replicates_of_one_row(seeds):
    (section,) = seeds
    assert [(method.number, method.label) for method in section.methods] == [
        (1, "Vanilla"),
        (2, "OBD"),
        (3, "FairPrune"),
    ]
    assert [replicate.name for replicate in section.methods[1].replicates] == ["s0", "s1", "s2"]
    assert section.vanilla_of(section.methods[2]) is section.methods[0]
    assert [method.label for method in section.shrunk] == ["OBD", "FairPrune"]
    assert section.notes == ()
    assert section.facts == "1,550 images, 3 classes, 64 pixels, 1 fold, split by lesion_id"


def test_a_model_that_two_runs_share_counts_once(tmp_path):
    other = configured("[0.2, 0.33, 0.5, 0.7]", "[0.2]")
    (section,) = sections(runs_of(tmp_path, {"a": seed_plan(0), "b": other}))
    assert [method.label for method in section.methods] == [
        "Vanilla",
        "OBD",
        "FairPrune [beta 0.2 or 0.33 or 0.5 or 0.7]",
        "FairPrune [beta 0.2]",
    ]
    assert all(len(method.replicates) == 1 for method in section.methods)
    assert section.notes == (
        "2 models are in several runs with the same settings and seeds, and counted once, as in the first of them.",
    )


def test_models_that_should_be_the_same_and_are_not_are_named(tmp_path):
    (section,) = sections(runs_of(tmp_path, {"a": seed_plan(0), "b": seed_plan(0, draw=9)}))
    assert any("Vanilla, seed 0: the gaps in a and b differ by up to 0." in note for note in section.notes)
    assert len(section.notes) == 4


def test_networks_are_named_where_they_differ(tmp_path):
    (section,) = sections(runs_of(tmp_path, {"a": seed_plan(0), "b": configured("resnet18", "vgg11")}))
    assert [method.label for method in section.methods] == [
        *("resnet18: Vanilla", "resnet18: OBD", "resnet18: FairPrune"),
        *("vgg11: Vanilla", "vgg11: OBD", "vgg11: FairPrune"),
    ]
    assert section.vanilla_of(section.methods[4]).label == "vgg11: Vanilla"


def test_names_that_users_gave_tell_steps_apart(tmp_path):
    folder = write_fake_run(tmp_path / "run", seed_plan(0))
    stage = folder / "stages" / "01-obd" / "stage.json"
    text = (
        stage.read_text(encoding="utf-8").replace('"OBD"', '"FairPrune"').replace('"name": "obd"', '"name": "gentle"')
    )
    stage.write_text(text, encoding="utf-8")
    (section,) = sections({"run": read_run(folder)})
    assert [method.label for method in section.methods] == ["Vanilla", "FairPrune [gentle]", "FairPrune [fairprune]"]


def test_a_chain_is_named_by_its_steps(tmp_path):
    folder = write_fake_run(tmp_path / "run", seed_plan(0))
    stage = folder / "stages" / "02-fairprune" / "stage.json"
    stage.write_text(
        stage.read_text(encoding="utf-8").replace('"parent": "train"', '"parent": "obd"'), encoding="utf-8"
    )
    (section,) = sections({"run": read_run(folder)})
    assert [method.label for method in section.methods] == ["Vanilla", "OBD", "OBD → FairPrune"]
    assert next(iter(section.methods[2].setting.flat())) == "obd ratio"


@pytest.mark.parametrize(
    "changes",
    [
        {"attributes": {"age": ("young", "old")}},
        {"classes": {"one": 400, "two": 900, "four": 250}},
        {"folds": 3},
        {"name": "isic2019"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_must_not_be_mixed_has_a_section_of_its_own(tmp_path, changes):
    found = sections(runs_of(tmp_path, {"a": seed_plan(0), "b": seed_plan(1, **changes)}))
    assert [list(section.runs) for section in found] == [["a"], ["b"]]
    assert len({section.title for section in found}) == 2


def test_other_images_under_the_same_name_are_other_data_unless_they_are_drawn(tmp_path):
    runs = runs_of(tmp_path, {"a": seed_plan(0), "b": seed_plan(1)})
    other = runs["b"].data
    moved = {"a": runs["a"], "b": runs["b"]._replace(data=type(other)(**{**_fields(other), "digest": "77" * 32}))}
    assert len(sections(moved)) == 2
    drawn = {
        name: run._replace(settings={**run.settings, "data": {"source": "lesions"}}) for name, run in moved.items()
    }
    assert len(sections(drawn)) == 1


def _fields(record):
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _audited(run, **changes):
    vanilla = run.vanilla._replace(audit=replace(run.vanilla.audit, **changes))
    return run._replace(vanilla=vanilla, stages=[vanilla, *run.stages[1:]])


def _split_as(run, name, digest=None):
    data = {**run.settings["data"], "split_file": name}
    return run._replace(settings={**run.settings, "data": data}, data=replace(run.data, split_digest=digest))


def test_audits_of_other_groups_or_by_another_convention_are_not_mixed(tmp_path):
    runs = runs_of(tmp_path, {"a": seed_plan(0), "b": seed_plan(1)})
    sex = runs["b"].vanilla.audit.attributes["sex"]
    groups = {"woman": sex.groups["female"], "man": sex.groups["male"]}
    other = _audited(runs["b"], attributes={"sex": replace(sex, groups=groups)})
    assert len(sections(runs)) == 1
    assert len(sections(runs | {"b": other})) == 2
    assert len(sections(runs | {"b": _audited(runs["b"], convention="published")})) == 2


def test_a_split_file_is_what_is_in_it(tmp_path):
    runs = runs_of(tmp_path, {"a": seed_plan(0), "b": seed_plan(1)})

    def places(first, second):
        return len(sections({"a": _split_as(runs["a"], *first), "b": _split_as(runs["b"], *second)}))

    assert len(sections(runs | {"b": _split_as(runs["b"], "split.csv")})) == 2
    drawn = {name: run._replace(data=replace(run.data, split_digest=name * 64)) for name, run in runs.items()}
    assert len(sections(drawn)) == 1  # by a rule, data.seed gives each run a split of its own
    assert places(("split.csv",), ("other.csv",)) == 2
    assert places(("split.csv",), ("split.csv",)) == 1
    assert places(("split.csv", "ab" * 32), ("split.csv", "cd" * 32)) == 2
    assert places(("split.csv", "ab" * 32), ("moved/split.csv", "ab" * 32)) == 1
    found = sections({"a": _split_as(runs["a"], "s.csv", "ab" * 32), "b": _split_as(runs["b"], "s.csv", "cd" * 32)})
    assert [section.title.rpartition(", ")[2] for section in found] == ["split abababab)", "split cdcdcdcd)"]

import pytest

from fairshrink.errors import StoreError
from fairshrink.report.parsing import audit_record, comparison_record
from report.fake_audit import fake_audit, fake_comparison


@pytest.fixture
def data():
    return fake_audit({"sex": ["female", "male"]}, ["mel", "nv"])


def test_an_audit_is_read_and_nan_is_undefined(data):
    data["attributes"]["sex"]["gaps"]["eopp1"]["value"] = float("nan")
    record = audit_record(data)
    assert record.attributes["sex"].gaps["eopp1"].value is None
    assert record.attributes["sex"].of_class("mel").null_alone is not None


def test_an_audit_of_an_older_version_is_read(data):
    for gap in data["attributes"]["sex"]["gaps"].values():
        for key in ("needed", "verdict"):
            del gap[key]
    for key in ("calibration", "small_cells", "min_cell", "worst_group_accuracy"):
        del data["attributes"]["sex"][key]
    assert audit_record(data).attributes["sex"].gaps["eopp1"].verdict == ""


def without_floor(data):
    data["attributes"]["sex"]["gaps"]["eopp1"].pop("null_high")


def without_scores(data):
    data.pop("overall")


def of_words(data):
    data["attributes"]["sex"].update(unknown="many")


def without_attributes(data):
    data.update(attributes={})


def without_gaps(data):
    data["attributes"]["sex"].update(gaps={})


def of_another_group(data):
    rates = data["attributes"]["sex"]["classes"]["nv"]
    rates["diverse"] = rates["male"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (without_floor, r"attributes\.sex\.gaps\.eopp1\.null_high: Field required"),
        (without_scores, "overall: Field required"),
        (of_words, r"attributes\.sex\.unknown: Input should be a valid integer"),
        (without_attributes, "attributes is empty, expected at least one audited column"),
        (without_gaps, r"attributes\.sex has no groups or no gaps to show"),
        (of_another_group, r"classes\.nv names the group 'diverse', but the groups are \['female', 'male'\]"),
    ],
)
def test_what_is_no_audit_is_refused_with_its_place(data, edit, words):
    edit(data)
    with pytest.raises(StoreError, match=rf"'audit': .*{words}.*Make it again with  fairshrink audit"):
        audit_record(data)


def test_something_else_altogether_is_refused():
    with pytest.raises(StoreError, match="'audit': Input should be"):
        audit_record([1, 2])


def test_a_comparison_without_its_models_is_refused(data):
    record = fake_comparison(data, data, ["A", "B"])
    assert comparison_record(record).models == ("A", "B")
    record["models"] = ["A"]
    with pytest.raises(StoreError, match=r"'comparison': models.*--against"):
        comparison_record(record)

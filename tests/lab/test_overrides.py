import pytest

from fairshrink.errors import ConfigError
from fairshrink.lab.overrides import apply_override


def test_values_are_toml_or_plain_text():
    given = {"train": {"lr": 1}, "shrink": [{"ratio": 0.1}]}
    for override in (
        "train.lr=0.5",
        "data.source=lesions",
        "data.groups=['sex']",
        "shrink.0.ratio=0.2",
        "new.deep.key=true",
    ):
        apply_override(given, override)
    assert given == {
        "train": {"lr": 0.5},
        "data": {"source": "lesions", "groups": ["sex"]},
        "shrink": [{"ratio": 0.2}],
        "new": {"deep": {"key": True}},
    }


def test_a_whole_item_of_a_list():
    given = {"shrink": [{"method": "obd"}]}
    apply_override(given, 'shrink.0={method="fairprune"}')
    assert given == {"shrink": [{"method": "fairprune"}]}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.lr", "needs the form section.key=value"),
        ("=3", "needs the form section.key=value"),
        ("train.lr.x=3", "'train.lr' is a value, not a table, so it has no 'x'"),
        ("train.lr.x.y=3", "'train.lr' is a value, not a table, so it has no 'x'"),
        ("shrink.1.ratio=3", "there are 1 items, numbered from 0; '1' is none of them"),
        ("shrink.x=3", "'x' is none of them"),
        ("shrink.².ratio=3", "'²' is none of them"),
        ("shrink.٠.ratio=3", "'٠' is none of them"),
    ],
)
def test_a_place_that_is_not_there(override, message):
    with pytest.raises(ConfigError, match=message):
        apply_override({"train": {"lr": 1}, "shrink": [{"ratio": 0.1}]}, override)

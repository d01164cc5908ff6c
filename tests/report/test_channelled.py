import json

import pytest

from fairshrink.errors import StoreError
from fairshrink.report.channelled import ChannelPortrait, check_channels
from fairshrink.report.parsing import from_json
from report.fake_analysis import fake_channels


def check(given):
    record = from_json(json.dumps(given).encode(), "channels.json", ChannelPortrait, "Again.")
    check_channels(record, "stages/01-scp/channels.json", "Remove it.")
    return record


def test_scores_that_fit_are_read():
    assert len(check(fake_channels()).layers[0].removed) == 3


@pytest.mark.parametrize(
    "change", [{"channels": 41}, {"removed": [0]}, {"removed": [99]}, {"chance": [0.7]}, {"after": []}]
)
def test_scores_that_do_not_fit_are_refused(change):
    given = fake_channels()
    given["layers"][0] |= change
    with pytest.raises(
        StoreError, match="01-scp/channels.json': 'layer4.1.conv2' has .*expected a score for each channel.*Remove"
    ):
        check(given)


@pytest.mark.parametrize("times", [0, 2])
def test_layers_are_there_once(times):
    given = fake_channels()
    with pytest.raises(StoreError, match="one or more, each once, are expected"):
        check(given | {"layers": given["layers"] * times})

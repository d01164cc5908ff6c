import pytest

from data.checking import checked, found
from fairshrink.errors import ConfigError


def test_groups_that_cannot_be_used(good):
    report = checked(*good, groups=("sx", "age >= 500", "sex"))
    assert found(report, "unusable group") == [(0, "age >= 500"), (0, "sx")]
    assert "Did you mean 'sex'?" in report.of("unusable group")[1].what
    with pytest.raises(ConfigError, match="cannot read the group"):
        checked(*good, groups=("age >> 3",))

"""One whole run, for all tests of the lab that only look at it."""

import pytest

from fairshrink.lab.run import run
from tiny import tiny


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """A run of the smallest experiment; whoever changes a file copies the folder first."""
    return run(tiny(), tmp_path_factory.mktemp("run") / "run")

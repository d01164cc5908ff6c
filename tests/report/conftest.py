"""Run folders, written and drawn once for all tests of the report."""

import pytest

from fairshrink.report.page import write_report
from fairshrink.report.reading import read_run
from fairshrink.report.runs_page import compare_runs
from report.fake_channels import write_channel_run
from report.fake_quantised import write_quantised_run
from report.fake_run import mapped_grid, three_groups, write_fake_run
from report.fake_runs import seed_plan, write_sweep


@pytest.fixture(scope="session")
def five_folder(tmp_path_factory):
    """Five folds, two attributes, a grid; with its page."""
    folder = write_fake_run(tmp_path_factory.mktemp("five"))
    write_report(folder)
    return folder


@pytest.fixture(scope="session")
def three_folder(tmp_path_factory):
    """One fold, three groups, no grid; with its page."""
    folder = write_fake_run(tmp_path_factory.mktemp("three"), three_groups())
    write_report(folder)
    return folder


@pytest.fixture(scope="session")
def five(five_folder):
    return read_run(five_folder)


@pytest.fixture(scope="session")
def three(three_folder):
    return read_run(three_folder)


@pytest.fixture(scope="session")
def mapped(tmp_path_factory):
    """Three folds, a grid of beta and ratio, a rule with a bound."""
    return read_run(write_fake_run(tmp_path_factory.mktemp("mapped") / "run", mapped_grid()))


@pytest.fixture(scope="session")
def quantised_folder(tmp_path_factory):
    """OBD, FairPrune, FairQuantize and its control; three folds."""
    return write_quantised_run(tmp_path_factory.mktemp("quantised") / "run", mapped_grid())


@pytest.fixture(scope="session")
def quantised(quantised_folder):
    return read_run(quantised_folder)


@pytest.fixture(scope="session")
def uncontrolled(tmp_path_factory):
    """The same without the control."""
    return read_run(write_quantised_run(tmp_path_factory.mktemp("bare") / "run", mapped_grid(), control=False))


@pytest.fixture(scope="session")
def channels(tmp_path_factory):
    """SCP with its control and the same by lot, after OBD and FairPrune; three folds, each took another step."""
    return read_run(write_channel_run(tmp_path_factory.mktemp("channels") / "run", mapped_grid()))


@pytest.fixture
def fresh(tmp_path):
    """A folder that a test may damage."""
    return write_fake_run(tmp_path / "run", three_groups())


@pytest.fixture(scope="session")
def sweep_folder(tmp_path_factory):
    """Three seeds of vanilla, OBD and FairPrune; one run failed, one waits for it."""
    return write_sweep(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="session")
def seeds(sweep_folder):
    """The sweep, compared."""
    return compare_runs([sweep_folder])


@pytest.fixture(scope="session")
def lone(tmp_path_factory):
    """One run, so one seed, with two attributes."""
    attributes = {"sex": ("female", "male"), "age >= 60": ("age < 60", "age >= 60")}
    return compare_runs([write_fake_run(tmp_path_factory.mktemp("lone") / "run", seed_plan(0, attributes=attributes))])

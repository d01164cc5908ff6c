import pytest

from fairshrink.errors import ConfigError
from fairshrink.lab.adoptable import adoptable, check_sources
from fairshrink.lab.chains import chains
from fairshrink.lab.sweep_store import SweepPaths
from tiny import tiny


def test_finished_stages_that_are_lacking_are_named_and_nothing_is_written(done, tmp_path):
    stages = {chain.key: chain for chain in chains(tiny(shrink=[{"method": "obd", "ratio": 0.3}]))}
    check_sources([done.root])
    assert adoptable(done.root, stages, SweepPaths(tmp_path / "to")) == list(stages)
    other = {chain.key: chain for chain in chains(tiny(train={"lr": 0.5}))}
    assert adoptable(done.root, other, SweepPaths(tmp_path / "to")) == []
    assert not (tmp_path / "to").exists()


def test_a_folder_of_something_else_is_refused(done, tmp_path):
    with pytest.raises(ConfigError, match="--from is '.*nothere', but that is no run folder and no sweep folder"):
        check_sources([done.root, tmp_path / "nothere"])

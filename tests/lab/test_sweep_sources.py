"""What `--from` does before the first unit of a sweep."""

import pytest

from fairshrink.errors import ConfigError
from fairshrink.lab.sweep import Options, sweep
from sweeping import Here, Lines, sweep_file


def test_a_wrong_source_is_refused_before_anything_is_done(done, tmp_path):
    engine = Here()
    with pytest.raises(ConfigError, match="--from is '.*nothere', but that is no run folder"):
        sweep(sweep_file(), tmp_path / "to", engine, options=Options(sources=(done.root, tmp_path / "nothere")))
    assert (engine.begun, engine.stopped) == ([], True)
    assert not (tmp_path / "to").exists()


def test_how_much_there_is_to_do_is_said_before_the_first_unit_and_after_taking_over(done, tmp_path):
    lines = Lines()
    sweep(sweep_file(), tmp_path / "to", Here(), observer=lines, options=Options(sources=(done.root,)))
    assert lines.said[0].startswith("runs: 1; units to do: 5 of 5")
    assert lines.said[1].startswith("begins: data-")
    assert "with what --from brought, units to do: 1" in lines.said

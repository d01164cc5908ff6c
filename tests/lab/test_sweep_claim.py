import pytest

from fairshrink.errors import ConfigError, StoreError
from fairshrink.lab.sweep_claim import claimed_for_sweep
from fairshrink.lab.sweep_file import load_sweep
from fairshrink.lab.variants import variants
from sweeping import sweep_file


def claimed(folder, **parts):
    sweep = sweep_file(**parts).sweep
    return claimed_for_sweep(sweep, variants(sweep, "here")[0], folder)


def test_a_new_folder_is_made_this_sweeps(tmp_path):
    with claimed(tmp_path / "sweep", seeds=[0, 1]) as paths:
        assert paths.config == tmp_path / "sweep" / "sweep.toml"
    assert load_sweep(paths.config).sweep == sweep_file(seeds=[0, 1]).sweep
    with claimed(
        tmp_path / "sweep", grid={"train.seed": [0, 1]}, name="other"
    ) as paths:  # the same runs, written otherwise
        assert load_sweep(paths.config).sweep.seeds == (0, 1)


def test_another_sweep_is_refused_and_told_how_to_take_over(tmp_path):
    with claimed(tmp_path, seeds=[0, 1]):
        pass
    with pytest.raises(
        ConfigError, match=r"holds another sweep: 1 run\(s\) only here, such as seed-2.\n.*--from .* takes over"
    ):
        claimed(tmp_path, seeds=[0, 1, 2]).__enter__()


def test_one_process_at_a_time(tmp_path):
    with claimed(tmp_path), pytest.raises(StoreError, match="another process"):
        claimed(tmp_path).__enter__()


def test_a_folder_with_something_else_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and no sweep folder"):
        claimed(tmp_path).__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

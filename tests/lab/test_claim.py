import pytest

from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import LOCK
from fairshrink.lab.claim import claimed
from fairshrink.lab.config import load_experiment
from tiny import tiny


def test_a_folder_becomes_an_experiments_and_stays_it(tmp_path):
    with claimed(tiny(), tmp_path / "run") as paths:
        assert load_experiment(paths.config) == tiny()
    with claimed(tiny(), tmp_path / "run") as again:
        assert again == paths


def test_two_processes_in_one_folder_are_refused(tmp_path):
    refused = pytest.raises(StoreError, match="another process .* is at work in")
    with claimed(tiny(), tmp_path / "run"), refused, claimed(tiny(), tmp_path / "run"):
        pass


def test_a_folder_in_which_nothing_had_begun_is_as_good_as_empty(tmp_path):
    (tmp_path / LOCK).write_text("4711")
    (tmp_path / ".tmp-12345678-config.toml").write_text("[da")
    with claimed(tiny(), tmp_path) as paths:
        assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK, paths.config.name]


def test_what_somebody_else_has_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(ConfigError, match="is not empty and no run folder"), claimed(tiny(), tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_became_anothers_meanwhile_is_refused(tmp_path, monkeypatch):
    """Another process wrote its experiment between our first look and our holding the folder."""
    from fairshrink.lab import claim as module

    hold = module.alone_in

    def late(folder):
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(tiny(shrink=[]).text())
        return hold(folder)

    monkeypatch.setattr(module, "alone_in", late)
    with pytest.raises(ConfigError, match="holds the run of another experiment"), claimed(tiny(), tmp_path / "run"):
        pass

"""A sweep on a real Ray cluster of two nodes on this machine, one of which is killed in the middle: the same bits.

Beside the suite, not in it: make cluster.
"""

from pathlib import Path

import pytest

from fairshrink.lab.ray_engine import start_ray
from fairshrink.lab.sweep import sweep
from sweeping import Here, Lines, outputs, sweep_file

# Long enough that trainings on both nodes overlap also where a second process needs seconds to start.
SMALL = {"data": {"folds": 3}, "train": {"epochs": 60}}
RATIOS = {"shrink.0.ratio": [0.2, 0.3]}


@pytest.fixture
def cluster(monkeypatch):
    """One node with one core; another one joins in the test."""
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    both = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100_000_000})
    yield both
    both.shutdown()


class Kills(Lines):
    """An observer that kills a node as soon as a unit is under way on each of the two."""

    def __init__(self, cluster, node, root: Path) -> None:
        super().__init__()
        self.cluster, self.node, self.root = cluster, node, root

    def advance(self, what: str, done: int, total: int) -> None:
        super().advance(what, done, total)
        if self.node is not None and sum(map(_is_open, self.root.glob("log/*.log"))) == 2:
            self.cluster.remove_node(self.node, allow_graceful=False)
            self.node = None


def _is_open(log: Path) -> bool:
    lines = log.read_text(encoding="utf-8").splitlines()
    return bool(lines) and not lines[-1].endswith(" done")


def test_the_sweep_ends_complete_and_equal_to_the_local_one(cluster, tmp_path):
    node = cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    cluster.wait_for_nodes()
    file, root = sweep_file(SMALL, grid=RATIOS), tmp_path / "ray"
    observer = Kills(cluster, node, root)
    engine = start_ray(cluster.address, root, threads=1, jobs=None)
    assert engine.slots == 2
    states = sweep(file, root, engine, observer=observer)
    assert observer.node is None
    assert [(state.state, state.error) for state in states] == [("done", None)] * 2
    begun = {log.stem: log.read_text(encoding="utf-8").count(" begins\n") for log in root.glob("log/*.log")}
    assert max(begun.values()) >= 2, begun  # The unit that was lost was begun again.
    sweep(file, tmp_path / "local", Here())
    assert outputs(root / "runs") == outputs(tmp_path / "local" / "runs")
    assert not list(root.glob(".tmp-*"))

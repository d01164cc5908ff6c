"""What the Ray engine says and asks for; `make cluster` runs it on a real cluster."""

import os
import sys
from types import SimpleNamespace

import pytest

from fairshrink.errors import ConfigError, StoreError
from fairshrink.lab import ray_engine
from fairshrink.lab.engines import Ended
from fairshrink.lab.jobs import Failure, Job
from fairshrink.lab.ray_engine import RETRIES, RayEngine, do, look, start_ray
from fairshrink.lab.run import Part
from tiny import tiny


class RayError(Exception): ...


class RayTaskError(RayError): ...


class GetTimeoutError(RayError): ...


class Task:
    """A task that runs when its result is asked for."""

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments

    def call(self):
        return self.function(*self.arguments)


class Fake:
    """As much of the package ray as is used; tasks run when they are asked for, and end when they are waited for."""

    def __init__(self, *nodes, error=None):
        self.there, self.error = nodes or ({"CPU": 4.0},), error
        self.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError, GetTimeoutError=GetTimeoutError)
        self.asked, self.cancelled, self.up, self.begun_with = [], [], False, None
        self.address = "127.0.0.1"

    def init(self, **settings):
        if isinstance(self.error, ConnectionError):
            raise self.error
        self.up, self.begun_with = True, settings

    def shutdown(self):
        self.up = False

    def nodes(self):
        return [
            {"NodeID": f"{n:056x}", "Alive": True, "NodeManagerAddress": self.address, "Resources": node}
            for n, node in enumerate(self.there)
        ]

    def cluster_resources(self):
        names = {name for node in self.there for name in node}
        return {name: sum(node.get(name, 0) for node in self.there) for name in names}

    def remote(self, function):
        def options(**wanted):
            self.asked.append(wanted)
            return SimpleNamespace(remote=lambda *arguments: Task(function, arguments))

        return SimpleNamespace(options=options)

    def wait(self, tasks, num_returns, timeout):
        return tasks[:num_returns], tasks[num_returns:]

    def get(self, what, timeout=None):
        if self.error is not None:
            raise self.error
        return [task.call() for task in what] if isinstance(what, list) else what.call()

    def cancel(self, task, force):
        self.cancelled.append(task)


def engine(tmp_path, ray, **settings) -> RayEngine:
    probe = tmp_path / "probe"
    probe.write_text("token")
    return RayEngine(ray, probe, **({"threads": 2, "jobs": None} | settings))


def job(folder) -> Job:
    experiment = tiny(data={"count": 50}, train={"threads": 1})
    return Job("unit", experiment, folder / "unit", Part(None), folder, folder / "store", folder / "log")


def test_room_is_counted_in_cores_or_gpus(tmp_path):
    assert engine(tmp_path, Fake({"CPU": 4.0}, {"CPU": 3.0})).slots == 3
    assert engine(tmp_path, Fake({"CPU": 64.0, "GPU": 2.0})).slots == 2
    assert engine(tmp_path, Fake({"CPU": 64.0}), jobs=5).slots == 5
    assert engine(tmp_path, Fake({"CPU": 1.0})).slots == 1


def test_a_unit_goes_through_the_cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRSHRINK_CACHE", str(tmp_path / "cache"))
    ray = Fake({"CPU": 2.0, "GPU": 1.0})
    found = engine(tmp_path, ray)
    assert found.wait(0.0) == []
    found.start(job(tmp_path))
    assert ray.asked == [{"num_cpus": 1, "num_gpus": 1, "max_retries": RETRIES}]
    assert found.wait(1.0) == [Ended("unit", None)]
    assert (tmp_path / "unit" / "data.json").exists()
    assert any((tmp_path / "cache").iterdir())
    assert found.wait(0.0) == []


def test_stopping_ends_what_is_under_way_and_takes_the_probe_away(tmp_path):
    ray = Fake()
    found = engine(tmp_path, ray)
    found.start(job(tmp_path))
    found.stop()
    assert len(ray.cancelled) == 1
    assert not (tmp_path / "probe").exists()
    assert not (tmp_path / "unit").exists()


@pytest.mark.parametrize(
    ("error", "message", "died"),
    [
        (RayTaskError("no module"), "on its node: no module", False),
        (RayError("gone"), "lost by the cluster 6 times", True),
    ],
)
def test_what_the_cluster_itself_says_is_a_failure_of_the_unit(tmp_path, error, message, died):
    found = engine(tmp_path, Fake(error=error))
    found.start(job(tmp_path))
    (ended,) = found.wait(1.0)
    assert isinstance(ended.failure, Failure)
    assert message in ended.failure.message
    assert ended.failure.died == died


def test_a_node_with_other_files_is_named(tmp_path):
    (tmp_path / "probe").write_text("one")
    assert look(str(tmp_path / "probe"), "one") is None
    for name, token in (("probe", "other"), ("elsewhere/probe", "one")):
        said = look(str(tmp_path / name), token)
        assert said is not None
        assert f"the node '{os.uname().nodename}' does not see the folder '{(tmp_path / name).parent}'" in said
    failure = do(job(tmp_path), (str(tmp_path), str(tmp_path / "probe"), "other"), {})
    assert failure is not None
    assert "all nodes need the same files" in failure.message
    assert failure.died  # The next start tries again.


@pytest.fixture
def ray(monkeypatch):
    fake = Fake()
    monkeypatch.setattr(ray_engine, "_package", lambda here: fake)
    return fake


def test_without_an_address_it_listens_to_this_machine_only(ray, tmp_path):
    found = start_ray(None, tmp_path / "sweep", threads=2, jobs=3)
    assert ray.begun_with["address"] == "local"
    assert ray.begun_with["include_dashboard"] is False
    assert ray.begun_with["num_cpus"] == 6
    assert found.slots == 2
    found.stop()
    assert not ray.up
    assert list((tmp_path / "sweep").iterdir()) == []


def test_a_cluster_here_that_others_may_reach_is_refused(ray, tmp_path):
    ray.address = "192.0.2.7"
    with pytest.raises(ConfigError, match="Ray listens on 192.0.2.7, where other machines may reach it"):
        start_ray(None, tmp_path, threads=1, jobs=1)
    assert not ray.up
    assert list(tmp_path.iterdir()) == []


def test_an_address_is_reached(ray, tmp_path):
    start_ray("10.0.0.1:6379", tmp_path, threads=1, jobs=None)
    assert ray.begun_with["address"] == "10.0.0.1:6379"
    assert "num_cpus" not in ray.begun_with


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ConnectionError("refused"), ConfigError, "there is no Ray cluster at 'host:1': refused"),
        (GetTimeoutError("late"), StoreError, "a node of the cluster has not answered for 300 s"),
        (RayError("no fairshrink"), StoreError, "a node of the cluster cannot run fairshrink: no fairshrink"),
    ],
)
def test_a_cluster_that_cannot_be_used(ray, tmp_path, error, kind, message):
    ray.error = error
    with pytest.raises(kind, match=message):
        start_ray("host:1", tmp_path, threads=1, jobs=None)
    assert not ray.up


def test_a_cluster_without_room_for_a_unit(ray, tmp_path):
    with pytest.raises(ConfigError, match="train.threads is 8, but no node of the cluster has more than 4 cores"):
        start_ray(None, tmp_path, threads=8, jobs=None)


def test_nodes_that_do_not_see_the_folder_are_found_at_once(ray, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "look", lambda probe, token: "the node 'far' does not see it")
    with pytest.raises(StoreError, match="the node 'far' does not see it"):
        start_ray(None, tmp_path, threads=1, jobs=None)


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "RAY_worker_niceness"):
        monkeypatch.setenv(name, "set here, so that it is set back")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"needs the package ray, .*\n  pip install 'fairshrink\[ray\]'"):
        start_ray(None, tmp_path, threads=1, jobs=None)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


def test_a_unit_never_asks_for_more_cores_than_a_run_has(tmp_path):
    ray = Fake()
    found = engine(tmp_path, ray, threads=1)
    more = tiny(data={"count": 50}, train={"threads": 2})  # as the unit that decodes has by default
    found.start(Job("unit", more, tmp_path / "unit", Part(None), tmp_path, tmp_path / "store", tmp_path / "log"))
    assert ray.asked[0]["num_cpus"] == 1

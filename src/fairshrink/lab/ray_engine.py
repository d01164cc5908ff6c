"""Units of a sweep as tasks of a Ray cluster. Ray's ports let anybody who reaches them run programs: never face a network."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from fairshrink.errors import ConfigError, StoreError
from fairshrink.files import TEMPORARY, write_text
from fairshrink.lab.data import CACHE_VARIABLE, DATA_VARIABLE
from fairshrink.lab.engines import Ended
from fairshrink.lab.jobs import Failure, Job, attempt

RETRIES = 5  # of a unit whose node is lost
OBJECTS = 100_000_000  # bytes for what tasks hand each other: a few words
PROBING = 300.0  # seconds until every node has to have looked


class RayEngine:
    """Tasks of a Ray cluster; a unit whose node is lost is done again by another one."""

    def __init__(self, ray: Any, probe: Path, *, threads: int, jobs: int | None) -> None:
        """The cluster runs already.

        Args:
            ray: The package.
            probe: A file that every node has to see.
            threads: How many cores a unit takes.
            jobs: How many units at a time; as many as there is room for by default.
        """
        self.ray, self.probe, self.threads, self.jobs = ray, probe, threads, jobs
        self.token = probe.read_text(encoding="utf-8")
        self.given = {name: os.environ[name] for name in (DATA_VARIABLE, CACHE_VARIABLE) if name in os.environ}
        self.units: dict[Any, str] = {}

    @property
    def slots(self) -> int:
        """How many units have room, nodes that came or went included."""
        there = self.ray.cluster_resources()
        room = int(there["GPU"]) if there.get("GPU") else int(there.get("CPU", 1) // self.threads)
        return max(1, min(room, self.jobs or room))

    def start(self, job: Job) -> None:
        """Hand a unit to the cluster."""
        gpus = 1 if self.ray.cluster_resources().get("GPU") else 0
        cores = min(job.threads, self.threads)  # Decoding is no run's own: it takes what a run takes.
        task = self.ray.remote(do).options(num_cpus=cores, num_gpus=gpus, max_retries=RETRIES)
        place = (str(Path.cwd()), str(self.probe), self.token)
        self.units[task.remote(job, place, self.given)] = job.unit

    def wait(self, seconds: float) -> list[Ended]:
        """Units that have ended; waits for the first one, but not longer than that."""
        if not self.units:
            return []
        ready, _ = self.ray.wait(list(self.units), num_returns=1, timeout=seconds)
        return [Ended(self.units.pop(task), self._result(task)) for task in ready]

    def stop(self) -> None:
        """End all tasks, and the cluster if it was started for this sweep."""
        for task in self.units:
            self.ray.cancel(task, force=True)
        self.units = {}
        self.ray.shutdown()
        self.probe.unlink(missing_ok=True)

    def _result(self, task: Any) -> Failure | None:
        try:
            return self.ray.get(task)
        except self.ray.exceptions.RayTaskError as error:  # Not of the unit, whose errors are returned.
            return Failure(f"on its node: {error}", str(error))
        except self.ray.exceptions.RayError as error:
            return Failure(f"lost by the cluster {RETRIES + 1} times: {error}", died=True)


def start_ray(address: str | None, folder: Path, *, threads: int, jobs: int | None) -> RayEngine:
    """Reach a Ray cluster, or start one on this machine that nobody else can reach.

    Args:
        address: Of one that runs; None: one is started here, without its dashboard, and ends with the sweep.
        folder: The sweep folder, which every node has to see.
        threads: How many cores a unit takes.
        jobs: How many units at a time; as many as there is room for by default.

    Raises:
        ConfigError: Ray is not installed, the cluster cannot be reached, or has no room for a unit.
        StoreError: A node does not see the folder.
    """
    ray = _package(here=address is None)
    _reach(ray, address, (jobs or 0) * threads)
    probe = folder.absolute() / f"{TEMPORARY}probe-{uuid4().hex[:8]}"
    try:
        if address is None:
            _check_loopback(ray)
        engine = RayEngine(ray, write_text(probe, uuid4().hex), threads=threads, jobs=jobs)
        _check_room(ray, threads)
        _check_nodes(engine)
    except BaseException:
        ray.shutdown()
        probe.unlink(missing_ok=True)
        raise
    return engine


def do(job: Job, place: tuple[str, str, str], given: Mapping[str, str]) -> Failure | None:
    """A unit, on whatever node it lands."""
    folder, probe, token = place
    if problem := look(probe, token):
        return Failure(problem, died=True)  # The next start may find the folder there.
    os.environ.update(given)
    if Path(folder).is_dir():
        os.chdir(folder)
    return attempt(job)


def look(probe: str, token: str) -> str | None:
    """What is wrong with this node's view of the sweep folder; None where it is the same as everybody's."""
    try:
        if Path(probe).read_text(encoding="utf-8") == token:
            return None
    except OSError:
        pass
    return (
        f"the node '{os.uname().nodename}' does not see the folder '{Path(probe).parent}': all nodes need the same files. Give a "
        "folder on a shared file system with --out."
    )


def _package(*, here: bool) -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if here:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's way to say: loopback, no other machine joins
        os.environ.setdefault("RAY_worker_niceness", "0")  # as the processes of the local engine
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            f"--engine ray needs the package ray, which cannot be imported: {error}.\n  pip install 'fairshrink[ray]'"
        ) from error
    return ray


def _reach(ray: Any, address: str | None, cores: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address is not None:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local",
                num_cpus=cores or len(os.sched_getaffinity(0)),
                include_dashboard=False,
                object_store_memory=OBJECTS,
                **quiet,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"there is no Ray cluster at '{address or 'this machine'}': {error}\n"
            "  Start one with  ray start --head --node-ip-address=127.0.0.1,  or leave --address out."
        ) from error


def _check_loopback(ray: Any) -> None:
    if reached := [
        node["NodeManagerAddress"] for node in ray.nodes() if not node["NodeManagerAddress"].startswith("127.")
    ]:
        raise ConfigError(
            f"Ray listens on {reached[0]}, where other machines may reach it: it was imported before the sweep began. Start the "
            "sweep in a process of its own, or give the --address of a cluster that is safe."
        )


def _check_room(ray: Any, threads: int) -> None:
    most = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
    if most < threads:
        raise ConfigError(
            f"train.threads is {threads}, but no node of the cluster has more than {most:g} cores: no unit would ever begin.\n"
            "  Give fewer threads (which is another experiment), or a larger node."
        )


def _check_nodes(engine: RayEngine) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray = engine.ray
    task = ray.remote(look)
    asked = [
        task.options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
            str(engine.probe), engine.token
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
    try:
        problems = [said for said in ray.get(asked, timeout=PROBING) if said]
    except ray.exceptions.GetTimeoutError as error:
        raise StoreError(
            f"a node of the cluster has not answered for {PROBING:g} s. Look at `ray status`, and start again."
        ) from error
    except ray.exceptions.RayError as error:
        raise StoreError(
            f"a node of the cluster cannot run fairshrink: {error}\n  Install the same version on every node."
        ) from error
    if problems:
        raise StoreError(problems[0])
